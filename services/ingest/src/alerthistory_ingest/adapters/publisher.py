"""The publisher service over gRPC."""

from collections.abc import Sequence

import grpc

from alerthistory.publisher.v1.publisher_service_pb2 import Publication, PublishAlertsRequest
from alerthistory.publisher.v1.publisher_service_pb2_grpc import PublisherServiceStub
from alerthistory_common import alert_codec
from alerthistory_common.channels import call
from alerthistory_common.errors import InternalError
from alerthistory_ingest.domain.work import Judged


class GrpcPublisher:
    """Orders deliveries from the publisher service; gives up after *timeout_s*, and sooner while it is away."""

    def __init__(self, channel: grpc.aio.Channel, *, timeout_s: float) -> None:
        self._stub = PublisherServiceStub(channel)
        self._timeout_s = timeout_s

    async def publish(self, judged: Sequence[Judged]) -> list[Sequence[str]]:
        """Order the deliveries of events, durably and once; return the names of the targets of each."""
        request = PublishAlertsRequest(publications=map(_publication, judged))
        response = await call(self._stub.PublishAlerts, request, timeout_s=self._timeout_s, wait_for_ready=False)
        if len(response.results) != len(judged):
            raise InternalError("the publisher answered with another number of results than it was asked for")
        return [list(result.targets) for result in response.results]


def _publication(judged: Judged) -> Publication:
    return Publication(
        event=alert_codec.event_message(judged.event),
        verdict=None if judged.verdict is None else alert_codec.verdict_message(judged.verdict),
    )
