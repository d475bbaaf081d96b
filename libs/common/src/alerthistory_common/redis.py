"""Redis: makes replicas work together, and is never needed. One that does not answer at once is away."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import structlog
from prometheus_client import CollectorRegistry, Gauge

from alerthistory_common.errors import UnavailableError

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import PubSub

T = TypeVar("T")
LIMIT_S = 0.1
_LOG = structlog.get_logger(__name__)


class RedisLink:
    """One service's way to Redis. Says once that it was lost, and once that it is back."""

    def __init__(self, redis: "Redis", up: Gauge, errors: tuple[type[Exception], ...]) -> None:
        self._redis = redis
        self._up = up
        self._errors = errors
        self._is_lost = False

    async def call(self, work: Callable[["Redis"], Awaitable[T]]) -> T:
        """Return the result of *work*; raise UnavailableError when Redis does not answer at once or refuses."""
        try:
            result = await work(self._redis)
        except self._errors as error:
            self.lost(error)
            raise UnavailableError(f"Redis does not answer: {type(error).__name__}") from error
        self.found()
        return result

    def subscription(self) -> "PubSub":
        """Return a subscription to no channel yet; close it after use."""
        return self._redis.pubsub()

    def lost(self, error: BaseException) -> None:
        """Note that Redis did not answer."""
        self._up.set(0)
        if not self._is_lost:
            _LOG.warning("Redis is away: replicas work on their own", error=type(error).__name__)
        self._is_lost = True

    def found(self) -> None:
        """Note that Redis answered."""
        self._up.set(1)
        if self._is_lost:
            _LOG.info("Redis is back")
        self._is_lost = False


@asynccontextmanager
async def open_redis(
    url: str, *, name: str, registry: CollectorRegistry, limit_s: float = LIMIT_S
) -> AsyncIterator[RedisLink | None]:
    """Yield *name*'s link to the Redis at *url*, None when that is empty. It connects on first use."""
    if not url:
        yield None
        return
    from redis.asyncio import Redis  # Those who run without Redis do without its driver.
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import RedisError

    up = Gauge(f"alerthistory_{name}_redis_up", "Whether Redis answered the last call", registry=registry)
    # uvloop says RuntimeError where a connection was reset, and redis-py passes that on.
    redis = Redis.from_url(
        url,
        socket_timeout=limit_s,
        socket_connect_timeout=limit_s,
        retry=Retry(NoBackoff(), retries=1),
        retry_on_error=[RuntimeError],
    )
    async with redis:
        yield RedisLink(redis, up, (RedisError, OSError, RuntimeError))
