"""What providers must have come to know of a history of alerts, and what is wrong with what they know."""

import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any

from alerthistory.publisher.v1 import delivery_pb2
from alerthistory_common.alerts import AlertEvent, EventKind, Fingerprint, Instant
from tests.events import event
from tests.fakes.pagerduty import PagerDutyModel
from tests.fakes.provider import Received
from tests.fakes.rootly import RootlyModel
from tests.fakes.slack import SlackModel

_NAME = re.compile(r"Proof[0-9]{4}")
_MINUTE = timedelta(minutes=1) // timedelta(microseconds=1)
_BEGAN = Instant(1_790_000_000_000_000)
_DELIVERED, _DEAD = delivery_pb2.DELIVERY_STATE_DELIVERED, delivery_pb2.DELIVERY_STATE_DEAD


@dataclass(frozen=True, slots=True)
class History:
    """The changes of each alert, by its name, in the order in which they came to be."""

    events: Mapping[str, Sequence[AlertEvent]]

    @property
    def firing(self) -> set[str]:
        """The names of the alerts that fire in the end."""
        return {name for name, changes in self.events.items() if changes[-1].kind.is_firing}

    @property
    def episodes(self) -> Counter[str]:
        """How often each alert began to fire."""
        return Counter({name: sum(each.kind.is_firing for each in changes) for name, changes in self.events.items()})

    @property
    def all(self) -> list[AlertEvent]:
        """Every event."""
        return [each for changes in self.events.values() for each in changes]


def history_of(alerts: int, *, seed: int, most: int = 6) -> History:
    """Return a history of *alerts*, each of which fires, is resolved, fires again …, *most* changes at most."""
    dice = random.Random(seed)
    return History(
        {name: changes_of(name, dice.randint(1, most)) for name in (f"Proof{number:04}" for number in range(alerts))}
    )


def changes_of(name: str, count: int) -> list[AlertEvent]:
    """Return *count* changes. What fires again keeps its begin, as Alertmanager's alerts may."""
    kinds = [EventKind.RESOLVED if number % 2 else EventKind.FIRED for number in range(count)]
    return [
        event(
            labels={"alertname": name, "namespace": "shop", "severity": "critical", "instance": f"{name}:9100"},
            annotations={"summary": f"{name} is up to something"},
            event_id=f"{name}-{number}",
            fingerprint=Fingerprint(sha256(name.encode()).hexdigest()[:16]),
            kind=EventKind.REFIRED if kind.is_firing and number else kind,
            starts_at=_BEGAN,
            ends_at=None if kind.is_firing else Instant(_BEGAN.micros + (number + 1) * _MINUTE),
            occurred_at=Instant(_BEGAN.micros + number * _MINUTE),
            received_at=Instant(_BEGAN.micros + number * _MINUTE),
        )
        for number, kind in enumerate(kinds)
    ]


def key_of(event_id: str, target: str) -> str:
    """Return the receiver's idempotency key, as the README promises it."""
    text = f"{event_id}\0{target}"
    return f"ah_{sha256(text.encode()).hexdigest()[:32]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What came of a history: the publisher's deliveries, what each target took in its order, and providers' states.

    Nothing but dead letters is expected of *refusing* targets.
    """

    history: History
    deliveries: Iterable[delivery_pb2.Delivery]
    accepted: Mapping[str, Sequence[Received]]
    pagerduty: PagerDutyModel | None = None
    chat: SlackModel | None = None
    rootly: RootlyModel | None = None
    refusing: frozenset[str] = field(default_factory=frozenset)


def problems_of(run: Run) -> list[str]:
    """Return every promise that was broken, in words; empty when all were kept."""
    problems = [*_unaccounted(run), *_undelivered(run), *_disorder(run)]
    if run.pagerduty is not None:
        opened = [(_name(each.summary), each.is_open) for each in run.pagerduty.incidents]
        problems += _wrong_state("pagerduty", run.history, opened)
        problems += [f"pagerduty refused: {each}" for each in run.pagerduty.invalid]
    if run.rootly is not None and run.rootly.alerts:
        problems += _wrong_state(
            "rootly", run.history, [(_name(each.summary), each.is_open) for each in run.rootly.alerts]
        )
    if run.chat is not None:
        problems += _wrong_threads(run.chat)
    return problems


def duplicates(run: Run) -> int:
    """Return how many deliveries were taken more than once, which receivers tell by their keys."""
    return sum(count > 1 for taken in run.accepted.values() for count in Counter(each.key for each in taken).values())


def _unaccounted(run: Run) -> list[str]:
    """Return what is wrong with the deliveries: each event has one per target, delivered or, where refused, dead."""
    states = {(each.event_id, each.target): each.state for each in run.deliveries}
    wanted = {
        (each.event_id, target): _DEAD if target in run.refusing else _DELIVERED
        for each in run.history.all
        for target in run.accepted
    }
    return [
        f"{event_id} to {target}: {_said(states.get((event_id, target)))} instead of {_said(state)}"
        for (event_id, target), state in wanted.items()
        if states.get((event_id, target)) != state
    ] + [f"{event_id} to {target}: nobody ordered that" for event_id, target in states.keys() - wanted.keys()]


def _undelivered(run: Run) -> list[str]:
    problems = []
    for target, taken in run.accepted.items():
        keys = {each.key for each in taken}
        wanted = set() if target in run.refusing else {key_of(each.event_id, target) for each in run.history.all}
        problems += [f"{target} never got {key}" for key in wanted - keys]
        problems += [f"{target} got {key}, which is nothing of ours" for key in keys - wanted]
    return problems


def _disorder(run: Run) -> list[str]:
    """Return where an earlier change of an alert was taken after a later one."""
    places = {
        key_of(each.event_id, target): (target, name, number)
        for name, changes in run.history.events.items()
        for number, each in enumerate(changes)
        for target in run.accepted
    }
    last: dict[tuple[str, str], int] = {}
    problems = []
    for taken in run.accepted.values():
        for each in taken:
            target, name, number = places.get(each.key, ("", "", 0))
            if number < last.get((target, name), 0):
                problems.append(f"{target} took change {number} of {name} after change {last[target, name]}")
            last[target, name] = max(number, last.get((target, name), 0))
    return problems


def _wrong_state(provider: str, history: History, opened: Sequence[tuple[str, bool]]) -> list[str]:
    is_open = Counter(name for name, is_open in opened if is_open)
    counts = Counter(name for name, _ in opened)
    names = {*counts, *history.events}
    return (
        [f"{provider}: {name} is open, and does not fire" for name in is_open if name not in history.firing]
        + [f"{provider}: {name} fires, and is not open" for name in history.firing if not is_open[name]]
        + [f"{provider}: {name} is open {count} times" for name, count in is_open.items() if count > 1]
        + [
            f"{provider}: {name} was opened {counts[name]} times, and fired {history.episodes[name]} times"
            for name in names
            if counts[name] != history.episodes[name]
        ]
    )


def _wrong_threads(chat: SlackModel) -> list[str]:
    """Return where a message answers one that tells about another alert."""
    names = {each.ts: _name(each.words) for each in chat.messages}
    return [
        f"slack: {_name(each.words)} is told in the thread of {names[each.thread_ts]}"
        for each in chat.messages
        if each.thread_ts and names[each.thread_ts] != _name(each.words)
    ]


def _name(text: Any) -> str:
    found = _NAME.search(str(text))
    return found[0] if found else str(text)


def _said(state: Any) -> str:
    return "missing" if state is None else delivery_pb2.DeliveryState.Name(state).removeprefix("DELIVERY_STATE_")
