"""``ahctl spool``: what waits on disk until history can take it."""

import click

from alerthistory_client.cli.session import Session, asynchronous, fail
from alerthistory_client.records import Spool
from alerthistory_client.text import counted, in_words, size


@click.command()
@asynchronous
async def spool(session: Session) -> None:
    """Show what waits on the disk of ingest until history can take it.

    Of several replicas of ingest the one that answers is shown. Exits 1 when the spool takes nothing, or holds payloads
    that cannot be read any more.
    """
    found = await session.client.spool()
    if session.output.is_json:
        session.output.json(found)
    else:
        for line in _lines(found):
            session.output.line(line)
    if found.problem or found.damaged:
        fail()


def _lines(found: Spool) -> list[str]:
    lines = ["nothing waits"]
    if found.payloads:
        waits = "" if found.oldest_age is None else f", the oldest for {in_words(found.oldest_age)}"
        lines = [f"{counted(found.payloads, 'payload')} of {size(found.size_bytes)} waiting for history{waits}"]
    if found.damaged:
        lines.append(f"{counted(found.damaged, 'payload')} cannot be read any more; they are kept in the file")
    if found.problem:
        lines.append(f"it takes nothing: {found.problem}")
    return lines
