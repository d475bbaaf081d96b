"""A realistic past of any size: ``python -m tests.load.dataset URL EVENTS`` fills a migrated, empty history database.

Alerts of 120 names in 40 namespaces, some noisy and most quiet, fire and resolve over the last 90 days; a few hundred
still fire. Labels are made here, rows by the database itself, the same on PostgreSQL and SQLite: numbers that look
random are computed from the alert's and the episode's, so that two runs give the same past.
"""

import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b, sha256
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, inspect, make_url, text

from alerthistory_history.domain.retention import Week

_EVENTS_PER_ALERT = 50
_DAY = 86_400_000_000
_WEEK = 7 * _DAY
_SPAN = 90 * _DAY
_HOUR = 3_600_000_000
_MAX_FIRING = 400
_TABLES = ("alerts", "occurrences", "events")
_SEVERITIES = ("critical", "warning", "info", "page", "")
_VERDICTS = {"critical": "critical", "page": "critical", "warning": "warning", "info": "noise", "": None}
_WHAT = ("Cpu", "Memory", "Disk", "Latency", "Errors", "Queue", "Replicas", "Certificate", "Backup", "Network")
_HOW = (
    "High",
    "Low",
    "Saturated",
    "Missing",
    "Failing",
    "Stuck",
    "Slow",
    "Expiring",
    "Flapping",
    "Down",
    "Lagging",
    "Full",
)

