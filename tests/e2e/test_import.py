"""The older service's databases, brought over into a running suite by ``ahctl import``."""

import json
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from sqlalchemy import URL

from alerthistory.classifier.v1 import classifier_service_pb2 as classifier_pb2
from alerthistory.classifier.v1.classifier_service_pb2_grpc import ClassifierServiceStub
from alerthistory_client.addresses import Addresses
from alerthistory_client.client import open_client
from alerthistory_common.errors import AlertHistoryError
from tests import legacy
from tests.fakes.inbox import Inbox
from tests.processes import script, until
from tests.suites import Suite


def import_(suite: Suite, source: object, *options: str, exits: int = 0) -> dict[str, dict[str, Any]]:
    """Return what ``ahctl import`` says became of every table."""
    finished = suite.run("ahctl", "import", str(source), "--json", *options, check=False)
    assert finished.returncode == exits, finished.stderr
    return {each["table"]: each for each in json.loads(finished.stdout)["tables"]}


def counts(summary: dict[str, Any]) -> tuple[int, ...]:
    """Return rows, superseded, imported, known, skipped."""
    return tuple(summary[name] for name in ("rows", "superseded", "imported", "known", "skipped"))


async def everything(suite: Suite) -> list[object]:
    """Return all occurrences, ids and all, and all alerts."""
    async with open_client(Addresses.at(suite.grpc["history"])) as client:
        return [each async for each in client.list_occurrences()] + [each async for each in client.list_alerts()]


async def figures(suite: Suite) -> tuple[int, int, int]:
    """Return how many classifications, events and pending works there are."""
    async with open_client(Addresses.at(suite.grpc["history"])) as client:
        status = await client.status()
    assert not isinstance(status.history, AlertHistoryError)
    assert not isinstance(status.classifier, AlertHistoryError)
    return status.classifier.classifications, status.history.events, status.history.pending_work


async def classification(suite: Suite, fingerprint: str) -> classifier_pb2.Classification:
    request = classifier_pb2.GetClassificationRequest(fingerprint=fingerprint)
    async with grpc.aio.insecure_channel(suite.grpc["classifier"]) as channel:
        return (await ClassifierServiceStub(channel).GetClassification(request, timeout=10)).classification


async def test_a_file_of_the_second_generation_answers_as_the_older_service_did(suite: Suite) -> None:
    before = legacy.marks(legacy.V2)
    with suite.running():
        tables = import_(suite, legacy.V2)

        expected = legacy.answer_of_v2()
        assert counts(tables["alerts"]) == (324, 0, 324, 0, 0)
        assert counts(tables["alert_classifications"]) == (28, 0, 28, 0, 0)
        assert suite.history(limit=1000) == expected
        # With a filter the older service listed equal starts the other way round.
        assert suite.history(limit=1000, alertname="NodeDown") == _oldest_first(expected, "NodeDown")
        assert await figures(suite) == (28, 0, 0)
        kept = await classification(suite, "unknown-23")
        assert (kept.alert_name, kept.verdict.source) == ("", "openai/gpt-4o")
        assert list(kept.verdict.recommendations) == ["step 1", "step 2", "step 3", "step 4", "step 5"]
        assert json.loads(kept.metadata_json)["llm_usage"]["total_tokens"] == 366
        assert kept.created_at.ToJsonString() == "2026-11-23T14:34:17.694082Z"

        stored = await everything(suite)
        again = import_(suite, legacy.V2)

        assert counts(again["alerts"]) == (324, 0, 0, 324, 0)
        assert counts(again["alert_classifications"]) == (28, 0, 0, 28, 0)
        assert await everything(suite) == stored
    assert legacy.marks(legacy.V2) == before


async def test_a_file_of_the_first_generation_answers_with_the_last_event_of_each(suite: Suite) -> None:
    before = legacy.marks(legacy.V1)
    with suite.running():
        tables = import_(suite, legacy.V1)

        assert list(tables) == ["alert_history"]
        assert counts(tables["alert_history"]) == (325, 3, 322, 0, 0)
        assert suite.history(limit=1000) == legacy.answer_of_v1()

        stored = await everything(suite)
        assert counts(import_(suite, legacy.V1, "--batch-size", "7")["alert_history"]) == (325, 3, 0, 322, 0)
        assert await everything(suite) == stored
    assert legacy.marks(legacy.V1) == before


