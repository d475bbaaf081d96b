"""The targets file: every mistake is named, and no secret with it."""

from pathlib import Path

import pytest

from alerthistory_publisher.adapters.targets_file import read_targets
from alerthistory_publisher.domain.formats.choice import FORMATS
from alerthistory_publisher.domain.targets import InvalidTargetsError

_FIELDS = "name: ops, format: webhook, url: 'https://example.com/s3cret'"


def write(folder: Path, text: str) -> Path:
    path = folder / "targets.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_target_is_read_with_defaults_and_secrets_from_files(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("Bearer s3cret\n")
    headers = f"{{Authorization: {{file: '{tmp_path}/key'}}, X-Team: ops}}"
    (found,) = read_targets(write(tmp_path, f"targets: [{{{_FIELDS}, headers: {headers}}}]"))
    assert (found.name, found.format, found.timeout_s) == ("ops", "webhook", 10)
    assert found.is_enabled
    assert found.sends_resolved
    assert found.headers == (("Authorization", "Bearer s3cret"), ("X-Team", "ops"))


def test_a_target_may_have_any_format_and_pagerduty_a_routing_key(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("r0uting\n")
    entries = [f"{{name: {name}, format: {name}, url: 'https://example.com'}}" for name in FORMATS]
    keyed = f"{{name: pd, format: pagerduty, url: 'https://example.com', routing_key: {{file: '{tmp_path}/key'}}}}"
    found = read_targets(write(tmp_path, f"targets: [{', '.join([*entries, keyed])}]"))
    assert [each.format for each in found] == [*FORMATS, "pagerduty"]
    assert found[-1].routing_key == "r0uting"


@pytest.mark.parametrize("text", ["", "# none", "targets: []", "targets:"])
def test_a_file_without_targets_is_fine(tmp_path: Path, text: str) -> None:
    assert read_targets(write(tmp_path, text)) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("targets: [{a: s3cret", "is not YAML"),
        ("s3cret", "must hold one key, 'targets'"),
        ("targets: s3cret", "must hold one key, 'targets'"),
        ("target: []", "unknown key 'target' (did you mean targets?)"),
        ("targets: [s3cret]", "target 1: must be a set of keys"),
        (f"targets: [{{{_FIELDS}, header: {{}}}}]", "target 1 ('ops'): unknown key 'header' (did you mean headers?)"),
        (f"targets: [{{{_FIELDS}, timeout_s: 0}}]", "timeout_s: Input should be greater than 0"),
        (f"targets: [{{{_FIELDS}, enabled: s3cret}}]", "enabled: Input should be a valid boolean"),
        ("targets: [{name: ops, format: webhook}]", "url: Field required"),
        (
            "targets: [{name: ops, format: slck, url: 'http://a'}]",
            "rootly-api, rootly-simple, slack, webhook (did you mean slack?)",
        ),
        ("targets: [{name: Ops, format: webhook, url: 'http://a'}]", "name: must consist of lower-case letters"),
        ("targets: [{name: a, format: webhook, url: 'ftp://s3cret'}]", "url: must be an http:// or https"),
        ("targets: [{name: a, format: webhook, url: 'http://'}]", "must be an http:// or https:// URL with a host"),
        ("targets: [{name: a, format: webhook, url: 'http://h:x/s3cret'}]", "must be an http:// or https:// URL"),
        (f'targets: [{{{_FIELDS}, headers: {{X-A: "s3cret\\r\\nB: c"}}}}]', "'X-A': the value must be printable ASCII"),
        (f'targets: [{{{_FIELDS}, headers: {{X-A: "s3cret\\0"}}}}]', "'X-A': the value must be printable ASCII"),
        (f"targets: [{{{_FIELDS}, headers: {{'X A': s3cret}}}}]", "'X A' is not a header name"),
        (f"targets: [{{{_FIELDS}, headers: {{Webhook-Id: s3cret}}}}]", "'Webhook-Id' is set by Alert History itself"),
        (
            f"targets: [{{{_FIELDS}, headers: {{X-A: 5}}}}]",
            "'X-A': the value must be a text in quotes, or {file: PATH}",
        ),
        (f"targets: [{{{_FIELDS}, headers: {{X-A: {{file: /no/such}}}}}}]", "'X-A': its file /no/such cannot be read"),
        (f"targets: [{{{_FIELDS}, routing_key: s3cret}}]", "routing_key is for the format pagerduty only"),
        (
            "targets: [{name: a, format: pagerduty, url: 'http://a', routing_key: [s3cret]}]",
            "routing_key: the value must be a text in quotes, or {file: PATH}",
        ),
        (f"targets: [{{{_FIELDS}}}, {{{_FIELDS}}}]", "2 targets are called 'ops'"),
    ],
)
def test_a_mistake_is_named_without_a_secret(tmp_path: Path, text: str, expected: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InvalidTargetsError) as raised:
        read_targets(path)
    (problem,) = raised.value.problems
    assert expected in problem
    assert problem.startswith(str(path))
    assert "s3cret" not in problem


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    text = "targets: [{name: a, format: x, url: y, nme: z}, {name: b, format: webhook, url: 'http://b'}]\nx: 1"
    with pytest.raises(InvalidTargetsError) as raised:
        read_targets(write(tmp_path, text))
    assert len(raised.value.problems) == 4


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidTargetsError, match=r"nowhere\.yaml: cannot be read: No such file"):
        read_targets(tmp_path / "nowhere.yaml")


def test_the_example_is_right() -> None:
    example = Path(__file__).parents[3] / "deploy" / "targets.example.yaml"
    assert [each.is_enabled for each in read_targets(example)] == [True, True, False]
