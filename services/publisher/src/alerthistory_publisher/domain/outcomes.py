"""What an attempt's answer means, and what happens next."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from alerthistory_common.alerts import Instant
from alerthistory_common.retry_after import pause_of
from alerthistory_publisher.domain.deliveries import Claim, DeliveryState

BASE_DELAY = timedelta(seconds=1)
MAX_DELAY = timedelta(minutes=5)
MAX_RETRY_AFTER = timedelta(hours=1)
_EXCERPT_LENGTH = 200

Backoff = Callable[[int], timedelta]
"""Gives the pause after the n-th failed attempt, n from 1."""


class Outcome(StrEnum):
    """What came of an attempt."""

    DELIVERED = "delivered"
    PERMANENT = "permanent"
    THROTTLED = "throttled"
    TRANSIENT = "transient"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the receiver answered, or why there is no answer: then *status* is 0 and *outcome* says what that means.

    ``text`` is safe to be shown, ``content`` is the body as it came, at most 64 KiB. ``receipt`` is what the receiver
    calls that which it made. With an ``outcome`` other than None the answer means that, whatever its status.
    """

    status: int = 0
    outcome: Outcome | None = None
    text: str = ""
    retry_after: str = ""
    content: bytes = field(default=b"", repr=False)
    receipt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Where a delivery goes after a claim. ``is_attempt``: something was sent, or may have been."""

    state: DeliveryState
    outcome: Outcome
    result: str
    status: int = 0
    due_at: Instant | None = None
    delivered_at: Instant | None = None
    receipt: str = ""
    is_attempt: bool = True


class Result(NamedTuple):
    """What came of an attempt."""

    claim: Claim
    step: Step


def outcome_of(answer: Answer) -> Outcome:
    """Return what *answer* means: 408 and 5xx pass, 429 asks for a pause, other 3xx and 4xx will never do."""
    status = answer.status
    if answer.outcome is not None:
        return answer.outcome
    if not status:
        return Outcome.TRANSIENT
    if 200 <= status < 300:
        return Outcome.DELIVERED
    if status == 429:
        return Outcome.THROTTLED
    if status == 408 or status >= 500:
        return Outcome.TRANSIENT
    return Outcome.PERMANENT


def next_step(claim: Claim, answer: Answer, *, now: Instant, backoff: Backoff) -> Step:
    """Return where the claimed delivery goes after *answer*."""
    outcome = outcome_of(answer)
    result = result_of(answer)
    if outcome is Outcome.DELIVERED:
        return Step(
            state=DeliveryState.DELIVERED,
            outcome=outcome,
            result=result,
            status=answer.status,
            delivered_at=now,
            receipt=answer.receipt,
        )
    if outcome is Outcome.PERMANENT:
        return Step(state=DeliveryState.DEAD, outcome=outcome, result=result, status=answer.status)
    due_at = later(now, max(backoff(claim.attempt), pause_wanted(answer, now=now)))
    if due_at > claim.give_up_at:
        result = f"gave up, too old for another attempt; the last one: {result}"
        return Step(state=DeliveryState.DEAD, outcome=outcome, result=result, status=answer.status)
    return Step(state=DeliveryState.PENDING, outcome=outcome, result=result, status=answer.status, due_at=due_at)


def pause_wanted(answer: Answer, *, now: Instant) -> timedelta:
    """Return the pause that the receiver asks for by Retry-After, at most an hour."""
    return min(pause_of(answer.retry_after, now=now), MAX_RETRY_AFTER)


def full_jitter(random: Callable[[], float]) -> Backoff:
    """Return the usual backoff: anything from nothing to 1 s, 2 s, 4 s … 5 min. *random* gives 0 to 1."""

    def backoff(attempt: int) -> timedelta:
        doublings = min(attempt - 1, 20)
        return min(BASE_DELAY * (1 << doublings), MAX_DELAY) * random()

    return backoff


def later(now: Instant, pause: timedelta) -> Instant:
    """Return the moment *pause* after *now*."""
    return Instant(now.micros + pause // timedelta(microseconds=1))


def sanitised(text: str, secrets: tuple[str, ...]) -> str:
    """Return at most 200 printable characters of a receiver's *text*, on one line and without *secrets* it echoes."""
    for secret in secrets:
        text = text.replace(secret, "***")
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:_EXCERPT_LENGTH]


def result_of(answer: Answer) -> str:
    """Return what came of an attempt, for a person."""
    if not answer.status:
        return answer.text
    return f"HTTP {answer.status}: {answer.text}" if answer.text else f"HTTP {answer.status}"
