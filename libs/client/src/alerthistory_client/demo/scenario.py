"""The story as webhooks: which body is posted by which sender at which moment. Pure; the seed decides the accidents."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from alerthistory_client.demo.alertmanager import AlertState, fingerprint, webhook
from alerthistory_client.demo.cast import Character, Turn, cast

SENDERS = ("http://alertmanager-0.monitoring:9093", "http://alertmanager-1.monitoring:9093")
_GROUP_BY = ("alertname", "namespace")
_SECOND_DELIVERY_PART = 0.3
_JITTER = 0.008
_PEER_DELAY = timedelta(seconds=1.3)
_MOVED_BACK = timedelta(seconds=40)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One webhook: what is posted, and how long after the beginning of the story.

    A second one comes from the other Alertmanager, which sends what was sent already.
    """

    at: timedelta
    body: bytes
    alert_count: int
    is_second: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """The webhooks in the order of their moments, and whom to look at."""

    deliveries: tuple[Delivery, ...]
    alert_count: int
    flapping: str
    refired: str
    moved: str


@dataclass(frozen=True, slots=True)
class _Moment:
    at: timedelta
    turn: Turn
    character: Character


def scenario(*, began_at: datetime, length: timedelta, seed: int) -> Scenario:
    """Return the story that begins at *began_at* and is told within *length*; the same arguments, the same story."""
    # Chance decorates a story; nothing secret depends on it.
    chance = random.Random(seed)  # noqa: S311
    characters = cast()
    deliveries = list(_deliveries(_moments(characters, length, chance), began_at, length, chance))
    named = {character.labels["alertname"]: fingerprint(character.labels) for character in characters}
    return Scenario(
        deliveries=tuple(sorted(deliveries, key=lambda each: each.at)),
        alert_count=len(characters),
        flapping=named["KubePodCrashLooping"],
        refired=named["CheckoutLatencyHigh"],
        moved=named["ProbeFailed"],
    )


def _moments(characters: Sequence[Character], length: timedelta, chance: random.Random) -> list[_Moment]:
    """Return all turns in order, each a little off; nobody's turns change places."""
    moments = [
        _Moment(length * min(0.97, max(0.0, part + chance.uniform(-_JITTER, _JITTER))), turn, character)
        for character in characters
        for part, turn in character.turns
    ]
    return sorted(moments, key=lambda moment: moment.at)


def _deliveries(
    moments: Sequence[_Moment], began_at: datetime, length: timedelta, chance: random.Random
) -> Iterator[Delivery]:
    """Yield what each moment makes Alertmanager send: all that fires in the group, and the alert that changed."""
    states: dict[str, AlertState] = {}
    for index, moment in enumerate(moments):
        changed = fingerprint(moment.character.labels)
        states[changed] = _after(moment, states.get(changed), began_at, length)
        group = [
            state
            for key, state in states.items()
            if (state.ends_at is None or key == changed) and _group(state) == _group(states[changed])
        ]
        yield _delivery(moment.at, group, SENDERS[0])
        if chance.random() < _SECOND_DELIVERY_PART:
            delay = min(_PEER_DELAY, length / 100, _quiet_after(index, moments) / 2)
            yield _delivery(moment.at + delay, group, SENDERS[1])


def _quiet_after(index: int, moments: Sequence[_Moment]) -> timedelta:
    """Return how long the group of a moment stays as it is: what a peer tells after that would be over."""
    now, later = moments[index], moments[index + 1 :]
    same = (each.at for each in later if _group(each.character) == _group(now.character))
    return next(same, timedelta.max) - now.at


def _delivery(at: timedelta, group: Sequence[AlertState], sender: str) -> Delivery:
    body = webhook(group, group_by=_GROUP_BY, sender=sender)
    return Delivery(
        at=at,
        body=json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
        alert_count=len(group),
        is_second=sender != SENDERS[0],
    )


def _group(alert: AlertState | Character) -> tuple[str, ...]:
    return tuple(alert.labels.get(name, "") for name in _GROUP_BY)


def _after(moment: _Moment, before: AlertState | None, began_at: datetime, length: timedelta) -> AlertState:
    """Return the alert after its turn."""
    now, character = began_at + moment.at, moment.character
    if before is None or moment.turn is Turn.FIRES:
        lead = length / 100 if character.began_before is None else character.began_before
        return AlertState(
            labels=character.labels, annotations=character.annotations, starts_at=now - lead, ends_at=None
        )
    match moment.turn:
        case Turn.RESOLVES:
            return replace(before, ends_at=now)
        case Turn.FIRES_AGAIN:
            return replace(before, ends_at=None)
        case Turn.FIRED_EARLIER:
            return replace(before, starts_at=before.starts_at - _MOVED_BACK)
        case Turn.REPEATS:
            return before
