"""A Kubernetes API server for tests: it lists and watches secrets over real HTTP, and fails as it is told."""

import asyncio
import base64
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from lightkube.config.kubeconfig import KubeConfig, SingleConfig
from lightkube.config.models import Cluster, User

from tests.fakes.connections import listening

TOKEN = "t0ken-1"


class Fault(Enum):
    """How to fail one request. Those of a list also befall its later pages."""

    NONE = auto()  # Answers this one as it should, so that the fault behind it meets the next page.
    ERROR = auto()
    HTML_ERROR = auto()
    BROKEN_ERROR = auto()
    FORBIDDEN = auto()
    GONE = auto()
    TOO_MANY = auto()
    RESET = auto()
    CUT = auto()
    CUT_CHUNKED = auto()
    EMPTY = auto()
    NO_LIST = auto()
    TEXT = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """One secret as the server keeps it."""

    namespace: str
    name: str
    labels: Mapping[str, str]
    data: Mapping[str, str]
    version: int = 0

    def document(self) -> dict[str, Any]:
        """Return the secret as the API shows it."""
        metadata = {
            "name": self.name,
            "namespace": self.namespace,
            "labels": dict(self.labels),
            "resourceVersion": str(self.version),
            "uid": f"uid-{self.namespace}-{self.name}",
        }
        data = {key: base64.b64encode(value.encode()).decode() for key, value in self.data.items()}
        return {"kind": "Secret", "apiVersion": "v1", "metadata": metadata, "type": "Opaque", "data": data}

    def fits(self, namespace: str, selector: str) -> bool:
        """Whether a list or watch with *selector* shows it."""
        key, _, value = selector.partition("=")
        return self.namespace == namespace and self.labels.get(key) == value


@dataclass(slots=True)
class _Watch:
    namespace: str
    selector: str
    lines: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)


@dataclass(frozen=True, slots=True)
class _Request:
    path: str
    query: Mapping[str, str]
    authorization: str

    @property
    def is_watch(self) -> bool:
        return "watch" in self.query

    @property
    def namespace(self) -> str:
        return self.path.split("/")[4]

    @property
    def selector(self) -> str:
        return self.query["labelSelector"]


