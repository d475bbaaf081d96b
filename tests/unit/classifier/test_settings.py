"""The classifier's settings."""

import pytest

from alerthistory_classifier.settings import ClassifierSettings, ignored_legacy_mode
from alerthistory_common.settings import SettingsError, load

VARIABLE = "ALERTHISTORY_CLASSIFIER_ENRICHMENT_MODE"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"ENRICHMENT_MODE": "transparent"}, "transparent"),
        ({"ENRICHMENT_MODE": "nonsense"}, None),
        ({"ENRICHMENT_MODE": "transparent", VARIABLE: "enriched"}, "enriched"),
        ({"ENRICHMENT_MODE": "nonsense", VARIABLE: "transparent"}, "transparent"),
    ],
)
def test_the_new_name_wins_and_a_wrong_old_value_is_ignored(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str | None
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert load(ClassifierSettings)[0].enrichment_mode == expected


def test_a_wrong_new_value_fails_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "nonsense")
    with pytest.raises(SettingsError, match=VARIABLE):
        load(ClassifierSettings)


def test_an_ignored_old_value_is_told() -> None:
    assert ignored_legacy_mode({"ENRICHMENT_MODE": "nonsense"}) == "nonsense"
    assert ignored_legacy_mode({"ENRICHMENT_MODE": "enriched"}) == ""
    assert ignored_legacy_mode({}) == ""
