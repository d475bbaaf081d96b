"""The classifier service over gRPC."""

import grpc

from alerthistory.classifier.v1.classifier_service_pb2 import ClassifyAlertRequest
from alerthistory.classifier.v1.classifier_service_pb2_grpc import ClassifierServiceStub
from alerthistory_common import alert_codec
from alerthistory_common.alerts import AlertEvent, HistoryContext, Verdict
from alerthistory_common.channels import call
from alerthistory_common.errors import InternalError


class GrpcClassifier:
    """Asks the classifier service; gives up after *timeout_s*, and sooner while it is away."""

    def __init__(self, channel: grpc.aio.Channel, *, timeout_s: float) -> None:
        self._stub = ClassifierServiceStub(channel)
        self._timeout_s = timeout_s

    async def classify(self, event: AlertEvent, history: HistoryContext) -> Verdict | None:
        """Return how serious the alert is, None when the mode asks for no verdict."""
        request = ClassifyAlertRequest(
            event=alert_codec.event_message(event), history=alert_codec.history_message(history)
        )
        response = await call(self._stub.ClassifyAlert, request, timeout_s=self._timeout_s, wait_for_ready=False)
        if not response.HasField("verdict"):
            return None
        try:
            return alert_codec.verdict(response.verdict)
        except ValueError as error:
            raise InternalError(f"the classifier's verdict cannot be read: {error}") from error
