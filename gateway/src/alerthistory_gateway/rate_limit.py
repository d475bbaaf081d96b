"""How often one client may ask, so that no client takes the time of all others."""

from ipaddress import IPv6Address, ip_address, ip_network

from aiolimiter import AsyncLimiter
from cachetools import LRUCache
from prometheus_client import Counter
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from alerthistory_common.errors import UnavailableError
from alerthistory_gateway.authentication import caller_of
from alerthistory_gateway.legacy.rendering import refusal

WEBHOOKS = frozenset({"/webhook", "/webhook/", "/webhook/proxy", "/proxy/webhook", "/api/v2/alerts"})
"""The paths to which alerts are posted."""

_CLIENTS = 10_000
_BITS_OF_A_SITE = 64


class RateLimit:
    """Refuses what exceeds *per_s* requests per second of one client to *app*, in bursts of as many; 0 is no limit.

    Webhooks have a limit of their own, *webhooks_per_s*, and are refused with 503: Alertmanager gives up at 429. Probes
    and metrics, the paths in *unlimited*, have none. The 10 000 clients seen last are known.
    """

    def __init__(
        self, app: ASGIApp, *, per_s: int, webhooks_per_s: int, unlimited: frozenset[str], refused: Counter
    ) -> None:
        self._app = app
        self._requests = _Clients(per_s)
        self._webhooks = _Clients(webhooks_per_s)
        self._unlimited = unlimited
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; raises UnavailableError for a webhook too many."""
        path = scope["path"]
        if path in WEBHOOKS:
            if not await self._webhooks.admits(_client(scope)):
                self._refused.labels("webhooks").inc()
                raise UnavailableError("too many webhooks of this sender; try again")
        elif path not in self._unlimited and not await self._requests.admits(_client(scope)):
            self._refused.labels("requests").inc()
            await self._refusal()(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refusal(self) -> Response:
        detail = (
            f"more than {self._requests.per_s} requests per second; ask less often, or let the operator raise "
            "ALERTHISTORY_GATEWAY_RATE_LIMIT"
        )
        return refusal(429, detail, headers={"retry-after": "1"})


class _Clients:
    def __init__(self, per_s: int) -> None:
        self.per_s = per_s
        self._limits: LRUCache[str, AsyncLimiter] = LRUCache(_CLIENTS)

    async def admits(self, client: str) -> bool:
        """Count one request of *client*; return False when it is one too many."""
        if not self.per_s:
            return True
        limit = self._limits.setdefault(client, AsyncLimiter(self.per_s, 1))
        if not limit.has_capacity():
            return False
        await limit.acquire()
        return True


def _client(scope: Scope) -> str:
    """Return whom a request counts for: who proved to be somebody, else an address; of IPv6, a whole site's."""
    if caller := caller_of(scope):
        return f"caller {caller}"
    host = scope["client"][0] if scope.get("client") else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((address, _BITS_OF_A_SITE), strict=False))
