"""An entry of the targets file: every key, and what is wrong with any of them."""

from datetime import time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from alerthistory_common.alerts import Severity
from alerthistory_common.matchers import Matcher
from alerthistory_publisher.adapters.target_entries import EntryRules, parse_entry
from alerthistory_publisher.domain.active_times import ActiveTime
from alerthistory_publisher.domain.target_sets import Malformed
from alerthistory_publisher.domain.targets import Target

SIGNING = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
MINIMAL = {"name": "ops", "format": "slack", "url": "https://x.example"}


def parse(entry: Any, *, allow_http: bool = False, allow_files: bool = True) -> Target | Malformed:
    rules = EntryRules(allow_http=allow_http, allow_files=allow_files)
    return parse_entry(entry, place="here", source="file", rules=rules)


def target(**more: Any) -> Target:
    found = parse({**MINIMAL, **more})
    assert isinstance(found, Target), found
    return found


def problems(entry: Any, **rules: bool) -> tuple[str, ...]:
    found = parse(entry, **rules)
    assert isinstance(found, Malformed)
    return found.problems


def test_an_entry_may_say_everything(tmp_path: Path) -> None:
    (tmp_path / "signing").write_text(SIGNING + "\n")
    entry = yaml.safe_load(f"""
      name: ops
      format: slack
      url: https://x.example/hook
      enabled: false
      send_resolved: false
      headers: {{X-Team: ops}}
      timeout_s: 5
      channel: "#alerts"
      signing_secrets: ["{SIGNING}", {{file: {tmp_path}/signing}}]
      title: "{{{{ alert_name }}}}"
      description: plain
      filter: {{severity: [critical, warning], namespaces: [prod], exclude_noise: false, min_confidence: 0.5,
                alert_name_pattern: "Disk.*"}}
      matchers: ['team="ops"', 'env=~"prod|stage"']
      active_times: [{{days: [mon, wed-fri], from: "08:00", to: "18:30", time_zone: Europe/Berlin}}]
      deduplication_window_s: 60
      rate_limits: [1 per second, 100 per 5 minute]
      concurrency: 2
    """)
    found = parse(entry)
    assert isinstance(found, Target), found
    assert (found.name, found.format, found.url) == ("ops", "slack", "https://x.example/hook")
    assert not found.is_enabled
    assert not found.sends_resolved
    assert (found.headers, found.timeout_s, found.channel) == ((("X-Team", "ops"),), 5, "#alerts")
    assert found.signing_secrets == (SIGNING, SIGNING)
    assert (found.title, found.description) == ("{{ alert_name }}", "plain")
    assert found.filter.severities == {Severity.CRITICAL, Severity.WARNING}
    assert found.filter.namespaces == {"prod"}
    assert not found.filter.exclude_noise
    assert (found.filter.min_confidence, found.filter.alert_name_pattern) == (0.5, "Disk.*")
    assert found.filter.matchers == (Matcher.parse('team="ops"'), Matcher.parse('env=~"prod|stage"'))
    berlin = ZoneInfo("Europe/Berlin")
    assert found.filter.active_times == (
        ActiveTime(days=frozenset({0, 2, 3, 4}), start=time(8), end=time(18, 30), zone=berlin),
    )
    assert found.deduplication_window == timedelta(minutes=1)
    assert (found.rate_limits, found.concurrency, found.source) == (("1 per second", "100 per 5 minute"), 2, "file")


def test_what_is_left_out_is_as_it_is_in_a_target() -> None:
    assert target() == Target(name="ops", format="slack", url="https://x.example", source="file")


def test_the_older_name_of_the_filter_is_understood() -> None:
    assert target(filter_config={"severity": "critical"}).filter.severities == {Severity.CRITICAL}
    assert problems({**MINIMAL, "filter": {}, "filter_config": {}}) == (
        "here: filter and filter_config are the same: write one",
    )


