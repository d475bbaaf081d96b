"""``ahctl alerts`` and ``ahctl events``: what is true, and what changed."""

import click

from alerthistory_client import jsons
from alerthistory_client.cli.session import Session, asynchronous
from alerthistory_client.records import Alert
from alerthistory_client.text import age, clock, in_words, safe
from alerthistory_common.alerts import AlertEvent, EventKind, Instant, Severity
from alerthistory_common.clock import SystemClock


@click.command()
@click.option("--firing", "is_firing", flag_value=True, type=bool, default=None, help="Only alerts that fire.")
@click.option("--resolved", "is_firing", flag_value=False, type=bool, help="Only alerts that do not fire.")
@click.option("--name", default="", help="Only alerts with exactly this name.")
@click.option("--namespace", default="", help="Only alerts of exactly this namespace.")
@click.option("--severity", type=click.Choice([each.value for each in Severity]), help="Only this severity.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="The most alerts to show.")
@asynchronous
async def alerts(
    session: Session, is_firing: bool | None, name: str, namespace: str, severity: str | None, limit: int
) -> None:
    """List alerts with their effective state, last changed first."""
    wanted = session.client.list_alerts(
        name=name,
        namespace=namespace,
        is_firing=is_firing,
        severity=None if severity is None else Severity(severity),
        limit=limit,
    )
    found = [alert async for alert in wanted]
    if session.output.is_json:
        session.output.json({"alerts": found})
        return
    now = SystemClock().now()
    session.output.table(
        ("STATE", "SEVERITY", "ALERT", "NAMESPACE", "SINCE", "LAST SEEN", "FINGERPRINT"),
        (_row(alert, now) for alert in found),
        empty="no such alerts",
    )


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
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="The most events to show.")
@asynchronous
async def events(session: Session, fingerprint: str, limit: int) -> None:
    """List the latest changes of one alert, or of all; the newest comes last.

    FINGERPRINT is the alert's identity as `ahctl alerts` shows it.
    """
    found = [event async for event in session.client.list_events(fingerprint, limit=limit)]
    found.reverse()
    if session.output.is_json:
        session.output.json({"events": found})
        return
    if not found:
        session.output.line("no events of this alert" if fingerprint else "no events yet")
    for event in found:
        session.output.line(event_line(event))


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
        lasted = Instant(event.ends_at.micros - event.starts_at.micros).to_datetime() - Instant(0).to_datetime()
        return f"after {in_words(lasted)}"
    return f"since {clock(event.starts_at)}"
