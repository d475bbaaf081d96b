"""The metrics of the ingest service."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from alerthistory_common.clock import Clock
from alerthistory_ingest.domain.payload import PayloadFormat
from alerthistory_ingest.domain.spooled import SpoolState
from alerthistory_ingest.domain.work import Work
from alerthistory_ingest.ports import PayloadOutcome, SpoolOutcome, Stage, WorkOutcome, WorkSource


class PrometheusMeter:
    """Counts in a Prometheus *registry*."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._payloads = Counter(
            "alerthistory_ingest_payloads_total",
            "Payloads answered, by format and outcome",
            ["format", "outcome"],
            registry=registry,
        )
        self._alerts = Counter(
            "alerthistory_ingest_alerts_total", "Alerts in payloads, by outcome", ["outcome"], registry=registry
        )
        self._spooled = Counter(
            "alerthistory_ingest_spooled_payloads_total",
            "Payloads that history could not take at once: put into the spool, refused by it, replayed, set back in it",
            ["outcome"],
            registry=registry,
        )
        self._leased = Counter(
            "alerthistory_ingest_work_leased_total", "Events leased, by source", ["source"], registry=registry
        )
        self._takeovers = Counter(
            "alerthistory_ingest_lease_takeovers_total",
            "Events leased that an earlier attempt had begun",
            registry=registry,
        )
        self._processed = Counter(
            "alerthistory_ingest_work_processed_total",
            "Events that left the pipeline, by outcome",
            ["outcome"],
            registry=registry,
        )
        self._failures = Counter(
            "alerthistory_ingest_stage_failures_total",
            "Calls to other services that failed, by stage",
            ["stage"],
            registry=registry,
        )
        self._durations = Histogram(
            "alerthistory_ingest_stage_duration_seconds",
            "How long stages took, by stage",
            ["stage"],
            registry=registry,
        )
        self._in_flight = Gauge("alerthistory_ingest_pipeline_in_flight", "Events in the pipeline", registry=registry)
        self._capacity = Gauge(
            "alerthistory_ingest_pipeline_capacity", "Events that fit into the pipeline", registry=registry
        )

    def watch_pipeline(self, *, in_flight: Callable[[], float], capacity: float) -> None:
        """Show the state of the pipeline."""
        self._in_flight.set_function(in_flight)
        self._capacity.set(capacity)

    def watch_spool(self, state: Callable[[], SpoolState], clock: Clock) -> None:
        """Show what the spool holds."""

        def age() -> float:
            oldest = state().oldest_at
            return 0.0 if oldest is None else (clock.now().micros - oldest.micros) / 1_000_000

        for name, text, read in (
            ("payloads", "Payloads in the spool", lambda: state().payloads),
            ("bytes", "Bytes of payloads in the spool", lambda: state().size_bytes),
            ("oldest_age_seconds", "Age of the oldest payload in the spool", age),
            ("damaged_payloads", "Payloads in the spool that cannot be read any more", lambda: state().damaged),
            ("up", "Whether the spool takes payloads", lambda: float(not state().problem)),
        ):
            Gauge(f"alerthistory_ingest_spool_{name}", text, registry=self._registry).set_function(read)

    def payload(self, payload_format: PayloadFormat, outcome: PayloadOutcome) -> None:
        """Count one payload."""
        self._payloads.labels(payload_format, outcome).inc()

    def alerts(self, *, accepted: int, refused: int) -> None:
        """Count alerts."""
        self._alerts.labels("accepted").inc(accepted)
        self._alerts.labels("refused").inc(refused)

    def spooled(self, outcome: SpoolOutcome, count: int = 1) -> None:
        """Count payloads that went into the spool or came out, were refused by it, or were set back in it."""
        self._spooled.labels(outcome).inc(count)

    def leased(self, source: WorkSource, work: Sequence[Work]) -> None:
        """Count work that was leased, and what of it another attempt had begun."""
        self._leased.labels(source).inc(len(work))
        self._takeovers.inc(sum(each.lease.attempt > 1 for each in work))

    def processed(self, outcome: WorkOutcome) -> None:
        """Count one work that left the pipeline."""
        self._processed.labels(outcome).inc()

    def failure(self, stage: Stage) -> None:
        """Count a call that failed."""
        self._failures.labels(stage).inc()

    def timing(self, stage: Stage) -> AbstractContextManager[object]:
        """Time the block."""
        return self._durations.labels(stage).time()
