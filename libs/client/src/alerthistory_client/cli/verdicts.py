"""``ahctl verdict`` and ``ahctl verdicts``: how serious alerts were judged."""

import json
from collections.abc import Iterator

import click

from alerthistory_client import jsons
from alerthistory_client.cli.cases import known_case
from alerthistory_client.cli.details import Detail, print_details, severity_text, verdict_details
from alerthistory_client.cli.filtering import print_list
from alerthistory_client.cli.session import Session, asynchronous, explain
from alerthistory_client.cli.texts import fingerprint_argument
from alerthistory_client.client import Client
from alerthistory_client.records import Classification
from alerthistory_client.text import age, clock
from alerthistory_common.alerts import Instant
from alerthistory_common.clock import SystemClock
from alerthistory_common.errors import NotFoundError


@click.command()
@fingerprint_argument
@click.option("--refresh", is_flag=True, help="Judge the alert anew first, whatever the mode; the LLM is waited for.")
@asynchronous
async def verdict(session: Session, fingerprint: str, *, refresh: bool) -> None:
    """Show the stored verdict on an alert, all of it.

    FINGERPRINT is the alert's identity as `ahctl alerts` shows it. With --refresh the alert is judged anew, by what
    history knows about it, and the new verdict is stored. An LLM that is slow is waited for as long as --timeout says.
    """
    found = await (_refreshed if refresh else _stored)(session.client, fingerprint)
    if session.output.is_json:
        session.output.json(found)
    else:
        print_details(session.output, (found.alert_name, found.fingerprint), _details(found, SystemClock().now()))


@click.command()
@click.option(
    "--min-confidence", type=click.FloatRange(0, 1), default=0.0, help="Only verdicts of at least this confidence, 0-1."
)
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="The most to show.")
@asynchronous
async def verdicts(session: Session, min_confidence: float, limit: int) -> None:
    """List the stored verdicts, newest first."""
    now = SystemClock().now()
    await print_list(
        session.output,
        session.client.verdicts.list_stored(min_confidence=min_confidence, limit=limit),
        key="verdicts",
        headings=("JUDGED", "SEVERITY", "CONFIDENCE", "BY", "ALERT", "FINGERPRINT"),
        row=lambda found: _row(found, now),
        is_streamed=False,
        empty="no such verdicts",
    )


async def _stored(client: Client, fingerprint: str) -> Classification:
    try:
        return await client.verdicts.get(fingerprint)
    except NotFoundError as error:
        raise click.ClickException(f"{explain(error)}: `ahctl verdict --refresh` judges it now") from error


async def _refreshed(client: Client, fingerprint: str) -> Classification:
    (found,) = await client.verdicts.refresh([await known_case(client, fingerprint)])
    return found


def _row(found: Classification, now: Instant) -> tuple[str, ...]:
    return (
        f"{age(found.created_at, now)} ago",
        found.verdict.severity,
        f"{found.verdict.confidence:.2f}",
        found.verdict.source,
        found.alert_name,
        found.fingerprint,
    )


def _details(found: Classification, now: Instant) -> Iterator[Detail]:
    yield "severity", severity_text(found.verdict.severity, found.verdict.confidence)
    yield "judged by", found.verdict.source
    yield "judged", f"{age(found.created_at, now)} ago, {clock(found.created_at)}"
    if found.verdict.processing_time:
        yield "took", f"{found.verdict.processing_time.total_seconds() * 1000:.3g} ms"
    yield from verdict_details(found.verdict)
    if found.metadata_json:
        yield "also said", json.dumps(jsons.parsed(found.metadata_json), indent=2, ensure_ascii=False)
