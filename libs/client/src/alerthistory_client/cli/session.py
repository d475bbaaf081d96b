"""What every command needs: the options they share, the client, the output, and errors that say what to do."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from alerthistory_client.addresses import Addresses, check_address
from alerthistory_client.calls import NoAnswerError
from alerthistory_client.cli.output import Output
from alerthistory_client.client import Client, open_client
from alerthistory_client.settings import ClientSettings, addresses_of
from alerthistory_client.text import safe
from alerthistory_common.errors import AlertHistoryError, DeadlineExceededError
from alerthistory_common.settings import CommonSettings, SettingsError, load

_P = ParamSpec("_P")
_C = TypeVar("_C", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One run of one command."""

    client: Client
    output: Output


class WrongSettings(click.ClickException):
    """At least one setting is wrong."""

    exit_code = 2


def shared_options(function: _C) -> _C:
    """Give a command the options that all have; they are also taken before the command."""
    for option in (
        click.option("--json", is_flag=True, default=None, help="Print JSON for scripts."),
        click.option(
            "--timeout",
            type=click.FloatRange(0, 3600, min_open=True),
            metavar="SECONDS",
            help="How long one call may take.  [default: 10]",
        ),
        click.option(
            "--server",
            metavar="ADDRESS",
            help="gRPC address of all services, host:port or unix:/path; goes before every variable."
            "  [default: alerthistory.sock in the data folder]",
        ),
    ):
        function = option(function)
    return function


def remember(context: click.Context, options: dict[str, Any]) -> None:
    """Keep the shared options that were given; a later one, nearer to the command, wins."""
    for name in ("server", "timeout", "json"):
        value = options.pop(name)
        if value is not None:
            context.meta[f"{__name__}.{name}"] = value


def asynchronous(function: Callable[Concatenate[Session, _P], Coroutine[Any, Any, None]]) -> Callable[_P, None]:
    """Return *function* as a click callback: run with an open session, its errors explained."""

    @functools.wraps(function)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
        context = click.get_current_context()
        remember(context, kwargs)
        output = output_of(context)
        addresses, timeout_s = _reach(context)

        async def work() -> None:
            async with open_client(addresses, timeout_s=timeout_s) as client:
                await function(Session(client=client, output=output), *args, **kwargs)

        try:
            asyncio.run(work())
        except AlertHistoryError as error:
            raise click.ClickException(explain(error)) from error

    return shared_options(run)


def output_of(context: click.Context) -> Output:
    """Return the output in the form that was asked for."""
    return Output(is_json=bool(context.meta.get(f"{__name__}.json")))


def explain(error: AlertHistoryError) -> str:
    """Return what went wrong and what to do about it, safe to print."""
    message = safe(error.message)
    if isinstance(error, NoAnswerError):
        return f"{message}: is `make run` running? Name another address with --server"
    if isinstance(error, DeadlineExceededError):
        return f"{message}: try again, or allow more with --timeout"
    return message


def fail() -> None:
    """End the command with the exit code of something that failed."""
    click.get_current_context().exit(1)


def _reach(context: click.Context) -> tuple[Addresses, float]:
    """Return where the services are and how long a call may take, from options and settings."""
    common, client = _settings()
    server = context.meta.get(f"{__name__}.server")
    try:
        addresses = Addresses.at(check_address(server)) if server is not None else addresses_of(common, client)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx=context, param_hint="--server") from error
    return addresses, _timeout(context, client)


def timeout_of(context: click.Context) -> float:
    """Return how many seconds one call may take, from the option or the settings."""
    return _timeout(context, _settings()[1])


def given_timeout_of(context: click.Context) -> float | None:
    """Return the seconds that the option says, None when it was not given."""
    timeout_s: float | None = context.meta.get(f"{__name__}.timeout")
    return timeout_s


def _timeout(context: click.Context, client: ClientSettings) -> float:
    return given_timeout_of(context) or client.timeout_s


def _settings() -> tuple[CommonSettings, ClientSettings]:
    try:
        common, client = load(CommonSettings, ClientSettings)
    except SettingsError as error:
        raise WrongSettings("\n".join(safe(line) for line in str(error).splitlines())) from error
    if not isinstance(common, CommonSettings) or not isinstance(client, ClientSettings):
        raise TypeError("settings come in the order in which they are asked for")
    return common, client
