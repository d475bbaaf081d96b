"""Targets from a YAML file, which is taken as a whole or not at all."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alerthistory_publisher.adapters.target_entries import EntryRules, hint, parse_entry
from alerthistory_publisher.adapters.yaml_texts import YamlTextError, read_yaml
from alerthistory_publisher.domain.target_sets import Listing
from alerthistory_publisher.domain.targets import InvalidTargetsError, Target


class TargetsFile:
    """The port ``TargetSource`` over a file."""

    name = "file"

    def __init__(self, path: Path, *, allow_http: bool) -> None:
        self._path = path
        self._allow_http = allow_http

    async def load(self) -> Listing:
        """Return the targets; raise InvalidTargetsError naming every problem."""
        return Listing.of(await asyncio.to_thread(read_targets, self._path, allow_http=self._allow_http))

    async def watch(self, hint: Callable[[], None]) -> None:
        """Return: a file is cheap to read again and again."""


def read_targets(path: Path, *, allow_http: bool = True) -> tuple[Target, ...]:
    """Return the targets in the file at *path*; raise InvalidTargetsError naming file, entry and every problem."""
    problems: list[str] = []
    rules = EntryRules(allow_http=allow_http, allow_files=True)
    entries = _entries(path, problems)
    targets: list[Target] = []
    for number, entry in enumerate(entries, 1):
        found = parse_entry(entry, place=f"{path}: {_place(number, entry)}", source="file", rules=rules)
        if isinstance(found, Target):
            targets.append(found)
        else:
            problems += found.problems
    counts = Counter(name for entry in entries if (name := _name(entry)))
    problems += [f"{path}: {count} targets are called {name!r}" for name, count in counts.items() if count > 1]
    if problems:
        raise InvalidTargetsError(problems)
    return tuple(targets)


def _entries(path: Path, problems: list[str]) -> list[Any]:
    try:
        content = read_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}")
        return []
    except YamlTextError as error:
        problems.append(f"{path}: is not YAML: {error}")
        return []
    if content is None:
        return []
    if not isinstance(content, dict) or not isinstance(content.get("targets", []), list | None):
        problems.append(f"{path}: must hold one key, 'targets', with a list")
        return []
    problems += [f"{path}: unknown key {key!r}{hint(key, ['targets'])}" for key in content if key != "targets"]
    return content.get("targets") or []


def _name(entry: Any) -> str:
    name = entry.get("name") if isinstance(entry, dict) else None
    return name[:63] if isinstance(name, str) else ""


def _place(number: int, entry: Any) -> str:
    name = _name(entry)
    return f"target {number} ({name!r})" if name else f"target {number}"
