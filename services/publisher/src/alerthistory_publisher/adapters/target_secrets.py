"""Targets from Kubernetes secrets, in the keys of the older service and in those of the targets file."""

from collections.abc import Mapping
from typing import Any

from alerthistory_publisher.adapters.target_entries import ENTRY_KEYS, EntryRules, hint, parse_entry
from alerthistory_publisher.adapters.yaml_texts import YamlTextError, read_yaml
from alerthistory_publisher.domain.target_sets import Malformed
from alerthistory_publisher.domain.targets import Target

MAX_BYTES = 1 << 20
"""As much as Kubernetes lets a secret hold."""
FORMAT_LABEL = "alert-history.io/format"
_HEADER = "header-"
_CONFIG = "config"
_PLAIN = frozenset({"name", "format", "url", "routing_key", "channel", "title", "description"})
_RENAMED = {"timeout": "timeout_s", "signing_secret": "signing_secrets", "filter_config": "filter"}
# In the order in which they count.
_CREDENTIALS = {"auth-header": "{}", "api-key": "Bearer {}", "token": "Token {}"}
_SWITCHES = {"true": True, "false": False}
_KNOWN = frozenset({_CONFIG, *ENTRY_KEYS, *_RENAMED, *_CREDENTIALS}) - {"headers"}


def parse_secret(
    data: Mapping[str, bytes], *, name: str, place: str, source: str, allow_http: bool, labels: Mapping[str, str] | None
) -> Target | Malformed:
    """Return the target in a secret's *data*, or all problems with it, each beginning with *place*.

    The key ``config`` may hold a whole entry as YAML, over which the other keys prevail. The target is called as
    *name*, the secret's, and its format is that of its label, unless a key says otherwise.
    """
    reading = _Reading()
    entry = reading.entry({key: reading.text(key, value) for key, value in data.items()})
    defaults = {"name": name, **({"format": labels[FORMAT_LABEL]} if labels and FORMAT_LABEL in labels else {})}
    rules = EntryRules(allow_http=allow_http, allow_files=False)
    found = parse_entry({**defaults, **entry}, place=place, source=source, rules=rules)
    ours = tuple(f"{place}: {problem}" for problem in reading.problems)
    if not ours:
        return found
    return Malformed(ours + (found.problems if isinstance(found, Malformed) else ()))


class _Reading:
    """Turns the texts of one secret into an entry, and remembers what is wrong with them."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._given: dict[str, str] = {}

    def text(self, key: str, value: bytes) -> str:
        """Return *value* without the new line that editors add."""
        try:
            return value[:MAX_BYTES].decode().rstrip("\r\n")
        except UnicodeDecodeError:
            self.problems.append(f"{key}: is not UTF-8")
            return ""

    def entry(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """Return the entry: that of ``config``, completed and overruled by the other keys."""
        entry = self._config(texts.get(_CONFIG, ""))
        headers = entry.pop("headers", None) or {}
        for key, text in texts.items():
            if key in _PLAIN:
                entry[key] = text
            elif key in _KNOWN and key != _CONFIG and key not in _CREDENTIALS:
                self._set(entry, key, text)
            elif key not in _KNOWN and not key.startswith(_HEADER):
                self.problems.append(f"unknown key {key!r}{hint(key, _KNOWN)}")
        entry["headers"] = self._with_ours(headers, _headers(texts)) if isinstance(headers, dict) else headers
        return entry

    def _with_ours(self, headers: Mapping[Any, Any], ours: list[tuple[str, str]]) -> dict[Any, Any]:
        """Return *headers* with *ours*, which take the place of those of the same name."""
        names = [name for name, _ in ours]
        self.problems += [f"header {name!r} is set twice" for name in sorted({n for n in names if names.count(n) > 1})]
        kept = {name: value for name, value in headers.items() if str(name).title() not in names}
        return {**kept, **dict(ours)}

    def _config(self, text: str) -> dict[str, Any]:
        content = self._yaml(_CONFIG, text) if text else {}
        if not isinstance(content, dict):
            self.problems.append(f"{_CONFIG}: must be a set of keys such as format and url")
            return {}
        if "filter_config" in content and "filter" not in content:
            content["filter"] = content.pop("filter_config")
        return dict(content)

    def _set(self, entry: dict[str, Any], key: str, text: str) -> None:
        """Set what is no text by nature, unless it is empty."""
        if not text.strip():
            return
        if key in {"enabled", "send_resolved"}:
            value: Any = _SWITCHES.get(text.strip().lower(), text)
        elif key in {"signing_secret", "signing_secrets"} and not text.lstrip().startswith(("[", "- ")):
            value = text.split()
        else:
            value = self._yaml(key, text)
        name = _RENAMED.get(key, key)
        if name in self._given:
            self.problems.append(f"{key}: is the same as {self._given[name]}: write one")
        self._given[name] = key
        entry[name] = value

    def _yaml(self, key: str, text: str) -> Any:
        try:
            return read_yaml(text)
        except YamlTextError as error:
            self.problems.append(f"{key}: is not YAML: {error}")
            return {}


def _headers(texts: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the headers that keys stand for: one for the authorization, and one for each ``header-…``."""
    given = next((key for key in _CREDENTIALS if texts.get(key)), None)
    credential = [] if given is None else [("Authorization", _CREDENTIALS[given].format(texts[given]))]
    return credential + [(_header_name(key), text) for key, text in texts.items() if key.startswith(_HEADER)]


def _header_name(key: str) -> str:
    return key.removeprefix(_HEADER).title()
