"""Sets of labelled alerts: JSON lines in docs/evaluation, each an alert, its past, and the severity that is right."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from alerthistory_common.alerts import AlertEvent, HistoryContext, Instant, Severity
from tests.events import FIRED_AT, event

FOLDER = Path(__file__).parents[2] / "docs/evaluation"
NAMES = ("tuning", "held-out")

_Text = Annotated[str, Meta(min_length=1)]
_Count = Annotated[int, Meta(ge=0)]
_Amount = Annotated[float, Meta(ge=0)]


class BadSetError(ValueError):
    """A line of a set is not a labelled alert; the message begins with its file and line."""


class Past(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the alert's past says, as of its firing."""

    times_fired: _Count
    median_duration_s: _Amount | None
    last_resolved_ago_s: _Amount | None
    flaps_per_hour: _Amount


class LabelledAlert(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An alert, and the *severity* that a judge should find; *why* names the part of the definitions that decides."""

    id: _Text
    family: _Text
    labels: dict[_Text, _Text]
    annotations: dict[_Text, str]
    history: Past
    severity: Severity
    why: _Text

    def event(self) -> AlertEvent:
        """Return the event of this alert's firing."""
        return event(event_id=self.id, labels=self.labels, annotations=self.annotations)

    def context(self) -> HistoryContext:
        """Return its past, as history gives it to a judge."""
        median, resolved_ago = self.history.median_duration_s, self.history.last_resolved_ago_s
        return HistoryContext(
            times_fired=self.history.times_fired,
            median_duration=None if median is None else timedelta(seconds=median),
            last_resolved_at=None if resolved_ago is None else _before_firing(resolved_ago),
            flaps_per_hour=self.history.flaps_per_hour,
        )


def path_of(name: str) -> Path:
    """Return where the set *name* is kept; the file may be missing."""
    return FOLDER / f"{name}.jsonl"


def read_set(path: Path) -> Sequence[LabelledAlert]:
    """Return the alerts of *path* in their order.

    Raises BadSetError for the first line that is no labelled alert, or that repeats an id or another alert's content,
    and when there is none at all; FileNotFoundError when there is no such file.
    """
    alerts: list[LabelledAlert] = []
    seen: dict[str, int] = {}
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            alert = _read(line, at=f"{path}:{number}")
            for what in (f"id {alert.id!r}", content(alert)):
                if what in seen:
                    raise BadSetError(f"{path}:{number}: {alert.id} repeats line {seen[what]}")
                seen[what] = number
            alerts.append(alert)
    if not alerts:
        raise BadSetError(f"{path}:1: no alert")
    return alerts


def content(alert: LabelledAlert) -> str:
    """Return what a judge sees of *alert*; two alerts of the same content are one question."""
    asked = [alert.labels, alert.annotations, msgspec.to_builtins(alert.history)]
    return json.dumps(asked, sort_keys=True)


def _read(line: str, *, at: str) -> LabelledAlert:
    try:
        alert = msgspec.json.decode(line, type=LabelledAlert)
    except msgspec.DecodeError as error:
        raise BadSetError(f"{at}: {error}") from error
    if "alertname" not in alert.labels:
        raise BadSetError(f"{at}: no label `alertname`")
    return alert


def _before_firing(ago_s: float) -> Instant:
    return Instant(FIRED_AT.micros - round(ago_s * 1_000_000))
