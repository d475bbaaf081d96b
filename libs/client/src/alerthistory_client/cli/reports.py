"""``ahctl report``: what fires most, flaps, lasts and makes noise, and when."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

import click

from alerthistory_client.cli.moments import MomentType, SpanType
from alerthistory_client.cli.output import Output
from alerthistory_client.cli.session import Session, asynchronous
from alerthistory_client.report_records import (
    Activity,
    ActivityBucket,
    ActivityReport,
    Durations,
    Noise,
    ReportDimension,
    ReportedAlert,
    ReportQuery,
    ReportWindow,
    Spans,
    TopAlert,
    TopGrouping,
    TopOrder,
)
from alerthistory_client.text import clock, counted, in_words

_C = TypeVar("_C", bound=Callable[..., Any])

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_NOTHING = "nothing happened in that time"
_BAR = 40
_SHADES = " ·░▒▓█"


def _query_options(function: _C) -> _C:
    """Give a command the options by which all reports are narrowed."""
    for option in (
        click.option("--severity", "severity_label", help="Only alerts with exactly this severity label."),
        click.option("--namespace", help="Only alerts of exactly this namespace; '' for none."),
        click.option("--name", "alert_name", help="Only alerts with exactly this name."),
        click.option("--until", type=MomentType(), help="To when.  [default: now]"),
        click.option(
            "--since", type=MomentType(), help="From when: 2h, 7d, or ISO 8601; rounded to whole hours, beyond 48h to"
            " whole days (UTC).  [default: 7 days before]"
        ),
    ):  # fmt: skip
        function = option(function)
    return function


_limited = click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="The most rows to show."
)
_by = click.option(
    "--by",
    type=click.Choice([each.value for each in ReportDimension]),
    default=ReportDimension.NAME.value,
    show_default=True,
    help="By what alerts are told apart.",
)


@click.group()
def report() -> None:
    """Tell what fires most, flaps, lasts and makes noise, and when.

    What every figure means is told in docs/reports.md.
    """


@report.command()
@click.option("--by", type=click.Choice([each.value for each in TopGrouping]), default="name", show_default=True,
              help="Whether a row stands for a name or for a single alert.")  # fmt: skip
@click.option("--order", type=click.Choice([each.value.replace("_", "-") for each in TopOrder]), default="fired",
              show_default=True, help="By what rows are ordered, the largest first.")  # fmt: skip
@_limited
@_query_options
@asynchronous
async def top(session: Session, /, by: str, order: str, limit: int, **query: Any) -> None:
    """List what fired most."""
    grouping = TopGrouping(by)
    found = await session.client.reports.top_alerts(
        ReportQuery(**query), grouping=grouping, order=TopOrder(order.replace("-", "_")), limit=limit
    )
    if session.output.is_json:
        session.output.json(found)
        return
    _about(session.output, found.window)
    is_single = grouping is TopGrouping.ALERT
    headings = ("ALERT", *(_IDENTITY if is_single else ("ALERTS",)), "FIRED", "RESOLVED", "EXPIRED", "FIRED FOR")
    session.output.table(headings, map(_top_row, found.rows), empty=_NOTHING)


@report.command()
@_limited
@_query_options
@asynchronous
async def flapping(session: Session, /, limit: int, **query: Any) -> None:
    """List alerts that go back and forth between firing and not."""
    found = await session.client.reports.flapping_alerts(ReportQuery(**query), limit=limit)
    if session.output.is_json:
        session.output.json(found)
        return
    _about(session.output, found.window)
    rows = (
        (
            each.alert.alert_name,
            *_identity(each.alert),
            str(each.change_count),
            f"{each.changes_per_hour:.2g}",
            in_words(each.longest_quiet),
        )
        for each in found.rows
    )
    headings = ("ALERT", *_IDENTITY, "CHANGES", "PER HOUR", "LONGEST QUIET")
    session.output.table(headings, rows, empty="no alert flapped in that time")


@report.command()
@_by
@_limited
@_query_options
@asynchronous
async def durations(session: Session, /, by: str, limit: int, **query: Any) -> None:
    """List how long episodes lasted, and how much time lay between firings."""
    found = await session.client.reports.durations(ReportQuery(**query), by=ReportDimension(by), limit=limit)
    if session.output.is_json:
        session.output.json(found)
        return
    _about(session.output, found.window)
    headings = (by.upper(), "RESOLVED", "MEAN", "P50", "P95", "BETWEEN FIRINGS: MEAN", "P50")
    rows = [_durations_row(each, each.value) for each in found.rows]
    if rows:
        rows.append(_durations_row(found.total, "(all)"))
    session.output.table(headings, rows, empty=_NOTHING)


@report.command()
@click.option("--threshold", type=SpanType(), default="5m", show_default=True,
              help="Resolved episodes shorter than this are noise: 30s, or 1m to 60m.")  # fmt: skip
@_by
@_limited
@_query_options
@asynchronous
async def noise(session: Session, /, threshold: timedelta, by: str, limit: int, **query: Any) -> None:
    """List how many episodes were too short to be worth anybody's time."""
    found = await session.client.reports.noise(
        ReportQuery(**query), by=ReportDimension(by), threshold=threshold, limit=limit
    )
    if session.output.is_json:
        session.output.json(found)
        return
    _about(session.output, found.window)
    rows = [_noise_row(each, each.value) for each in found.rows]
    if rows:
        rows.append(_noise_row(found.total, "(all)"))
    headings = (by.upper(), "RESOLVED", "NOISE", "SHARE")
    session.output.table(headings, rows, empty=f"no episode was shorter than {in_words(threshold)}")


