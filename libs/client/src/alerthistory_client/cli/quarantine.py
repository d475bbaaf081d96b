"""``ahctl quarantine``: payloads that could not be stored."""

import click

from alerthistory_client.cli.send import summary
from alerthistory_client.cli.session import Session, asynchronous, fail, remember, shared_options
from alerthistory_client.records import QuarantinedPayload, ReplayResult
from alerthistory_client.text import age, safe, size
from alerthistory_common.alerts import Instant
from alerthistory_common.clock import SystemClock


@click.group()
@shared_options
@click.pass_context
def quarantine(context: click.Context, /, **options: object) -> None:
    """List or replay payloads that could not be stored in whole or part."""
    remember(context, options)


@quarantine.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="The most to show.")
@asynchronous
async def list_(session: Session, limit: int) -> None:
    """List quarantined payloads, newest first, with their first error."""
    found = [payload async for payload in session.client.list_quarantine(limit=limit)]
    if session.output.is_json:
        session.output.json({"payloads": found})
        return
    now = SystemClock().now()
    session.output.table(
        ("ID", "RECEIVED", "TIMES", "FORMAT", "SENDER", "SIZE", "ERRORS", "FIRST ERROR"),
        (_row(each, now) for each in found),
        empty="nothing is in quarantine",
    )


def _row(payload: QuarantinedPayload, now: Instant) -> tuple[str, ...]:
    return (
        str(payload.quarantine_id),
        f"{age(payload.received_at, now)} ago",
        str(payload.times_received),
        payload.format,
        payload.sender,
        size(payload.body_size),
        str(payload.error_count),
        payload.errors[0].message if payload.errors else "",
    )


@quarantine.command()
@click.argument("ids", nargs=-1, required=True, type=click.IntRange(min=1), metavar="ID...")
@asynchronous
async def replay(session: Session, ids: tuple[int, ...]) -> None:
    """Store quarantined payloads anew; what is accepted in full leaves the quarantine.

    Exits 1 when some of them stay.
    """
    results = await session.client.replay_quarantine(ids)
    if session.output.is_json:
        session.output.json({"results": results})
    else:
        for each in results:
            session.output.line(f"{each.quarantine_id}: {_outcome(each)}")
    if not all(each.result is not None and each.result.is_complete for each in results):
        fail()


def _outcome(replayed: ReplayResult) -> str:
    if replayed.result is None:
        return "is not in quarantine"
    if replayed.result.rejection:
        return f"refused again: {safe(replayed.result.rejection)}"
    return summary(replayed.result)