async def test_a_postgresql_database_answers_although_the_older_service_could_not_read_it(
    folder: Path, postgres_url: URL
) -> None:
    legacy.load_postgresql(postgres_url)
    suite = Suite(folder, database=postgres_url)
    url = suite.env["ALERTHISTORY_DATABASE_URL"]
    with suite.running() as program:
        assert program.log.read_text().count("ahctl import") == 1

        tables = import_(suite, url)

        assert counts(tables["alerts"]) == (40, 0, 40, 0, 0)
        assert counts(tables["alert_classifications"]) == (120, 71, 49, 0, 0)
        assert suite.history(limit=1000) == legacy.answer_of_postgresql(postgres_url)
        assert await figures(suite) == (49, 0, 0)

        stored = await everything(suite)
        assert counts(import_(suite, url)["alerts"]) == (40, 0, 0, 40, 0)
        assert await everything(suite) == stored


async def test_all_three_stand_side_by_side_on_postgresql(folder: Path, postgres_url: URL) -> None:
    legacy.load_postgresql(postgres_url)
    suite = Suite(folder, database=postgres_url)
    with suite.running():
        import_(suite, legacy.V1)
        import_(suite, legacy.V2)
        import_(suite, suite.env["ALERTHISTORY_DATABASE_URL"])

        keys = {
            (each["fingerprint"], each["startsAt"])
            for answer in (legacy.answer_of_v1(), legacy.answer_of_v2(), legacy.answer_of_postgresql(postgres_url))
            for each in answer
        }
        listed = suite.history(limit=1000)
        assert {(each["fingerprint"], each["startsAt"]) for each in listed} == keys
        assert len(listed) == len(keys)


@pytest.mark.parametrize("source", [legacy.V1, legacy.V2])
def test_an_import_that_was_killed_goes_on_and_ends_the_same(suite: Suite, source: Path) -> None:
    expected = legacy.answer_of_v1() if source == legacy.V1 else legacy.answer_of_v2()
    with suite.running():
        with subprocess.Popen(
            [script("ahctl"), "import", str(source), "--batch-size", "1"],
            env=suite.environment("ahctl"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as running:
            until(lambda: len(suite.history(limit=50)) >= 20, saying="some of it is imported")
            running.send_signal(signal.SIGKILL)
        done = len(suite.history(limit=1000))
        assert done < len(expected)

        alerts = next(iter(import_(suite, source).values()))

        assert alerts["known"] in (done, done + 1), "the last call may have been answered to nobody"
        assert alerts["known"] + alerts["imported"] == len(expected)
        assert suite.history(limit=1000) == expected


async def test_what_was_firing_is_published_only_when_it_is_reported_again(suite: Suite, inbox: Inbox) -> None:
    firing = next(each for each in legacy.answer_of_v2() if each["status"] == "firing")
    with suite.running():
        import_(suite, legacy.V2)
        assert (await figures(suite))[1:] == (0, 0)

        again = {**firing, "endsAt": "0001-01-01T00:00:00Z"}
        suite.http.post("/webhook", json={"alerts": [again]}).raise_for_status()

        until(lambda: bool(inbox.of(str(firing["fingerprint"]))), saying="the alert is delivered")
        assert (await figures(suite))[1] == 1
        assert len(suite.history(limit=1000)) == 324


def test_nothing_is_sent_in_a_dry_run(suite: Suite) -> None:
    finished = suite.run("ahctl", "import", str(legacy.V2), "--dry-run")

    assert "324" in finished.stdout
    assert finished.stderr == ""


def test_without_a_server_the_command_says_what_to_do(suite: Suite) -> None:
    finished = suite.run("ahctl", "import", str(legacy.V2), check=False)

    assert finished.returncode == 1
    assert "is `make run` running?" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_skipped_rows_are_named_with_the_reason(suite: Suite, tmp_path: Path) -> None:
    broken = tmp_path / "broken.sqlite3"
    broken.write_bytes(legacy.V2.read_bytes())
    with closing(sqlite3.connect(broken)) as database, database:
        database.execute("UPDATE alerts SET labels = '{\"a\": NaN}' WHERE id IN (3, 5)")
        database.execute("UPDATE alerts SET annotations = '{' WHERE id = 7")
        database.execute("UPDATE alert_classifications SET severity = 'blocker' WHERE id = 1")
    with suite.running():
        finished = suite.run("ahctl", "import", str(broken), check=False)

        assert finished.returncode == 1
        assert finished.stderr.splitlines() == [
            "alerts: 1 row skipped: annotations is not JSON (id 7)",
            "alerts: 2 rows skipped: NaN and infinite numbers cannot be stored (id 3, 5)",
            "alert_classifications: 1 row skipped: severity is none of critical, warning, info and noise (id 1)",
        ]
        assert len(suite.history(limit=1000)) == 321


def _oldest_first(answer: list[legacy.Alert], name: str) -> list[legacy.Alert]:
    """Return the alerts of *name*, latest start first, equal starts in the order in which they came in."""
    named = [each for each in reversed(answer) if each["alertname"] == name]
    return sorted(named, key=lambda each: str(each["startsAt"]), reverse=True)
