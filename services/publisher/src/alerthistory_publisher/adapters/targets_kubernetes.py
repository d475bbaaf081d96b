"""Targets from the secrets of Kubernetes namespaces, chosen by label.

The full list is the truth and a watch only a hint, so that resource versions, bookmarks and missed events are of no
consequence. lightkube brings the configuration, TLS and tokens, which it reads again when they are renewed. Its own
watch is not used: when a server keeps ending it, it asks again at once, for ever.
"""

import asyncio
import base64
import binascii
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Literal

import httpx2
import msgspec
from lightkube.config.client_adapter import AsyncClient, ConnectionParams
from lightkube.config.kubeconfig import KubeConfig, SingleConfig
from lightkube.core.exceptions import ConfigError

from alerthistory_common.clock import SystemClock
from alerthistory_common.retry_after import pause_of
from alerthistory_publisher.adapters.target_secrets import parse_secret
from alerthistory_publisher.domain.outcomes import MAX_RETRY_AFTER, Backoff, full_jitter
from alerthistory_publisher.domain.target_sets import Listing, Malformed
from alerthistory_publisher.domain.targets import Target, TargetSourceAwayError

SELECTORS = ("publishing-target=true", "alert-history.io/target=true")
"""Ours, and the older service's."""
_PAGE_SIZE = 50
_LISTS = 3
_LIST_LIMIT_S = 20.0
_TIMEOUT = httpx2.Timeout(10.0, connect=3.0)
_WATCH_S = 300
_WATCH_TIMEOUT = httpx2.Timeout(10.0, connect=3.0, read=_WATCH_S + 30.0)
_LONGEST_PAUSE = timedelta(seconds=30)
_GONE = 410
_TOO_MANY = 429
# ValueError and LookupError: what libraries make of odd answers and of half a configuration.
_ERRORS = (httpx2.HTTPError, httpx2.InvalidURL, msgspec.MsgspecError, ConfigError, OSError, ValueError, LookupError)


class _Metadata(msgspec.Struct):
    name: str
    namespace: str = ""
    labels: dict[str, str] | None = None


class _Secret(msgspec.Struct):
    metadata: _Metadata
    data: dict[str, str] | None = None


class _ListMetadata(msgspec.Struct):
    continue_: str = msgspec.field(name="continue", default="")


class _Page(msgspec.Struct):
    """A part of a list. Both fields must be there: what lacks them is no list, and says nothing of what is gone."""

    kind: Literal["SecretList"]
    metadata: _ListMetadata
    items: list[_Secret] | None


def found_config() -> SingleConfig:
    """Return how to reach the cluster: that of the pod, else of ``KUBECONFIG`` or ``~/.kube/config``."""
    config = KubeConfig.from_env().get()
    if config is None:
        raise ConfigError("no configuration of a cluster")
    return config


