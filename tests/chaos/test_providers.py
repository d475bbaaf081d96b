"""What providers know in the end is true, whatever happened; and a proof that could not fail would prove nothing."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from alerthistory.publisher.v1 import delivery_pb2
from tests.chaos.provider_check import History, Run, changes_of, history_of, key_of, problems_of
from tests.chaos.providers import run_round
from tests.fakes import pagerduty
from tests.fakes.pagerduty import PagerDuty
from tests.fakes.provider import Faults, Received, Request, Response
from tests.fakes.slack import Message, SlackModel

_SEED = 20_261_128
_NAMES = ("Proof0001", "Proof0002")


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_providers_know_the_truth_after_crashes_at_every_step() -> None:
    run = run_round(seed=_SEED, alerts=40, kills=0, variant="brisk")
    assert not problems_of(run), f"seed {_SEED}: {problems_of(run)[:10]}"
    assert any(each.state == delivery_pb2.DELIVERY_STATE_DEAD for each in run.deliveries), "there are dead letters, too"


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("variant", "problem"), [("unordered", "after change"), ("careless", "never got")], ids=["disorder", "losses"]
)
def test_a_publisher_without_the_mechanism_is_found_out(variant: str, problem: str) -> None:
    faults = Faults(delay_s=0.2, errors=0.3)
    run = run_round(seed=_SEED, alerts=12, steps=(), kills=0, faults=faults, variant=variant)
    assert any(problem in each for each in problems_of(run))


class _KeyOfAttempt(PagerDuty):
    """Sees another key at every trigger."""

    def __init__(self) -> None:
        super().__init__(limit=1_000_000)
        self._count = 0

    def _handle(self, event: dict[str, Any], key: str) -> None:
        if event["event_action"] == "trigger":
            self._count += 1
        super()._handle(event, f"{key}-{self._count}")


Took = list[Received]


def test_a_run_without_faults_has_no_problems() -> None:
    assert not problems_of(_played(history_of(10, seed=3), lambda taken: taken))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda taken: taken[:-1], "never got"),
        (lambda taken: [*taken, replace(taken[0], key="ah_foreign")], "nothing of ours"),
        (lambda taken: list(reversed(taken)), "after change"),
        (lambda taken: [*taken, taken[0]], "after change"),
    ],
    ids=["lost", "foreign", "reversed", "sent again at the end"],
)
def test_what_a_provider_took_is_compared_with_what_happened(change: Callable[[Took], Took], problem: str) -> None:
    assert any(problem in each for each in problems_of(_played(history_of(10, seed=3), change)))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda taken: taken[:-1], "is open, and does not fire"),
        (lambda taken: taken[1:], "fires, and is not open"),
        (lambda taken: [*taken, taken[0]], "is open, and does not fire"),
        (lambda taken: [*taken, taken[0], taken[-1]], "was opened 2 times, and fired 1 times"),
    ],
    ids=["resolve lost", "trigger lost", "trigger repeated at the end", "opened again"],
)
def test_what_pagerduty_knows_is_compared_with_what_is_true(change: Callable[[Took], Took], problem: str) -> None:
    ended = _alone(changes=1 if "not open" in problem else 2)
    assert any(f"pagerduty: Proof0000 {problem}" in each for each in problems_of(_played(ended, change)))


def test_keys_that_differ_between_attempts_are_found_out() -> None:
    def sent_again(taken: Took) -> Took:
        return [taken[0], *taken]

    ended = _alone(changes=2)
    assert not problems_of(_played(ended, sent_again)), "with one key it attaches"
    problems = problems_of(_played(ended, sent_again, _KeyOfAttempt()))
    assert problems == [
        "pagerduty: Proof0000 is open, and does not fire",
        "pagerduty: Proof0000 was opened 2 times, and fired 1 times",
    ]
    firing = _played(_alone(changes=1), sent_again, _KeyOfAttempt())
    assert "pagerduty: Proof0000 is open 2 times" in problems_of(firing)


def test_an_answer_belongs_into_the_thread_of_its_alert() -> None:
    first = Message(channel="C", ts="1.0", words="Proof0001 fires")
    right, wrong = (Message(channel="C", ts="2.0", thread_ts="1.0", words=f"{name} ended") for name in _NAMES)
    run = _played(history_of(1, seed=3), lambda taken: taken)
    assert not problems_of(replace(run, chat=SlackModel(messages=[first, right])))
    assert problems_of(replace(run, chat=SlackModel(messages=[first, wrong]))) == [
        "slack: Proof0002 is told in the thread of Proof0001"
    ]


@pytest.mark.parametrize(
    ("state", "said"), [(delivery_pb2.DELIVERY_STATE_PENDING, "PENDING"), (delivery_pb2.DELIVERY_STATE_DEAD, "DEAD")]
)
def test_every_delivery_is_accounted_for(state: delivery_pb2.DeliveryState.ValueType, said: str) -> None:
    run = _played(history_of(3, seed=3), lambda taken: taken)
    deliveries = list(run.deliveries)
    deliveries[0].state = state
    assert problems_of(replace(run, deliveries=deliveries)) == [
        f"{deliveries[0].event_id} to pagerduty: {said} instead of DELIVERED"
    ]
    assert "missing instead of DELIVERED" in problems_of(replace(run, deliveries=deliveries[1:]))[0]


def _alone(*, changes: int) -> History:
    """Return the history of one alert with so many changes, under the first name."""
    return History({"Proof0000": changes_of("Proof0000", changes)})


def _played(history: History, change: Callable[[Took], Took], fake: PagerDuty | None = None) -> Run:
    """Return the run in which PagerDuty took what *change* makes of what happened."""
    events = history.all
    bodies = {
        key_of(each.event_id, "pagerduty"): _body(each.fingerprint, each.alert_name, each.kind.is_firing)
        for each in events
    }
    taken = change(
        [
            Received(key=key, path=pagerduty.PATH, at=0.0, status=202, is_accepted=True, body=body)
            for key, body in bodies.items()
        ]
    )
    fake = fake or PagerDuty(limit=1000)
    answers: Sequence[Response] = [
        fake.answer(Request(method="POST", path=pagerduty.PATH, body=each.body.encode())) for each in taken
    ]
    assert {each.status for each in answers} <= {202}
    deliveries = [
        delivery_pb2.Delivery(event_id=each.event_id, target="pagerduty", state=delivery_pb2.DELIVERY_STATE_DELIVERED)
        for each in events
    ]
    return Run(history=history, deliveries=deliveries, accepted={"pagerduty": taken}, pagerduty=fake.model())


def _body(key: str, name: str, is_firing: bool) -> str:
    action = "trigger" if is_firing else "resolve"
    payload = f'{{"summary": "{name} in shop", "source": "shop", "severity": "critical"}}'
    return (
        f'{{"routing_key": "{pagerduty.ROUTING_KEY}", "event_action": "{action}", "dedup_key": "{key}",'
        f' "payload": {payload}}}'
    )