@pytest.mark.parametrize(
    ("days", "expected"),
    [(["mon"], {0}), (["Tue-FRI"], {1, 2, 3, 4}), (["sat-mon"], {5, 6, 0}), (["sun", "sun"], {6})],
)
def test_days_may_be_spans(days: list[str], expected: set[int]) -> None:
    (found,) = target(active_times=[{"days": days}]).filter.active_times
    assert found.days == expected
    assert (found.start, found.end, found.zone.key) == (time(0), time(0), "UTC")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"filter": {"severity": ["fatal"]}}, "filter.severity.0: Input should be 'critical'"),
        ({"filter": {"min_confidence": 1.1}}, "filter.min_confidence: Input should be less than or equal to 1"),
        ({"filter": {"min_confidence": float("nan")}}, "filter.min_confidence: Input should be"),
        ({"filter": {"alert_name_pattern": "(?=a)"}}, "filter.alert_name_pattern: '(?=a)' is no regular expression"),
        ({"filter": {"severities": []}}, "unknown key 'filter.severities' (did you mean severity?)"),
        ({"filter": "critical"}, "filter: must be a set of keys"),
        ({"matchers": ["team"]}, "matchers.0: 'team' is no matcher"),
        ({"matchers": ['a=~"("']}, "matchers.0: '(' is no regular expression"),
        ({"active_times": [{"days": ["monday"]}]}, "active_times.0.days.0: must be a day or a span of days"),
        ({"active_times": [{"days": ["mon-"]}]}, "active_times.0.days.0: must be a day or a span of days"),
        ({"active_times": [{"days": []}]}, "active_times.0.days: "),
        ({"active_times": [{"from": 480}]}, "active_times.0.from: Input should be a valid string"),
        ({"active_times": [{"from": "8:00"}]}, "active_times.0.from: must be a time such as 08:00, in quotes"),
        ({"active_times": [{"to": "24:01"}]}, "active_times.0.to: must be a time such as 08:00, in quotes"),
        ({"active_times": [{"time_zone": "Mars"}]}, "active_times.0.time_zone: must be the name of a time zone"),
        ({"active_times": [{"time_zone": "../x"}]}, "active_times.0.time_zone: must be the name of a time zone"),
        ({"active_times": [{"time_zone": "Europe"}]}, "active_times.0.time_zone: must be the name of a time zone"),
        ({"active_times": [{"form": "08:00"}]}, "unknown key 'active_times.0.form' (did you mean from?)"),
        ({"deduplication_window_s": -1}, "deduplication_window_s: Input should be greater than or equal to 0"),
        ({"deduplication_window_s": float("inf")}, "deduplication_window_s: Input should be"),
        ({"rate_limits": ["often"]}, 'rate_limits.0: must be a rate such as "1 per second"'),
        ({"rate_limits": ["0 per second"]}, "rate_limits.0: must allow at least one"),
        ({"concurrency": 101}, "concurrency: Input should be less than or equal to 100"),
        ({"concurrency": True}, "concurrency: Input should be a valid integer"),
        ({"title": "{{ a"}, "title: line 1: "),
        ({"description": "{% if %}"}, "description: line 1: "),
        ({"signing_secrets": ["whsec_c2hvcnQ="]}, "signing_secrets.0: must be whsec_ and the base64 of 24 to 64"),
        ({"signing_secrets": ["s3cret"]}, "signing_secrets.0: must be whsec_ and the base64 of 24 to 64"),
        ({"signing_secrets": [5]}, "signing_secrets.0: the value must be a text in quotes, or {file: PATH}"),
        ({"headers": {"A": "1", "a": "2"}}, "header 'a' is set twice"),
        ({"headers": {"A": {"file": "a\0b"}}}, "header 'A': its file a\0b cannot be read: embedded null byte"),
        ({"headers": {"A": {"file": "/proc/self/mem"}}}, "header 'A': its file /proc/self/mem cannot be read"),
        ({"headers": {"A": {"file": "/dev/null"}}}, "header 'A': its file /dev/null is empty"),
        ({"headers": {"A": {"file": "/dev/zero"}}}, "header 'A': its file /dev/zero cannot be read: it is longer"),
        ({"routing_key": "s3cret"}, "routing_key is for the format pagerduty only"),
        ({"format": "webhook", "channel": "#a"}, "channel is for the format slack only"),
        ({"format": "webhook", "title": "a"}, "title and description are for the formats pagerduty, rootly"),
        ({"format": "alertmanager", "description": "a"}, "title and description are for the formats"),
        ({"url": "http://x.example"}, "url: http:// is not allowed"),
        ({"url": "HTTP://x.example"}, "url: http:// is not allowed"),
    ],
)
def test_a_mistake_is_named(more: dict[str, Any], expected: str) -> None:
    (problem,) = problems({**MINIMAL, **more})
    assert problem.startswith(f"here: {expected}")
    assert "s3cret" not in problem


def test_every_mistake_is_named_at_once() -> None:
    assert len(problems({**MINIMAL, "url": "x", "name": "A", "concurrency": -1, "nme": 1})) == 4


def test_http_is_for_those_who_may() -> None:
    assert isinstance(parse({**MINIMAL, "url": "http://x.example"}, allow_http=True), Target)


def test_files_are_for_those_who_may(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret")
    entry = {**MINIMAL, "headers": {"A": {"file": f"{tmp_path}/key"}}}
    assert isinstance(parse(entry), Target)
    assert problems(entry, allow_files=False) == (
        "here: header 'A': {file: PATH} is for the targets file only, a secret holds the value itself",
    )


def test_every_format_is_known() -> None:
    for name in ("alertmanager", "pagerduty", "rootly", "rootly-api", "rootly-simple", "slack", "webhook"):
        assert target(format=name).format == name
