"""``ahctl deliveries``: what is on its way to targets, what became of it, and once more what was given up."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from alerthistory_client.cli.filtering import print_list
from alerthistory_client.cli.moments import MomentType
from alerthistory_client.cli.session import Session, asynchronous, explain, fail, remember, shared_options
from alerthistory_client.publishing import REPLAYS_PER_SECOND
from alerthistory_client.publishing_records import Delivery, DeliveryFilter, DeliveryState, Replay, ReplayPlan
from alerthistory_client.text import age, clock, in_words
from alerthistory_common.alerts import Instant
from alerthistory_common.clock import SystemClock
from alerthistory_common.errors import AlertHistoryError

_C = TypeVar("_C", bound=Callable[..., Any])


def _filter_options(function: _C) -> _C:
    """Give a command the options that say which deliveries are meant."""
    for option in (
        click.option("--result", default="", metavar="TEXT", help="Only those whose last result contains this text."),
        click.option("--until", type=MomentType(), help="Only those ordered before this time."),
        click.option(
            "--since", type=MomentType(), help="Only those ordered at this time or later: 2h, 7d, or ISO 8601."
        ),
        click.option("--alert", "fingerprint", default="", metavar="FINGERPRINT", help="Only those of this alert."),
        click.option("--target", default="", help="Only those to this target."),
    ):
        function = option(function)
    return function


@asynchronous
async def _list(session: Session, /, state: str | None, limit: int, **wanted: Any) -> None:
    filters = DeliveryFilter(state=None if state is None else DeliveryState(state), **wanted)
    now = SystemClock().now()
    await print_list(
        session.output,
        session.client.publishing.list_deliveries(filters, limit=limit),
        key="deliveries",
        headings=("ID", "STATE", "TARGET", "ALERT", "CHANGE", "ORDERED", "ATTEMPTS", "LAST RESULT", "REASON"),
        row=lambda delivery: _row(delivery, now),
        is_streamed=False,
        empty="no such deliveries",
    )


@click.group(invoke_without_command=True)
@click.option(
    "--state", type=click.Choice([each.value for each in DeliveryState]), help="Only deliveries in this state."
)
@_filter_options
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="The most to show.")
@shared_options
@click.pass_context
def deliveries(context: click.Context, /, **options: object) -> None:
    """List deliveries, newest first; or retry dead ones.

    REASON is why a delivery is held back, was filtered or superseded.
    """
    if context.invoked_subcommand is None:
        context.invoke(_list, **options)
        return
    remember(context, options)
    for name in options:
        # It would be dropped in silence, and more would be sent again than was meant.
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            option = next(each.opts[0] for each in context.command.params if each.name == name)
            raise click.UsageError(f"{option} is of the list: give it after `{context.invoked_subcommand}`, if at all")


@deliveries.command()
@click.argument("ids", nargs=-1, required=True, type=click.IntRange(min=1), metavar="ID...")
@asynchronous
async def retry(session: Session, ids: tuple[int, ...]) -> None:
    """Make dead deliveries pending again; others are left alone.

    Exits 1 when some of them were not dead.
    """
    retried = await session.client.publishing.retry_deliveries(ids)
    wanted = len(set(ids))
    if session.output.is_json:
        session.output.json({"retried_count": retried, "left_alone_count": wanted - retried})
    else:
        session.output.line(f"retrying {retried} of {wanted}")
        if retried < wanted:
            session.output.note(f"{wanted - retried} left alone: not dead, or unknown")
    if retried < wanted:
        fail()


@deliveries.command()
@_filter_options
@click.option("--dry-run", is_flag=True, help="Only count them.")
@click.option(
    "--rate",
    type=click.FloatRange(0, 1000, min_open=True),
    default=REPLAYS_PER_SECOND,
    show_default=True,
    help="How many become due in a second, oldest first.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@asynchronous
async def replay(session: Session, /, dry_run: bool, rate: float, yes: bool, **wanted: Any) -> None:
    """Make all dead deliveries pending again, or those that the options name, spread over time.

    They are counted first, and you are asked. Broken off? Run it again: what was replayed is not dead any more.
    """
    plan = await session.client.publishing.plan_replay(DeliveryFilter(**wanted), per_second=rate)
    if not plan.count or dry_run:
        _report(session, plan, None)
        return
    if not yes:
        _ask(plan)
    _report(session, plan, await _replayed(session, plan))


def _ask(plan: ReplayPlan) -> None:
    """Ask whether to go on; end the command when the answer is no, or when nobody answers."""
    where = f"to {plan.wanted.target}" if plan.wanted.target else "to all targets"
    try:
        # Nothing else runs meanwhile; from a thread, Ctrl-C would wait for the answer.
        click.confirm(f"Send {_amount(plan)} {where} again, {_pace(plan)}?", abort=True, err=True)
    except click.Abort as error:
        raise click.ClickException("nothing was sent again; --yes goes on without a question") from error


async def _replayed(session: Session, plan: ReplayPlan) -> Replay | None:
    """Return what was replayed in the end, and say on the way how far it is."""
    found: Replay | None = None
    try:
        async for found in session.client.publishing.replay_deliveries(plan):
            if plan.calls > 1:
                session.output.note(f"{found.count} of {plan.count} pending again")
    except AlertHistoryError as error:
        done = "nothing" if found is None else _deliveries(found.count)
        raise click.ClickException(
            f"{explain(error)} ({done} pending again so far: run it again for the rest)"
        ) from error
    return found


def _report(session: Session, plan: ReplayPlan, found: Replay | None) -> None:
    if session.output.is_json:
        session.output.json(
            {
                "is_dry_run": found is None,
                "dead_count": plan.count,
                "replayed_count": found.count if found else 0,
                "last_due_at": found.last_due_at if found else None,
                "has_more": bool(found and found.has_more),
            }
        )
        return
    for line in _lines(plan, found):
        session.output.line(line)
    if found is not None and found.has_more:
        session.output.note("more have died meanwhile: run it again for them")


def _lines(plan: ReplayPlan, found: Replay | None) -> Iterator[str]:
    if not plan.count:
        yield "no such delivery is dead"
    elif found is None:
        yield f"{_amount(plan)} would be sent again, {_pace(plan)}"
    elif found.last_due_at is None:
        yield "none of them is dead any more"
    else:
        due = found.last_due_at
        yield f"{_deliveries(found.count)} pending again, the last is due {_in(due)}, {clock(due)}"


def _in(due: Instant) -> str:
    now = SystemClock().now()
    return age(due, now) if due > now else "now"


def _amount(plan: ReplayPlan) -> str:
    return _deliveries(plan.count, "dead ")


def _deliveries(count: int, kind: str = "") -> str:
    return f"{count} {kind}{'delivery' if count == 1 else 'deliveries'}"


def _pace(plan: ReplayPlan) -> str:
    return f"{plan.per_second:g} a second, within {in_words(plan.duration)}"


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
        delivery.decision,
    )
