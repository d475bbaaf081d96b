"""The options by which lists of the past are narrowed, and how long lists are printed."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, TypeVar

import click

from alerthistory_client.cli.moments import MomentType
from alerthistory_client.cli.output import Output
from alerthistory_common.matchers import Matcher

_C = TypeVar("_C", bound=Callable[..., Any])
_T = TypeVar("_T")

_ROWS_A_TABLE = 500


class _MatcherType(click.ParamType[Matcher]):
    """A label matcher as amtool writes it."""

    name = "matcher"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Matcher:
        """Return the matcher; fail with the reason when it is none."""
        try:
            return value if isinstance(value, Matcher) else Matcher.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def filter_options(severity: "click.ParamType[str]", what: str) -> Callable[[_C], _C]:
    """Give a command the options that narrow a list; *severity* is the type of its own, *what* the time's meaning."""
    options = (
        click.option("-m", "--match", "matchers", type=_MatcherType(), multiple=True, metavar="MATCHER",
                     help='Only alerts whose label matches, as in amtool: severity="critical", pod=~"web-.*", team!="";'
                     " may be given often."),
        click.option("--since", type=MomentType(), help=f"Only {what} at this time or later: 2h, 7d, or ISO 8601."),
        click.option("--until", type=MomentType(), help=f"Only {what} before this time."),
        click.option("--status", type=click.Choice(["firing", "resolved"]), help="Only what fires, or does not."),
        click.option("--firing", "status", flag_value="firing", help="Short for --status firing."),
        click.option("--resolved", "status", flag_value="resolved", help="Short for --status resolved."),
        click.option("--severity", type=severity, default=None, help="Only this severity."),
        click.option("--namespace", default="", help="Only exactly this namespace."),
        click.option("--name", default="", help="Only alerts with exactly this name."),
        click.option("--search", default="", metavar="TEXT",
                     help='Only alerts with every word, or "quoted phrase", in name, summary or description.'),
        click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="The most to show."),
        click.option("--all", "is_all", is_flag=True, help="Show all, page by page; with --json one object a line."),
    )  # fmt: skip

    def decorate(function: _C) -> _C:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


async def print_list(
    output: Output,
    found: AsyncIterator[_T],
    *,
    key: str,
    headings: Sequence[str],
    row: Callable[[_T], Sequence[str]],
    is_streamed: bool,
    empty: str,
) -> None:
    """Print what is *found*: as one document or table, or, when *is_streamed*, as it comes."""
    if not is_streamed:
        items = [item async for item in found]
        if output.is_json:
            output.json({key: items})
        else:
            output.table(headings, map(row, items), empty=empty)
        return
    if output.is_json:
        async for item in found:
            output.json_line(item)
        return
    rows: list[Sequence[str]] = []
    count = 0
    async for item in found:
        rows.append(row(item))
        count += 1
        if len(rows) == _ROWS_A_TABLE:
            output.table(headings, rows, empty=empty)
            rows.clear()
    if rows or not count:
        output.table(headings, rows, empty=empty)
