"""What commands print: tables for people, JSON for scripts."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from alerthistory_client import jsons
from alerthistory_client.text import safe

_STYLES = {
    "firing": "red",
    "fired": "red",
    "refired": "red",
    "critical": "red",
    "dead": "red",
    "open": "red",
    "no answer": "red",
    "problem": "red",
    "warning": "yellow",
    "stale": "yellow",
    "pending": "yellow",
    "half open": "yellow",
    "hold": "yellow",
    "ok": "green",
    "send": "green",
    "resolved": "green",
    "delivered": "green",
    "expired": "green",
}
# Wide enough that nothing is cut or wrapped for grep.
_PIPE_WIDTH = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Prints to stdout in the form that was asked for."""

    is_json: bool

    def json(self, value: Any) -> None:
        """Print *value* as one indented JSON document."""
        click.echo(jsons.dumps(value, indent=2))

    def json_line(self, value: Any) -> None:
        """Print *value* as JSON in one line."""
        click.echo(jsons.dumps(value))

    def line(self, text: str) -> None:
        """Print a line of our own words; foreign texts in it were made safe before."""
        click.echo(text)

    def note(self, text: str) -> None:
        """Print a line beside the output, to stderr."""
        click.echo(text, err=True)

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
        """Print *rows* below *headings*, every cell made safe; print *empty* when there is none."""
        table = Table(*headings, box=None, header_style="bold", pad_edge=False)
        for row in rows:
            table.add_row(*(Text(safe(cell), style=_STYLES.get(cell, ""), overflow="fold") for cell in row))
        if not table.row_count:
            click.echo(empty)
            return
        console(sys.stdout).print(table)


def console(file: Any) -> Console:
    """Return a console on *file* that takes texts as they are: no markup, no emoji codes, no highlighting."""
    return Console(
        file=file,
        width=None if file.isatty() else _PIPE_WIDTH,
        markup=False,
        emoji=False,
        highlight=False,
    )
