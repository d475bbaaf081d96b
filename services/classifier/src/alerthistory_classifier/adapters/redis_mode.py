"""The enrichment mode in Redis, under the key and in the form of the older service."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from alerthistory_classifier.domain.modes import Mode
from alerthistory_common.errors import UnavailableError

_KEY = "enrichment:mode"
_PROBE = "alerthistory:probe"
_PROBE_EXPIRES_S = 10
_LIMIT_S = 0.1


class RedisMode:
    """The port ``SharedMode``. Redis that does not answer at once is away."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def find(self) -> Mode | None:
        """Return the mode, None when there is none that can be used."""
        try:
            return _mode(await self._redis.get(_KEY))
        except (RedisError, OSError) as error:
            raise _away(error) from error

    async def put(self, mode: Mode) -> None:
        """Set the mode, without an end: the older service forgot it after an hour."""
        try:
            await self._redis.set(_KEY, json.dumps({"mode": mode.value}))
        except (RedisError, OSError) as error:
            raise _away(error) from error

    async def response_time(self) -> timedelta:
        """Return how long writing and reading took."""
        started, word = time.perf_counter(), uuid4().hex
        try:
            await self._redis.set(_PROBE, word, ex=_PROBE_EXPIRES_S)
            await self._redis.get(_PROBE)
        except (RedisError, OSError) as error:
            raise _away(error) from error
        return timedelta(seconds=time.perf_counter() - started)


@asynccontextmanager
async def open_redis_mode(url: str) -> AsyncIterator[RedisMode | None]:
    """Yield the mode in the Redis at *url*, None when that is empty. It connects on first use."""
    if not url:
        yield None
        return
    redis = Redis.from_url(
        url, socket_timeout=_LIMIT_S, socket_connect_timeout=_LIMIT_S, retry=Retry(NoBackoff(), retries=1)
    )
    async with redis:
        yield RedisMode(redis)


def _mode(value: bytes | str | None) -> Mode | None:
    """Return the mode in a JSON object or a JSON text; None for anything else."""
    try:
        found = json.loads(value or b"null")
        return Mode(str(found.get("mode") if isinstance(found, dict) else found))
    except (ValueError, RecursionError):
        return None


def _away(error: Exception) -> UnavailableError:
    return UnavailableError(f"Redis does not answer: {type(error).__name__}")
