"""``ahctl status``: how all services are."""

from datetime import timedelta

import click

from alerthistory_client.addresses import SERVICES
from alerthistory_client.cli.session import Session, asynchronous, explain, fail
from alerthistory_client.jsons import plain
from alerthistory_client.records import (
    ClassifierStatus,
    HistoryStatus,
    IngestStatus,
    LlmState,
    PublisherStatus,
    SystemStatus,
)
from alerthistory_client.text import age, counted, in_words, size
from alerthistory_common.alerts import Instant
from alerthistory_common.clock import SystemClock
from alerthistory_common.errors import AlertHistoryError

_LLM = {
    LlmState.AVAILABLE: "is asked",
    LlmState.FAILING: "is failing",
    LlmState.BUDGET_SPENT: "has spent its budget",
}

_Figures = HistoryStatus | IngestStatus | ClassifierStatus | PublisherStatus


@click.command()
@asynchronous
async def status(session: Session) -> None:
    """Show what fires, what is stored, what waits and what was delivered.

    Exits 1 when a service does not answer.
    """
    found = await session.client.status()
    errors = [each for each in _by_service(found).values() if isinstance(each, AlertHistoryError)]
    if session.output.is_json:
        session.output.json({"is_complete": not errors, "services": _as_json(session, found)})
    else:
        now = SystemClock().now()
        rows = ((name, *_cells(each, now)) for name, each in _by_service(found).items())
        session.output.table(("SERVICE", "STATE", "FIGURES"), rows, empty="")
    for message in dict.fromkeys(explain(each) for each in errors):
        session.output.note(f"Error: {message}")
    if errors:
        fail()


def _by_service(found: SystemStatus) -> dict[str, _Figures | AlertHistoryError]:
    return {name: getattr(found, name) for name in SERVICES}


def _as_json(session: Session, found: SystemStatus) -> dict[str, object]:
    return {
        name: {
            "address": session.client.addresses.of(name),
            "is_available": not isinstance(getattr(found, name), AlertHistoryError),
            "error": None,
            **plain(getattr(found, name)),
        }
        for name in SERVICES
    }


def _cells(found: _Figures | AlertHistoryError, now: Instant) -> tuple[str, str]:
    if isinstance(found, AlertHistoryError):
        return "no answer", ""
    return f"up {age(found.started_at, now)}", " · ".join(_figures(found))


def _figures(found: _Figures) -> list[str]:
    match found:
        case HistoryStatus():
            return [
                f"{found.firing_alerts} of {counted(found.alerts, 'alert')} firing",
                f"{counted(found.occurrences, 'occurrence')} and {counted(found.events, 'event')} stored",
                f"{found.pending_work} pending{_waiting(found.oldest_pending_age)}",
                f"{found.quarantined_payloads} in quarantine",
                f"{found.database_type}, {size(found.database_size_bytes)}",
            ]
        case IngestStatus():
            return [
                f"{found.in_flight} of {found.capacity} in flight",
                f"{found.completed} completed",
                *([f"{counted(found.spool.payloads, 'payload')} in the spool"] if found.spool.payloads else []),
            ]
        case ClassifierStatus():
            return [
                f"mode {found.mode}",
                f"{counted(found.classifications, 'verdict')} stored",
                *([] if found.llm_state is None else [f"{found.model} {_LLM[found.llm_state]}"]),
            ]
        case PublisherStatus():
            return [
                f"{found.enabled_targets} of {counted(found.targets, 'target')} enabled",
                f"{found.pending} pending{_waiting(found.oldest_pending_age)}",
                f"{found.delivered} delivered",
                f"{found.dead} dead",
                *([f"{counted(found.target_problems, 'problem')} with targets"] if found.target_problems else []),
            ]


def _waiting(oldest: timedelta | None) -> str:
    return "" if oldest is None else f" (oldest for {in_words(oldest)})"