class KubernetesSecrets:
    """The port ``TargetSource`` over the secrets of *namespaces*. *config* is asked anew each time."""

    name = "kubernetes"

    def __init__(
        self,
        namespaces: Sequence[str],
        *,
        allow_http: bool,
        config: Callable[[], SingleConfig] = found_config,
        backoff: Backoff | None = None,
        page_size: int = _PAGE_SIZE,
    ) -> None:
        self._namespaces = tuple(namespaces)
        self._allow_http = allow_http
        self._config = config
        self._backoff = backoff or full_jitter(random.random)
        self._page_size = page_size
        self._quiet_until = 0.0
        self._known: frozenset[str] = frozenset()

    async def load(self) -> Listing:
        """Return a target, or its problems, for each secret; raise TargetSourceAwayError unless all was read."""
        self._check_quiet()
        try:
            async with asyncio.timeout(_LIST_LIMIT_S), self._client(_TIMEOUT) as client:
                found = await self._secrets(client)
                if not found.keys() >= self._known:
                    # A label may have been changed for the other one between the two lists.
                    found = await self._secrets(client)
        except _ERRORS as error:
            raise self._away(error) from error
        self._known = frozenset(found)
        return Listing({key: self._target(key, found[key]) for key in sorted(found)})

    async def watch(self, hint: Callable[[], None]) -> None:
        """Call *hint* on whatever a watch says, and when it begins, ends or fails."""
        async with asyncio.TaskGroup() as tasks:
            for namespace in self._namespaces:
                for selector in SELECTORS:
                    tasks.create_task(self._watch(namespace, selector, hint))

    async def _watch(self, namespace: str, selector: str, hint: Callable[[], None]) -> None:
        ended = 0
        while True:
            began = time.monotonic()
            pause = await self._watch_once(namespace, selector, hint)
            hint()
            ended = 1 if time.monotonic() - began > _LONGEST_PAUSE.total_seconds() else ended + 1
            pause = max(pause, min(self._backoff(ended), _LONGEST_PAUSE))
            await asyncio.sleep(pause.total_seconds())

    async def _watch_once(self, namespace: str, selector: str, hint: Callable[[], None]) -> timedelta:
        """Watch until it ends; return the pause that the server asks for."""
        params = {"watch": "true", "labelSelector": selector, "timeoutSeconds": str(_WATCH_S)}
        try:
            async with (
                self._client(_WATCH_TIMEOUT) as client,
                client.stream("GET", _path(namespace), params=params) as response,
            ):
                response.raise_for_status()
                hint()  # What happened before is listed now, what happens from now on is told.
                async for _ in response.aiter_bytes():
                    hint()
        except _ERRORS as error:
            return _wanted_pause(error)
        return timedelta(0)

    @asynccontextmanager
    async def _client(self, limits: httpx2.Timeout) -> AsyncIterator[httpx2.AsyncClient]:
        """Yield a client. A new one each time finds a renewed configuration, certificate or token."""
        config = await asyncio.to_thread(self._config)
        async with AsyncClient(config, ConnectionParams(timeout=limits)) as client:
            yield client

    async def _secrets(self, client: httpx2.AsyncClient) -> dict[str, _Secret]:
        """Return all chosen secrets by namespace and name."""
        found: dict[str, _Secret] = {}
        for namespace in self._namespaces:
            for selector in SELECTORS:
                for secret in await self._list(client, namespace, selector):
                    found[f"{namespace}/{secret.metadata.name}"] = secret
        return found

    async def _list(self, client: httpx2.AsyncClient, namespace: str, selector: str) -> Sequence[_Secret]:
        """Return all of a list, or none of it: one that expires between its pages is begun anew."""
        for _ in range(_LISTS - 1):
            try:
                return [secret async for secret in self._pages(client, namespace, selector)]
            except httpx2.HTTPStatusError as error:
                if error.response.status_code != _GONE:
                    raise
        return [secret async for secret in self._pages(client, namespace, selector)]

    async def _pages(self, client: httpx2.AsyncClient, namespace: str, selector: str) -> AsyncIterator[_Secret]:
        params = {"labelSelector": selector, "limit": str(self._page_size)}
        while True:
            response = await client.get(_path(namespace), params=params)
            response.raise_for_status()
            page = msgspec.json.decode(response.content, type=_Page)
            for secret in page.items or ():
                yield secret
            if not page.metadata.continue_:
                return
            params["continue"] = page.metadata.continue_

    def _target(self, key: str, secret: _Secret) -> Target | Malformed:
        place = f"secret {key}"
        try:
            data = {name: base64.b64decode(value, validate=True) for name, value in (secret.data or {}).items()}
        except (binascii.Error, ValueError):
            return Malformed((f"{place}: its data is not base64",))
        return parse_secret(
            data,
            name=secret.metadata.name,
            place=place,
            source=f"kubernetes {key}",
            allow_http=self._allow_http,
            labels=secret.metadata.labels,
        )

    def _check_quiet(self) -> None:
        left = self._quiet_until - time.monotonic()
        if left > 0:
            raise TargetSourceAwayError(_QUIET, retry_after=timedelta(seconds=left))

    def _away(self, error: BaseException) -> TargetSourceAwayError:
        pause = _wanted_pause(error)
        self._quiet_until = time.monotonic() + pause.total_seconds()
        return TargetSourceAwayError(_QUIET if pause else _reason(error), retry_after=pause)


_QUIET = "the Kubernetes API asks for a pause"


def _path(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/secrets"


def _wanted_pause(error: BaseException) -> timedelta:
    """Return the pause of a 429; no other error asks for one."""
    if not isinstance(error, httpx2.HTTPStatusError) or error.response.status_code != _TOO_MANY:
        return timedelta(0)
    return min(pause_of(error.response.headers.get("Retry-After", ""), now=SystemClock().now()), MAX_RETRY_AFTER)


def _reason(error: BaseException) -> str:
    """Return what happened, without the words of the server: these may quote a secret."""
    if isinstance(error, httpx2.HTTPStatusError):
        return f"the Kubernetes API answers {error.response.status_code}"
    if isinstance(error, ConfigError):
        return f"no access to the Kubernetes API: {error}"
    return f"the Kubernetes API cannot be read: {type(error).__name__}"
