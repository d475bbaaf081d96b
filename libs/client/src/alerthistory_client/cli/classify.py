"""``ahctl classify``: how alerts would be judged, and why."""

import json
from collections.abc import Iterator

import click

from alerthistory_client import jsons
from alerthistory_client.cli.details import Detail, override_text, print_details, severity_text, verdict_details
from alerthistory_client.cli.files import read_alert_file
from alerthistory_client.cli.session import Session, asynchronous
from alerthistory_client.verdict_records import Explanation
from alerthistory_common.alerts import Instant
from alerthistory_common.clock import SystemClock


@click.command()
@click.argument("file", metavar="FILE|-")
@click.option("--question", "shows_question", is_flag=True, help="Print what the LLM would be told, too.")
@asynchronous
async def classify(session: Session, file: str, *, shows_question: bool) -> None:
    """Show how alerts would be judged if they fired now, and why. Stores nothing and asks no LLM.

    FILE holds a webhook body of Alertmanager, an array of alerts as Prometheus posts it, a single alert
    {"labels": {…}, "annotations": {…}}, or one of them per line.

    What an alert's past says about it may be given beside its labels:
    "history": {"times_fired": 12, "median_duration_s": 40, "flaps_per_hour": 3}.
    """
    cases = [each.case for each in await read_alert_file(file)]
    found = await session.client.verdicts.explain(cases)
    explained = [(case.event, explanation) for case, explanation in zip(cases, found, strict=True)]
    if session.output.is_json:
        alerts = [
            {"fingerprint": event.fingerprint, "alert_name": event.alert_name, "severity": each.severity}
            | jsons.plain(each)
            for event, each in explained
        ]
        session.output.json({"alerts": alerts})
        return
    now = SystemClock().now()
    for number, (event, each) in enumerate(explained):
        if number:
            session.output.line("")
        details = _details(each, now, shows_question=shows_question)
        print_details(session.output, (event.alert_name, event.fingerprint), details)


def _details(found: Explanation, now: Instant, *, shows_question: bool) -> Iterator[Detail]:
    by_rules = severity_text(found.rules_verdict.severity, found.rules_verdict.confidence)
    if found.override is None:
        yield "severity", by_rules
    else:
        yield "severity", f"{found.severity}, because of the override"
        yield "override", override_text(found.override, now)
        yield "by rules", by_rules
    yield from verdict_details(found.rules_verdict)
    yield "LLM", f"not asked: {found.not_asked_because}" if found.not_asked_because else "would be asked"
    yield "template", found.template_hash
    if shows_question:
        yield "question", _question(found.question_json)


def _question(content: bytes) -> str:
    question = jsons.parsed(content)
    return question if isinstance(question, str) else json.dumps(question, indent=2, ensure_ascii=False)
