"""One target from a mapping, in which no mistake is ignored and none reveals a secret."""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import limits
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from alerthistory_common.alerts import Severity
from alerthistory_common.matchers import Matcher, MatchOp
from alerthistory_publisher.adapters.active_time_texts import ActiveTimeEntry, active_time
from alerthistory_publisher.domain.active_times import ActiveTime
from alerthistory_publisher.domain.formats.choice import FORMATS, TEMPLATED
from alerthistory_publisher.domain.parcels import signing_problem
from alerthistory_publisher.domain.target_filters import TargetFilter
from alerthistory_publisher.domain.target_sets import Malformed
from alerthistory_publisher.domain.targets import Target
from alerthistory_publisher.domain.templates import template_problem

FORMAT_NAMES = tuple(sorted(FORMATS))
_MAX_FILE_BYTES = 16_384
_NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_MONTH_S = 30 * 86_400
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
        "webhook-signature",
        "webhook-timestamp",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRules:
    """What entries of one source may say: whether to send without TLS, and whether to name files that hold values.

    Only who may read the publisher's files may name them: a secret's author could have any of them sent to himself.
    """

    allow_http: bool
    allow_files: bool


def parse_entry(entry: Any, *, place: str, source: str, rules: EntryRules) -> Target | Malformed:
    """Return the target that *entry* describes, or all of its problems, each beginning with *place*.

    *source* is what the target says of its origin.
    """
    report = _Report(place)
    try:
        found = _Entry.model_validate(_with_present_names(entry, report))
    except ValidationError as error:
        for item in error.errors(include_url=False, include_input=False):
            report.add(_explain(item))
        return Malformed(tuple(report.problems))
    target = _target(found, source, rules, report)
    return Malformed(tuple(report.problems)) if report.problems else target


@dataclass(frozen=True, slots=True)
class _Report:
    place: str
    problems: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        self.problems.append(f"{self.place}: {text}")


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _format(name: str) -> str:
    if name not in FORMAT_NAMES:
        raise ValueError(f"must be one of {', '.join(FORMAT_NAMES)}{hint(name, FORMAT_NAMES)}")
    return name


def _rate_limit(text: str) -> str:
    try:
        found = limits.parse_many(text)
    except ValueError as error:
        raise ValueError('must be a rate such as "1 per second" or "100 per 5 minute"') from error
    if any(limit.amount < 1 for limit in found):
        raise ValueError("must allow at least one")
    return text


def _expression(text: str) -> str:
    if text:
        Matcher("alert_name_pattern", MatchOp.REGEX, text)
    return text


def _template(text: str) -> str:
    if problem := template_problem(text):
        raise ValueError(problem)
    return text


def _matcher(text: str) -> str:
    Matcher.parse(text)
    return text


def _http_url(url: str) -> str:
    if not _is_http_url(url):
        raise ValueError("must be an http:// or https:// URL with a host, without spaces")
    return url


_Texts = Annotated[list[str], BeforeValidator(_listed)]
_Severities = Annotated[list[Literal["critical", "warning", "info", "noise"]], BeforeValidator(_listed)]
_Template = Annotated[str, Field(max_length=16_384), AfterValidator(_template)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True, allow_inf_nan=False)


class _SecretFile(_Strict):
    model_config = ConfigDict(strict=False)

    file: Path


class _Filter(_Strict):
    severity: _Severities = []
    namespaces: _Texts = []
    exclude_noise: bool = True
    min_confidence: float = Field(0.0, ge=0, le=1)
    alert_name_pattern: Annotated[str, AfterValidator(_expression)] = ""


class _Entry(_Strict):
    name: str = Field(pattern=_NAME)
    format: Annotated[str, AfterValidator(_format)]
    url: Annotated[str, AfterValidator(_http_url)]
    enabled: bool = True
    send_resolved: bool = True
    headers: dict[str, Any] = {}
    timeout_s: float = Field(10.0, gt=0, le=60)
    routing_key: Any = ""
    channel: str = ""
    signing_secrets: Annotated[list[Any], BeforeValidator(_listed)] = Field([], max_length=10)
    title: _Template = ""
    description: _Template = ""
    filter: _Filter = _Filter()
    matchers: Annotated[list[Annotated[str, AfterValidator(_matcher)]], BeforeValidator(_listed)] = []
    active_times: list[ActiveTimeEntry] = []
    deduplication_window_s: float = Field(300.0, ge=0, le=_MONTH_S)
    rate_limits: Annotated[list[Annotated[str, AfterValidator(_rate_limit)]], BeforeValidator(_listed)] | None = None
    concurrency: int = Field(0, ge=0, le=100)


ENTRY_KEYS = frozenset(_Entry.model_fields)


def _with_present_names(entry: Any, report: _Report) -> Any:
    """Return *entry* with the filter under its present name; the older service called it filter_config."""
    if not isinstance(entry, Mapping) or "filter_config" not in entry:
        return entry
    if "filter" in entry:
        report.add("filter and filter_config are the same: write one")
    return {("filter" if key == "filter_config" else key): value for key, value in entry.items()}


