"""Targets in Kubernetes secrets: the keys of the older service, ours, and what is wrong with them."""

from base64 import b64decode
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from alerthistory_common.alerts import Severity
from alerthistory_gateway.legacy.secret_templates import secret_templates
from alerthistory_publisher.adapters.target_secrets import parse_secret
from alerthistory_publisher.domain.target_sets import Malformed
from alerthistory_publisher.domain.targets import Target

SIGNING = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
MINIMAL = {"url": "https://x.example", "format": "webhook"}


def parse(
    data: Mapping[str, str | bytes], *, name: str = "ops", labels: Mapping[str, str] | None = None
) -> Target | Malformed:
    raw = {key: value.encode() if isinstance(value, str) else value for key, value in data.items()}
    return parse_secret(
        raw, name=name, place="secret a/ops", source="kubernetes a/ops", allow_http=False, labels=labels
    )


def target(data: Mapping[str, str | bytes], *, labels: Mapping[str, str] | None = None) -> Target:
    found = parse(data, labels=labels)
    assert isinstance(found, Target), found
    return found


@pytest.mark.parametrize("secret", secret_templates(), ids=lambda secret: secret["metadata"]["name"])
def test_the_secrets_of_the_older_service_are_understood(secret: dict[str, Any]) -> None:
    metadata = secret["metadata"]
    data = {key: b64decode(value) for key, value in secret["data"].items()}
    found = parse(data, name=metadata["name"], labels=metadata["labels"])
    assert isinstance(found, Target), found
    assert found.name == metadata["name"]
    assert (found.is_enabled, found.timeout_s) == (True, 30)
    rootly = (("Authorization", "Token your-rootly-api-key"),)
    assert found.headers == (rootly if found.format == "rootly" else ())
    assert found.routing_key == ("your-pagerduty-routing-key" if found.format == "pagerduty" else "")
    assert found.channel == ("#alerts" if found.format == "slack" else "")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"auth-header": "Basic dTpw\n", "api-key": "k", "token": "t"}, "Basic dTpw"),
        ({"api-key": "k", "token": "t"}, "Bearer k"),
        ({"token": "t"}, "Token t"),
        ({"auth-header": "", "token": "t"}, "Token t"),
    ],
)
def test_the_first_credential_makes_the_authorization(data: dict[str, str], expected: str) -> None:
    assert target({**MINIMAL, **data}).headers == (("Authorization", expected),)


def test_further_headers_have_keys_of_their_own() -> None:
    found = target({**MINIMAL, "header-x-team": "ops", "header-accept": "*/*", "header-X-ID": "{}"})
    assert found.headers == (("X-Team", "ops"), ("Accept", "*/*"), ("X-Id", "{}"))


def test_the_label_names_the_format_unless_a_key_does() -> None:
    labels = {"alert-history.io/format": "slack"}
    assert target({"url": "https://x.example"}, labels=labels).format == "slack"
    assert target(MINIMAL, labels=labels).format == "webhook"


def test_keys_of_the_targets_file_hold_yaml() -> None:
    found = target(
        {
            **MINIMAL,
            "format": "slack",
            "name": "other",
            "enabled": "False",
            "send_resolved": "false",
            "title": "{{ alert_name }}: down\n",
            "matchers": '["team=ops"]',
            "active_times": '- {days: [mon], from: "08:00"}',
            "rate_limits": "1 per second",
            "concurrency": "2",
            "deduplication_window_s": "60",
            "signing_secret": SIGNING,
            "filter_config": '{"severity": ["critical"], "min_confidence": 0.5}',
        }
    )
    assert (found.name, found.is_enabled, found.sends_resolved) == ("other", False, False)
    assert found.title == "{{ alert_name }}: down"
    assert [str(each) for each in found.filter.matchers] == ['team="ops"']
    assert len(found.filter.active_times) == 1
    assert (found.rate_limits, found.concurrency) == (("1 per second",), 2)
    assert found.deduplication_window == timedelta(minutes=1)
    assert found.signing_secrets == (SIGNING,)
    assert (found.filter.severities, found.filter.min_confidence) == (frozenset({Severity.CRITICAL}), 0.5)


