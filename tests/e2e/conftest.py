"""The suite as a user runs it, in both forms and on both stores, with somebody to deliver to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.inbox import Inbox, open_inbox
from tests.processes import short_folder
from tests.suites import Suite


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return an empty folder with a short path."""
    with short_folder() as path:
        yield path


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """Return a listening webhook receiver."""
    with open_inbox() as box:
        yield box


@pytest.fixture
def suite(folder: Path, inbox: Inbox) -> Suite:
    """Return the suite in its default form, not started, with the inbox as its target."""
    targets = inbox.write_targets(folder / "targets.yaml")
    return Suite(folder, env={"ALERTHISTORY_PUBLISHER_TARGETS_FILE": str(targets)})