# A fixed scattering of (alert, episode) over 0 … 2^32-1; Knuth's multiplicative hash.
_SCATTERED = "((s.id * 7919 + n.n * 104729) * 2654435761) % 4294967296"
_EPISODES = f"""
    INSERT INTO seed_episodes (id, episode, slot, starts_us, lasts_us, is_open)
    SELECT p.id, p.n + 1, p.slot,
           :begin + p.n * p.slot + (p.scatter * 1000) % (p.slot / 2),
           60000000 + (p.scatter * 977) % (p.slot / 3) / (1 + p.scatter % 64),
           CASE WHEN p.is_firing = 1 AND p.n + 1 = p.episodes THEN 1 ELSE 0 END
      FROM (SELECT s.id, n.n, s.episodes, s.is_firing, :span / s.episodes AS slot, {_SCATTERED} AS scatter
              FROM seed_alerts s JOIN seed_numbers n ON n.n < s.episodes) p
"""
# Only what is narrow is sorted; texts join afterwards.
_OCCURRENCES = """
    INSERT INTO occurrences (fp_hash, starts_us, starts_nanos, id, fingerprint, alert_name, is_firing, ends_us,
                             ends_nanos, labels_json, annotations_json, generator_url, namespace, severity_label,
                             sender, first_received_us, last_received_us, times_received)
    SELECT s.fp_hash, e.starts_us, 0, e.number, s.fingerprint, s.alert_name,
           e.is_open = 1, CASE WHEN e.is_open = 1 THEN NULL ELSE e.starts_us + e.lasts_us END,
           CASE WHEN e.is_open = 1 THEN NULL ELSE 0 END, s.labels_json, s.annotations_json,
           s.generator_url, s.namespace, s.severity_label, 'alertmanager', e.starts_us,
           CASE WHEN e.is_open = 1 THEN :now ELSE e.starts_us + e.lasts_us END, 2 + e.lasts_us / 14400000000
      FROM (SELECT id, starts_us, lasts_us, is_open, row_number() OVER (ORDER BY starts_us, id) AS number
              FROM seed_episodes) e
      JOIN seed_alerts s ON s.id = e.id
"""
_EVENTS = """
    INSERT INTO events (seq, txid, event_id, fp_hash, kind, episode, starts_us, ends_us, annotations_json,
                        generator_url, occurred_us, received_us, sender, traceparent)
    SELECT o.seq, o.seq * :txids / :events, {event_id}, s.fp_hash, o.kind, o.episode, o.starts_us, o.ends_us,
           s.annotations_json, s.generator_url, o.occurred_us, o.occurred_us, 'alertmanager', ''
      FROM (SELECT row_number() OVER (ORDER BY c.occurred_us, c.id) AS seq, c.*
              FROM (SELECT id, 'fired' AS kind, episode, starts_us, NULL AS ends_us, starts_us AS occurred_us
                      FROM seed_episodes
                    UNION ALL
                    SELECT id, 'resolved', episode, starts_us, starts_us + lasts_us, starts_us + lasts_us
                      FROM seed_episodes WHERE is_open = 0) c) o
      JOIN seed_alerts s ON s.id = o.id
"""
# What the write path's migrations added later is filled in when it is there.
_ALERT_COLUMNS = {
    "fp_hash": "s.fp_hash",
    "fingerprint": "s.fingerprint",
    "alert_name": "s.alert_name",
    "namespace": "s.namespace",
    "severity_label": "s.severity_label",
    "verdict_severity": "s.verdict_severity",
    "labels_json": "s.labels_json",
    "annotations_json": "s.annotations_json",
    "generator_url": "s.generator_url",
    "is_firing": "e.is_open = 1",
    "is_stale": "e.is_open = 2",
    "start_us": "e.starts_us",
    "ended_us": "CASE WHEN e.is_open = 1 THEN NULL ELSE e.starts_us + e.lasts_us END",
    "closed_through_us": "CASE WHEN e.is_open = 1 THEN NULL ELSE e.starts_us END",
    "resolve_start_us": "CASE WHEN e.is_open = 1 THEN NULL ELSE e.starts_us END",
    "resolve_ends_us": "CASE WHEN e.is_open = 1 THEN NULL ELSE e.starts_us + e.lasts_us END",
    "holds_json": "'[]'",
    "settle_due_us": "CASE WHEN e.is_open = 1 THEN :now + 29100000000 ELSE NULL END",
    "first_seen_us": ":begin",
    "last_seen_us": "CASE WHEN e.is_open = 1 THEN :now ELSE e.starts_us + e.lasts_us END",
    "times_seen": "2 * s.episodes",
    "times_fired": "s.episodes",
    "last_event_txid": "0",
    "is_store_only": "e.is_open = 2",
    "changed_us": "CASE WHEN e.is_open = 1 THEN e.starts_us ELSE e.starts_us + e.lasts_us END",
    "seen_hour": f"CASE WHEN e.is_open = 1 THEN :now ELSE e.starts_us + e.lasts_us END / {_HOUR}",
    "label_hashes": "s.label_hashes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What was made: how many rows, and an alert to ask about."""

    alerts: int
    occurrences: int
    events: int
    fingerprint: str
    pod: str
    seconds: float


def fill(url: URL, *, events: int, schema: str = "history", now_us: int | None = None, seed: int = 4) -> Past:
    """Fill the migrated, empty database at *url* with about *events* events that end at *now_us* (default: now)."""
    began = time.monotonic()
    now = now_us or time.time_ns() // 1000
    is_sqlite = url.get_backend_name() == "sqlite"
    options: dict[str, Any] = {} if is_sqlite else {"options": f"-c search_path={schema} -c statement_timeout=0"}
    engine = create_engine(url.set(drivername="sqlite") if is_sqlite else url, connect_args=options)
    seeds = _seeds(events, random.Random(seed))
    try:
        with engine.begin() as connection, _without_indexes(connection):
            _plant(connection, seeds)
            found = _grow(connection, now)
        _settle(engine)
    finally:
        engine.dispose()
    return Past(
        **found,
        alerts=len(seeds),
        fingerprint=seeds[0]["fingerprint"],
        pod=json.loads(seeds[0]["labels_json"])["pod"],
        seconds=time.monotonic() - began,
    )


def label_hash(name: str, value: str) -> int:
    """Return the hash by which the store finds alerts with a label."""
    return int.from_bytes(blake2b(f"{name}\0{value}".encode(), digest_size=8).digest(), "big", signed=True)


def _seeds(events: int, chance: random.Random) -> list[dict[str, Any]]:
    """Return the alerts, each with the number of its episodes, which together make the events."""
    count = max(10, events // _EVENTS_PER_ALERT)
    firing = min(_MAX_FIRING, count // 5)
    names = [f"{how}{what}" for what in _WHAT for how in _HOW]
    weights = [1 / (rank + 3) for rank in range(len(names))]
    return [
        {
            "id": number,
            "episodes": max(1, min(1500, round(chance.expovariate(2 / _EVENTS_PER_ALERT)))),
            "is_firing": int(number % (count // firing) == 0 and number // (count // firing) < firing),
            **_content(number, names, weights, chance),
        }
        for number in range(count)
    ]


def _content(number: int, names: Sequence[str], weights: Sequence[float], chance: random.Random) -> dict[str, Any]:
    (name,) = chance.choices(names, weights)
    namespace = f"team-{min(39, int(chance.expovariate(0.12))):02}"
    severity = _SEVERITIES[(names.index(name) * 7 + number % 20 // 19) % len(_SEVERITIES)]
    service = f"service-{names.index(name) * 7 % 60}"
    labels = {
        "alertname": name,
        "cluster": chance.choice(("eu-1", "eu-1", "eu-1", "us-1")),
        "container": service,
        "instance": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}:9100",
        "job": f"job-{number % 30}",
        "namespace": namespace,
        "pod": f"{service}-{number:07x}",
        "region": chance.choice(("north", "south")),
        "severity": severity,
        "team": f"team-{number % 12}",
    }
    labels = {key: value for key, value in labels.items() if value}
    annotations = {
        "description": f"{name} in pod {labels['pod']} for more than five minutes",
        "runbook_url": f"https://runbooks.example/{name}",
        "summary": f"{name} on {labels['instance']}",
    }
    fingerprint = f"{int.from_bytes(sha256(str(number).encode()).digest()[:8]):016x}"
    return {
        "fp_hash": sha256(fingerprint.encode()).digest(),
        "fingerprint": fingerprint,
        "alert_name": name,
        "namespace": namespace,
        "severity_label": severity,
        "verdict_severity": _VERDICTS[severity] if number % 3 else None,
        "labels_json": _json(labels),
        "annotations_json": _json(annotations),
        "generator_url": f"http://prometheus/graph?g0.expr={name}",
        "label_hashes": sorted(label_hash(key, value) for key, value in labels.items()),
    }


def _json(content: dict[str, str]) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _plant(connection: Connection, seeds: Sequence[dict[str, Any]]) -> None:
    """Store the seeds in tables of their own."""
    binary, hashes = ("BLOB", "TEXT") if _is_sqlite(connection) else ("BYTEA", "BIGINT[]")
    texts = (
        "fingerprint alert_name namespace severity_label verdict_severity labels_json annotations_json generator_url"
    )
    columns = ["id", "episodes", "is_firing", "fp_hash", *texts.split(), "label_hashes"]
    connection.execute(
        text(
            "CREATE TABLE seed_alerts (id BIGINT PRIMARY KEY, episodes BIGINT, is_firing INTEGER,"
            f" fp_hash {binary}, {', '.join(f'{name} TEXT' for name in texts.split())}, label_hashes {hashes})"
        )
    )
    connection.execute(text("CREATE TABLE seed_numbers (n BIGINT)"))
    connection.execute(
        text(
            "CREATE TABLE seed_episodes (id BIGINT, episode BIGINT, slot BIGINT, starts_us BIGINT, lasts_us BIGINT,"
            " is_open INTEGER)"
        )
    )
    insert = text(
        f"INSERT INTO seed_alerts ({', '.join(columns)}) VALUES ({', '.join(f':{name}' for name in columns)})"
    )
    for first in range(0, len(seeds), 5000):
        some = seeds[first : first + 5000]
        connection.execute(
            insert, [each | {"label_hashes": None} for each in some] if _is_sqlite(connection) else list(some)
        )
    longest = max(each["episodes"] for each in seeds)
    connection.execute(text("INSERT INTO seed_numbers VALUES (:n)"), [{"n": n} for n in range(longest)])
    if inspect(connection).has_table("alert_labels"):
        labels = [{"hash": one, "key": each["fp_hash"]} for each in seeds for one in each["label_hashes"]]
        connection.execute(text("INSERT INTO alert_labels (label_hash, fp_hash) VALUES (:hash, :key)"), labels)


def _grow(connection: Connection, now: int) -> dict[str, int]:
    """Let the seeds become alerts, occurrences and events; return how many."""
    times = {"begin": now - _SPAN, "now": now, "span": _SPAN}
    if not _is_sqlite(connection):
        _make_partitions(connection, times["begin"])
    connection.execute(text(_EPISODES), {"begin": times["begin"], "span": _SPAN})
    connection.execute(text("ANALYZE"))
    if not _is_sqlite(connection):
        connection.execute(text("SET LOCAL work_mem = '256MB'"))
    occurrences = _count(connection, "SELECT count(*) FROM seed_episodes")
    events = 2 * occurrences - _count(connection, "SELECT count(*) FROM seed_episodes WHERE is_open = 1")
    present = {column["name"] for column in inspect(connection).get_columns("alerts")}
    chosen = {name: value for name, value in _ALERT_COLUMNS.items() if name in present}
    for statement in (
        f"INSERT INTO alerts ({', '.join(chosen)}) SELECT {', '.join(chosen.values())}"
        " FROM seed_alerts s JOIN seed_episodes e ON e.id = s.id AND e.episode = s.episodes",
        _OCCURRENCES,
        _EVENTS.format(event_id="lower(hex(randomblob(16)))" if _is_sqlite(connection) else "md5(o.seq::text)"),
    ):
        _run(connection, statement, times | {"events": events, "txids": _txids(connection)})
    _count_on(connection, {"occurrence_ids": occurrences, "event_seqs": events})
    for table in ("seed_alerts", "seed_numbers", "seed_episodes"):
        connection.execute(text(f"DROP TABLE {table}"))
    return {"occurrences": occurrences, "events": events}


def _make_partitions(connection: Connection, begin: int) -> None:
    """Let events lie as a service that ran all the time would have laid them."""
    for week in Week.of(begin).and_following(_SPAN // _WEEK + 2):
        connection.exec_driver_sql(
            f"CREATE TABLE IF NOT EXISTS {week.name} PARTITION OF events FOR VALUES FROM ({week.start}) TO ({week.end})"
        )


def _run(connection: Connection, statement: str, values: dict[str, int]) -> None:
    """Run *statement* with those of *values* that it names; PostgreSQL cannot tell the types of parameters, we can."""
    if not _is_sqlite(connection):
        for name in values:
            statement = statement.replace(f":{name} ", f"CAST(:{name} AS BIGINT) ")
    connection.execute(text(statement), values)


def _txids(connection: Connection) -> int:
    """Return the last transaction id that readers take for ended; 0 where there are none."""
    if _is_sqlite(connection):
        return 0
    return _count(connection, "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint") - 1


def _count_on(connection: Connection, counters: dict[str, int]) -> None:
    """Let new rows be numbered after ours."""
    for name, value in counters.items():
        statement = (
            "UPDATE counters SET value = :value WHERE name = :name"
            if _is_sqlite(connection)
            else "SELECT setval(CAST(:name AS regclass), :value)"
        )
        connection.execute(text(statement), {"name": name, "value": value})


@contextmanager
def _without_indexes(connection: Connection) -> Iterator[None]:
    """Take the indexes of our tables away and make them anew afterwards, which is faster than growing them."""
    if _is_sqlite(connection):
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = :table"
    else:
        query = (
            "SELECT c.relname, replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON ') FROM pg_index i"
            " JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = CAST(:table AS regclass)"
            " AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)"
        )
    found = [tuple(row) for table in _TABLES for row in connection.execute(text(query), {"table": table})]
    for name, _ in found:
        connection.execute(text(f"DROP INDEX {name}"))
    yield
    if not _is_sqlite(connection):
        connection.execute(text("SET LOCAL maintenance_work_mem = '512MB'"))
    for _, definition in found:
        connection.exec_driver_sql(definition)


def _settle(engine: Engine) -> None:
    """Let the planner know what there is, and every page be marked as read by all."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in _TABLES if engine.dialect.name == "postgresql" else ():
            connection.execute(text(f"VACUUM (ANALYZE, FREEZE) {table}"))
        if engine.dialect.name == "sqlite":
            connection.execute(text("ANALYZE"))
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))


def _count(connection: Connection, query: str) -> int:
    return int(connection.scalar(text(query)) or 0)


def _is_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"


def main() -> None:
    """Fill the database that the arguments name."""
    url, events = make_url(sys.argv[1]), int(sys.argv[2])
    if url.get_backend_name() == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    sys.stdout.write(f"{fill(url, events=events)}\n")


if __name__ == "__main__":
    main()
