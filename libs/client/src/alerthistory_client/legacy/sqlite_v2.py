"""The second generation of the older service in SQLite: ``alerts`` and ``alert_classifications``."""

from collections.abc import Iterator, Mapping
from typing import Any

from alerthistory_client.legacy import columns
from alerthistory_client.legacy.sqlite_file import SqliteFile
from alerthistory_client.legacy.tables import ReadRow, RowCount
from alerthistory_client.records import Classification, PastAlert

ALERT_COLUMNS = (
    "fingerprint",
    "status",
    "labels",
    "annotations",
    "starts_at",
    "ends_at",
    "generator_url",
    "received_at",
)
CLASSIFICATION_COLUMNS = (
    "fingerprint",
    "severity",
    "confidence",
    "reasoning",
    "recommendations",
    "processing_time",
    "metadata",
    "created_at",
)
_ALERTS = f"SELECT id, {', '.join(ALERT_COLUMNS)} FROM alerts WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608
_NAME = "(SELECT a.alertname FROM alerts a WHERE a.fingerprint = c.fingerprint ORDER BY a.id DESC LIMIT 1)"
_CLASSIFICATIONS = (
    f"SELECT c.id, {', '.join(f'c.{name}' for name in CLASSIFICATION_COLUMNS)}, {_NAME}"  # noqa: S608
    " FROM alert_classifications c WHERE c.id > ? ORDER BY c.id LIMIT ?"
)


class AlertTable:
    """One row per fingerprint and start; a newer report replaced it and took a new id."""

    name = "alerts"

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    def count(self) -> RowCount:
        """Return how many rows there are."""
        ((rows,),) = self._file.rows("SELECT count(*) FROM alerts")
        return RowCount(rows=rows)

    def read(self) -> Iterator[ReadRow[PastAlert]]:
        """Iterate over the rows by id."""
        return (columns.read_row(row, _past_alert, ALERT_COLUMNS) for row in self._file.pages(_ALERTS))


class ClassificationTable:
    """One row per fingerprint. Some are of alerts that were never stored."""

    name = "alert_classifications"

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    def count(self) -> RowCount:
        """Return how many rows there are."""
        ((rows,),) = self._file.rows("SELECT count(*) FROM alert_classifications")
        return RowCount(rows=rows)

    def read(self) -> Iterator[ReadRow[Classification]]:
        """Iterate over the rows by id."""
        names = (*CLASSIFICATION_COLUMNS, "alert_name")
        return (columns.read_row(row, columns.classification, names) for row in self._file.pages(_CLASSIFICATIONS))


def _past_alert(row: Mapping[str, Any]) -> PastAlert:
    alert_json = columns.alert_json(
        {
            "fingerprint": row["fingerprint"],
            "status": row["status"],
            "labels": row["labels"],
            "annotations": row["annotations"],
            "startsAt": row["starts_at"],
            "endsAt": row["ends_at"],
            "generatorURL": row["generator_url"],
        }
    )
    return columns.past_alert(alert_json, columns.moment(row["received_at"], "received_at"))
