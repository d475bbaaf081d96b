"""The second generation of the older service in PostgreSQL: ``alerts`` and ``alert_classifications``."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
from psycopg.conninfo import conninfo_to_dict

from alerthistory_client.legacy import columns
from alerthistory_client.legacy.tables import LegacySource, LegacySourceError, ReadRow, RowCount, UnusableRowError
from alerthistory_client.records import Classification, PastAlert
from alerthistory_common.alerts import ZERO_TIME

_SETTINGS = (
    "-c default_transaction_read_only=on -c timezone=UTC -c datestyle=ISO -c client_encoding=UTF8"
    " -c statement_timeout=0 -c idle_in_transaction_session_timeout=0"
)
_WRONG_URL = (
    "the URL cannot be understood: it is postgresql://USER:PASSWORD@HOST:PORT/DATABASE; special characters in the"
    " password, such as @ and /, are written as %XX"
)
_FETCHED = 500
_ALERT_COLUMNS = (
    "fingerprint",
    "status",
    "labels",
    "annotations",
    "starts_at",
    "ends_at",
    "generator_url",
    "updated_at",
)
_ALERTS: LiteralString = (
    "SELECT id, fingerprint, status, labels::text, annotations::text, starts_at::text, ends_at::text, generator_url,"
    " updated_at::text FROM alerts ORDER BY updated_at, id"
)
_CLASSIFICATION_COLUMNS = (
    "fingerprint",
    "severity",
    "confidence",
    "reasoning",
    "recommendations",
    "processing_time",
    "metadata",
    "created_at",
    "alert_name",
)
# Every verdict was appended; the last one of each alert counts.
_CLASSIFICATIONS: LiteralString = (
    "SELECT c.id, c.alert_fingerprint, c.severity, c.confidence, c.reasoning, c.recommendations::text,"
    " c.processing_time, c.metadata::text, c.created_at::text,"
    " (SELECT a.alert_name FROM alerts a WHERE a.fingerprint = c.alert_fingerprint ORDER BY a.id DESC LIMIT 1)"
    " FROM (SELECT DISTINCT ON (alert_fingerprint) * FROM alert_classifications"
    " ORDER BY alert_fingerprint, created_at DESC, id DESC) c ORDER BY c.created_at, c.id"
)
_TIME = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)\+00")


class AlertTable:
    """One row per fingerprint, with its first start; an update left the id as it was."""

    name = "alerts"

    def __init__(self, connection: psycopg.Connection, shown: str) -> None:
        self._connection = connection
        self._shown = shown

    def count(self) -> RowCount:
        """Return how many rows there are."""
        return _count(self._connection, self._shown, "SELECT count(*), 0 FROM alerts")

    def read(self) -> Iterator[ReadRow[PastAlert]]:
        """Iterate over the rows by when they were updated."""
        rows = _rows(self._connection, self._shown, _ALERTS)
        return (columns.read_row(row, _past_alert, _ALERT_COLUMNS) for row in rows)


class ClassificationTable:
    """One row per verdict. Some are of alerts that were never stored."""

    name = "alert_classifications"

    def __init__(self, connection: psycopg.Connection, shown: str) -> None:
        self._connection = connection
        self._shown = shown

    def count(self) -> RowCount:
        """Return how many verdicts there are, and how many of them are not the last about their alert."""
        return _count(
            self._connection,
            self._shown,
            "SELECT count(*), count(*) - count(DISTINCT alert_fingerprint) FROM alert_classifications",
        )

    def read(self) -> Iterator[ReadRow[Classification]]:
        """Iterate over the last verdicts by when they were given."""
        rows = _rows(self._connection, self._shown, _CLASSIFICATIONS)
        return (columns.read_row(row, _classification, _CLASSIFICATION_COLUMNS) for row in rows)


@contextmanager
def open_postgresql(url: str) -> Iterator[LegacySource]:
    """Yield the database at *url*, seen as it is now and only read; raise LegacySourceError when it is no such one."""
    parameters = _parameters(url)
    shown = _shown(parameters)
    options = f"{parameters.pop('options', '')} {_SETTINGS}".strip()
    named = {"connect_timeout": 10, "application_name": "ahctl import", **parameters, "options": options}
    try:
        connection = psycopg.connect(**named)
    except psycopg.Error as error:
        raise LegacySourceError(f"{shown} cannot be opened: {_reason(error, parameters)}") from error
    with connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        _check_tables(connection, shown)
        yield LegacySource(
            name=shown,
            kind="PostgreSQL, second generation",
            alert_tables=(AlertTable(connection, shown),),
            classification_tables=(ClassificationTable(connection, shown),),
        )


def _parameters(url: str) -> dict[str, Any]:
    try:
        parameters = dict(conninfo_to_dict(url))
    except psycopg.Error as error:
        # The driver's own words quote the URL, and with it the password.
        raise LegacySourceError(_WRONG_URL) from error
    parts = [str(parameters.get(name, "")) for name in ("user", "host", "port", "dbname")]
    # A slash or an @ in a password that is not escaped moves its parts into others, which are shown.
    if any("@" in part for part in parts) or not re.fullmatch("[0-9,]*", parts[2]):
        raise LegacySourceError(_WRONG_URL)
    return parameters


def _shown(parameters: Mapping[str, Any]) -> str:
    """Return the URL without password and options."""
    user = f"{parameters['user']}@" if "user" in parameters else ""
    port = f":{parameters['port']}" if "port" in parameters else ""
    return f"postgresql://{user}{parameters.get('host', '')}{port}/{parameters.get('dbname', '')}"


def _reason(error: psycopg.Error, parameters: Mapping[str, Any]) -> str:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    password = str(parameters.get("password") or "")
    return reason.replace(password, "***") if password else reason


def _check_tables(connection: psycopg.Connection, shown: str) -> None:
    for name in (AlertTable.name, ClassificationTable.name):
        with _explained(shown):
            row = connection.execute("SELECT to_regclass(%s)", [name]).fetchone()
        if row is None or row[0] is None:
            raise LegacySourceError(
                f"{shown} holds no table {name}: it is no database of the older service, or another schema's"
                " (then add ?options=-csearch_path%3DSCHEMA to the URL)"
            )


def _count(connection: psycopg.Connection, shown: str, query: LiteralString) -> RowCount:
    with _explained(shown):
        row = connection.execute(query).fetchone()
    rows, superseded = row or (0, 0)
    return RowCount(rows=rows, superseded=superseded)


def _rows(connection: psycopg.Connection, shown: str, query: LiteralString) -> Iterator[tuple[Any, ...]]:
    with _explained(shown), connection.cursor(name="ahctl_import") as cursor:
        cursor.itersize = _FETCHED
        cursor.execute(query)
        yield from cursor


@contextmanager
def _explained(shown: str) -> Iterator[None]:
    try:
        yield
    except (psycopg.Error, UnicodeDecodeError) as error:
        raise LegacySourceError(f"{shown} cannot be read: {str(error).strip()}") from error


def _past_alert(row: Mapping[str, Any]) -> PastAlert:
    alert_json = columns.alert_json(
        {
            "fingerprint": row["fingerprint"],
            "status": row["status"],
            "labels": row["labels"],
            "annotations": row["annotations"],
            "startsAt": _time(row["starts_at"], "starts_at"),
            "endsAt": _time(row["ends_at"], "ends_at"),
            "generatorURL": row["generator_url"],
        }
    )
    return columns.past_alert(alert_json, columns.moment(_time(row["updated_at"], "updated_at"), "updated_at"))


def _classification(row: Mapping[str, Any]) -> Classification:
    return columns.classification({**row, "created_at": _time(row["created_at"], "created_at")})


def _time(value: str | None, name: str) -> str | None:
    """Return a timestamp with time zone in ISO 8601."""
    if value is None:
        return None
    if value == "-infinity":
        # The older service's driver wrote the year 1, which every firing alert ends with, in this way.
        return ZERO_TIME.iso_utc()
    found = _TIME.fullmatch(value)
    if found is None:
        raise UnusableRowError(f"{name} is not within the years 1 to 9999")
    return f"{found[1]}T{found[2]}+00:00"
