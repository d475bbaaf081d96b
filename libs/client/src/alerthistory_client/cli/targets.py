"""``ahctl targets``: where alerts are published to, how well that goes, and what would be sent."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

import click

from alerthistory_client import jsons
from alerthistory_client.cli.details import Detail, print_details
from alerthistory_client.cli.files import read_one_alert
from alerthistory_client.cli.output import Output
from alerthistory_client.cli.session import (
    Session,
    asynchronous,
    explain,
    fail,
    given_timeout_of,
    remember,
    shared_options,
)
from alerthistory_client.cli.texts import TextType
from alerthistory_client.publishing_records import (
    BreakerState,
    Preview,
    Target,
    TargetProblem,
    TargetStats,
    TestResult,
)
from alerthistory_client.text import age, clock, counted, safe, safe_lines
from alerthistory_common.alerts import Instant, Severity, Verdict
from alerthistory_common.clock import SystemClock
from alerthistory_common.errors import NotFoundError

_HEADINGS = (
    "TARGET", "FORMAT", "ADDRESS", "ENABLED", "RESOLVED TOO", "RATE LIMITS", "BREAKER", "DELIVERED", "DEAD", "PENDING",
    "FILTERED", "SOURCE",
)  # fmt: skip
_LONGEST_BODY_LINE = 20_000
_SHORTEST_TEST_S, _LONGEST_TEST_S = 1, 300
_REASONING = "An example: here the verdict says why."

_target_argument = click.argument("name", type=TextType("name"))
_alert_argument = click.argument("file", required=False, metavar="[ALERT_FILE|-]")


@asynchronous
async def _list(session: Session) -> None:
    found, stats = await session.client.publishing.list_targets(), await session.client.publishing.stats()
    counts = {each.target: each for each in stats.targets}
    names = {each.name for each in found.targets}
    former = [each for each in stats.targets if each.target not in names]
    if session.output.is_json:
        shown = [_as_json(each, counts) for each in found.targets]
        session.output.json({"targets": shown, "problems": found.problems, "former_targets": former})
        return
    rows = (_row(each, _stats_of(each, counts)) for each in found.targets)
    session.output.table(_HEADINGS, rows, empty="no targets are configured")
    _note_former(session.output, former)
    _note_problems(session.output, found.problems)


@click.group(invoke_without_command=True)
@shared_options
@click.pass_context
def targets(context: click.Context, /, **options: object) -> None:
    """List where alerts are published to; or show, test and preview one.

    What of the configuration cannot be used is told on stderr; what worked before stays in force.
    """
    if context.invoked_subcommand is None:
        context.invoke(_list, **options)
    else:
        remember(context, options)


@targets.command()
@_target_argument
@asynchronous
async def show(session: Session, name: str) -> None:
    """Show one target: all of its configuration that is no secret, and what became of its deliveries."""
    target = await _known(session, name)
    stats = _stats_of(target, {each.target: each for each in (await session.client.publishing.stats()).targets})
    if session.output.is_json:
        session.output.json({**jsons.plain(target), "stats": stats})
    else:
        print_details(session.output, (target.name,), _details(target, stats, SystemClock().now()))


@targets.command()
@asynchronous
async def refresh(session: Session) -> None:
    """Read the configuration of the targets anew, in all replicas.

    Exits 1 when some of it cannot be used; what worked before stays in force.
    """
    found = await session.client.publishing.refresh_targets()
    if session.output.is_json:
        session.output.json(found)
    else:
        session.output.line(f"{counted(len(found.targets), 'target')} in force")
        _note_problems(session.output, found.problems)
    if found.problems:
        fail()


@targets.command()
@_target_argument
@_alert_argument
@asynchronous
async def test(session: Session, name: str, file: str | None) -> None:
    """Send a test alert to a target, once and at once, enabled or not, and say what came of it.

    The alert is one of the publisher's own, or that in ALERT_FILE, which holds one as `ahctl classify` takes it. The
    target may take --timeout SECONDS, 1 to 300; 30 when it is not given. Exits 1 when the alert was not delivered.
    """
    limit = _test_limit()
    alert = await read_one_alert(file)
    try:
        result = await session.client.publishing.test_target(name, alert_json=alert, limit=limit)
    except NotFoundError as error:
        raise _unknown(error) from error
    if session.output.is_json:
        session.output.json({"target": name, **jsons.plain(result)})
    else:
        session.output.line(f"{safe(name)}: {_outcome(result)}")
    if not result.is_delivered:
        fail()


@targets.command()
@_target_argument
@_alert_argument
@click.option(
    "--severity",
    type=click.Choice([each.value for each in Severity], case_sensitive=False),
    help="Let a verdict with this severity go with the alert.",
)
@click.option("--confidence", type=click.FloatRange(0, 1), help="How sure that verdict is, 0-1.  [default: 1]")
@click.option("--title", metavar="TEMPLATE", help="Try this template for the title.")
@click.option("--description", metavar="TEMPLATE", help="Try this template for the description.")
@asynchronous
async def preview(
    session: Session,
    name: str,
    file: str | None,
    severity: str | None,
    confidence: float | None,
    title: str | None,
    description: str | None,
) -> None:
    """Show what would be sent to a target, without its secrets. Sends nothing.

    The alert is one of the publisher's own, or that in ALERT_FILE, which holds one as `ahctl classify` takes it.
    """
    if confidence is not None and severity is None:
        raise click.UsageError("--confidence is that of a verdict: say --severity, too")
    alert = await read_one_alert(file)
    try:
        found = await session.client.publishing.preview_target(
            name, alert_json=alert, verdict=_verdict(severity, confidence), title=title, description=description
        )
    except NotFoundError as error:
        raise _unknown(error) from error
    if session.output.is_json:
        session.output.json(found)
    else:
        for line in _request_lines(found):
            session.output.line(line)


async def _known(session: Session, name: str) -> Target:
    try:
        return await session.client.publishing.get_target(name)
    except NotFoundError as error:
        raise _unknown(error) from error


def _unknown(error: NotFoundError) -> click.ClickException:
    return click.ClickException(f"{explain(error)}: `ahctl targets` lists them")


def _stats_of(target: Target, counts: Mapping[str, TargetStats]) -> TargetStats:
    return counts.get(target.name, TargetStats(target=target.name))


def _as_json(target: Target, counts: Mapping[str, TargetStats]) -> dict[str, object]:
    return {**jsons.plain(target), "stats": jsons.plain(_stats_of(target, counts))}


def _row(target: Target, stats: TargetStats) -> tuple[str, ...]:
    return (
        target.name,
        target.format,
        target.address,
        _yes(target.is_enabled),
        _yes(target.sends_resolved),
        ", ".join(target.rate_limits),
        _breaker(stats.breaker_state),
        str(stats.delivered),
        str(stats.dead),
        str(stats.pending),
        str(stats.filtered),
        target.source,
    )


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _breaker(state: BreakerState | None) -> str:
    return "never used" if state is None else state.value.replace("_", " ")


def _note_former(output: Output, former: Sequence[TargetStats]) -> None:
    if former:
        names = ", ".join(safe(each.target) for each in former)
        output.note(f"not configured any more, but with deliveries: {names}")


def _note_problems(output: Output, problems: Sequence[TargetProblem]) -> None:
    for each in problems:
        first, *rest = safe_lines(each.problem)
        output.note(f"Problem: {safe(each.source)}: {first}")
        for line in rest:
            output.note(f"  {line}")


def _details(target: Target, stats: TargetStats, now: Instant) -> Iterator[Detail]:
    yield "format", target.format
    yield "URL", target.url or target.address
    yield "source", target.source
    yield "enabled", _yes(target.is_enabled)
    yield "resolved too", _yes(target.sends_resolved)
    yield "rate limits", "\n".join(target.rate_limits)
    yield "at a time", str(target.concurrency or "")
    yield "filter", _pretty(target.filter_json) if jsons.parsed(target.filter_json) else "none of its own"
    yield "breaker", _breaker_detail(stats, now)
    yield "delivered", f"{stats.delivered}{_last(stats.last_delivered_at, now)}"
    yield "dead", str(stats.dead)
    yield "pending", str(stats.pending)
    yield "filtered", str(stats.filtered)
    yield "superseded", str(stats.superseded)


def _breaker_detail(stats: TargetStats, now: Instant) -> str:
    until = stats.breaker_open_until
    if stats.breaker_state is not BreakerState.OPEN or until is None or until <= now:
        return _breaker(stats.breaker_state)
    return f"open, tried again {age(until, now)}, {clock(until)}"


def _last(moment: Instant | None, now: Instant) -> str:
    return "" if moment is None else f", the last {age(moment, now)} ago"


def _test_limit() -> timedelta | None:
    context = click.get_current_context()
    seconds = given_timeout_of(context)
    if seconds is None:
        return None
    if not _SHORTEST_TEST_S <= seconds <= _LONGEST_TEST_S:
        message = f"a target may take {_SHORTEST_TEST_S} to {_LONGEST_TEST_S} seconds"
        raise click.BadParameter(message, ctx=context, param_hint="--timeout")
    return timedelta(seconds=seconds)


def _outcome(result: TestResult) -> str:
    took = f"{result.response_time / timedelta(milliseconds=1):.3g} ms"
    status = f"status {result.status_code}" if result.status_code else "no answer"
    if result.is_delivered:
        return f"delivered, {status}, in {took}"
    return f"not delivered, {status}, after {took}: {safe(result.problem)}"


def _verdict(severity: str | None, confidence: float | None) -> Verdict | None:
    if severity is None:
        return None
    return Verdict(
        severity=Severity(severity), confidence=1.0 if confidence is None else confidence, reasoning=_REASONING
    )


def _request_lines(found: Preview) -> Iterator[str]:
    yield f"{safe(found.method)} {safe(found.url, limit=_LONGEST_BODY_LINE)}"
    for name in sorted(found.headers):
        yield f"{safe(name)}: {safe(found.headers[name], limit=_LONGEST_BODY_LINE)}"
    yield ""
    yield from safe_lines(_pretty(found.body), limit=_LONGEST_BODY_LINE)


def _pretty(content: bytes) -> str:
    """Return *content* as indented JSON, or as the text that it is when it is no JSON."""
    value = jsons.parsed(content)
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
