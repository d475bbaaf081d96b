"""``ahctl override``: a person's word about an alert, which goes before every judge's."""

import click

from alerthistory_client.cli.filtering import print_list
from alerthistory_client.cli.session import Session, asynchronous, explain, remember, shared_options
from alerthistory_client.cli.texts import TextType, author_option, fingerprint_argument, login_name
from alerthistory_client.text import age, safe
from alerthistory_client.verdict_records import Override
from alerthistory_common.alerts import Instant, Severity
from alerthistory_common.clock import SystemClock
from alerthistory_common.errors import AlertHistoryError, NotFoundError


@click.group()
@shared_options
@click.pass_context
def override(context: click.Context, /, **options: object) -> None:
    """Say how serious an alert is, as a person: nobody else's verdict counts until you remove it."""
    remember(context, options)


@override.command("set")
@fingerprint_argument
@click.argument("severity", type=click.Choice([each.value for each in Severity], case_sensitive=False))
@click.option("--reason", required=True, type=TextType("reason"), help="Why; the next person on call reads it.")
@author_option
@asynchronous
async def set_(session: Session, fingerprint: str, severity: str, reason: str, author: str | None) -> None:
    """Say how serious an alert is, from now on. Replaces what was said before.

    FINGERPRINT is the alert's identity as `ahctl alerts` shows it. One that was never seen is taken, with a warning.
    """
    author = author or login_name()
    if not author:
        raise click.UsageError("this system has no login name: say --author")
    name = await _name_of(session, fingerprint)
    found = await session.client.verdicts.set_override(
        fingerprint, Severity(severity), author=author, reason=reason, alert_name=name
    )
    if session.output.is_json:
        session.output.json(found)
    else:
        about = f"{safe(found.alert_name)} ({safe(found.fingerprint)})" if found.alert_name else safe(found.fingerprint)
        session.output.line(f"{about} is {found.severity} from now on, says {safe(found.author)}: {safe(found.reason)}")


@override.command()
@fingerprint_argument
@author_option
@asynchronous
async def remove(session: Session, fingerprint: str, author: str | None) -> None:
    """Remove an override; the alert is judged again when it next fires.

    Exits 1 when there is none.
    """
    await session.client.verdicts.remove_override(fingerprint, author=author or login_name())
    if session.output.is_json:
        session.output.json({"fingerprint": fingerprint, "is_removed": True})
    else:
        session.output.line(
            f"removed: {safe(fingerprint)} is judged again when it next fires, or now with `ahctl verdict --refresh`"
        )


@override.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="The most to show.")
@asynchronous
async def list_(session: Session, limit: int) -> None:
    """List the overrides in force, newest first."""
    now = SystemClock().now()
    await print_list(
        session.output,
        session.client.verdicts.list_overrides(limit=limit),
        key="overrides",
        headings=("SET", "SEVERITY", "ALERT", "BY", "REASON", "FINGERPRINT"),
        row=lambda found: _row(found, now),
        is_streamed=False,
        empty="no overrides are in force",
    )


async def _name_of(session: Session, fingerprint: str) -> str:
    """Return the alert's name, empty when history cannot tell; then say why: the override counts all the same."""
    try:
        return (await session.client.get_alert(fingerprint)).alert_name
    except NotFoundError:
        session.output.note(
            f"Warning: history never saw the fingerprint {safe(fingerprint)}. A slip? `ahctl override remove` undoes it"
        )
    except AlertHistoryError as error:
        session.output.note(f"Warning: the alert's name is not known: {explain(error)}")
    return ""


def _row(found: Override, now: Instant) -> tuple[str, ...]:
    return (
        f"{age(found.created_at, now)} ago",
        found.severity,
        found.alert_name,
        found.author,
        found.reason,
        found.fingerprint,
    )
