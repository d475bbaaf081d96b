"""The classifier service over gRPC."""

from collections.abc import Collection, Sequence

import grpc

from alerthistory.alert.v1 import alert_pb2
from alerthistory.classifier.v1.classifier_service_pb2 import (
    BatchGetClassificationsRequest,
    ClassifyAlertsRequest,
    ClassifyCase,
)
from alerthistory.classifier.v1.classifier_service_pb2_grpc import ClassifierServiceStub
from alerthistory_common import alert_codec
from alerthistory_common.alerts import Fingerprint, Verdict
from alerthistory_common.channels import call
from alerthistory_common.errors import InternalError
from alerthistory_ingest.domain.work import Work

_AT_ONCE = 1000


class GrpcClassifier:
    """Asks the classifier service; gives up after *timeout_s*, and sooner while it is away."""

    def __init__(self, channel: grpc.aio.Channel, *, timeout_s: float) -> None:
        self._stub = ClassifierServiceStub(channel)
        self._timeout_s = timeout_s

    async def classify(self, work: Sequence[Work], *, is_required: bool = False) -> list[Verdict | None]:
        """Return of each how serious the alert is, None when the mode asks for no verdict and none *is_required*."""
        request = ClassifyAlertsRequest(
            is_verdict_required=is_required,
            cases=[
                ClassifyCase(
                    event=alert_codec.event_message(each.event), history=alert_codec.history_message(each.history)
                )
                for each in work
            ],
        )
        response = await call(self._stub.ClassifyAlerts, request, timeout_s=self._timeout_s, wait_for_ready=False)
        if len(response.results) != len(work):
            raise InternalError("the classifier answered with another number of results than it was asked for")
        return [_verdict(each.verdict) if each.HasField("verdict") else None for each in response.results]

    async def verdicts(self, fingerprints: Collection[Fingerprint]) -> dict[Fingerprint, Verdict]:
        """Return the stored verdicts of those of *fingerprints* that have one."""
        found: dict[Fingerprint, Verdict] = {}
        wanted = list(fingerprints)
        for first in range(0, len(wanted), _AT_ONCE):
            request = BatchGetClassificationsRequest(fingerprints=wanted[first : first + _AT_ONCE])
            response = await call(
                self._stub.BatchGetClassifications, request, timeout_s=self._timeout_s, wait_for_ready=False
            )
            found |= {Fingerprint(each.fingerprint): _verdict(each.verdict) for each in response.classifications}
        return found


def _verdict(message: alert_pb2.Verdict) -> Verdict:
    try:
        return alert_codec.verdict(message)
    except ValueError as error:
        raise InternalError(f"the classifier's verdict cannot be read: {error}") from error
