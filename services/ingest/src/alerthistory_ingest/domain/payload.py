"""What senders post, and what becomes of it when it is read."""

from dataclasses import dataclass
from enum import StrEnum

from alerthistory_common.alerts import Instant, Report

MAX_LISTED_REFUSALS = 100


class PayloadFormat(StrEnum):
    """What a payload is."""

    ALERTMANAGER = "alertmanager"
    PROMETHEUS = "prometheus"


class RejectedPayloadError(Exception):
    """The payload as a whole cannot be read; the text says why."""


class BrokenAlertError(Exception):
    """One alert of a payload cannot be taken; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """One payload as it came in."""

    body: bytes
    format: PayloadFormat
    received_at: Instant
    sender: str
    traceparent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why one element of a payload was refused. ``index`` counts from 0; -1 stands for the payload as a whole."""

    index: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAlert:
    """One good alert: its position in the payload, its name as it stood there, and the report it makes."""

    index: int
    name: str
    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPayload:
    """What a payload holds.

    ``refusals`` are the first ``MAX_LISTED_REFUSALS`` of ``refused_count``. ``rejection`` is empty when the payload
    was readable; otherwise nothing else is set.
    """

    alerts: tuple[ReadAlert, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    refused_count: int = 0
    rejection: str = ""

    @property
    def is_refused(self) -> bool:
        """Whether anything in the payload, or all of it, was refused."""
        return bool(self.rejection or self.refused_count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What all reports of one payload have in common."""

    received_at: Instant
    sender: str
    traceparent: str
