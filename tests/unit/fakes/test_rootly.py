"""The fake Rootly keeps what Rootly documents."""

import json
from typing import Any

import pytest

from tests.fakes import rootly
from tests.fakes.provider import Request, Response
from tests.fakes.rootly import Rootly


def _call(
    fake: Rootly,
    method: str,
    path: str,
    document: Any = None,
    *,
    token: str = rootly.TOKEN,
    query: dict[str, str] | None = None,
) -> tuple[int, Any]:
    answer = _answer(fake, method, path, document, token=token, query=query)
    return answer.status, answer.body


def _answer(
    fake: Rootly,
    method: str,
    path: str,
    document: Any = None,
    *,
    at: float = 0.0,
    token: str = rootly.TOKEN,
    query: dict[str, str] | None = None,
) -> Response:
    body = b"" if document is None else json.dumps(document).encode()
    headers = {"authorization": f"Bearer {token}"}
    return fake.answer(Request(method=method, path=path, headers=headers, body=body, at=at, query=query or {}))


def _alert(**attributes: Any) -> dict[str, Any]:
    return {"data": {"type": "alerts", "attributes": {"source": "alertmanager", "summary": "it fires", **attributes}}}


def test_an_alert_is_made_and_resolved_by_its_identity() -> None:
    fake = Rootly()
    status, made = _call(fake, "POST", rootly.ALERTS, _alert(external_id="e1"))
    assert status == 201
    status, ended = _call(fake, "POST", f"{rootly.ALERTS}/{made['data']['id']}/resolve")
    assert (status, ended["data"]["attributes"]["status"]) == (200, "resolved")
    assert not fake.model().open


def test_alerts_of_one_deduplication_key_are_one_while_it_is_open() -> None:
    fake = Rootly()
    first, second = (_call(fake, "POST", rootly.ALERTS, _alert(deduplication_key="k"))[1] for _ in range(2))
    assert first["data"]["id"] == second["data"]["id"]
    _call(fake, "POST", f"{rootly.ALERTS}/{first['data']['id']}/resolve")
    _call(fake, "POST", rootly.ALERTS, _alert(deduplication_key="k"))
    assert [(each.is_open, each.reports) for each in fake.model().alerts] == [(False, 2), (True, 1)]


@pytest.mark.parametrize(("knows", "expected"), [(False, 2), (True, 1)])
def test_a_list_ignores_filters_that_it_does_not_know(knows: bool, expected: int) -> None:
    fake = Rootly(finds_by_external_id=knows)
    for external_id in ("e1", "e2"):
        _call(fake, "POST", rootly.ALERTS, _alert(external_id=external_id))
    _, page = _call(fake, "GET", rootly.ALERTS, query={"filter[external_id]": "e1", "filter[status]": "open"})
    assert len(page["data"]) == page["meta"]["total_count"] == expected


def test_pages_have_twenty_at_most_the_newest_first() -> None:
    fake = Rootly()
    for number in range(25):
        _call(fake, "POST", rootly.ALERTS, _alert(external_id=str(number)))
    pages = [_call(fake, "GET", rootly.ALERTS, query={"page[number]": page, "page[size]": "50"})[1] for page in "12"]
    found = [[each["attributes"]["external_id"] for each in page["data"]] for page in pages]
    assert [len(page) for page in found] == [20, 5]
    assert found[0][0] == "24"


@pytest.mark.parametrize(
    ("document", "status"),
    [
        (_alert(), 201),
        (_alert(source="nobody"), 422),
        (_alert(summary=""), 422),
        (_alert(status="resolved"), 422),
        ({"data": {"type": "incidents", "attributes": {}}}, 422),
        ({"incident": {}}, 422),
    ],
)
def test_an_alert_needs_a_source_and_a_summary(document: Any, status: int) -> None:
    assert _call(Rootly(), "POST", rootly.ALERTS, document)[0] == status


def test_incidents_take_any_object() -> None:
    fake = Rootly()
    assert _call(fake, "POST", rootly.INCIDENTS, {"incident": {"title": "it fires"}})[0] == 201
    assert fake.model().incidents == [{"incident": {"title": "it fires"}}]


def test_unknown_alerts_and_tokens_are_told_apart() -> None:
    fake = Rootly()
    assert _call(fake, "POST", f"{rootly.ALERTS}/nobody/resolve")[0] == 404
    assert _call(fake, "POST", rootly.ALERTS, _alert(), token="wrong")[0] == 401
    assert fake.model().unknown == 1


def test_every_answer_says_how_many_calls_are_left() -> None:
    fake = Rootly(limit=2, window_s=60)
    answers = [_answer(fake, "GET", rootly.ALERTS, at=at) for at in (0, 20, 30, 61)]
    names = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Used", "X-RateLimit-Reset")
    assert [(each.status, *(each.headers[name] for name in names)) for each in answers] == [
        (200, "2", "1", "1", "60"),
        (200, "2", "0", "2", "40"),
        (429, "2", "0", "2", "30"),
        (200, "2", "0", "2", "19"),
    ]
