"""``ahctl demo``: a story of realistic alerts, posted to the gateway."""

import asyncio
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from alerthistory_client.cli.output import Output, console
from alerthistory_client.cli.session import fail, output_of, remember, shared_options, timeout_of
from alerthistory_client.demo.player import Played, play
from alerthistory_client.demo.scenario import Scenario, scenario
from alerthistory_client.text import safe
from alerthistory_common.errors import AlertHistoryError, UnavailableError


@click.command()
@click.option("--url", default="http://127.0.0.1:8080", show_default=True, help="Address of the gateway.")
@click.option(
    "--minutes",
    type=click.FloatRange(0, 1440, min_open=True),
    default=3.0,
    show_default=True,
    help="How long the story is.",
)
@click.option(
    "--speed",
    type=click.FloatRange(0, 10_000, min_open=True),
    default=1.0,
    show_default=True,
    help="How many times faster it is told; beyond 2, the re-fire is too short to outlast the wait for late copies.",
)
@click.option("--seed", type=int, help="Tell the same story again; otherwise chance decides.")
@shared_options
@click.pass_context
def demo(context: click.Context, /, url: str, minutes: float, speed: float, seed: int | None, **options: Any) -> None:
    """Play a few minutes of realistic alerts against the gateway.

    Two Alertmanagers report alerts that fire, resolve, flap, fire again after a false resolve and move their start.
    """
    remember(context, options)
    output = output_of(context)
    seed = random.randrange(10_000) if seed is None else seed  # noqa: S311  # A story, not a secret.
    length = timedelta(minutes=minutes) / speed
    story = scenario(began_at=datetime.now(UTC), length=length, seed=seed)
    try:
        with _progress(len(story.deliveries), is_shown=not output.is_json) as on_played:
            played = asyncio.run(play(story.deliveries, url=url, timeout_s=timeout_of(context), on_played=on_played))
    except UnavailableError as error:
        hint = "is `make run` running? Name another address with --url"
        raise click.ClickException(f"{safe(error.message)}: {hint}") from error
    except AlertHistoryError as error:
        raise click.ClickException(safe(error.message)) from error
    _report(output, story, played, url=url.rstrip("/"), seed=seed)
    if played.refusals:
        fail()


@contextmanager
def _progress(total: int, *, is_shown: bool) -> Iterator[Callable[[], None]]:
    """Show a bar on stderr while the block runs, where a person sees it; yield what moves it on by one."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(sys.stderr), disable=not (is_shown and sys.stderr.isatty())) as progress:
        task = progress.add_task("webhooks", total=total)
        yield lambda: progress.advance(task)


def _report(output: Output, story: Scenario, played: Played, *, url: str, seed: int) -> None:
    if output.is_json:
        output.json(
            {
                "url": url,
                "seed": seed,
                "webhooks": played.webhooks,
                "second_deliveries": played.seconds,
                "alerts_reported": played.alerts,
                "alerts": story.alert_count,
                "refusals": played.refusals,
                "flapping": story.flapping,
                "refired": story.refired,
                "moved": story.moved,
            }
        )
        return
    output.line(_summary(story, played, url=safe(url), seed=seed))
    for refusal in dict.fromkeys(played.refusals):
        output.note(f"refused: {safe(refusal)}")


def _summary(story: Scenario, played: Played, *, url: str, seed: int) -> str:
    pages = {f"{url}/": "the web page", f"{url}/history": "every occurrence", f"{url}/report": "counts"}
    commands = {
        "ahctl alerts --firing": "what is true now",
        f"ahctl events {story.flapping}": "an alert that flapped",
        f"ahctl events {story.refired}": "the same start fired again after a false resolve",
        f"ahctl events {story.moved}": "a start that moved back",
        "ahctl tail --backlog 20": "the latest changes, and what comes next",
        "ahctl status": "how all services are",
    }
    return "\n".join(
        [
            f"Sent {played.webhooks} webhooks with {played.alerts} reports about {story.alert_count} alerts.",
            f"{played.seconds} came a second time, from the other Alertmanager; {len(played.refusals)} were refused.",
            f"The same story again: ahctl demo --seed {seed}",
            "",
            "Look next at",
            *(f"  {what:<40} {why}" for what, why in (pages | commands).items()),
        ]
    )
