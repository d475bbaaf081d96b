"""What the services are configured to do, as far as the form of answers depends on it."""

import asyncio
from dataclasses import dataclass, replace

from alerthistory.classifier.v1 import classifier_service_pb2 as classifier_pb2
from alerthistory.publisher.v1 import publisher_service_pb2 as publisher_pb2
from alerthistory_common.errors import AlertHistoryError
from alerthistory_gateway.clients import Services, ask

_FRESH_S = 1.0
_LIMIT_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """``has_llm``: an LLM judges. ``targets``: how many there are. ``is_metrics_only``: none, though some could be."""

    has_llm: bool = False
    targets: int = 0
    is_metrics_only: bool = False


class WiringReader:
    """Asks the services once a second at most; of one that is away, the last answer stays: no alert waits for it."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._known = Wiring()
        self._fresh_until = 0.0
        self._reading = asyncio.Lock()

    async def current(self) -> Wiring:
        """Return what is known; never raises."""
        async with self._reading:
            if asyncio.get_running_loop().time() >= self._fresh_until:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._ask_classifier())
                    tasks.create_task(self._ask_publisher())
                self._fresh_until = asyncio.get_running_loop().time() + _FRESH_S
            return self._known

    def forget(self) -> None:
        """Ask anew the next time: something was just changed."""
        self._fresh_until = 0.0

    async def _ask_classifier(self) -> None:
        try:
            asked = classifier_pb2.GetStatusRequest()
            status = await ask("classifier", self._services.classifier.GetStatus, asked, timeout_s=_LIMIT_S)
        except AlertHistoryError:
            return
        self._known = replace(self._known, has_llm=bool(status.model))

    async def _ask_publisher(self) -> None:
        try:
            asked = publisher_pb2.GetStatusRequest()
            status = await ask("publisher", self._services.publisher.GetStatus, asked, timeout_s=_LIMIT_S)
        except AlertHistoryError:
            return
        is_metrics_only = status.mode == publisher_pb2.PUBLISHING_MODE_METRICS_ONLY
        self._known = replace(self._known, targets=status.targets, is_metrics_only=is_metrics_only)
