"""The services behind the gateway, and what is said when one of them is away."""

from typing import TypeVar

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc

from alerthistory.classifier.v1.classifier_service_pb2_grpc import ClassifierServiceStub
from alerthistory.history.v1.history_service_pb2_grpc import HistoryServiceStub
from alerthistory.ingest.v1.ingest_service_pb2_grpc import IngestServiceStub
from alerthistory.publisher.v1.filter_service_pb2_grpc import FilterServiceStub
from alerthistory.publisher.v1.publisher_service_pb2_grpc import PublisherServiceStub
from alerthistory.publisher.v1.target_service_pb2_grpc import TargetServiceStub
from alerthistory_common import channels
from alerthistory_common.errors import DeadlineExceededError, UnavailableError

_LOG = structlog.get_logger(__name__)
_Q = TypeVar("_Q")
_R = TypeVar("_R")


class Services:
    """The stubs of the four services. Channels are lent, not owned."""

    def __init__(
        self,
        *,
        ingest: grpc.aio.Channel,
        history: grpc.aio.Channel,
        classifier: grpc.aio.Channel,
        publisher: grpc.aio.Channel,
    ) -> None:
        self.ingest = IngestServiceStub(ingest)
        self.history = HistoryServiceStub(history)
        self.classifier = ClassifierServiceStub(classifier)
        self.publisher = PublisherServiceStub(publisher)
        self.targets = TargetServiceStub(publisher)
        self.filters = FilterServiceStub(publisher)
        self._health = {
            "alerthistory.ingest.v1.IngestService": health_pb2_grpc.HealthStub(ingest),
            "alerthistory.history.v1.HistoryService": health_pb2_grpc.HealthStub(history),
        }

    @property
    def needed(self) -> tuple[str, ...]:
        """The full names of the services without which the gateway is not ready."""
        return tuple(self._health)

    async def is_serving(self, name: str, *, timeout_s: float) -> bool:
        """Whether the service with this full name says that it serves."""
        request = health_pb2.HealthCheckRequest(service=name)
        try:
            answer = await self._health[name].Check(request, timeout=timeout_s)
        except grpc.aio.AioRpcError:
            return False
        serving: bool = answer.status == health_pb2.HealthCheckResponse.SERVING
        return serving


async def ask(service: str, method: "grpc.aio.UnaryUnaryMultiCallable[_Q, _R]", request: _Q, *, timeout_s: float) -> _R:
    """Return the answer of *service*; raise an error of our tree, with a text that is fit for strangers.

    gRPC's own texts name addresses; they go to the log.
    """
    try:
        return await channels.call(method, request, timeout_s=timeout_s)
    except (UnavailableError, DeadlineExceededError) as error:
        _LOG.warning("service away", service=service, code=error.code, cause=error.message)
        if type(error) is not UnavailableError and isinstance(error, UnavailableError):
            raise
        raise UnavailableError(f"the {service} service does not answer; try again") from error
