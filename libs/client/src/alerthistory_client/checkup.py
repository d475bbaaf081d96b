"""What an operator should know about a running system, and what to do about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from alerthistory_client.addresses import SERVICES
from alerthistory_client.records import (
    ClassifierStatus,
    HistoryStatus,
    IngestStatus,
    LlmState,
    PublisherStatus,
    Spool,
    SystemStatus,
)
from alerthistory_client.text import counted, in_words, size
from alerthistory_common.errors import AlertHistoryError

_LATE = timedelta(minutes=1)
_SIZE_AHEAD_DAYS = 30
_DEAD = "see `ahctl deliveries --state dead`; when the cause is gone, `ahctl deliveries replay` sends them again"


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at, in words; *advice* says what to do, and is empty when all is well."""

    level: Level
    about: str
    text: str
    advice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How fast history grows, judged by *events* counted over *days*."""

    events: int
    days: float

    @property
    def events_per_day(self) -> float:
        """Events added in a day, on average."""
        return self.events / self.days


def check_up(status: SystemStatus, growth: Growth | None) -> Iterator[Finding]:
    """Yield what there is to say about each service. *growth* is None when it could not be found out."""
    for name in SERVICES:
        match getattr(status, name):
            case AlertHistoryError() as error:
                yield Finding(
                    level=Level.PROBLEM,
                    about=name,
                    text=f"gives no figures: {error.message}",
                    advice="is it running, and is its database? See its log",
                )
            case HistoryStatus() as history:
                yield from _history(history, growth)
            case IngestStatus() as ingest:
                yield _ingest(ingest)
                yield _spool(ingest.spool)
            case ClassifierStatus() as classifier:
                yield _ok("classifier", f"judges in mode {classifier.mode}")
                yield from _llm(classifier)
            case PublisherStatus() as publisher:
                yield from _publisher(publisher)


def _history(found: HistoryStatus, growth: Growth | None) -> Iterator[Finding]:
    yield _waiting("history", found.pending_work, found.oldest_pending_age, "is ingest running, and keeping up?")
    if found.quarantined_payloads:
        text = f"{counted(found.quarantined_payloads, 'payload')} could not be stored and are in quarantine"
        yield Finding(level=Level.WARNING, about="quarantine", text=text, advice="see `ahctl quarantine list`")
    else:
        yield _ok("quarantine", "is empty")
    yield _retention(found, growth)


def _retention(found: HistoryStatus, growth: Growth | None) -> Finding:
    text = f"{found.database_type} takes {size(found.database_size_bytes)}"
    if growth is not None and found.events:
        daily = growth.events_per_day * found.database_size_bytes / found.events
        text += f" and grows by about {size(round(daily))} a day ({growth.events_per_day:.0f} events)"
        if found.retention_days is None:
            ahead = found.database_size_bytes + daily * _SIZE_AHEAD_DAYS
            text += f", to {size(round(ahead))} in {counted(_SIZE_AHEAD_DAYS, 'day')}"
    if found.retention_days is None:
        advice = "set ALERTHISTORY_RETENTION_DAYS; `ahctl retention --dry-run --days 90` tells what would go"
        return Finding(level=Level.WARNING, about="retention", text=f"is off: {text}", advice=advice)
    return _ok("retention", f"keeps {counted(found.retention_days, 'day')}: {text}")


def _ingest(found: IngestStatus) -> Finding:
    text = f"{found.in_flight} of {found.capacity} alerts in flight"
    if found.capacity and found.in_flight >= found.capacity:
        advice = "more wait than are judged and delivered; see `ahctl status` and the traces"
        return Finding(level=Level.WARNING, about="ingest", text=text, advice=advice)
    return _ok("ingest", text)


def _spool(found: Spool) -> Finding:
    if found.problem:
        text = f"would take nothing while history is away: {found.problem}"
        return Finding(level=Level.PROBLEM, about="spool", text=text, advice="see the log of ingest")
    if found.damaged:
        text = f"holds {counted(found.damaged, 'payload')} that cannot be read any more"
        return Finding(level=Level.PROBLEM, about="spool", text=text, advice="check the disk of ingest")
    return _waiting("spool", found.payloads, found.oldest_age, "is history, and its database, running? See its log")


def _llm(found: ClassifierStatus) -> Iterator[Finding]:
    match found.llm_state:
        case LlmState.AVAILABLE:
            yield _ok("llm", f"{found.model} is asked")
        case LlmState.FAILING:
            yield Finding(
                level=Level.WARNING,
                about="llm",
                text=f"{found.model} failed too often: the rules judge until it answers again",
                advice="is its service up, and the key still good? See `ahctl llm` and the log of the classifier",
            )
        case LlmState.BUDGET_SPENT:
            yield Finding(
                level=Level.WARNING,
                about="llm",
                text=f"the day's budget for {found.model} is spent: the rules judge until midnight, UTC",
                advice="`ahctl llm --days 1` tells what was asked; raise the classifier's daily budget if it is right",
            )


def _publisher(found: PublisherStatus) -> Iterator[Finding]:
    if found.enabled_targets:
        yield _ok("targets", f"{found.enabled_targets} of {counted(found.targets, 'target')} enabled")
    else:
        yield Finding(
            level=Level.WARNING,
            about="targets",
            text="nobody is told about alerts: no target is enabled",
            advice="name some in ALERTHISTORY_PUBLISHER_TARGETS_FILE; see `ahctl targets`",
        )
    if found.target_problems:
        yield Finding(
            level=Level.WARNING,
            about="targets",
            text=f"{counted(found.target_problems, 'part')} of their configuration cannot be used",
            advice="`ahctl targets` names them; what worked before stays in force",
        )
    yield _waiting("deliveries", found.pending, found.oldest_pending_age, "is a target down? See `ahctl deliveries`")
    if found.dead:
        text = f"{counted(found.dead, 'alert')} could not be delivered and will not be tried again"
        yield Finding(level=Level.PROBLEM, about="deliveries", text=text, advice=_DEAD)


def _waiting(about: str, pending: int, oldest: timedelta | None, advice: str) -> Finding:
    if oldest is not None and oldest > _LATE:
        text = f"{pending} waiting, the oldest for {in_words(oldest)}"
        return Finding(level=Level.PROBLEM, about=about, text=text, advice=advice)
    return _ok(about, f"{pending} waiting")


def _ok(about: str, text: str) -> Finding:
    return Finding(level=Level.OK, about=about, text=text)
