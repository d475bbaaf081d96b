"""``ahctl llm``: who judges, what the LLM did, and what it cost."""

from collections.abc import Iterator, Sequence

import click

from alerthistory_client import jsons
from alerthistory_client.cli.session import Session, asynchronous
from alerthistory_client.records import ClassifierStatus, LlmState
from alerthistory_client.text import safe
from alerthistory_client.verdict_records import ModelUsage, VerdictCount, VerdictStats
from alerthistory_common.alerts import Severity

_STATES = {
    LlmState.AVAILABLE: "is asked",
    LlmState.FAILING: "failed too often: the rules judge until it answers again",
    LlmState.BUDGET_SPENT: "has spent the day's budget: the rules judge until midnight, UTC",
}


@click.command()
@click.option(
    "--days", type=click.IntRange(min=1), help="Count this many days back, today (UTC) included.  [default: all]"
)
@asynchronous
async def llm(session: Session, days: int | None) -> None:
    """Show who judged how, what the LLM did and cost, and whether it is asked now.

    Costs are in the currency of the configured prices; tries of one question count once.
    """
    stats = await session.client.verdicts.stats(days=days)
    status = await session.client.verdicts.status()
    if session.output.is_json:
        about = {"model": status.model, "llm_state": status.llm_state, "days": days}
        session.output.json(about | jsons.plain(stats))
        return
    for line in _lines(status, stats):
        session.output.line(line)
    severities = tuple(each.upper() for each in Severity)
    session.output.table(
        ("JUDGE", *severities, "ALL"), _judges(stats.verdicts), empty="nothing was judged in that time"
    )
    if stats.models:
        headings = ("MODEL", "QUESTIONS", "FAILURES", "CACHE HITS", "FALLBACKS", "TOKENS READ", "WRITTEN", "COST")
        session.output.table(headings, map(_model_row, stats.models), empty="")


def _lines(status: ClassifierStatus, stats: VerdictStats) -> Iterator[str]:
    if status.llm_state is None:
        yield "no LLM is configured: the rules judge"
    else:
        yield f"{safe(status.model)} {_STATES[status.llm_state]}"
    if stats.daily_budget is not None:
        share = stats.spent_today / stats.daily_budget
        yield f"spent today: {stats.spent_today:.4g} of {stats.daily_budget:.4g} ({share:.0%})"
    elif stats.spent_today or status.llm_state is not None:
        yield f"spent today: {stats.spent_today:.4g}, without a limit"


def _judges(counts: Sequence[VerdictCount]) -> Iterator[tuple[str, ...]]:
    """Yield one row for each judge, the one with most verdicts first."""
    found: dict[str, dict[Severity, int]] = {}
    for each in counts:
        judge = found.setdefault(each.source, dict.fromkeys(Severity, 0))
        judge[each.severity] += each.count
    for source, judge in sorted(found.items(), key=lambda item: (-sum(item[1].values()), item[0])):
        yield (source, *map(str, judge.values()), str(sum(judge.values())))


def _model_row(usage: ModelUsage) -> tuple[str, ...]:
    return (
        usage.model,
        str(usage.questions),
        str(usage.failures),
        str(usage.cache_hits),
        str(usage.fallbacks),
        str(usage.prompt_tokens),
        str(usage.completion_tokens),
        f"{usage.cost:.4g}",
    )
