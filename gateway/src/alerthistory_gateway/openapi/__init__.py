"""The OpenAPI document: written by hand, one file for each subject, kept as package data."""

from importlib.resources import files
from typing import Any

import yaml

from alerthistory_gateway.rate_limit import WEBHOOKS
from alerthistory_gateway.routes.health import PROBES
from alerthistory_gateway.routes.metrics import METRICS

_FRAME = "document.yaml"
_UNLIMITED = WEBHOOKS | PROBES | {METRICS}
# Ten times as fast, where the wheel of PyYAML has it; the gateway reads the document at every start.
_LOADER: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def document() -> dict[str, Any]:
    """Return the whole document: the frame, with the paths and components of every other file in it.

    Raises ValueError when two files define the same thing.
    """
    folder = files(__name__)
    whole: dict[str, Any] = {"paths": {}, **_read(folder.joinpath(_FRAME).read_text(encoding="utf-8"))}
    names = sorted(each.name for each in folder.iterdir() if each.name.endswith(".yaml"))
    for name in names:
        if name != _FRAME:
            part = _read(folder.joinpath(name).read_text(encoding="utf-8"))
            _add(whole["paths"], part["paths"], name)
            for kind, definitions in part.get("components", {}).items():
                _add(whole["components"].setdefault(kind, {}), definitions, name)
    _tell_limits(whole["paths"])
    return whole


def _tell_limits(paths: dict[str, Any]) -> None:
    """Add to every operation that is limited how it is refused."""
    for path in paths.keys() - _UNLIMITED:
        for method, operation in paths[path].items():
            if method != "parameters":
                operation["responses"]["429"] = {"$ref": "#/components/responses/TooManyRequests"}


def _read(text: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.load(text, Loader=_LOADER)  # noqa: S506 - both are safe ones.
    return content


def _add(known: dict[str, Any], more: dict[str, Any], name: str) -> None:
    if twice := known.keys() & more.keys():
        raise ValueError(f"{name} defines again: {', '.join(sorted(twice))}")
    known.update(more)
