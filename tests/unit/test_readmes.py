"""READMEs say what is true: their settings tables are those of the code, and their links lead somewhere."""

import re
from pathlib import Path

import pytest

from tests.readmes import ROOT, TABLES, with_table

_DOCUMENTS = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") or part == "node_modules" for part in path.parts)
)


@pytest.mark.parametrize("name", TABLES)
def test_settings_table_is_that_of_the_code(name: str) -> None:
    text = (ROOT / name).read_text()
    assert with_table(text, TABLES[name]) == text, "run `make docs`"


@pytest.mark.parametrize("document", _DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text())
    missing = [target for target in targets if not (document.parent / target).exists()]
    assert not missing
