"""The older service's sample databases, and what it answered from them, told without any of our code."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL

SAMPLES = Path(__file__).parent / "fixtures" / "legacy"
V1, V2 = SAMPLES / "legacy-v1.sqlite3", SAMPLES / "legacy-v2.sqlite3"
POSTGRESQL = SAMPLES / "legacy-postgres.sql"

Alert = dict[str, Any]


def answer_of_v2() -> list[Alert]:
    """Return what ``GET /history`` of the older service lists from the sample of the second generation."""
    with _opened(V2) as database:
        rows = database.execute("SELECT * FROM alerts ORDER BY starts_at DESC, id DESC").fetchall()
    return [
        {
            "fingerprint": row["fingerprint"],
            "alertname": row["alertname"],
            "status": "resolved" if row["status"] == "resolved" else "firing",
            "labels": json.loads(row["labels"]),
            "annotations": json.loads(row["annotations"]),
            "startsAt": row["starts_at"],
            "endsAt": row["ends_at"],
            "generatorURL": row["generator_url"],
        }
        for row in rows
    ]


def answer_of_v1() -> list[Alert]:
    """Return what the second generation would have listed, had it received what the sample of the first one holds."""
    with _opened(V1) as database:
        rows = database.execute("SELECT * FROM alert_history ORDER BY id").fetchall()
    last: dict[tuple[str, str], sqlite3.Row] = {}
    for row in rows:
        last.pop((row["fingerprint"], row["startsAt"]), None)
        last[row["fingerprint"], row["startsAt"]] = row
    alerts = [_alert_of_v1(json.loads(row["raw_json"])) for row in last.values()]
    alerts.reverse()  # Equal starts are listed with the newest first.
    return sorted(alerts, key=lambda alert: str(alert["startsAt"]), reverse=True)


def answer_of_postgresql(url: URL) -> list[Alert]:
    """Return what would have been listed from the sample at *url*, had reading it ever worked."""
    with psycopg.connect(_plain(url), options="-c timezone=UTC") as connection:
        rows = connection.execute(
            "SELECT fingerprint, alert_name, status, labels, annotations, starts_at,"
            " CASE WHEN ends_at = '-infinity' THEN '0001-01-01T00:00:00Z' ELSE ends_at END, generator_url"
            " FROM alerts ORDER BY starts_at DESC, updated_at DESC, id DESC"
        ).fetchall()
    return [
        {
            "fingerprint": fingerprint,
            "alertname": name,
            "status": status,
            "labels": labels,
            "annotations": annotations,
            "startsAt": starts_at.isoformat(),
            "endsAt": None if ends_at is None else ends_at.isoformat(),
            "generatorURL": generator_url,
        }
        for fingerprint, name, status, labels, annotations, starts_at, ends_at, generator_url in rows
    ]


def load_postgresql(url: URL) -> None:
    """Make the older service's tables in the database at *url*."""
    with psycopg.connect(_plain(url), autocommit=True) as connection:
        connection.execute(POSTGRESQL.read_bytes())


def marks(path: Path) -> tuple[str, int, list[str]]:
    """Return what changes when the file at *path* is touched: its content, its time, its neighbours."""
    neighbours = sorted(each.name for each in path.parent.iterdir())
    return hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns, neighbours


def _plain(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        database.row_factory = sqlite3.Row
        yield database


def _alert_of_v1(raw: Alert) -> Alert:
    key = json.dumps(raw["labels"], sort_keys=True, separators=(",", ":"))
    return {
        "fingerprint": raw.get("fingerprint") or hashlib.sha256(key.encode()).hexdigest(),
        "alertname": raw["labels"]["alertname"],
        "status": raw["status"],
        "labels": raw["labels"],
        "annotations": raw["annotations"],
        "startsAt": _utc(raw["startsAt"]),
        "endsAt": _utc(raw["endsAt"]),
        "generatorURL": raw.get("generatorURL"),
    }


def _utc(text: str) -> str:
    moment = datetime.fromisoformat(text)
    return (moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()
