"""What a newcomer and CI are told to call exists."""

import re

import pytest
import yaml

from tests.unit.deploy.delivery import ROOT


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", ".github/workflows/ci.yml"])
def test_every_make_target_that_is_named_exists(document: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`|run: )make ([a-z-]+)", (ROOT / document).read_text(), re.MULTILINE))
    assert named
    assert named <= targets


def test_ci_can_write_nothing() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    assert workflow["permissions"] == {"contents": "read"}