class KubernetesApi:
    """A running server. *faults* befall the next lists, *watch_faults* the next watches, one request each.

    ``tokens`` are accepted. ``retry_after`` goes with 429. ``before_lists`` are called, one before each page.
    ``requests`` are those that came.
    """

    def __init__(self) -> None:
        self.port = 0
        self.secrets: dict[tuple[str, str], Secret] = {}
        self.tokens = {TOKEN}
        self.faults: deque[Fault] = deque()
        self.watch_faults: deque[Fault] = deque()
        self.retry_after = "0"
        self.ends_watches = False
        self.requests: list[_Request] = []
        self.before_lists: list[Callable[[], None]] = []
        self._version = 0
        self._watches: list[_Watch] = []
        self._continues: dict[str, tuple[list[Secret], int]] = {}

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def lists(self) -> int:
        """How many lists were begun."""
        return sum(not each.is_watch and "continue" not in each.query for each in self.requests)

    @property
    def open_watches(self) -> int:
        """How many watches are open."""
        return len(self._watches)

    def config(self, **user: str) -> SingleConfig:
        """Return how to reach it, by default with a token that it accepts."""
        cluster = Cluster(server=self.url, insecure=True)
        found = KubeConfig.from_one(cluster=cluster, user=msgspec.convert(user or {"token": TOKEN}, User)).get()
        assert found is not None
        return found

    def put(self, namespace: str, name: str, labels: Mapping[str, str], data: Mapping[str, str]) -> None:
        """Create or replace a secret, and tell those who watch."""
        self._version += 1
        old = self.secrets.get((namespace, name))
        new = Secret(namespace=namespace, name=name, labels=labels, data=data, version=self._version)
        self.secrets[namespace, name] = new
        self._tell(old, new)

    def delete(self, namespace: str, name: str) -> None:
        """Delete a secret, and tell those who watch."""
        self._version += 1
        self._tell(self.secrets.pop((namespace, name)), None)

    def say(self, kind: str, document: Mapping[str, Any]) -> None:
        """Send an event of *kind* to all who watch."""
        for watch in self._watches:
            watch.lines.put_nowait(_line(kind, document))

    def say_half_a_line(self) -> None:
        """Send the beginning of an event, then cut every watch."""
        for watch in self._watches:
            watch.lines.put_nowait(b'{"type":"MODIFIED","object":{"kind":"Sec')
        self.end_watches()

    def end_watches(self) -> None:
        """End every watch, as after its time."""
        for watch in self._watches:
            watch.lines.put_nowait(None)

    def expire_continues(self) -> None:
        """Forget what lists under way would go on with."""
        self._continues.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request of a connection, then close it."""
        try:
            request = await _read(reader)
            self.requests.append(request)
            if request.is_watch:
                await self._answer_watch(request, writer)
            else:
                await self._answer_list(request, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _answer_list(self, request: _Request, writer: asyncio.StreamWriter) -> None:
        if self.before_lists:
            self.before_lists.pop(0)()
        fault = self.faults.popleft() if self.faults else Fault.NONE
        if not self._is_let_in(request):
            return _send(writer, 401, _status(401, "Unauthorized"))
        if fault is Fault.NONE:
            return _send(writer, *self._page(request))
        return self._fail(fault, request, writer)

    def _fail(self, fault: Fault, request: _Request, writer: asyncio.StreamWriter) -> None:
        headers = {"Retry-After": self.retry_after} if fault is Fault.TOO_MANY else {}
        simple = {
            Fault.ERROR: (500, _status(500, "InternalError")),
            Fault.HTML_ERROR: (503, b"<html>s3cret</html>"),
            Fault.BROKEN_ERROR: (500, b'{"kind":"Stat'),
            Fault.FORBIDDEN: (403, _status(403, "Forbidden")),
            Fault.GONE: (410, _status(410, "Expired")),
            Fault.TOO_MANY: (429, _status(429, "TooManyRequests")),
            Fault.EMPTY: (200, b""),
            Fault.NO_LIST: (200, b'{"items":[]}'),
            Fault.TEXT: (200, b"s3cret"),
        }
        if fault in simple:
            status, body = simple[fault]
            return _send(writer, status, body, headers)
        if fault is Fault.RESET:
            return writer.transport.abort()
        status, body = self._page(request)
        if fault is Fault.CUT:
            return writer.write(_head(status, {"Content-Length": str(len(body))}) + body[: len(body) // 2])
        # As when a proxy dies in the middle: the last chunk is never sent.
        return writer.write(_head(status, {"Transfer-Encoding": "chunked"}) + _chunk(body[: len(body) // 2]))

    def _page(self, request: _Request) -> tuple[int, bytes]:
        if token := request.query.get("continue"):
            if token not in self._continues:
                return 410, _status(410, "Expired")
            secrets, version = self._continues.pop(token)
        else:
            version = self._version
            secrets = [each for each in self.secrets.values() if each.fits(request.namespace, request.selector)]
            secrets.sort(key=lambda each: each.name)
        limit = int(request.query.get("limit", "500"))
        metadata = {"resourceVersion": str(version)}
        if rest := secrets[limit:]:
            metadata["continue"] = f"{len(self.requests)}-{len(rest)}"
            self._continues[metadata["continue"]] = (rest, version)
        items = [each.document() for each in secrets[:limit]]
        return 200, json.dumps(
            {"kind": "SecretList", "apiVersion": "v1", "metadata": metadata, "items": items}
        ).encode()

    async def _answer_watch(self, request: _Request, writer: asyncio.StreamWriter) -> None:
        fault = self.watch_faults.popleft() if self.watch_faults else Fault.NONE
        if not self._is_let_in(request):
            return _send(writer, 401, _status(401, "Unauthorized"))
        if fault is not Fault.NONE:
            return self._fail(fault, request, writer)
        writer.write(_head(200, {"Transfer-Encoding": "chunked"}))
        watch = _Watch(request.namespace, request.selector)
        for secret in self.secrets.values():
            if secret.fits(watch.namespace, watch.selector):
                watch.lines.put_nowait(_line("ADDED", secret.document()))
        if self.ends_watches:
            watch.lines.put_nowait(None)
        self._watches.append(watch)
        try:
            while (line := await watch.lines.get()) is not None:
                writer.write(_chunk(line))
                await writer.drain()
            writer.write(_chunk(b""))
        finally:
            self._watches.remove(watch)
        return None

    def _is_let_in(self, request: _Request) -> bool:
        return request.authorization.removeprefix("Bearer ") in self.tokens

    def _tell(self, old: Secret | None, new: Secret | None) -> None:
        for watch in self._watches:
            was, is_there = (each is not None and each.fits(watch.namespace, watch.selector) for each in (old, new))
            shown = new if is_there else old
            if shown is not None and (was or is_there):
                kind = "MODIFIED" if was and is_there else "ADDED" if is_there else "DELETED"
                watch.lines.put_nowait(_line(kind, shown.document()))


@asynccontextmanager
async def kubernetes_api() -> AsyncIterator[KubernetesApi]:
    """Yield a server on a free port; leaving ends it and its watches."""
    running = KubernetesApi()
    async with listening(running.serve) as running.port:
        yield running


def status_document(code: int, reason: str) -> dict[str, Any]:
    """Return a Status, the API's way to speak of errors."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": "s3cret",
        "reason": reason,
        "code": code,
    }


def _status(code: int, reason: str) -> bytes:
    return json.dumps(status_document(code, reason)).encode()


def _line(kind: str, document: Mapping[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": document}).encode() + b"\n"


def _chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Scripted", "Content-Type: application/json", "Connection: close"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode()


def _send(writer: asyncio.StreamWriter, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
    writer.write(_head(status, {"Content-Length": str(len(body)), **(headers or {})}) + body)


async def _read(reader: asyncio.StreamReader) -> _Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    parts = urlsplit(head[0].split(" ")[1])
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return _Request(parts.path, query, headers.get("authorization", ""))
