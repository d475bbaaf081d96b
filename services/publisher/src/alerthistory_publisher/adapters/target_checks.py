"""What is wrong with a template or a signing secret, before a target is used: the seam to those who render and sign."""

import base64
import binascii

from jinja2 import TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

_PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64
_ENVIRONMENT = ImmutableSandboxedEnvironment()


def template_problem(text: str) -> str:
    """Return what is wrong with the Jinja2 template *text*; empty when nothing is."""
    try:
        _ENVIRONMENT.parse(text)
    except TemplateSyntaxError as error:
        return f"is no template: {error.message} (line {error.lineno})"
    except RecursionError:
        return "is no template: it is nested too deeply"
    return ""


def signing_problem(secret: str) -> str:
    """Return what is wrong with *secret* for Standard Webhooks, without showing it; empty when nothing is."""
    try:
        size = len(base64.b64decode(secret.removeprefix(_PREFIX), validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if _SHORTEST <= size <= _LONGEST:
        return ""
    return f"must be {_PREFIX} and the base64 of {_SHORTEST} to {_LONGEST} random bytes"
