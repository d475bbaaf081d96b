"""One client that asks too often is refused; others, webhooks and probes are not."""

import asyncio
import re

import httpx
import pytest
from prometheus_client import generate_latest

from alerthistory_gateway.rate_limit import WEBHOOKS
from tests.fakes.fake_suite import FakeSuite
from tests.integration.gateway.conftest import Gateway, OpenGateway

BODY = b'{"alerts":[{"status":"firing","labels":{"alertname":"HighLatency"}}]}'


async def _statuses(gateway: Gateway, path: str, *, times: int, client: str = "192.0.2.1") -> list[int]:
    """Return what *times* requests of *client* are answered with, sorted; all are made at once.

    The gateway believes the proxy that names the client.
    """
    headers = {"x-forwarded-for": client}
    answers = await asyncio.gather(*(gateway.client.get(path, headers=headers) for _ in range(times)))
    return sorted(answer.status_code for answer in answers)


async def test_a_client_that_asks_too_often_is_told_when_to_come_back(suite: FakeSuite, opened: OpenGateway) -> None:
    async with opened(suite, rate_limit=3) as gateway:
        # Three are let through, and some more when the machine is slow.
        statuses = await _statuses(gateway, "/enrichment/mode", times=40)
        assert statuses[:3] == [200] * 3
        assert statuses[-1] == 429
        refused = await _refused(gateway)
        assert refused.headers["retry-after"] == "1"
        assert "ALERTHISTORY_GATEWAY_RATE_LIMIT" in refused.json()["detail"]
        assert refused.headers["x-request-id"]
        await asyncio.sleep(1)
        assert await _statuses(gateway, "/enrichment/mode", times=1) == [200]
        counted = generate_latest(gateway.registry).decode()
    assert re.search(r'alerthistory_gateway_rate_limited_total\{kind="requests"\} [1-9]', counted)


async def _refused(gateway: Gateway) -> httpx.Response:
    """Return a refusal: ask until there is one."""
    while True:
        asked = (gateway.client.get("/enrichment/mode", headers={"x-forwarded-for": "192.0.2.1"}) for _ in range(10))
        for answer in await asyncio.gather(*asked):
            if answer.status_code == 429:
                return answer


async def test_other_clients_are_not_affected(suite: FakeSuite, opened: OpenGateway) -> None:
    async with opened(suite, rate_limit=1) as gateway:
        assert (await _statuses(gateway, "/enrichment/mode", times=40))[-1] == 429
        assert (await _statuses(gateway, "/enrichment/mode", times=1, client="192.0.2.2")) == [200]


async def test_a_site_of_ipv6_is_one_client(suite: FakeSuite, opened: OpenGateway) -> None:
    async with opened(suite, rate_limit=1) as gateway:
        addresses = [f"2001:db8::{number:x}:1" for number in range(1, 41)]
        answers = await asyncio.gather(
            *(_statuses(gateway, "/enrichment/mode", times=1, client=address) for address in addresses)
        )
        assert [429] in answers
        assert await _statuses(gateway, "/enrichment/mode", times=1, client="2001:db8:0:1::1") == [200]


@pytest.mark.parametrize("path", ["/health", "/healthz", "/readyz", "/metrics"])
async def test_probes_and_metrics_have_no_limit(suite: FakeSuite, opened: OpenGateway, path: str) -> None:
    async with opened(suite, rate_limit=1) as gateway:
        assert await _statuses(gateway, path, times=5) == [200] * 5


@pytest.mark.parametrize("path", sorted(WEBHOOKS))
async def test_webhooks_are_never_refused_with_429(suite: FakeSuite, opened: OpenGateway, path: str) -> None:
    async with opened(suite, rate_limit=1) as gateway:
        statuses = {(await gateway.client.post(path, content=BODY)).status_code for _ in range(5)}
        assert not statuses & {429, 503}
    async with opened(suite, webhook_rate_limit=2) as gateway:
        answers = await asyncio.gather(*(gateway.client.post(path, content=BODY) for _ in range(40)))
        refused = [answer for answer in answers if answer.status_code == 503]
        assert 0 < len(refused) <= 38
        assert {answer.headers["retry-after"] for answer in refused} == {"1"}


async def test_without_a_limit_nothing_is_refused(suite: FakeSuite, opened: OpenGateway) -> None:
    async with opened(suite, rate_limit=0) as gateway:
        answers = await asyncio.gather(*(_statuses(gateway, "/enrichment/mode", times=10) for _ in range(8)))
        assert {status for some in answers for status in some} == {200}
