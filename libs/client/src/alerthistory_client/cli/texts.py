"""Texts on a command line that are sent, and who sends them."""

import getpass
from collections.abc import Callable
from typing import Any, TypeVar

import click

_C = TypeVar("_C", bound=Callable[..., Any])


class TextType(click.ParamType[str]):
    """A text that says something, and that can be sent."""

    def __init__(self, name: str) -> None:
        self.name = name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text without blanks around it."""
        text = str(value).strip()
        if not text:
            self.fail(f"a {self.name} must not be empty", param, ctx)
        try:
            text.encode()
        except UnicodeEncodeError:
            self.fail(f"a {self.name} must be UTF-8", param, ctx)
        return text


FINGERPRINT = TextType("fingerprint")


def fingerprint_argument(function: _C) -> _C:
    """Give a command the argument FINGERPRINT."""
    return click.argument("fingerprint", type=FINGERPRINT)(function)


def author_option(function: _C) -> _C:
    """Give a command the option that says who acts."""
    return click.option("--author", type=TextType("name"), help="Who says so.  [default: the login name]")(function)


def login_name() -> str:
    """Return the name under which this person is logged in; empty when the system has none, as in a container."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
