"""``ahctl retention``: what is deleted because of its age."""

import click

from alerthistory_client.cli.session import Session, asynchronous
from alerthistory_client.records import RetentionPlan, RetentionTable
from alerthistory_client.text import clock, counted, size


@click.command()
@click.option("--dry-run", is_flag=True, help="Only tell; needed, because the service deletes by itself, daily.")
@click.option("--days", type=click.IntRange(1, 36_500), help="Explore other days than those that are set.")
@asynchronous
async def retention(session: Session, *, dry_run: bool, days: int | None) -> None:
    """Show what retention would delete from history now. Nothing is deleted.

    The days are those of ALERTHISTORY_RETENTION_DAYS, with which the services run.
    """
    if not dry_run:
        raise click.UsageError("say --dry-run: the service deletes by itself, once a day")
    plan = await session.client.plan_retention(days=days)
    if session.output.is_json:
        session.output.json(plan)
        return
    session.output.line(_summary(plan))
    session.output.table(("TABLE", "ROWS", "WOULD GO", "SIZE", "WOULD RETURN"), map(_row, plan.tables), empty="")


def _summary(plan: RetentionPlan) -> str:
    if plan.days is None or plan.cutoff is None:
        return "retention is off: nothing is ever deleted. Set ALERTHISTORY_RETENTION_DAYS, or explore with --days"
    setting = "retention is off" if plan.configured_days is None else f"{counted(plan.configured_days, 'day')} are set"
    return (
        f"with {counted(plan.days, 'day')} all that was last received before {clock(plan.cutoff)} would go ({setting})"
    )


def _row(table: RetentionTable) -> tuple[str, ...]:
    total = f"~{max(table.total_rows, table.rows)}"
    return table.table, total, str(table.rows), f"~{size(table.total_bytes)}", f"~{size(table.bytes)}"
