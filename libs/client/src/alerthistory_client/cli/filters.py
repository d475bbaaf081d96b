"""``ahctl filters``: the rules that decide which alerts are published."""

import json
from typing import Any, NoReturn

import click

from alerthistory_client import jsons
from alerthistory_client.cli.files import read_file, shown
from alerthistory_client.cli.session import Session, asynchronous, explain, remember, shared_options
from alerthistory_client.cli.texts import TextType
from alerthistory_client.publishing_records import FilterAction, FilterRule
from alerthistory_client.text import safe
from alerthistory_common.errors import InvalidArgumentError, NotFoundError

_name_argument = click.argument("name", type=TextType("name"))


@asynchronous
async def _list(session: Session) -> None:
    found = await session.client.publishing.list_rules()
    if session.output.is_json:
        session.output.json({"rules": found})
        return
    session.output.table(
        ("PRIORITY", "RULE", "ACTION", "CONDITIONS", "TARGET", "ENABLED"),
        map(_row, found),
        empty="no filter rules: nothing is held back but by the targets' own filters",
    )


@click.group(invoke_without_command=True)
@shared_options
@click.pass_context
def filters(context: click.Context, /, **options: object) -> None:
    """List the rules that decide which alerts are published, by priority; or add and delete some.

    Of the enabled rules that match an alert, the one with the lowest priority decides. `ahctl explain` shows which.
    """
    if context.invoked_subcommand is None:
        context.invoke(_list, **options)
    else:
        remember(context, options)


@filters.command("list")
@shared_options
@click.pass_context
def list_(context: click.Context, /, **options: object) -> None:
    """List the rules by priority, as `ahctl filters` alone does."""
    context.invoke(_list, **options)


@filters.command()
@_name_argument
@click.option(
    "--action",
    type=click.Choice([each.value for each in FilterAction], case_sensitive=False),
    required=True,
    help="What it does with the alerts that it matches.",
)
@click.option(
    "--conditions",
    metavar="JSON|@FILE",
    required=True,
    help='What it matches: \'{"namespace": ["test"], "labels": {"team": "web"}}\'; {} matches everything.',
)
@click.option("--priority", type=click.IntRange(1, 1000), default=100, show_default=True, help="Lower ones come first.")
@click.option("--target", type=TextType("target"), default=None, help="Only for this target.  [default: for all]")
@click.option("--disabled", is_flag=True, help="Add it, but do not look at it.")
@asynchronous
async def add(
    session: Session, name: str, action: str, conditions: str, priority: int, target: str | None, *, disabled: bool
) -> None:
    """Add a rule, which counts from now on. Several may have one name: adding twice adds two."""
    wanted = FilterRule(
        name=name,
        action=FilterAction(action),
        conditions_json=await _conditions(conditions),
        priority=priority,
        is_enabled=not disabled,
        target=target or "",
    )
    await _warn_of_unknown_target(session, target)
    found = await session.client.publishing.add_rule(wanted)
    if session.output.is_json:
        session.output.json(found)
    else:
        off = "" if found.is_enabled else ", disabled"
        session.output.line(
            f"added: {safe(found.name)} ({found.action}, priority {found.priority}, for {_scope(found.target)}{off})"
        )


@filters.command()
@_name_argument
@click.option("--target", type=TextType("target"), default=None, help="The rules for this target.  [default: for all]")
@asynchronous
async def delete(session: Session, name: str, target: str | None) -> None:
    """Delete all rules of a name that are for one target, or for all targets.

    Exits 1 when there is none.
    """
    try:
        count = await session.client.publishing.delete_rules(name, target=target or "")
    except NotFoundError as error:
        raise click.ClickException(f"{explain(error)}{await _elsewhere(session, name)}") from error
    if session.output.is_json:
        session.output.json({"name": name, "target": target or "", "deleted_count": count})
    else:
        session.output.line(f"deleted: {count} for {_scope(target or '')}")


async def _conditions(text: str) -> bytes:
    """Return the JSON object that *text* is or names; raise InvalidArgumentError that says what is wrong."""
    what, content = "--conditions", text.encode("utf-8", "surrogateescape")
    if text.startswith("@"):
        what = shown(text[1:])
        try:
            content = await read_file(text[1:])
        except InvalidArgumentError as error:
            raise InvalidArgumentError(f"{what}: {error.message}") from error
    try:
        found = json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"{what}: is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise InvalidArgumentError(f'{what}: must be a JSON object, such as {{"namespace": "test"}}')
    return _encoded(found)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _encoded(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode()


async def _warn_of_unknown_target(session: Session, target: str | None) -> None:
    names = {each.name for each in (await session.client.publishing.list_targets()).targets} if target else set()
    if target and target not in names:
        session.output.note(
            f"Warning: no target {safe(target)} is configured. A slip? `ahctl filters delete` undoes it"
        )


async def _elsewhere(session: Session, name: str) -> str:
    """Return for which targets there are rules of this name, as advice; empty when there are none."""
    found = {each.target for each in await session.client.publishing.list_rules() if each.name == name}
    if not found:
        return ": `ahctl filters` lists them"
    return f": there is one for {', '.join(map(_scope, sorted(found)))}"


def _scope(target: str) -> str:
    return f"--target {safe(target)}" if target else "all targets"


def _row(rule: FilterRule) -> tuple[str, ...]:
    return (
        str(rule.priority),
        rule.name,
        rule.action,
        json.dumps(jsons.parsed(rule.conditions_json), ensure_ascii=False),
        rule.target or "all",
        "yes" if rule.is_enabled else "no",
    )
