"""``/api/v2/alerts``: answered as Alertmanager 0.25 answers, which was asked."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerthistory.ingest.v1 import ingest_service_pb2 as pb2
from tests.fakes.alertmanager import alertmanager, require_alertmanager
from tests.integration.gateway.conftest import Gateway
from tests.integration.gateway.raw import Answer, ask

PATH = "/api/v2/alerts"
JSON = "Content-Type: application/json"
GOOD = b'[{"labels":{"alertname":"A"}}]'


async def test_stored_alerts_are_answered_with_an_empty_body(gateway: Gateway) -> None:
    answer = await ask(gateway.port, "POST", PATH, JSON, body=GOOD)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-length"] == "0"
    assert "content-type" not in answer.headers
    (payload,) = gateway.suite.ingest.payloads
    assert (payload.body, payload.format) == (GOOD, pb2.PAYLOAD_FORMAT_PROMETHEUS)


async def test_refused_alerts_are_named_in_one_text(gateway: Gateway) -> None:
    result = pb2.PayloadResult(refused_count=2)
    result.accepted.add(alert_name="A", is_firing=True)
    result.errors.add(index=0, message='invalid label set: invalid name "b-c"')
    result.errors.add(index=2, message="at least one label pair required")
    gateway.suite.ingest.judge = lambda _: result
    answer = await ask(gateway.port, "POST", PATH, JSON, body=GOOD)
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/json"
    assert answer.body == b'"invalid label set: invalid name \\"b-c\\"; at least one label pair required"'


async def test_unreadable_body_is_refused_with_the_reason(gateway: Gateway) -> None:
    gateway.suite.ingest.judge = lambda _: pb2.PayloadResult(rejection="unexpected EOF")
    answer = await ask(gateway.port, "POST", PATH, JSON, body=b"[{")
    assert answer.status == 400
    assert answer.body == b'{"code":400,"message":"parsing alerts body from \\"\\" failed, because unexpected EOF"}'


async def test_only_post_is_allowed_and_nothing_is_redirected(gateway: Gateway) -> None:
    for path in (PATH, PATH + "/"):
        answer = await ask(gateway.port, "GET", path)
        assert (answer.status, answer.headers["allow"]) == (405, "post")
        assert answer.body == b'{"code":405,"message":"method GET is not allowed, but [POST] are"}'


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Return the port of a real Alertmanager."""
    require_alertmanager()
    folder: Path = tmp_path_factory.mktemp("alertmanager")
    with alertmanager(folder, webhook="http://127.0.0.1:9/") as running:
        yield int(running.url.rpartition(":")[2])


@pytest.mark.alertmanager
@pytest.mark.parametrize(
    ("path", "headers", "body"),
    [
        (PATH, (JSON,), GOOD),
        (PATH + "/", (JSON,), GOOD),
        (PATH, (JSON,), b"[]"),
        (PATH, ("Content-Type: Application/JSON; charset=utf-8",), GOOD),
        (PATH, (JSON, "Content-Encoding: gzip"), GOOD),
        (PATH, (JSON,), b""),
        (PATH, (), b""),
        (PATH, (JSON,), b" \n"),
        (PATH, ("Content-Type: text/plain",), b""),
        (PATH, (), GOOD),
        (PATH, ("Content-Type: text/plain",), GOOD),
        (PATH, ("Content-Type: TEXT/Plain; x=y",), GOOD),
        (PATH, ("Content-Type: application/x-www-form-urlencoded",), GOOD),
        (PATH, ("Content-Type: application/vnd.x+json",), GOOD),
        (PATH, ("Content-Type: xx",), GOOD),
        (PATH, ("Content-Type: ;;",), GOOD),
        (PATH, (JSON,), b'[{"labels":{}}]'),
        (PATH, (JSON,), b'[{"labels":{"alertname":"A"}},{"labels":{}},{"labels":{}}]'),
    ],
)
async def test_answers_are_those_of_alertmanager(
    gateway: Gateway, real: int, path: str, headers: tuple[str, ...], body: bytes
) -> None:
    length = () if body else ("Content-Length: 0",)
    theirs, ours = await asyncio.gather(
        *(ask(port, "POST", path, *headers, *length, body=body) for port in (real, gateway.port))
    )
    assert _shown(ours) == _shown(theirs)


def _shown(answer: Answer) -> tuple[int, str | None, bytes]:
    return answer.status, answer.headers.get("content-type"), answer.body.rstrip(b"\n")
