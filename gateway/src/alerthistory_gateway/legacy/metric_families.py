"""The 23 metric families of the legacy ``GET /metrics``, in their order, on a registry of their own."""

import time
from collections.abc import Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from alerthistory.ingest.v1.ingest_service_pb2 import AcceptedAlert

CONTENT_TYPE = "text/plain; version=1.0.0; charset=utf-8"
_MAX_ALERT_NAMES = 1000
_OTHER = "(other)"


class ToldCounter(Collector):
    """A counter whose values a service tells; without labels it is 0 until then."""

    def __init__(self, name: str, text: str, labels: Sequence[str]) -> None:
        self._family = (name.removesuffix("_total"), text)
        self._labels = labels
        self._created = time.time()
        self._values: Mapping[tuple[str, ...], float] = {} if labels else {(): 0.0}

    def tell(self, values: Mapping[tuple[str, ...], float]) -> None:
        """Replace the values, each named by those of its labels."""
        self._values = values

    def collect(self) -> Iterable[CounterMetricFamily]:
        """Return the family."""
        family = CounterMetricFamily(*self._family, labels=self._labels)
        for labels, value in self._values.items():
            family.add_metric(labels, value, created=self._created)
        return [family]


class MetricFamilies:
    """Counts what the legacy service counted. Beyond 1000 alert names the rest is counted under ``(other)``."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._names: set[str] = set()
        counter, gauge, histogram = self._counter, self._gauge, self._histogram
        self._webhook_events = counter(
            "webhook_events_total", "Total number of webhook events processed", "alertname", "status"
        )
        self._latency = histogram("request_latency_seconds", "Request latency in seconds", "endpoint")
        self.webhook_errors = counter("webhook_errors_total", "Total number of webhook errors")
        self._operations = counter("database_operations_total", "Total database operations", "operation", "status")
        self.alerts_stored = gauge("alerts_stored_total", "Total alerts currently stored")
        self.database_size = gauge("database_size_bytes", "Database size in bytes")
        self.classifications = self._told("classification_total", "Total alerts classified by LLM", "severity", "model")
        histogram("classification_duration_seconds", "LLM classification duration in seconds", "model")
        self.classification_errors = self._told(
            "classification_errors_total", "LLM classification errors", "error_type"
        )
        histogram("classification_confidence", "LLM classification confidence scores", "severity")
        self.publishings = self._told("publishing_total", "Total alert publishing attempts", "target", "status")
        histogram("publishing_duration_seconds", "Alert publishing duration in seconds", "target")
        self.targets_discovered = gauge("publishing_targets_discovered", "Number of discovered publishing targets")
        self.queue_size = gauge("publishing_queue_size", "Current publishing queue size")
        self.mode_switches = counter(
            "enrichment_mode_switches_total", "Total enrichment mode switches", "from_mode", "to_mode"
        )
        self.mode = gauge(
            "enrichment_mode_status",
            "Current enrichment mode (0=transparent, 1=enriched, 2=transparent_with_recommendations)",
        )
        self.mode_requests = counter(
            "enrichment_mode_requests_total", "Total enrichment mode API requests", "method", "mode"
        )
        self.transparent_alerts = self._told(
            "enrichment_transparent_alerts_total", "Alerts processed in transparent mode (no LLM)"
        )
        self.enriched_alerts = self._told(
            "enrichment_enriched_alerts_total", "Alerts processed in enriched mode (with LLM)"
        )
        self.cache_hits = self._told("cache_hits_total", "Cache hits", "cache_type")
        self.cache_misses = self._told("cache_misses_total", "Cache misses", "cache_type")
        self.started = gauge("service_started_time", "Unix timestamp when service started")
        self.connections = gauge("active_connections", "Number of active connections")

    def count_webhook(self, accepted: Sequence[AcceptedAlert], *, refused: int, took_s: float) -> None:
        """Count one webhook that was answered with 200."""
        self.count_stored(len(accepted))
        for alert in accepted:
            status = "firing" if alert.is_firing else "resolved"
            self._webhook_events.labels(self._bounded(alert.alert_name), status).inc()
        self.webhook_errors.inc(refused)
        self._latency.labels("webhook").observe(took_s)

    def count_stored(self, alerts: int) -> None:
        """Count alerts that were stored."""
        if alerts:
            self._operations.labels("save_alert", "success").inc(alerts)

    def count_not_stored(self) -> None:
        """Count one webhook that could not be stored."""
        self._operations.labels("save_alert", "error").inc()

    def text(self) -> bytes:
        """Return all families in Prometheus' text format."""
        return generate_latest(self._registry)

    def _bounded(self, name: str) -> str:
        if name not in self._names:
            if len(self._names) >= _MAX_ALERT_NAMES:
                return _OTHER
            self._names.add(name)
        return name

    def _told(self, name: str, text: str, *labels: str) -> "ToldCounter":
        told = ToldCounter(f"alert_history_{name}", text, labels)
        self._registry.register(told)
        return told

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"alert_history_{name}", text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"alert_history_{name}", text, registry=self._registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(f"alert_history_{name}", text, labels, registry=self._registry)
