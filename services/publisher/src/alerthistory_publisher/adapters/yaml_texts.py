"""YAML that may hold secrets: what is wrong with it is told without quoting it."""

import re
from typing import Any

import yaml

_QUOTED = re.compile(r"""(['"])(.*?)\1""", re.DOTALL)
_HARMLESS = re.compile(r".?|<[a-z ]+>")


class YamlTextError(ValueError):
    """A text is not YAML; the message says why and where."""


def read_yaml(text: str) -> Any:
    """Return what *text* holds; raise YamlTextError, which quotes nothing of it."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise YamlTextError(_why(error)) from None
    except RecursionError:
        raise YamlTextError("it is nested too deeply") from None
    except ValueError:
        raise YamlTextError("it holds a date or a number that there is not") from None


def _why(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = _unquoted(str(getattr(error, "problem", None) or "it cannot be parsed"))
    return f"{problem} (line {mark.line + 1}, column {mark.column + 1})" if mark else problem


def _unquoted(problem: str) -> str:
    """Return *problem* up to what it quotes, unless that is punctuation.

    A value that begins with ``*``, ``&`` or ``!`` is read as an alias, an anchor or a tag, and the error quotes it.
    """
    if all(_HARMLESS.fullmatch(text) for _, text in _QUOTED.findall(problem)):
        return problem
    return re.split("['\"]", problem, maxsplit=1)[0] + "…"
