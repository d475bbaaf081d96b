"""``ahctl import``: bring the history of the older service over."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from alerthistory_client.cli.output import Output, console
from alerthistory_client.cli.session import Session, asynchronous, explain, fail
from alerthistory_client.legacy.importing import MAX_BATCH, Import, TableSummary, Watcher
from alerthistory_client.legacy.sources import open_source
from alerthistory_client.legacy.tables import LegacySource, LegacySourceError
from alerthistory_client.text import counted, safe
from alerthistory_common.errors import AlertHistoryError, DeadlineExceededError, UnavailableError

_LINE_EVERY_S = 5.0
_HELP = """Bring the alerts and classifications of the older service over.

SOURCE is its database: a SQLite file of either generation (alert_history.sqlite3), or a PostgreSQL URL such as
postgresql://user@host/alerthistory (the password comes from PGPASSWORD, ~/.pgpass or the URL, and is never shown).

\b
The database is only read, and may be in use. What is imported
  * is listed as if it had been received here first,
  * is neither judged nor published, and is not firing until it is reported again,
  * never replaces what was received later: import as often as you like, before and after you switch over.

Broken off? Run the same command again: it goes on. Rows that cannot be used (a time that is none, NaN in a label) are
skipped and named, with the reason; rows are superseded when a later row is about the same thing.

Exit codes: 0 everything is there, 1 rows were skipped or the import broke off, 2 called wrongly.
"""


@click.command("import", help=_HELP, short_help="Bring the history of the older service over.")
@click.argument("source")
@click.option("--dry-run", is_flag=True, help="Read and check everything, but send nothing; no server is needed.")
@click.option(
    "--batch-size",
    type=click.IntRange(1, MAX_BATCH),
    default=500,
    show_default=True,
    help="How many rows go into one call; fewer for a server that is slow.",
)
@asynchronous
async def import_(session: Session, source: str, dry_run: bool, batch_size: int) -> None:
    """Run one import and say what became of every row."""
    started = time.monotonic()
    with open_source(source) as legacy, _watching() as watcher:
        run = Import(legacy, None if dry_run else session.client, watcher, batch_size=batch_size)
        failure: AlertHistoryError | None = None
        try:
            await run.run()
        except AlertHistoryError as error:
            failure = error
    _report(session.output, legacy, run.summaries, dry_run=dry_run, seconds=time.monotonic() - started, failure=failure)
    if failure is not None:
        raise click.ClickException(f"{explain(failure)}{_advice(failure, run.summaries)}")
    if any(each.skipped for each in run.summaries):
        fail()


def _advice(failure: AlertHistoryError, summaries: list[TableSummary]) -> str:
    if isinstance(failure, LegacySourceError) or not any(each.importable for each in summaries):
        return ""
    return ". What was imported stays: run the same command again to go on"


@contextmanager
def _watching() -> Iterator[Watcher]:
    """Yield what shows the progress on stderr: a bar for a person, a line now and then for a log."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(sys.stderr)) as progress:
        yield _Bar(progress)


class _Bar:
    """A bar per table."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def began(self, table: str, total: int) -> None:
        """Show an empty bar."""
        self._task = self._progress.add_task(table, total=total)

    def moved(self, count: int) -> None:
        """Move the bar on."""
        if self._task is not None:
            self._progress.advance(self._task, count)

    def waits(self, error: UnavailableError | DeadlineExceededError, pause_s: float) -> None:
        """Say so above the bar."""
        self._progress.console.print(_waiting(error, pause_s))


class _Lines:
    """A line every few seconds."""

    def __init__(self) -> None:
        self._table, self._total, self._done = "", 0, 0
        self._said_at = time.monotonic()

    def began(self, table: str, total: int) -> None:
        """Remember the table."""
        self._table, self._total, self._done = table, total, 0

    def moved(self, count: int) -> None:
        """Say how far it is, if that was not just said."""
        self._done += count
        now = time.monotonic()
        if now - self._said_at >= _LINE_EVERY_S:
            self._said_at = now
            click.echo(f"{self._table}: {self._done} of {self._total} rows", err=True)

    def waits(self, error: UnavailableError | DeadlineExceededError, pause_s: float) -> None:
        """Say so."""
        click.echo(_waiting(error, pause_s), err=True)


def _waiting(error: UnavailableError | DeadlineExceededError, pause_s: float) -> str:
    return f"{safe(error.message)}; trying again in {pause_s:g} s"


def _report(
    output: Output,
    source: LegacySource,
    summaries: list[TableSummary],
    *,
    dry_run: bool,
    seconds: float,
    failure: AlertHistoryError | None,
) -> None:
    if output.is_json:
        output.json(
            {
                "source": source.name,
                "kind": source.kind,
                "dry_run": dry_run,
                "is_complete": failure is None,
                "seconds": round(seconds, 3),
                "tables": summaries,
            }
        )
        return
    if not summaries:
        return
    output.line(f"{safe(source.name)} ({source.kind}), {seconds:.1f} s" + (", dry run" if dry_run else ""))
    counts = ("importable",) if dry_run else ("imported", "known")
    headings = {"rows": "rows", "superseded": "superseded", "imported": "imported", "known": "already known"}
    names = ("rows", "superseded", *counts, "skipped")
    output.table(
        ["table", *(headings.get(name, name) for name in names)],
        [[each.table, *(str(getattr(each, name)) for name in names)] for each in summaries],
        empty="",
    )
    for each in summaries:
        for problem in each.problems:
            more = ", …" if problem.count > len(problem.rows) else ""
            rows = f"id {', '.join(map(str, problem.rows))}{more}"
            output.note(f"{each.table}: {counted(problem.count, 'row')} skipped: {safe(problem.reason)} ({rows})")
