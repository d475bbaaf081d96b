"""``ahctl targets`` and ``ahctl deliveries``: who is told, and what became of it."""

import click

from alerthistory_client.cli.session import Session, asynchronous, fail, remember, shared_options
from alerthistory_client.records import Delivery, DeliveryState
from alerthistory_client.text import age
from alerthistory_common.alerts import Instant
from alerthistory_common.clock import SystemClock


@click.command()
@asynchronous
async def targets(session: Session) -> None:
    """List where alerts are published to."""
    found = await session.client.list_targets()
    if session.output.is_json:
        session.output.json({"targets": found})
        return
    session.output.table(
        ("TARGET", "FORMAT", "ADDRESS", "ENABLED", "RESOLVED TOO"),
        ((each.name, each.format, each.address, _yes(each.is_enabled), _yes(each.sends_resolved)) for each in found),
        empty="no targets are configured",
    )


def _yes(value: bool) -> str:
    return "yes" if value else "no"


@asynchronous
async def _list(session: Session, state: str | None, target: str, limit: int) -> None:
    wanted = session.client.list_deliveries(
        state=None if state is None else DeliveryState(state), target=target, limit=limit
    )
    found = [delivery async for delivery in wanted]
    if session.output.is_json:
        session.output.json({"deliveries": found})
        return
    now = SystemClock().now()
    session.output.table(
        ("ID", "STATE", "TARGET", "ALERT", "CHANGE", "ORDERED", "ATTEMPTS", "LAST RESULT"),
        (_row(each, now) for each in found),
        empty="no such deliveries",
    )


@click.group(invoke_without_command=True)
@click.option(
    "--state", type=click.Choice([each.value for each in DeliveryState]), help="Only deliveries in this state."
)
@click.option("--target", default="", help="Only those to this target.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="The most to show.")
@shared_options
@click.pass_context
def deliveries(context: click.Context, /, **options: object) -> None:
    """List deliveries, newest first; or retry dead ones."""
    if context.invoked_subcommand is None:
        context.invoke(_list, **options)
    else:
        remember(context, options)


def _row(delivery: Delivery, now: Instant) -> tuple[str, ...]:
    status = f"{delivery.last_status_code} " if delivery.last_status_code else ""
    due = delivery.next_attempt_at
    return (
        str(delivery.delivery_id),
        delivery.state,
        delivery.target,
        delivery.alert_name,
        delivery.kind,
        f"{age(delivery.created_at, now)} ago",
        str(delivery.attempts) + (f", next {age(due, now)}" if due is not None and due > now else ""),
        f"{status}{delivery.last_result}",
    )


@deliveries.command()
@click.argument("ids", nargs=-1, required=True, type=click.IntRange(min=1), metavar="ID...")
@asynchronous
async def retry(session: Session, ids: tuple[int, ...]) -> None:
    """Make dead deliveries pending again; others are left alone.

    Exits 1 when some of them were not dead.
    """
    retried = await session.client.retry_deliveries(ids)
    wanted = len(set(ids))
    if session.output.is_json:
        session.output.json({"retried_count": retried, "left_alone_count": wanted - retried})
    else:
        session.output.line(f"retrying {retried} of {wanted}")
        if retried < wanted:
            session.output.note(f"{wanted - retried} left alone: not dead, or unknown")
    if retried < wanted:
        fail()
