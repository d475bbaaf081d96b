"""Alerts that history knows, as cases to judge or to explain."""

from alerthistory_client.client import Client
from alerthistory_client.past import TURNS, case_of
from alerthistory_client.verdict_records import Case

# Events that change nothing for people stand between those that do.
_EVENTS = 5 * TURNS


async def known_case(client: Client, fingerprint: str) -> Case:
    """Return the last time that an alert fired, with its past; raise NotFoundError when it was never seen."""
    alert = await client.get_alert(fingerprint)
    return case_of(alert, [each async for each in client.list_events(fingerprint, limit=_EVENTS)])
