"""``ahctl rules``: rules that are not in force yet, checked and tried."""

from collections.abc import Sequence

import click

from alerthistory_client import jsons
from alerthistory_client.alert_files import FiledAlert
from alerthistory_client.cli.files import read_alert_file, read_file, shown
from alerthistory_client.cli.session import Session, asynchronous, fail, remember, shared_options
from alerthistory_client.text import counted, safe_lines
from alerthistory_client.verdict_records import RulesComparison
from alerthistory_common.errors import InvalidArgumentError

_Tested = tuple[FiledAlert, RulesComparison]


@click.group()
@shared_options
@click.pass_context
def rules(context: click.Context, /, **options: object) -> None:
    """Check a file of rules, or try it on alerts, before it is put in force."""
    remember(context, options)


@rules.command()
@click.argument("file", metavar="FILE|-")
@asynchronous
async def check(session: Session, file: str) -> None:
    """Say whether the rules in FILE are valid, and what is wrong with them. Changes nothing.

    Exits 1 when they are not.
    """
    content = await _read_rules(file)
    try:
        await session.client.verdicts.test_rules(content)
    except InvalidArgumentError as error:
        _refuse(session, file, error.message)
        return
    if session.output.is_json:
        session.output.json({"file": file, "is_valid": True, "problem": ""})
    else:
        session.output.line(f"{shown(file)}: valid")


@rules.command()
@click.argument("file", metavar="FILE|-")
@click.argument("alerts", nargs=-1, required=True, metavar="ALERTS|-...")
@asynchronous
async def test(session: Session, file: str, alerts: tuple[str, ...]) -> None:
    """Judge alerts by the rules in FILE and by those in force, side by side. Changes nothing.

    ALERTS are files as `ahctl classify` takes them. An alert may say beside its labels how it should be judged,
    "expect": "warning"; exits 1 when the tested rules judge one otherwise, or when they are not valid.
    """
    if (file, *alerts).count("-") > 1:
        raise click.UsageError("stdin (-) can be read once only")
    content = await _read_rules(file)
    filed = [each for name in alerts for each in await read_alert_file(name)]
    try:
        comparisons = await session.client.verdicts.test_rules(content, [each.case for each in filed])
    except InvalidArgumentError as error:
        _refuse(session, file, error.message)
        return
    tested = list(zip(filed, comparisons, strict=True))
    unexpected = sum(not _is_expected(each) for each in tested)
    _print(session, tested, changed=sum(each.is_changed for each in comparisons), unexpected=unexpected)
    if unexpected:
        fail()


async def _read_rules(file: str) -> bytes:
    try:
        return await read_file(file)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"{shown(file)}: {error.message}") from error


def _refuse(session: Session, file: str, problem: str) -> None:
    """Say what is wrong with the rules, and end the command."""
    if session.output.is_json:
        session.output.json({"file": file, "is_valid": False, "problem": problem})
    else:
        first, *rest = safe_lines(problem)
        session.output.note(f"{shown(file)}: {first}")
        for line in rest:
            session.output.note(f"  {line}")
    fail()


def _is_expected(tested: _Tested) -> bool:
    filed, comparison = tested
    return filed.expected is None or filed.expected is comparison.tested.severity


def _print(session: Session, tested: Sequence[_Tested], *, changed: int, unexpected: int) -> None:
    if session.output.is_json:
        alerts = [_as_json(each) for each in tested]
        session.output.json({"alerts": alerts, "changed_count": changed, "unexpected_count": unexpected})
        return
    has_expected = any(filed.expected is not None for filed, _ in tested)
    headings = ("ALERT", "IN FORCE", "TESTED", "CHANGED", *(("EXPECTED",) if has_expected else ()), "RULES")
    session.output.table(headings, (_row(each, has_expected=has_expected) for each in tested), empty="")
    session.output.line(f"{counted(len(tested), 'alert')}, {changed} changed, {unexpected} not as expected")


def _row(tested: _Tested, *, has_expected: bool) -> tuple[str, ...]:
    filed, comparison = tested
    expected = "" if filed.expected is None else filed.expected.value
    if not _is_expected(tested):
        expected = f"not {expected}"
    return (
        filed.case.event.alert_name,
        comparison.in_force.severity,
        comparison.tested.severity,
        "yes" if comparison.is_changed else "no",
        *((expected,) if has_expected else ()),
        ", ".join(comparison.tested.rules),
    )


def _as_json(tested: _Tested) -> dict[str, object]:
    filed, comparison = tested
    return {
        "fingerprint": filed.case.event.fingerprint,
        "alert_name": filed.case.event.alert_name,
        "is_changed": comparison.is_changed,
        "expected": filed.expected,
        "is_expected": _is_expected(tested),
        **jsons.plain(comparison),
    }