@report.command()
@click.option("--bucket", type=click.Choice([each.value for each in ActivityBucket]),
              help="The length of the stretches.  [default: hour for up to 48h, else day]")  # fmt: skip
@click.option("--utc-offset", type=click.IntRange(-12, 14), default=0, show_default=True, metavar="HOURS",
              help="How far local time is ahead of UTC: where days begin, and the hours of the heat map.")  # fmt: skip
@_query_options
@asynchronous
async def activity(session: Session, /, bucket: str | None, utc_offset: int, **query: Any) -> None:
    """Show when alerts fired: over time, by weekday and hour, and by name, namespace and severity."""
    found = await session.client.reports.activity(
        ReportQuery(**query),
        bucket=None if bucket is None else ActivityBucket(bucket),
        utc_offset=timedelta(hours=utc_offset),
    )
    if session.output.is_json:
        session.output.json(found)
        return
    _about(session.output, found.window)
    _print_activity(session.output, found, timezone(timedelta(hours=utc_offset)))


_IDENTITY = ("NAMESPACE", "SEVERITY", "STATE", "FINGERPRINT")


def _identity(alert: ReportedAlert) -> Sequence[str]:
    return alert.namespace, alert.severity_label, "firing" if alert.is_firing else "resolved", alert.fingerprint


def _about(output: Output, window: ReportWindow) -> None:
    output.note(f"from {clock(window.begins_at)} to {clock(window.ends_at)}")


def _top_row(top: TopAlert) -> Sequence[str]:
    return (
        top.alert_name,
        *((str(top.alert_count),) if top.alert is None else _identity(top.alert)),
        str(top.fired_count),
        str(top.resolved_count),
        str(top.expired_count),
        in_words(top.firing_time),
    )


def _durations_row(durations: Durations, value: str) -> Sequence[str]:
    episodes, gaps = durations.episodes, durations.gaps
    return (value, str(episodes.count), *_spans(episodes), _span(gaps.mean), _span(gaps.p50))


def _spans(spans: Spans) -> Sequence[str]:
    return _span(spans.mean), _span(spans.p50), _span(spans.p95)


def _span(span: timedelta | None) -> str:
    return "" if span is None else in_words(span)


def _noise_row(noise: Noise, value: str) -> Sequence[str]:
    return value, str(noise.resolved_count), str(noise.noise_count), f"{noise.noise_share:.0%}"


def _print_activity(output: Output, found: ActivityReport, zone: timezone) -> None:
    total = found.total
    output.line(
        f"fired {total.fired_count}, resolved {total.resolved_count}, expired {total.expired_count};"
        f" {counted(total.alert_count, 'alert')}, firing for {in_words(total.firing_time)} in all"
    )
    output.line("")
    most = max((each.fired_count for each in found.series), default=0)
    output.table(
        ("FROM", "FIRED", "RESOLVED", "EXPIRED", ""),
        (_stretch_row(each, most, zone) for each in found.series),
        empty=_NOTHING,
    )
    output.line("")
    hottest = max(map(max, found.heat_map), default=0)
    output.line(f"     {''.join(f'{hour:<3}' for hour in range(24))}")
    for weekday, hours in zip(_WEEKDAYS, found.heat_map, strict=True):
        output.line(f"{weekday}  {''.join(_shade(count, hottest) * 2 + ' ' for count in hours)}".rstrip())
    for heading, shares in (
        ("ALERT", found.names),
        ("NAMESPACE", found.namespaces),
        ("SEVERITY", found.severities),
    ):
        output.line("")
        output.table((heading, "FIRED"), ((each.value, str(each.fired_count)) for each in shares), empty=_NOTHING)


def _stretch_row(each: Activity, most: int, zone: timezone) -> Sequence[str]:
    begin: datetime = each.begins_at.to_datetime().astimezone(zone)
    bar = "█" * round(_BAR * each.fired_count / most) if most else ""
    counts = (each.fired_count, each.resolved_count, each.expired_count)
    return (f"{begin:%Y-%m-%d %H:%M}", *map(str, counts), bar)


def _shade(count: int, hottest: int) -> str:
    if not count:
        return _SHADES[0]
    return _SHADES[1 + round((len(_SHADES) - 2) * (count - 1) / max(1, hottest - 1))]
