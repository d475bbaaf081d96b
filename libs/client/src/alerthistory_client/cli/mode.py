"""``ahctl mode``: what is done with alerts besides storing them."""

import click

from alerthistory_client.cli.session import Session, asynchronous
from alerthistory_client.cli.texts import author_option, login_name
from alerthistory_client.records import EnrichmentMode
from alerthistory_client.text import age
from alerthistory_client.verdict_records import ModeChange
from alerthistory_common.alerts import Instant
from alerthistory_common.clock import SystemClock


@click.command()
@click.argument("mode", required=False, type=click.Choice([each.value for each in EnrichmentMode]))
@author_option
@click.option("--history", "is_history", is_flag=True, help="List who set which mode and when, newest first.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="The most to show of the history."
)
@asynchronous
async def mode(session: Session, /, mode: str | None, author: str | None, limit: int, *, is_history: bool) -> None:
    """Show the enrichment mode, or set it for good."""
    if is_history and mode is not None:
        raise click.UsageError("either set a mode, or ask for its --history")
    if author is not None and mode is None:
        raise click.UsageError("--author goes with a mode to set")
    if is_history:
        await _print_changes(session, limit)
        return
    if mode is None:
        found = await session.client.get_mode()
    else:
        found = await session.client.set_mode(EnrichmentMode(mode), author=author or login_name())
    if session.output.is_json:
        session.output.json(found)
    else:
        session.output.line(f"{found.mode} (from: {found.source})")


async def _print_changes(session: Session, limit: int) -> None:
    found = await session.client.verdicts.list_mode_changes(limit=limit)
    if session.output.is_json:
        session.output.json({"changes": found})
        return
    now = SystemClock().now()
    rows = (_row(each, now) for each in found)
    session.output.table(("SET", "MODE", "BEFORE", "BY"), rows, empty="nobody has set the mode")


def _row(change: ModeChange, now: Instant) -> tuple[str, ...]:
    return f"{age(change.changed_at, now)} ago", change.mode, change.previous or "", change.author
