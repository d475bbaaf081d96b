"""The metrics of the history service."""

from collections.abc import Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from alerthistory_common.alerts import EventKind, Instant

from .domain.retention import TABLES, TableSize
from .domain.state import Decision
from .ports import Commit


class HistoryMetrics:
    """Counts what the use cases tell."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._decisions = Counter(
            "alerthistory_history_decisions_total",
            "Reports stored, by what they meant for the effective state",
            ["decision"],
            registry=registry,
        )
        for decision in Decision:
            self._decisions.labels(decision.value)
        self._refused = Counter(
            "alerthistory_history_refused_total", "Reports that cannot be stored", registry=registry
        )
        self._commit_seconds = Histogram(
            "alerthistory_history_commit_duration_seconds", "How long commits of reports took", registry=registry
        )
        self._commit_reports = Histogram(
            "alerthistory_history_commit_reports",
            "How many reports a commit held; the count is that of the commits",
            buckets=(1, 2, 5, 10, 20, 50, 100, 200, 400, 1000, 5000, 20_000),
            registry=registry,
        )
        self._settled = Counter(
            "alerthistory_history_settled_total",
            "Changes that time alone brought, by kind",
            ["kind"],
            registry=registry,
        )
        for kind in (EventKind.REFIRED, EventKind.EXPIRED, EventKind.WENT_STALE):
            self._settled.labels(kind.value)
        self._pending = Gauge(
            "alerthistory_history_pending_work",
            "Events that wait for the pipeline or are in it",
            registry=registry,
        )
        self._oldest_pending = Gauge(
            "alerthistory_history_oldest_pending_seconds", "How long the oldest of them has waited", registry=registry
        )
        self._counted = Counter(
            "alerthistory_history_rollup_events_total", "Events counted for the reports", registry=registry
        )
        self._counting_seconds = Histogram(
            "alerthistory_history_rollup_block_duration_seconds",
            "How long it took to count a block of events",
            registry=registry,
        )
        self._behind = Gauge(
            "alerthistory_history_rollup_lag_seconds",
            "How old the oldest event is that is not counted yet; reports add such events up when they are asked",
            registry=registry,
        )
        self._dropped = Counter(
            "alerthistory_history_quarantine_dropped_total",
            "Quarantined payloads deleted to make room for newer ones",
            registry=registry,
        )

        self._retention_run = Gauge(
            "alerthistory_history_retention_last_run_timestamp_seconds",
            "When the last run of retention that went through began; 0 when none has",
            registry=registry,
        )
        self._retention_seconds = Gauge(
            "alerthistory_history_retention_last_duration_seconds", "How long it took", registry=registry
        )
        self._retention_deleted = Counter(
            "alerthistory_history_retention_deleted_rows_total",
            "Rows deleted because of their age",
            ["table"],
            registry=registry,
        )
        for table in TABLES:
            self._retention_deleted.labels(table)
        self._table_rows = Gauge(
            "alerthistory_history_table_rows",
            "Rows of a table; on PostgreSQL its own estimate",
            ["table"],
            registry=registry,
        )
        self._table_bytes = Gauge(
            "alerthistory_history_table_bytes",
            "Bytes of a table, with its indexes on PostgreSQL; on SQLite an estimate from a sample of its rows",
            ["table"],
            registry=registry,
        )

    def committed(self, commit: Commit, *, reports: int, seconds: float) -> None:
        """Count a commit and the decisions in it."""
        self._commit_seconds.observe(seconds)
        self._commit_reports.observe(reports)
        self._dropped.inc(commit.dropped_payloads)
        for recorded in commit.recorded:
            for result in recorded.results:
                self._decisions.labels(result.decision).inc()

    def refused(self, count: int) -> None:
        """Count reports that cannot be stored."""
        self._refused.inc(count)

    def settled(self, kinds: Iterable[EventKind]) -> None:
        """Count what time changed."""
        for kind in kinds:
            self._settled.labels(kind.value).inc()

    def retained(self, deleted: Mapping[str, int], *, at: Instant, seconds: float) -> None:
        """Count what a run of retention deleted."""
        self._retention_run.set(at.micros / 1_000_000)
        self._retention_seconds.set(seconds)
        for table, rows in deleted.items():
            self._retention_deleted.labels(table).inc(rows)

    def sized(self, sizes: Sequence[TableSize]) -> None:
        """Show how large the tables are."""
        for size in sizes:
            self._table_rows.labels(size.table).set(size.rows)
            self._table_bytes.labels(size.table).set(size.bytes)

    def pending(self, count: int, oldest_age_s: float) -> None:
        """Show the length and age of the queue."""
        self._pending.set(count)
        self._oldest_pending.set(oldest_age_s)

    def counted(self, events: int, seconds: float) -> None:
        """Count what was counted."""
        self._counted.inc(events)
        self._counting_seconds.observe(seconds)

    def behind(self, seconds: float) -> None:
        """Show how far counting is behind the log."""
        self._behind.set(seconds)