def _target(entry: _Entry, source: str, rules: EntryRules, report: _Report) -> Target:
    _check_together(entry, rules, report)
    return Target(
        name=entry.name,
        format=entry.format,
        url=entry.url,
        is_enabled=entry.enabled,
        sends_resolved=entry.send_resolved,
        headers=tuple((name, _header(name, value, rules, report)) for name, value in entry.headers.items()),
        timeout_s=entry.timeout_s,
        routing_key=_text(entry.routing_key, "routing_key", rules, report),
        signing_secrets=tuple(
            _signing_secret(value, f"signing_secrets.{number}", rules, report)
            for number, value in enumerate(entry.signing_secrets)
        ),
        channel=entry.channel,
        title=entry.title,
        description=entry.description,
        filter=_filter(entry),
        deduplication_window=timedelta(seconds=entry.deduplication_window_s),
        rate_limits=None if entry.rate_limits is None else tuple(entry.rate_limits),
        concurrency=entry.concurrency,
        source=source,
    )


def _check_together(entry: _Entry, rules: EntryRules, report: _Report) -> None:
    """Report what is sound alone, and wrong with the rest or by the rules."""
    if not rules.allow_http and urlsplit(entry.url).scheme == "http":
        report.add("url: http:// is not allowed: write https://, or set ALERTHISTORY_PUBLISHER_ALLOW_HTTP=true")
    if entry.routing_key and entry.format != "pagerduty":
        report.add("routing_key is for the format pagerduty only")
    if entry.channel and entry.format != "slack":
        report.add("channel is for the format slack only")
    if (entry.title or entry.description) and entry.format not in TEMPLATED:
        report.add(f"title and description are for the formats {', '.join(sorted(TEMPLATED))} only")
    names = [name.lower() for name in entry.headers]
    for name in sorted({name for name in names if names.count(name) > 1}):
        report.add(f"header {name!r} is set twice")


def _filter(entry: _Entry) -> TargetFilter:
    return TargetFilter(
        severities=frozenset(Severity(name) for name in entry.filter.severity),
        namespaces=frozenset(entry.filter.namespaces),
        exclude_noise=entry.filter.exclude_noise,
        min_confidence=entry.filter.min_confidence,
        alert_name_pattern=entry.filter.alert_name_pattern,
        matchers=tuple(Matcher.parse(text) for text in entry.matchers),
        active_times=tuple(_active_times(entry)),
    )


def _active_times(entry: _Entry) -> Iterable[ActiveTime]:
    return (active_time(each) for each in entry.active_times)


def _header(name: str, value: Any, rules: EntryRules, report: _Report) -> str:
    """Return the value of a header, which may name the file that holds it."""
    where = f"header {name!r}"
    if not _TOKEN.fullmatch(name):
        report.add(f"{where} is not a header name")
    elif name.lower() in _OURS:
        report.add(f"{where} is set by Alert History itself")
    return _text(value, where, rules, report)


def _signing_secret(value: Any, where: str, rules: EntryRules, report: _Report) -> str:
    secret = _text(value, where, rules, report)
    if secret and (problem := signing_problem(secret)):
        report.add(f"{where}: {problem}")
    return secret


def _text(value: Any, where: str, rules: EntryRules, report: _Report) -> str:
    """Return a value that may be secret, and may be in a file of its own."""
    text = value if isinstance(value, str) else _from_file(value, where, rules, report)
    if not all(" " <= character <= "~" or character == "\t" for character in text):
        report.add(f"{where}: the value must be printable ASCII on one line")
    return text


def _from_file(value: Any, where: str, rules: EntryRules, report: _Report) -> str:
    wanted = "a text in quotes, or {file: PATH}" if rules.allow_files else "a text in quotes"
    try:
        path = _SecretFile.model_validate(value).file
    except ValidationError:
        report.add(f"{where}: the value must be {wanted}")
        return ""
    if not rules.allow_files:
        report.add(f"{where}: {{file: PATH}} is for the targets file only, a secret holds the value itself")
        return ""
    try:
        text = _read(path)
    except (OSError, ValueError) as error:
        report.add(f"{where}: its file {path} cannot be read: {getattr(error, 'strerror', None) or error}")
        return ""
    if not text:
        report.add(f"{where}: its file {path} is empty")
    return text


def _read(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(_MAX_FILE_BYTES + 1)
    if len(content) > _MAX_FILE_BYTES:
        raise ValueError(f"it is longer than {_MAX_FILE_BYTES} bytes")
    try:
        return content.decode().strip()
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None


def _is_http_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and has_host and url.isprintable() and " " not in url


def _explain(item: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return f"unknown key {where!r}{hint(item['loc'][-1], _keys_beside(item['loc']))}"
    if item["type"] == "string_pattern_mismatch":
        return f"{where}: must consist of lower-case letters, digits and '-', at most 63"
    if item["type"] == "model_type":
        return f"{where}: must be a set of keys" if where else "must be a set of keys such as name, format and url"
    return f"{where}: {item['msg'].removeprefix('Value error, ')}"


def _keys_beside(loc: tuple[Any, ...]) -> Iterable[str]:
    inner: Mapping[Any, type[BaseModel]] = {"filter": _Filter, "active_times": ActiveTimeEntry}
    model = inner.get(loc[0], _Entry) if len(loc) > 1 else _Entry
    return (each.alias or name for name, each in model.model_fields.items())


def hint(name: object, known: Iterable[str]) -> str:
    """Return the one of *known* that *name* may have meant, as an afterthought; empty when none is like it."""
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
