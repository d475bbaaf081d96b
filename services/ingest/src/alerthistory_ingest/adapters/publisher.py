"""The publisher service over gRPC."""

import grpc

from alerthistory.publisher.v1.publisher_service_pb2 import Publication, PublishAlertsRequest
from alerthistory.publisher.v1.publisher_service_pb2_grpc import PublisherServiceStub
from alerthistory_common import alert_codec
from alerthistory_common.alerts import AlertEvent, Verdict
from alerthistory_common.channels import call


class GrpcPublisher:
    """Orders deliveries from the publisher service; gives up after *timeout_s*, and sooner while it is away."""

    def __init__(self, channel: grpc.aio.Channel, *, timeout_s: float) -> None:
        self._stub = PublisherServiceStub(channel)
        self._timeout_s = timeout_s

    async def publish(self, event: AlertEvent, verdict: Verdict | None) -> list[str]:
        """Order the deliveries of an event, durably and once; return the names of the targets."""
        publication = Publication(
            event=alert_codec.event_message(event),
            verdict=None if verdict is None else alert_codec.verdict_message(verdict),
        )
        request = PublishAlertsRequest(publications=[publication])
        response = await call(self._stub.PublishAlerts, request, timeout_s=self._timeout_s, wait_for_ready=False)
        return [name for result in response.results for name in result.targets]
