"""``ahctl explain``: who would be told about an alert, who would not, and why."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import msgspec

from alerthistory_client import jsons
from alerthistory_client.cli.cases import known_case
from alerthistory_client.cli.details import print_details, severity_text
from alerthistory_client.cli.files import read_alert_file
from alerthistory_client.cli.moments import MomentType
from alerthistory_client.cli.session import Session, asynchronous
from alerthistory_client.cli.session import explain as in_words
from alerthistory_client.client import Client
from alerthistory_client.publishing_records import PublishExplanation
from alerthistory_client.records import EnrichmentMode
from alerthistory_client.text import age, clock
from alerthistory_client.verdict_records import Case, Explanation
from alerthistory_common.alerts import AlertEvent, EventKind, Instant, Verdict
from alerthistory_common.clock import SystemClock
from alerthistory_common.errors import AlertHistoryError, NotFoundError


@dataclass(frozen=True, slots=True, kw_only=True)
class _Explained:
    """One alert, the verdict that would go with it, if any, and what each target would be told."""

    event: AlertEvent
    verdict: Verdict | None
    targets: Sequence[PublishExplanation]


@click.command()
@click.argument("alert", metavar="FINGERPRINT|FILE|-")
@click.option("--resolved", is_flag=True, help="Explain what happens when the alert ends, not when it fires.")
@click.option("--at", type=MomentType(), help="Explain for this time: ISO 8601, or how long ago.  [default: now]")
@asynchronous
async def explain(session: Session, alert: str, *, resolved: bool, at: Instant | None) -> None:
    """Show for every target whether it would be told about an alert, what decides, and why. Sends nothing.

    The alert is one that history knows, named by its fingerprint as `ahctl alerts` shows it, with its verdict; or it is
    in FILE, as `ahctl classify` takes it, and judged as if it fired now, without an LLM.
    """
    cases = await _cases(session.client, alert)
    verdicts = await _verdicts(session, cases, is_known=not await _is_file(alert))
    explained = []
    for case, verdict in zip(cases, verdicts, strict=True):
        event = _ended(case.event) if resolved else case.event
        targets = await session.client.publishing.explain(event, verdict, at=at)
        explained.append(_Explained(event=event, verdict=verdict, targets=targets))
    _print(session, explained)


async def _is_file(alert: str) -> bool:
    return alert == "-" or await asyncio.to_thread(Path(alert).is_file)


async def _cases(client: Client, alert: str) -> list[Case]:
    if await _is_file(alert):
        return [each.case for each in await read_alert_file(alert)]
    try:
        return [await known_case(client, alert)]
    except NotFoundError as error:
        raise click.ClickException(f"{in_words(error)}, and there is no such file") from error


async def _verdicts(session: Session, cases: Sequence[Case], *, is_known: bool) -> list[Verdict | None]:
    """Return the verdicts that would go with *cases*; none, with a warning, when the classifier cannot tell."""
    client = session.client
    try:
        if (await client.get_mode()).mode is EnrichmentMode.TRANSPARENT:
            return [None] * len(cases)
        explained = await client.verdicts.explain(cases)
        stored = await _stored(client, cases[0].event.fingerprint) if is_known else None
    except AlertHistoryError as error:
        session.output.note(f"Warning: explained without a verdict: {in_words(error)}")
        return [None] * len(cases)
    return [_verdict(each, stored) for each in explained]


async def _stored(client: Client, fingerprint: str) -> Verdict | None:
    try:
        return (await client.verdicts.get(fingerprint)).verdict
    except NotFoundError:
        return None


def _verdict(explained: Explanation, stored: Verdict | None) -> Verdict:
    """Return a person's word, else the verdict that is stored, else that of the rules."""
    if explained.override is None:
        return stored or explained.rules_verdict
    said = explained.override
    return Verdict(severity=said.severity, confidence=1.0, reasoning=said.reason, source="override")


def _ended(event: AlertEvent) -> AlertEvent:
    """Return that the alert of *event* ends, after all that is known of it."""
    ends_at = max(event.starts_at, event.occurred_at)
    return msgspec.structs.replace(event, kind=EventKind.RESOLVED, ends_at=event.ends_at or ends_at)


def _print(session: Session, explained: Sequence[_Explained]) -> None:
    if session.output.is_json:
        session.output.json({"alerts": [_as_json(each) for each in explained]})
        return
    now = SystemClock().now()
    for number, each in enumerate(explained):
        if number:
            session.output.line("")
        details = [("verdict", _verdict_text(each.verdict))]
        print_details(session.output, (each.event.alert_name, each.event.fingerprint), iter(details))
        session.output.table(
            ("TARGET", "ACTION", "DECIDED BY", "REASON", "WHEN"),
            _rows(each.targets, now),
            empty="no targets are configured: nobody is told",
        )


def _as_json(explained: _Explained) -> dict[str, Any]:
    return {
        "fingerprint": explained.event.fingerprint,
        "alert_name": explained.event.alert_name,
        "change": explained.event.kind,
        "verdict": jsons.plain(explained.verdict),
        "targets": jsons.plain(explained.targets),
    }


def _verdict_text(verdict: Verdict | None) -> str:
    if verdict is None:
        return "none"
    return f"{severity_text(verdict.severity, verdict.confidence)}, by {verdict.source}"


def _rows(targets: Sequence[PublishExplanation], now: Instant) -> Iterator[tuple[str, ...]]:
    for each in targets:
        yield each.target, each.action, each.decided_by, each.reason, _when(each.due_at, now)


def _when(due_at: Instant | None, now: Instant) -> str:
    if due_at is None:
        return "never"
    return f"{age(due_at, now)}, {clock(due_at)}" if due_at > now else "now"
