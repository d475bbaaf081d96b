"""``ahctl tail``: events as they happen."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import click

from alerthistory_client.cli.alerts import event_line
from alerthistory_client.cli.session import Session, asynchronous
from alerthistory_client.text import safe
from alerthistory_common.errors import UnavailableError


@click.command()
@click.option("--cursor", default="", help="Go on after the event with this cursor; --json shows cursors.")
@click.option("--backlog", type=click.IntRange(0, 1000), default=0, help="How many past events to begin with.")
@asynchronous
async def tail(session: Session, cursor: str, backlog: int) -> None:
    """Print events as they happen, one line each, until Ctrl-C.

    Goes on without a gap when the server restarts. With --json every line is an object that holds its cursor.
    """
    emit = session.output.json_line if session.output.is_json else lambda event: session.output.line(event_line(event))

    def tell(error: UnavailableError) -> None:
        session.output.note(f"waiting: {safe(error.message)} (Ctrl-C ends)")

    with _until_interrupted() as interrupted:
        try:
            async for event in session.client.tail(cursor=cursor, backlog=backlog, on_pause=tell):
                emit(event)
        except asyncio.CancelledError:
            if not interrupted.is_set():
                raise


@contextmanager
def _until_interrupted() -> Iterator[asyncio.Event]:
    """Cancel this task at Ctrl-C; the event says that it was this."""
    interrupted, loop, task = asyncio.Event(), asyncio.get_running_loop(), asyncio.current_task()

    def interrupt() -> None:
        interrupted.set()
        if task is not None:
            task.cancel()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        yield interrupted
    finally:
        loop.remove_signal_handler(signal.SIGINT)
