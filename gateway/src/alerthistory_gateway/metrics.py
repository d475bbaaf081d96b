"""What the gateway tells about itself; the legacy families are another matter (``legacy.metric_families``)."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class GatewayMetrics:
    """Counts requests and batches."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "alerthistory_gateway_http_requests_total",
            "HTTP requests answered, by route, method and status",
            ["route", "method", "code"],
            registry=registry,
        )
        self.duration = Histogram(
            "alerthistory_gateway_http_request_duration_seconds",
            "How long HTTP requests took",
            ["route"],
            registry=registry,
        )
        self.rate_limited = Counter(
            "alerthistory_gateway_rate_limited_total",
            "Requests refused because their client asked too often: webhooks, or other requests",
            ["kind"],
            registry=registry,
        )
        self.webhooks_in_hand = Gauge(
            "alerthistory_gateway_webhooks_in_hand", "Webhooks being read or stored", registry=registry
        )
        self.batch_payloads = Histogram(
            "alerthistory_gateway_batch_payloads",
            "How many webhooks went into one call to ingest",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
            registry=registry,
        )
