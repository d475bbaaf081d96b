"""An import call by call: bounded, persistent, and told truly."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from alerthistory_client.legacy.importing import Import
from alerthistory_client.legacy.tables import LegacySource, ReadRow, RowCount
from alerthistory_client.records import Classification, ImportResult, PastAlert
from alerthistory_common.alerts import Fingerprint, Instant, Severity, Verdict
from alerthistory_common.errors import AlertHistoryError, DeadlineExceededError, InvalidArgumentError, UnavailableError


@dataclass
class Alerts:
    """A table of alerts in memory."""

    contents: Sequence[ReadRow[PastAlert]]
    name: str = "alerts"

    def count(self) -> RowCount:
        return RowCount(rows=len(self.contents) + 2, superseded=2)

    def read(self) -> Iterator[ReadRow[PastAlert]]:
        return iter(self.contents)


@dataclass
class Classifications:
    """A table of classifications in memory."""

    contents: Sequence[ReadRow[Classification]] = ()
    name: str = "alert_classifications"

    def count(self) -> RowCount:
        return RowCount(rows=len(self.contents))

    def read(self) -> Iterator[ReadRow[Classification]]:
        return iter(self.contents)


@dataclass
class Server:
    """Takes what it is given; *errors* come first, from the call number *fails_from* on."""

    errors: list[AlertHistoryError] = field(default_factory=list)
    fails_from: int = 1
    refusals: dict[bytes, str] = field(default_factory=dict)
    calls: list[Sequence[bytes]] = field(default_factory=list)
    senders: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)
    attempts: int = 0

    async def import_alerts(self, alerts: Sequence[PastAlert], *, sender: str) -> list[ImportResult]:
        self.attempts += 1
        if self.errors and self.attempts > self.fails_from:
            raise self.errors.pop(0)
        self.calls.append([each.alert_json for each in alerts])
        self.senders.add(sender)
        return [ImportResult(refusal=self.refusals.get(each.alert_json, "")) for each in alerts]

    async def import_classifications(self, classifications: Sequence[Classification]) -> list[bool]:
        return [each.fingerprint not in self.known for each in classifications]


@dataclass
class Watcher:
    """Remembers what it was told."""

    told: list[object] = field(default_factory=list)

    def began(self, table: str, total: int) -> None:
        self.told.append((table, total))

    def moved(self, count: int) -> None:
        self.told.append(count)

    def waits(self, error: UnavailableError | DeadlineExceededError, pause_s: float) -> None:
        self.told.append(error.message)


def rows(*contents: bytes) -> list[ReadRow[PastAlert]]:
    """Return rows with ids from 1 on; an empty content is a row that cannot be used."""
    return [
        ReadRow(row_id=number, content=PastAlert(alert_json=content, received_at=Instant(0)))
        if content
        else ReadRow(row_id=number, problem="labels is not JSON")
        for number, content in enumerate(contents, 1)
    ]


def an_import(
    server: Server | None,
    contents: Sequence[ReadRow[PastAlert]],
    *,
    watcher: Watcher | None = None,
    classifications: Sequence[ReadRow[Classification]] = (),
    batch_size: int = 2,
) -> Import:
    source = LegacySource(
        name="old.sqlite3",
        kind="test",
        alert_tables=(Alerts(contents),),
        classification_tables=(Classifications(classifications),),
    )
    return Import(source, server, watcher or Watcher(), batch_size=batch_size, pauses_s=(0, 0))


async def test_calls_hold_a_bounded_number_of_rows_in_order() -> None:
    server, watcher = Server(), Watcher()
    run = an_import(server, rows(b"1", b"2", b"3", b"4", b"5"), watcher=watcher)

    await run.run()

    assert server.calls == [[b"1", b"2"], [b"3", b"4"], [b"5"]]
    assert server.senders == {"import old.sqlite3"}
    assert watcher.told == [("alerts", 5), 2, 2, 1, ("alert_classifications", 0)]


async def test_calls_hold_a_bounded_number_of_bytes() -> None:
    server = Server()
    large = b"x" * (5 * 1024 * 1024)

    await an_import(server, rows(large, large, large, b"1"), batch_size=1000).run()

    assert [len(call) for call in server.calls] == [2, 2]


async def test_every_row_is_accounted_for() -> None:
    server = Server(refusals={b"2": "startsAt is not a time"})
    run = an_import(server, rows(b"1", b"2", b"", b"2", b"3"))

    await run.run()

    summary = run.summaries[0]
    assert (summary.rows, summary.superseded, summary.imported, summary.known, summary.skipped) == (7, 2, 2, 0, 3)
    assert [(each.reason, each.count, each.rows) for each in summary.problems] == [
        ("startsAt is not a time", 2, [2, 4]),
        ("labels is not JSON", 1, [3]),
    ]


async def test_classifications_that_are_known_are_counted_as_such() -> None:
    verdict = Verdict(severity=Severity.INFO, confidence=0.5, reasoning="so")
    found = [
        Classification(fingerprint=Fingerprint(each), alert_name="", verdict=verdict, created_at=Instant(0))
        for each in "ab"
    ]
    run = an_import(
        Server(known={"a"}),
        [],
        classifications=[ReadRow(row_id=number, content=each) for number, each in enumerate(found)],
    )

    await run.run()

    assert (run.summaries[1].imported, run.summaries[1].known) == (1, 1)


async def test_a_dry_run_sends_nothing() -> None:
    run = an_import(None, rows(b"1", b"", b"3"))

    await run.run()

    assert (run.summaries[0].importable, run.summaries[0].imported, run.summaries[0].skipped) == (2, 0, 1)


async def test_a_server_that_comes_back_is_waited_for() -> None:
    server, watcher = Server(errors=[UnavailableError("away"), DeadlineExceededError("slow")]), Watcher()

    await an_import(server, rows(b"1", b"2", b"3"), watcher=watcher).run()

    assert server.calls == [[b"1", b"2"], [b"3"]]
    assert watcher.told[2:4] == ["away", "slow"]


async def test_a_server_that_stays_away_ends_the_run_with_a_true_summary() -> None:
    run = an_import(Server(errors=[UnavailableError("away")] * 3), rows(b"1", b"2", b"3"))

    with pytest.raises(UnavailableError):
        await run.run()

    assert (run.summaries[0].imported, run.summaries[0].importable) == (2, 2)


async def test_a_server_that_was_never_there_is_not_waited_for() -> None:
    server = Server(errors=[UnavailableError("away")], fails_from=0)

    with pytest.raises(UnavailableError):
        await an_import(server, rows(b"1")).run()

    assert server.attempts == 1


async def test_an_error_that_will_not_pass_ends_the_run_at_once() -> None:
    server = Server(errors=[InvalidArgumentError("no")])

    with pytest.raises(InvalidArgumentError):
        await an_import(server, rows(b"1", b"2", b"3")).run()

    assert server.attempts == 2


async def test_a_hopeless_table_does_not_fill_the_screen() -> None:
    contents = [str(number).encode() for number in range(200)]
    run = an_import(Server(refusals={each: f"wrong: {each!r}" for each in contents}), rows(*contents))

    await run.run()

    problems = run.summaries[0].problems
    assert (len(problems), sum(each.count for each in problems), problems[-1].reason) == (51, 200, "other problems")
