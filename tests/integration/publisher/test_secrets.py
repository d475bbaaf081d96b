"""Secrets of targets are written nowhere: whatever fails, at whatever log level; and TLS is verified by name."""

import asyncio
import io
import logging
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import generate_latest

from alerthistory_common import logs
from alerthistory_common.telemetry import Telemetry, disabled
from alerthistory_publisher.adapters.connections import AddrInfo, look_up
from alerthistory_publisher.adapters.http_sender import open_sender
from alerthistory_publisher.domain.destinations import Destinations, networks_of
from alerthistory_publisher.domain.outcomes import Answer
from alerthistory_publisher.domain.parcels import Parcel
from alerthistory_publisher.domain.targets import Target
from tests.events import event
from tests.fakes.receiver import Receiver, Reply
from tests.publishers import Bench

LOCAL = Destinations(networks_of("127.0.0.0/8"))
HEADERS = {"Authorization": "Bearer c4nary-header", "X-Key": "c4nary-key"}


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Return what is logged from DEBUG on, by us and by the libraries, as a running program logs."""
    root, sink = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    kept = {name: logging.getLogger(name).level for name in ("httpx", "httpcore", "aiosqlite", "alembic")}
    logs.configure(level="debug", style="json")
    root.addHandler(logging.StreamHandler(sink))
    yield sink
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in kept.items():
        logging.getLogger(name).setLevel(before)


def echo(words: str) -> Reply:
    return Reply(status=500, body=words.encode())


REPLIES = {
    "echoes the URL": echo("POST /c4nary-path?c4nary-query failed"),
    "echoes the headers": echo("Authorization: Bearer c4nary-header, X-Key: c4nary-key, c4nary-header"),
    "echoes the user": echo("Basic YzRuYXJ5LXVzZXI6YzRuYXJ5LXBhc3M= c4nary-user:c4nary-pass c4nary-pass"),
    "redirects": Reply(status=302, headers={"Location": "/c4nary-path?c4nary-query"}),
    "breaks": Reply(is_reset=True),
    "is silent": Reply(gate=asyncio.Event()),
}


@pytest.mark.parametrize("reply", REPLIES.values(), ids=list(REPLIES))
async def test_answers_leave_no_secret_anywhere(bench: Bench, ops: Receiver, reply: Reply, lines: io.StringIO) -> None:
    user = "c4nary-user:c4nary-pass@" if b"user" in reply.body else ""
    await _leaves_no_secret(bench, f"http://{user}127.0.0.1:{ops.port}/c4nary-path?c4nary-query", ops, reply, lines)
    assert len(ops.requests) == 1


@pytest.mark.parametrize(
    "host",
    ["https://127.0.0.1:{}", "http://127.0.0.1:1", "http://10.0.0.1", "http://no-such-name.invalid", "ws://127.0.0.1"],
)
async def test_attempts_that_send_nothing_leave_no_secret_anywhere(
    bench: Bench, ops: Receiver, host: str, lines: io.StringIO
) -> None:
    url = (
        host.format(ops.port).replace("//", "//c4nary-user:c4nary-pass@") + "/c4nary-path?c4nary-query#c4nary-fragment"
    )
    await _leaves_no_secret(bench, url, ops, Reply(), lines)
    assert ops.requests == []


async def _leaves_no_secret(bench: Bench, url: str, ops: Receiver, reply: Reply, lines: io.StringIO) -> None:
    """Send once by the sender alone, for its answer and its spans; the receiver answers with *reply*."""
    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    ops.script.append(reply)
    headers = {} if "@" in url else HEADERS
    target = Target(name="ops", format="webhook", url=url, headers=tuple(headers.items()), timeout_s=0.5)
    async with open_sender(Telemetry(provider), LOCAL, allows_http=True) as sender:
        answer = await sender.send(target, Parcel(url=url, headers=headers, body=b"{}"))
    (span,) = spans.get_finished_spans()
    for place in (repr(answer), answer.text, span.to_json(), lines.getvalue()):
        assert "c4nary" not in place
        assert "YzRuYXJ5" not in place


async def test_a_publisher_writes_no_secret_to_logs_metrics_and_deliveries(
    bench: Bench, ops: Receiver, lines: io.StringIO
) -> None:
    bench.configure({"name": "ops", "url": f"http://127.0.0.1:{ops.port}/c4nary-path?c4nary-query", "headers": HEADERS})
    ops.script.extend([Reply(is_reset=True), REPLIES["echoes the headers"], Reply(status=400, body=b"/c4nary-path")])
    async with bench.publisher() as publisher:
        await publisher.publish(event())
        (dead,) = await publisher.dead()
        metrics = generate_latest(publisher.registry).decode()
    assert ops.requests[-1].headers["x-key"] == "c4nary-key"
    for place in (str(dead), metrics, lines.getvalue()):
        assert "c4nary" not in place


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Return a key and a certificate for hooks.example, signed by itself."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl")
    file, key = tmp_path / "hooks.pem", tmp_path / "key.pem"
    wanted = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=hooks.example", "-addext", "subjectAltName=DNS:hooks.example"]
    command = [openssl, "req", *wanted, *names, "-keyout", str(key), "-out", str(file)]
    subprocess.run(command, check=True, capture_output=True)
    file.write_text(file.read_text() + key.read_text())
    return file


@asynccontextmanager
async def secure_receiver(certificate: Path) -> AsyncIterator[tuple[int, Receiver, list[str]]]:
    """Yield the port of a receiver by TLS, what came to it, and the names that clients asked for by SNI."""
    context, names, running = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), list[str](), Receiver()
    context.load_cert_chain(certificate)
    context.sni_callback = lambda _socket, name, _context: names.append(name or "")
    server = await asyncio.start_server(running.serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1], running, names


def _loopback(_: str, port: int) -> list[AddrInfo]:
    return list(look_up("127.0.0.1", port))


async def _sent_by_tls(host: str, port: int) -> Answer:
    url = f"https://{host}:{port}/"
    async with open_sender(disabled(), LOCAL, lookup=_loopback) as sender:
        return await sender.send(Target(name="ops", format="webhook", url=url), Parcel(url=url, headers={}, body=b"{}"))


async def test_a_certificate_is_verified_by_the_name_of_the_url(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with secure_receiver(certificate) as (port, running, names):
        assert (await _sent_by_tls("hooks.example", port)).status == 0, "nobody vouches for it"
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert (await _sent_by_tls("other.example", port)).status == 0
        assert (await _sent_by_tls("127.0.0.1", port)).status == 0
        assert running.requests == []
        assert (await _sent_by_tls("hooks.example", port)).status == 200
    assert running.requests[0].headers["host"] == f"hooks.example:{port}"
    assert names[-1] == "hooks.example"
