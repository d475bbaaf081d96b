"""The OpenAPI document: written by hand, one file for each subject, kept as package data."""

from importlib.resources import files
from typing import Any

import yaml

_FRAME = "document.yaml"
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
    return whole


def _read(text: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.load(text, Loader=_LOADER)  # noqa: S506 - both are safe ones.
    return content


def _add(known: dict[str, Any], more: dict[str, Any], name: str) -> None:
    if twice := known.keys() & more.keys():
        raise ValueError(f"{name} defines again: {', '.join(sorted(twice))}")
    known.update(more)
