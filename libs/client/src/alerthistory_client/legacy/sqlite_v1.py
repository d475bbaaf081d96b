"""The first generation of the older service: the table ``alert_history``, in which every event is a row."""

from collections.abc import Iterator, Mapping
from typing import Any

from alerthistory_client.legacy import columns
from alerthistory_client.legacy.sqlite_file import SqliteFile
from alerthistory_client.legacy.tables import ReadRow, RowCount, UnusableRowError
from alerthistory_client.records import PastAlert

COLUMNS = ("fingerprint", "status", "labels", "startsAt", "endsAt", "updatedAt", "raw_json")
_LAST_EVENTS = "SELECT max(id) FROM alert_history GROUP BY fingerprint, startsAt"
_PAGE = (
    f"SELECT h.id, {', '.join(f'h.{name}' for name in COLUMNS)} FROM temp.last_events e JOIN main.alert_history h"  # noqa: S608
    " ON h.id = e.id WHERE e.id > ? ORDER BY e.id LIMIT ?"
)


class EventTable:
    """Of the events of one fingerprint and start the last counts: that is what the second generation kept."""

    name = "alert_history"

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._is_prepared = False

    def count(self) -> RowCount:
        """Return how many events there are, and how many of them are not the last of theirs."""
        self._prepare()
        ((rows, last),) = self._file.rows(
            "SELECT (SELECT count(*) FROM alert_history), (SELECT count(*) FROM temp.last_events)"
        )
        return RowCount(rows=rows, superseded=rows - last)

    def read(self) -> Iterator[ReadRow[PastAlert]]:
        """Iterate over the last events in their order."""
        self._prepare()
        return (columns.read_row(row, _past_alert, COLUMNS) for row in self._file.pages(_PAGE))

    def _prepare(self) -> None:
        """Keep the ids of the last events in a temporary table: SQLite sorts on disk, and nothing is locked after."""
        if self._is_prepared:
            return
        self._file.rows("CREATE TEMP TABLE last_events (id INTEGER PRIMARY KEY)")
        self._file.rows(f"INSERT INTO temp.last_events {_LAST_EVENTS}")
        self._is_prepared = True


def _past_alert(row: Mapping[str, Any]) -> PastAlert:
    return columns.past_alert(_alert_json(row), columns.moment(row["updatedAt"], "updatedAt"))


def _alert_json(row: Mapping[str, Any]) -> bytes:
    """Return the alert as it was sent; when that cannot be used, what the columns hold of it."""
    try:
        raw = columns.text(row["raw_json"], "raw_json")
        if isinstance(columns.json_value(raw, "raw_json"), dict):
            return raw.encode()
    except UnusableRowError:
        pass
    fingerprint = None if row["fingerprint"] is None else columns.text(row["fingerprint"], "fingerprint")
    # An alert without a fingerprint got its link instead.
    is_link = fingerprint is not None and "://" in fingerprint
    return columns.alert_json(
        {
            "fingerprint": None if is_link else fingerprint,
            "status": row["status"],
            "labels": row["labels"],
            "startsAt": row["startsAt"],
            "endsAt": row["endsAt"],
            "generatorURL": fingerprint if is_link else None,
        }
    )
