"""The checker that all proofs rely on finds each kind of broken word."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.client_history import Found, Outcome
from tests.fakes.inbox import Delivered


def _delivered(fingerprint: str, *statuses: str) -> list[Delivered]:
    return [Delivered({}, {"alert": {"fingerprint": fingerprint, "status": status}}) for status in statuses]


def _judged(**changed: Any) -> Outcome:
    """Return the judgement about two acknowledged alerts, one of which ended, and one alert of unknown fate."""
    outcome = Outcome(sent={"a", "b", "unknown"}, acknowledged={"a", "b"}, resolved={"b"})
    found: dict[str, Any] = {
        "stored": {"a": 1, "b": 1},
        "fired": {"a": 1, "b": 1},
        "resolved": {"b": 1},
        "delivered": [*_delivered("a", "firing"), *_delivered("b", "firing", "resolved")],
    }
    outcome.judge(Found(**(found | changed)))
    return outcome


def test_a_kept_word_is_found_in_order() -> None:
    assert not _judged().lost


def test_what_was_not_acknowledged_may_be_there() -> None:
    stored = {"a": 1, "b": 1, "unknown": 1}
    assert not _judged(stored=stored).lost


def test_a_dead_letter_counts_as_delivered() -> None:
    assert not _judged(delivered=_delivered("b", "firing", "resolved"), dead=[("a", "firing")]).lost


@pytest.mark.parametrize(
    ("changed", "of", "who"),
    [
        ({"stored": {"b": 1}}, lambda outcome: outcome.not_stored_once, "a"),
        ({"stored": {"a": 2, "b": 1}}, lambda outcome: outcome.not_stored_once, "a"),
        ({"fired": {"a": 2, "b": 1}}, lambda outcome: outcome.not_fired_once, "a"),
        ({"resolved": {}}, lambda outcome: outcome.not_resolved_once, "b"),
        ({"delivered": _delivered("b", "firing", "resolved")}, lambda outcome: outcome.not_delivered, "a"),
        (
            {"delivered": [*_delivered("a", "firing"), *_delivered("b", "firing")]},
            lambda outcome: outcome.not_delivered,
            "b",
        ),
        (
            {"delivered": [*_delivered("a", "firing"), *_delivered("b", "resolved", "firing")]},
            lambda outcome: outcome.delivered_in_disorder,
            "b",
        ),
        ({"stored": {"a": 1, "b": 1, "ghost": 1}}, lambda outcome: outcome.never_sent, "ghost"),
    ],
)
def test_a_broken_word_is_named(changed: dict[str, Any], of: Callable[[Outcome], set[str]], who: str) -> None:
    outcome = _judged(**changed)
    assert of(outcome) == {who}
    assert who in outcome.lost
