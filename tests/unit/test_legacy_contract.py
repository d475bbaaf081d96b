"""The page about the legacy interface names every deviation, and a test that exists for each."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "legacy-contract.md").read_text()
NO_DEFECT = {31, 32, 38}


def test_every_deviation_has_a_row() -> None:
    rows = [int(number) for number in re.findall(r"^\| D(\d+) \|", PAGE, re.MULTILINE)]
    assert rows == [number for number in range(1, 42) if number not in NO_DEFECT]


def test_every_row_names_a_test_that_exists() -> None:
    named = set(re.findall(r"`(test_\w+)` \|$", PAGE, re.MULTILINE))
    assert len(re.findall(r"^\| D\d+ .*`test_\w+` \|$", PAGE, re.MULTILINE)) == len(
        re.findall(r"^\| D\d+ ", PAGE, re.MULTILINE)
    )
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name in sorted(named) if f"def {name}(" not in sources] == []
