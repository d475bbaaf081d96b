"""``ahctl send``: hand payloads to ingest."""

import click

from alerthistory_client.cli.files import read_file, shown
from alerthistory_client.cli.session import Session, asynchronous, fail
from alerthistory_client.payloads import detect_format
from alerthistory_client.records import Payload, PayloadFormat, PayloadResult
from alerthistory_client.text import counted, safe
from alerthistory_common.errors import AlertHistoryError, InvalidArgumentError


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE|-...")
@click.option(
    "--format",
    "format_name",
    type=click.Choice([each.value for each in PayloadFormat]),
    help="What the files are; otherwise an object is Alertmanager's and an array is Prometheus'. "
    "With it, files are sent as they are, and the server alone judges them.",
)
@asynchronous
async def send(session: Session, files: tuple[str, ...], format_name: str | None) -> None:
    """Send webhook bodies of Alertmanager, or alerts as Prometheus posts them.

    Prints for every file what was accepted and what was refused and why. Sending a file again changes nothing.
    Exits 1 when anything was refused.
    """
    reports = []
    for name in files:
        report = await _send_one(session, name, format_name)
        reports.append(report)
        if not session.output.is_json:
            _print(session, name, report)
    if session.output.is_json:
        session.output.json({"files": [_as_json(name, each) for name, each in zip(files, reports, strict=True)]})
    if not all(isinstance(each, PayloadResult) and each.is_complete for each in reports):
        fail()


async def _send_one(session: Session, name: str, format_name: str | None) -> PayloadResult | AlertHistoryError:
    try:
        body = await read_file(name)
        form = PayloadFormat(format_name) if format_name else detect_format(body)
    except InvalidArgumentError as error:
        return error
    results = await session.client.send([Payload(body=body, format=form, sender="ahctl")])
    return results[0]


def _print(session: Session, name: str, report: PayloadResult | AlertHistoryError) -> None:
    if isinstance(report, AlertHistoryError):
        session.output.note(f"{shown(name)}: {safe(report.message)}")
    elif report.rejection:
        session.output.note(f"{shown(name)}: refused: {safe(report.rejection)}")
    else:
        session.output.line(f"{shown(name)}: {summary(report)}")
        for each in report.errors:
            session.output.note(f"  alert {each.index}: {safe(each.message)}")


def summary(result: PayloadResult) -> str:
    """Return how many alerts were accepted, what they meant, and how many were refused."""
    decisions = [safe(each.decision) for each in result.accepted]
    meanings = ", ".join(f"{decisions.count(each)} {each}" for each in dict.fromkeys(decisions) if each)
    accepted = f"{counted(len(decisions), 'alert')} accepted" + (f" ({meanings})" if meanings else "")
    return f"{accepted}, {result.refused_count} refused" if result.refused_count else accepted


def _as_json(name: str, report: PayloadResult | AlertHistoryError) -> dict[str, object]:
    if isinstance(report, AlertHistoryError):
        report = PayloadResult(accepted=(), refused_count=0, errors=(), rejection=report.message)
    return {
        "file": name,
        "accepted": report.accepted,
        "refused_count": report.refused_count,
        "errors": report.errors,
        "rejection": report.rejection,
    }
