"""What one alert, verdict or override has to say, printed in full: a name and its text, line by line."""

from collections.abc import Iterator, Sequence

import click

from alerthistory_client.cli.output import Output
from alerthistory_client.text import age, safe, safe_lines
from alerthistory_client.verdict_records import Override
from alerthistory_common.alerts import Instant, Severity, Verdict

Detail = tuple[str, str]

_WIDTH = 13
_LONGEST = 20_000
_COLOURS = {"critical": "red", "warning": "yellow"}


def print_details(output: Output, title: Sequence[str], details: Iterator[Detail]) -> None:
    """Print the *title*, and below it the *details* that have a text; all of them are made safe."""
    name, *rest = (safe(each) for each in title)
    output.line("  ".join((click.style(name, bold=True), *rest)))
    for key, text in details:
        if text:
            _print_detail(output, key, text)


def verdict_details(verdict: Verdict) -> Iterator[Detail]:
    """Yield why a verdict is what it is, and what to do."""
    yield "rules", ", ".join(verdict.rules)
    yield "reasoning", verdict.reasoning
    yield "do", "\n".join(f"- {each}" for each in verdict.recommendations)


def severity_text(severity: Severity, confidence: float) -> str:
    """Return a severity and how sure its judge is."""
    return f"{severity}, confidence {confidence:.2f}"


def override_text(override: Override, now: Instant) -> str:
    """Return what a person said, who, when and why."""
    return f"{override.severity} by {override.author}, {age(override.created_at, now)} ago: {override.reason}"


def _print_detail(output: Output, key: str, text: str) -> None:
    first, *rest = safe_lines(text, limit=_LONGEST)
    if key == "severity":
        first = click.style(first, fg=_COLOURS.get(first.partition(",")[0]))
    output.line(f"  {key:<{_WIDTH}}{first}")
    for line in rest:
        output.line(f"  {'':<{_WIDTH}}{line}")
