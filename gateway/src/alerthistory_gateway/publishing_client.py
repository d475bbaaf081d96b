"""What the gateway asks of the publisher, for the routes that show and steer publishing."""

from typing import TypeVar

from pydantic import BaseModel
from starlette.requests import Request

from alerthistory.publisher.v1 import publisher_service_pb2 as publisher_pb2
from alerthistory.publisher.v1 import target_service_pb2 as target_pb2
from alerthistory.publisher.v1.target_pb2 import Target
from alerthistory_gateway.bodies import BodyReader
from alerthistory_gateway.clients import Services, ask
from alerthistory_gateway.legacy.validation import RefusedError, body_as, body_content

_M = TypeVar("_M", bound=BaseModel)


class PublishingClient:
    """Questions to the publisher, each of which takes *timeout_s* at most."""

    def __init__(self, services: Services, *, bodies: BodyReader, timeout_s: float) -> None:
        self.services = services
        self.timeout_s = timeout_s
        self._bodies = bodies

    async def targets(self) -> list[Target]:
        """Return the configured targets, in their order."""
        request = target_pb2.ListTargetsRequest()
        return list(
            (await ask("publisher", self.services.targets.ListTargets, request, timeout_s=self.timeout_s)).targets
        )

    async def refresh(self) -> target_pb2.RefreshTargetsResponse:
        """Let the targets be read anew; return them, and what of their configuration cannot be used.

        Raises FailedPreconditionError when a source as a whole is wrong, and its targets stay as they were.
        """
        request, method = target_pb2.RefreshTargetsRequest(), self.services.targets.RefreshTargets
        return await ask("publisher", method, request, timeout_s=self.timeout_s)

    async def stats(self) -> publisher_pb2.GetStatsResponse:
        """Return the counts of every target that is configured or was told something."""
        request = publisher_pb2.GetStatsRequest()
        return await ask("publisher", self.services.publisher.GetStats, request, timeout_s=self.timeout_s)

    async def status(self) -> publisher_pb2.GetStatusResponse:
        """Return the publisher's figures."""
        request = publisher_pb2.GetStatusRequest()
        return await ask("publisher", self.services.publisher.GetStatus, request, timeout_s=self.timeout_s)

    async def body(self, request: Request, model: type[_M], *, default: _M | None = None) -> _M:
        """Return the body as *model*, *default* for an empty one.

        JSON that cannot be read is refused first, then the publisher's absence is told, then what is wrong in the body.
        """
        content = body_content(request, await self._bodies.read(request))
        if content is None and default is not None:
            return default
        try:
            return body_as(content, model)
        except RefusedError:
            await self.targets()
            raise
