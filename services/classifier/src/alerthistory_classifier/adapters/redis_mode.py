"""The enrichment mode in Redis, under the key and in the form of the older service."""

import json
import time
from datetime import timedelta
from uuid import uuid4

from alerthistory_classifier.domain.modes import Mode
from alerthistory_common.redis import RedisLink

_KEY = "enrichment:mode"
_PROBE = "alerthistory:probe"
_PROBE_EXPIRES_S = 10


class RedisMode:
    """The port ``SharedMode``. Raises UnavailableError when Redis does not answer at once."""

    def __init__(self, redis: RedisLink) -> None:
        self._redis = redis

    async def find(self) -> Mode | None:
        """Return the mode, None when there is none that can be used."""
        return _mode(await self._redis.call(lambda redis: redis.get(_KEY)))

    async def put(self, mode: Mode) -> None:
        """Set the mode, without an end: the older service forgot it after an hour."""
        await self._redis.call(lambda redis: redis.set(_KEY, json.dumps({"mode": mode.value})))

    async def response_time(self) -> timedelta:
        """Return how long writing and reading took."""
        started, word = time.perf_counter(), uuid4().hex
        await self._redis.call(lambda redis: redis.set(_PROBE, word, ex=_PROBE_EXPIRES_S))
        await self._redis.call(lambda redis: redis.get(_PROBE))
        return timedelta(seconds=time.perf_counter() - started)


def _mode(value: bytes | str | None) -> Mode | None:
    """Return the mode in a JSON object or a JSON text; None for anything else."""
    try:
        found = json.loads(value or b"null")
        return Mode(str(found.get("mode") if isinstance(found, dict) else found))
    except (ValueError, RecursionError):
        return None
