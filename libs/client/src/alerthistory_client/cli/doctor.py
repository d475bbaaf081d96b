"""``ahctl doctor``: what is wrong, what will be, and what to do about it."""

from datetime import timedelta

import click

from alerthistory_client.checkup import Finding, Growth, Level, check_up
from alerthistory_client.cli.session import Session, asynchronous, fail
from alerthistory_client.report_records import Activity, ReportQuery, TopAlert
from alerthistory_common.alerts import Instant
from alerthistory_common.clock import SystemClock
from alerthistory_common.errors import AlertHistoryError

_LOOKED_AT = timedelta(days=7)
_DAY_MICROS = 86_400_000_000


@click.command()
@asynchronous
async def doctor(session: Session) -> None:
    """Look for problems: services without an answer, alerts that wait, growth without an end.

    Growth is judged by the last seven days. Exits 1 when there is a problem; warnings alone exit 0.
    """
    findings = list(check_up(await session.client.status(), await _growth(session)))
    if session.output.is_json:
        session.output.json(findings)
    else:
        session.output.table(("STATE", "ABOUT", "FOUND"), map(_row, findings), empty="")
    if any(each.level is Level.PROBLEM for each in findings):
        fail()


async def _growth(session: Session) -> Growth | None:
    now = SystemClock().now()
    since = Instant(now.micros - _LOOKED_AT // timedelta(microseconds=1))
    try:
        report = await session.client.reports.activity(ReportQuery(since=since, until=now))
    except AlertHistoryError:
        return None  # That history gives no answer is found by its status.
    begins = min((each.begins_at.micros for each in report.series if _events(each)), default=since.micros)
    days = max(1.0, (now.micros - begins) / _DAY_MICROS)  # A young history is not seven days old.
    return Growth(events=_events(report.total), days=days)


def _events(found: Activity | TopAlert) -> int:
    return found.fired_count + found.resolved_count + found.expired_count


def _row(found: Finding) -> tuple[str, str, str]:
    return found.level.value, found.about, f"{found.text}: {found.advice}" if found.advice else found.text