@pytest.mark.parametrize("text", [f"{SIGNING}\n{SIGNING}\n", f"[{SIGNING}, {SIGNING}]", f"- {SIGNING}\n- {SIGNING}"])
def test_signing_secrets_are_lines_or_a_list(text: str) -> None:
    assert target({**MINIMAL, "signing_secrets": text}).signing_secrets == (SIGNING, SIGNING)


def test_a_whole_entry_is_completed_and_overruled_by_the_other_keys() -> None:
    config = """
      name: whole
      format: slack
      url: https://x.example/config
      headers: {authorization: theirs, X-Team: ops}
      filter_config: {namespaces: [prod]}
      concurrency: 3
    """
    found = target({"config": config, "url": "https://x.example/key", "token": "t"})
    assert (found.name, found.format, found.url) == ("whole", "slack", "https://x.example/key")
    assert found.headers == (("X-Team", "ops"), ("Authorization", "Token t"))
    assert (found.filter.namespaces, found.concurrency) == (frozenset({"prod"}), 3)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"tokn": "s3cret"}, "unknown key 'tokn' (did you mean token?)"),
        ({"headers": "{A: s3cret}"}, "unknown key 'headers'"),
        ({"url": b"https://x.example/s3cret\xff"}, "url: is not UTF-8"),
        ({"url": "http://x.example/s3cret"}, "url: http:// is not allowed"),
        ({"enabled": "maybe"}, "enabled: Input should be a valid boolean"),
        ({"timeout": "s3cret"}, "timeout_s: Input should be a valid number"),
        ({"timeout": "2001-99-99"}, "timeout: is not YAML: it holds a date or a number that there is not"),
        ({"timeout": "5", "timeout_s": "5"}, "timeout_s: is the same as timeout: write one"),
        ({"matchers": "[s3cret"}, "matchers: is not YAML: expected ',' or ']', but got"),
        ({"matchers": "*s3cret"}, "matchers: is not YAML: found undefined alias … (line 1, column 1)"),
        ({"matchers": "!s3cret x"}, "matchers: is not YAML: could not determine a constructor for the tag …"),
        ({"matchers": "[" * 5000}, "matchers: is not YAML: it is nested too deeply"),
        ({"config": "s3cret"}, "config: must be a set of keys such as format and url"),
        ({"config": "headers: {A: {file: /etc/passwd}}"}, "header 'A': {file: PATH} is for the targets file only"),
        ({"config": "routing_key: {file: /etc/passwd}"}, "routing_key"),
        ({"config": "headers: s3cret"}, "headers: Input should be a valid dictionary"),
        ({"header-host": "s3cret"}, "header 'Host' is set by Alert History itself"),
        ({"header-": "s3cret"}, "header '' is not a header name"),
        ({"token": "s3cret\nX: y"}, "header 'Authorization': the value must be printable ASCII on one line"),
        ({"header-x-a": "1", "header-X-A": "s3cret"}, "header 'X-A' is set twice"),
        ({"token": "t", "header-authorization": "s3cret"}, "header 'Authorization' is set twice"),
        ({"name": "s3cret.S"}, "name: must consist of lower-case letters"),
    ],
)
def test_a_mistake_is_named_without_its_value(data: dict[str, str | bytes], expected: str) -> None:
    found = parse({**MINIMAL, **data})
    assert isinstance(found, Malformed)
    assert found.problems[0].startswith(f"secret a/ops: {expected}")
    assert "s3cret" not in str(found)


def test_nothing_at_all_is_a_mistake() -> None:
    found = parse({})
    assert isinstance(found, Malformed)
    assert [each.rpartition(": ")[0] for each in found.problems] == ["secret a/ops: format", "secret a/ops: url"]


def test_no_file_of_the_publisher_is_sent_to_who_writes_a_secret(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret")
    for config in (f"headers: {{A: {{file: {tmp_path}/key}}}}", f"signing_secrets: [{{file: {tmp_path}/key}}]"):
        found = parse({**MINIMAL, "config": config})
        assert isinstance(found, Malformed)
        assert "s3cret" not in str(found)
