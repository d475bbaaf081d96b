"""The command line that every service has: ``serve`` (the default) and ``migrate``."""

import argparse
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TypeVar

import uvloop

from alerthistory_common import logs
from alerthistory_common.errors import AlertHistoryError
from alerthistory_common.settings import CommonSettings, Settings, SettingsError, load

_S = TypeVar("_S", bound=Settings)


class LoadedSettings:
    """The settings of one program, found by their class."""

    def __init__(self, sections: Iterable[Settings]) -> None:
        self._sections = tuple(sections)

    def of(self, cls: type[_S]) -> _S:
        """Return the instance of *cls*; raise LookupError when the program did not ask for it."""
        for section in self._sections:
            if isinstance(section, cls):
                return section
        raise LookupError(f"{cls.__name__} was not loaded")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Something else that a program can do: the command *name*, which is one of a *group*."""

    group: str
    name: str
    description: str
    run: Callable[[LoadedSettings], Awaitable[None]]


def run(
    *,
    name: str,
    description: str,
    settings: Sequence[type[Settings]],
    serve: Callable[[LoadedSettings], Awaitable[None]],
    migrate: Callable[[LoadedSettings, str | None], None] | None = None,
    has_versions: bool = True,
    tasks: Sequence[Task] = (),
) -> None:
    """Run the program *name*; exits 0 after a drain, 2 when settings are wrong, 1 when it cannot go on.

    *settings* are the classes to load, CommonSettings among them. *serve*, *migrate* and *tasks* get their instances,
    *migrate* also the version that was asked for; not *has_versions*: it has several databases, so none can be.
    """
    parser = _parser(name, description, settings, tasks, has_migrations=migrate is not None, has_versions=has_versions)
    arguments = parser.parse_args()
    try:
        loaded = LoadedSettings(load(*settings))
        common = loaded.of(CommonSettings)
        logs.configure(level=common.log_level, style=common.log_format)
        if arguments.command == "migrate" and migrate is not None:
            migrate(loaded, getattr(arguments, "to", None))
        else:
            uvloop.run(_awaited(getattr(arguments, "task", serve), loaded))
    except* SettingsError as group:
        _fail(name, group, 2)
    except* AlertHistoryError as group:
        _fail(name, group, 1)


async def _awaited(serve: Callable[[LoadedSettings], Awaitable[None]], loaded: LoadedSettings) -> None:
    await serve(loaded)


def _fail(name: str, group: BaseExceptionGroup[Exception], status: int) -> None:
    for error in _leaves(group):
        sys.stderr.write(f"{name}: {error}\n")
    sys.exit(status)


def _leaves(group: BaseExceptionGroup[Exception]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]


def _parser(
    name: str,
    description: str,
    settings: Sequence[type[Settings]],
    tasks: Sequence[Task],
    *,
    has_migrations: bool,
    has_versions: bool,
) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=name,
        description=description,
        epilog=_settings_text(settings),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('alerthistory-common')}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("serve", help="run until SIGTERM (the default)")
    if has_migrations:
        migrating = commands.add_parser("migrate", help="bring the database to the version this program needs")
        if has_versions:
            migrating.add_argument(
                "--to",
                metavar="VERSION",
                help="another version, such as 0003; an older one loses what it cannot hold, so stop the service and "
                "keep a copy first",
            )
    for group in dict.fromkeys(task.group for task in tasks):
        own = [task for task in tasks if task.group == group]
        parts = commands.add_parser(group, help="; ".join(f"{task.name}: {task.description}" for task in own))
        names = parts.add_subparsers(metavar="COMMAND", required=True)
        for task in own:
            names.add_parser(task.name, help=task.description, description=task.description).set_defaults(task=task.run)
    return parser


def _settings_text(settings: Sequence[type[Settings]]) -> str:
    lines = ["settings, from the environment (or from the YAML file that ALERTHISTORY_CONFIG_FILE names):"]
    for cls in settings:
        for field, detail in cls.model_fields.items():
            lines.append(f"  {cls.variable(field)}\n      {detail.description or ''} Default: {detail.default!s}")
    return "\n".join(lines)
