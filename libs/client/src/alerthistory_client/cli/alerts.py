"""``ahctl alerts``, ``history`` and ``events``: what is true, what was reported, and what changed."""

from datetime import timedelta
from typing import Any

import click

from alerthistory_client import jsons
from alerthistory_client.cli.filtering import filter_options, print_list
from alerthistory_client.cli.output import Output
from alerthistory_client.cli.session import Session, asynchronous
from alerthistory_client.records import Alert, Occurrence
from alerthistory_client.text import age, clock, in_words, safe
from alerthistory_common.alerts import AlertEvent, EventKind, Instant, Severity
from alerthistory_common.clock import SystemClock

_SEVERITIES = click.Choice([each.value for each in Severity])


@click.command()
@filter_options(_SEVERITIES, "alerts that changed")
@asynchronous
async def alerts(
    session: Session,
    /,
    status: str | None,
    severity: str | None,
    limit: int,
    is_all: bool,
    **wanted: Any,
) -> None:
    """List alerts with their effective state, last changed first."""
    found = session.client.list_alerts(
        is_firing=_is_firing(status), severity=_severity(severity), limit=None if is_all else limit, **wanted
    )
    now = SystemClock().now()
    await print_list(
        session.output,
        found,
        key="alerts",
        headings=("STATE", "SEVERITY", "ALERT", "NAMESPACE", "SINCE", "LAST SEEN", "FINGERPRINT"),
        row=lambda alert: _row(alert, now),
        is_streamed=is_all,
        empty="no such alerts",
    )


@click.command()
@click.argument("fingerprint", default="")
@filter_options(click.STRING, "what started")
@asynchronous
async def history(
    session: Session,
    /,
    severity: str | None,
    status: str | None,
    limit: int,
    is_all: bool,
    **wanted: Any,
) -> None:
    """List what was reported, of one alert or of all, latest start first; severity is that of the label.

    FINGERPRINT is the alert's identity as `ahctl alerts` shows it.
    """
    found = session.client.list_occurrences(
        severity_label=severity or "", status=status or "", limit=None if is_all else limit, **wanted
    )
    await print_list(
        session.output,
        found,
        key="occurrences",
        headings=("STATE", "ALERT", "NAMESPACE", "START", "LASTED", "REPORTS", "FINGERPRINT"),
        row=_occurrence_row,
        is_streamed=is_all,
        empty="nothing was reported that fits",
    )


def _is_firing(status: str | None) -> bool | None:
    return None if status is None else status == "firing"


def _severity(named: str | None) -> Severity | None:
    return None if named is None else Severity(named)


def _occurrence_row(occurrence: Occurrence) -> tuple[str, ...]:
    labels = jsons.parsed(occurrence.labels_json)
    ends = None if occurrence.is_firing else occurrence.ends_at
    return (
        "firing" if occurrence.is_firing else "resolved",
        occurrence.alert_name,
        str(labels.get("namespace", "")) if isinstance(labels, dict) else "",
        clock(occurrence.starts_at),
        "" if ends is None else in_words(_between(occurrence.starts_at, ends)),
        str(occurrence.times_received),
        occurrence.fingerprint,
    )


def _between(start: Instant, end: Instant) -> timedelta:
    return timedelta(microseconds=end.micros - start.micros)


def _row(alert: Alert, now: Instant) -> tuple[str, ...]:
    state = "stale" if alert.is_stale else "firing" if alert.is_firing else "resolved"
    since = alert.starts_at if alert.is_firing else alert.ends_at
    return (
        state,
        alert.severity or alert.severity_label,
        alert.alert_name,
        alert.namespace,
        "" if since is None else age(since, now),
        f"{age(alert.last_seen_at, now)} ago",
        alert.fingerprint,
    )


@click.command()
@click.argument("fingerprint", default="")
@filter_options(_SEVERITIES, "events")
@asynchronous
async def events(
    session: Session,
    /,
    fingerprint: str,
    status: str | None,
    severity: str | None,
    limit: int,
    is_all: bool,
    **wanted: Any,
) -> None:
    """List the latest changes of one alert, or of all; the newest comes last.

    FINGERPRINT is the alert's identity as `ahctl alerts` shows it. --status is what the alert does after the event.
    """
    listed = session.client.list_events(
        fingerprint,
        is_firing=_is_firing(status),
        severity=_severity(severity),
        newest_first=not is_all,
        limit=None if is_all else limit,
        **wanted,
    )
    if is_all:
        async for event in listed:
            _print_event(session.output, event)
        return
    found = [event async for event in listed]
    found.reverse()
    if session.output.is_json:
        session.output.json({"events": found})
        return
    if not found:
        session.output.line("no events of this alert" if fingerprint else "no such events")
    for event in found:
        _print_event(session.output, event)


def _print_event(output: Output, event: AlertEvent) -> None:
    if output.is_json:
        output.json_line(event)
    else:
        output.line(event_line(event))


_COLOURS = {
    EventKind.FIRED: "red",
    EventKind.REFIRED: "red",
    EventKind.RESOLVED: "green",
    EventKind.EXPIRED: "green",
    EventKind.WENT_STALE: "yellow",
}


def event_line(event: AlertEvent) -> str:
    """Return *event* in one line, safe to print."""
    labels = jsons.parsed(event.labels_json)
    labels = labels if isinstance(labels, dict) else {}
    shown = [
        f"{key}={safe(str(labels[key]), limit=80)}" for key in ("severity", "namespace", "instance") if key in labels
    ]
    kind = click.style(f"{event.kind:<19}", fg=_COLOURS.get(event.kind))
    words = (clock(event.occurred_at), kind, click.style(safe(event.alert_name), bold=True), *shown, _span(event))
    return f"{'  '.join(words)}  {safe(event.fingerprint)}"


def _span(event: AlertEvent) -> str:
    if event.ends_at is not None:
        return f"after {in_words(_between(event.starts_at, event.ends_at))}"
    return f"since {clock(event.starts_at)}"
