"""Targets from a YAML file, in which no mistake is ignored and none reveals a secret."""

import asyncio
import difflib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from alerthistory_publisher.domain.targets import InvalidTargetsError, Target

_NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS = frozenset(
    {
        "connection",
        "content-length",
        "content-type",
        "host",
        "traceparent",
        "transfer-encoding",
        "user-agent",
        "webhook-id",
        "webhook-timestamp",
    }
)


class TargetsFile:
    """The port ``TargetSource`` over a file; without a path there are no targets."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    async def load(self) -> tuple[Target, ...]:
        """Return the targets; raise InvalidTargetsError naming every problem."""
        return () if self._path is None else await asyncio.to_thread(read_targets, self._path)


def read_targets(path: Path) -> tuple[Target, ...]:
    """Return the targets in the file at *path*; raise InvalidTargetsError naming file, entry and every problem."""
    problems: list[str] = []
    entries = _entries(path, problems)
    targets = [_target(entry, f"{path}: {_place(number, entry)}", problems) for number, entry in enumerate(entries, 1)]
    counts = Counter(entry.get("name") for entry in entries if isinstance(entry, dict) and _is_text(entry.get("name")))
    problems += [f"{path}: {count} targets are called {name!r}" for name, count in counts.items() if count > 1]
    if problems:
        raise InvalidTargetsError(problems)
    return tuple(target for target in targets if target is not None)


class _HeaderFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    file: Path


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    name: str = Field(pattern=_NAME)
    format: Literal["alertmanager", "pagerduty", "rootly", "slack", "webhook"]
    url: str
    enabled: bool = True
    send_resolved: bool = True
    headers: dict[str, Any] = Field(default_factory=dict)
    timeout_s: float = Field(10.0, gt=0, le=60)
    routing_key: Any = ""

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        if not _is_http_url(url):
            raise ValueError("must be an http:// or https:// URL with a host, without spaces")
        return url


def _entries(path: Path, problems: list[str]) -> list[Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}")
        return []
    except yaml.YAMLError as error:
        problems.append(f"{path}: is not YAML: {_where(error)}")
        return []
    if content is None:
        return []
    if not isinstance(content, dict) or not isinstance(content.get("targets", []), list | None):
        problems.append(f"{path}: must hold one key, 'targets', with a list")
        return []
    problems += [f"{path}: unknown key {key!r}{_hint(key, ['targets'])}" for key in content if key != "targets"]
    return content.get("targets") or []


def _target(entry: Any, place: str, problems: list[str]) -> Target | None:
    try:
        found = _Entry.model_validate(entry)
    except ValidationError as error:
        problems += [f"{place}: {_explain(item)}" for item in error.errors(include_url=False, include_input=False)]
        return None
    headers = [(name, _header(name, value, place, problems)) for name, value in found.headers.items()]
    return Target(
        name=found.name,
        format=found.format,
        url=found.url,
        is_enabled=found.enabled,
        sends_resolved=found.send_resolved,
        headers=tuple(headers),
        timeout_s=found.timeout_s,
        routing_key=_routing_key(found, place, problems),
    )


def _header(name: str, value: Any, place: str, problems: list[str]) -> str:
    """Return the value of a header, which may name the file that holds it."""
    where = f"{place}: header {name!r}"
    if not _TOKEN.fullmatch(name):
        problems.append(f"{where} is not a header name")
    elif name.lower() in _OURS:
        problems.append(f"{where} is set by Alert History itself")
    text = value if isinstance(value, str) else _from_file(value, where, problems)
    if not all(" " <= character <= "~" or character == "\t" for character in text):
        problems.append(f"{where}: the value must be printable ASCII on one line")
    return text


def _routing_key(entry: _Entry, place: str, problems: list[str]) -> str:
    """Return the key of a PagerDuty integration, which may name the file that holds it."""
    where = f"{place}: routing_key"
    if entry.routing_key and entry.format != "pagerduty":
        problems.append(f"{where} is for the format pagerduty only")
    return entry.routing_key if isinstance(entry.routing_key, str) else _from_file(entry.routing_key, where, problems)


def _from_file(value: Any, where: str, problems: list[str]) -> str:
    try:
        return _HeaderFile.model_validate(value).file.read_text(encoding="utf-8").strip()
    except ValidationError:
        problems.append(f"{where}: the value must be a text in quotes, or {{file: PATH}}")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        problems.append(f"{where}: its file {value['file']} cannot be read: {reason}")
    return ""


def _is_http_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and has_host and url.isprintable() and " " not in url


def _explain(item: Mapping[str, Any]) -> str:
    field = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return f"unknown key {field!r}{_hint(field, _Entry.model_fields)}"
    if item["type"] == "string_pattern_mismatch":
        return f"{field}: must consist of lower-case letters, digits and '-', at most 63"
    if item["type"] == "model_type":
        return "must be a set of keys such as name, format and url"
    return f"{field}: {item['msg']}"


def _place(number: int, entry: Any) -> str:
    name = entry.get("name") if isinstance(entry, dict) else None
    return f"target {number} ({name[:63]!r})" if _is_text(name) and name else f"target {number}"


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _where(error: yaml.YAMLError) -> str:
    """Return what is wrong and where. The error's own text quotes the file, which may hold secrets."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "it cannot be parsed"
    return f"{problem} (line {mark.line + 1}, column {mark.column + 1})" if mark else str(problem)


def _hint(name: object, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
