"""``ahctl mode``: what is done with alerts besides storing them."""

import click

from alerthistory_client.cli.session import Session, asynchronous
from alerthistory_client.records import EnrichmentMode


@click.command()
@click.argument("mode", required=False, type=click.Choice([each.value for each in EnrichmentMode]))
@asynchronous
async def mode(session: Session, mode: str | None) -> None:
    """Show the enrichment mode, or set it for good."""
    if mode is None:
        found = await session.client.get_mode()
    else:
        found = await session.client.set_mode(EnrichmentMode(mode))
    if session.output.is_json:
        session.output.json(found)
    else:
        session.output.line(f"{found.mode} (from: {found.source})")
