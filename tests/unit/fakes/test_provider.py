"""What befalls a fake's requests, over real connections."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from tests.fakes.pagerduty import PATH, ROUTING_KEY, PagerDuty
from tests.fakes.provider import Faults, ProviderServer, serving
from tests.fakes.rootly import ALERTS, TOKEN, Rootly
from tests.fakes.slack import CHANNEL, POST_MESSAGE, Slack
from tests.processes import free_ports, port_is_open, until

_EVENT = {
    "routing_key": ROUTING_KEY,
    "event_action": "trigger",
    "dedup_key": "a",
    "payload": {"summary": "it fires", "source": "shop", "severity": "critical"},
}


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, verify=False, timeout=0.5) as found:
        yield found


def _post(client: httpx.Client, server: ProviderServer) -> int:
    """Return the status that the sender hears; 0 when it hears none."""
    try:
        return client.post(server.url + PATH, json=_EVENT, headers={"webhook-id": "k1"}).status_code
    except httpx.TransportError:
        return 0


def test_without_faults_requests_are_handled_over_one_connection(client: httpx.Client) -> None:
    with serving(PagerDuty()) as server:
        assert [_post(client, server) for _ in range(3)] == [202] * 3
        assert [(each.key, each.status) for each in server.received] == [("k1", 202)] * 3
        assert server.model().incidents[0].triggers == 3


@pytest.mark.parametrize(
    ("faults", "heard", "is_handled"),
    [
        (Faults(resets_before=1), 0, False),
        (Faults(resets_after=1), 0, True),
        (Faults(silent=1), 0, False),
        (Faults(late=1), 0, True),
    ],
)
def test_a_lost_answer_is_not_a_lost_event(client: httpx.Client, faults: Faults, heard: int, is_handled: bool) -> None:
    with serving(PagerDuty(), faults=faults) as server:
        assert _post(client, server) == heard
        assert bool(server.model().incidents) is is_handled
        assert bool(server.accepted) is is_handled


def test_what_is_refused_or_only_asked_is_not_accepted(client: httpx.Client) -> None:
    with serving(Slack()) as chat, serving(Rootly()) as alerts:
        said = client.post(chat.url + POST_MESSAGE, json={"channel": CHANNEL, "text": "hello"})
        assert (said.status_code, said.json()["ok"]) == (200, False)
        assert client.get(alerts.url + ALERTS, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
        assert len(chat.received) == len(alerts.received) == 1
        assert not chat.accepted
        assert not alerts.accepted


def test_faults_come_in_their_shares_and_can_be_healed(client: httpx.Client) -> None:
    with serving(PagerDuty(limit=1000), faults=Faults(seed=1, errors=0.5, delay_s=0.001)) as server:
        heard = Counter(_post(client, server) // 100 for _ in range(60))
        assert 15 < heard[5] < 45
        assert heard[2] == 60 - heard[5] == len(server.accepted)
        server.befall(Faults())
        assert _post(client, server) == 202


def test_a_fake_can_be_a_process_of_its_own(client: httpx.Client) -> None:
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "tests.fakes.providers", "pagerduty", str(port), json.dumps({"limit": 1})]
    with subprocess.Popen(command) as process:
        try:
            until(lambda: port_is_open(port), saying="it listens")
            url = f"http://127.0.0.1:{port}"
            statuses = [client.post(url + PATH, json=_EVENT).status_code for _ in range(2)]
            assert statuses == [202, 429]
            assert client.get(f"{url}/control/model").json()["model"]["throttled"] == 1
            client.put(f"{url}/control/faults", json={"errors": 1.0})
            assert client.post(url + PATH, json=_EVENT).status_code >= 500
            assert len(client.get(f"{url}/control/received").json()["received"]) == 3
        finally:
            process.kill()
