"""The 23 metric families of the legacy ``GET /metrics``, in their order, on a registry of their own."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from alerthistory.ingest.v1.ingest_service_pb2 import AcceptedAlert

CONTENT_TYPE = "text/plain; version=1.0.0; charset=utf-8"
_MAX_ALERT_NAMES = 1000
_OTHER = "(other)"


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
        counter("database_operations_total", "Total database operations", "operation", "status")
        self.alerts_stored = gauge("alerts_stored_total", "Total alerts currently stored")
        self.database_size = gauge("database_size_bytes", "Database size in bytes")
        counter("classification_total", "Total alerts classified by LLM", "severity", "model")
        histogram("classification_duration_seconds", "LLM classification duration in seconds", "model")
        counter("classification_errors_total", "LLM classification errors", "error_type")
        histogram("classification_confidence", "LLM classification confidence scores", "severity")
        counter("publishing_total", "Total alert publishing attempts", "target", "status")
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
        counter("enrichment_transparent_alerts_total", "Alerts processed in transparent mode (no LLM)")
        counter("enrichment_enriched_alerts_total", "Alerts processed in enriched mode (with LLM)")
        counter("cache_hits_total", "Cache hits", "cache_type")
        counter("cache_misses_total", "Cache misses", "cache_type")
        self.started = gauge("service_started_time", "Unix timestamp when service started")
        self.connections = gauge("active_connections", "Number of active connections")

    def count_webhook(self, accepted: Iterable[AcceptedAlert], *, refused: int, took_s: float) -> None:
        """Count one webhook that was answered with 200."""
        for alert in accepted:
            status = "firing" if alert.is_firing else "resolved"
            self._webhook_events.labels(self._bounded(alert.alert_name), status).inc()
        self.webhook_errors.inc(refused)
        self._latency.labels("webhook").observe(took_s)

    def text(self) -> bytes:
        """Return all families in Prometheus' text format."""
        return generate_latest(self._registry)

    def _bounded(self, name: str) -> str:
        if name not in self._names:
            if len(self._names) >= _MAX_ALERT_NAMES:
                return _OTHER
            self._names.add(name)
        return name

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"alert_history_{name}", text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"alert_history_{name}", text, registry=self._registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(f"alert_history_{name}", text, labels, registry=self._registry)
