"""The publisher's metrics. Target names come from the configuration: a closed set."""

from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram

from alerthistory_common.breaker import BreakerState


class PublisherMetrics:
    """What the publisher counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.events = Counter(
            "alerthistory_publisher_events_total", "Events that were to be published", ["kind"], registry=registry
        )
        self.denied = Counter(
            "alerthistory_publisher_denied_total",
            "Alerts kept from a target by a rule, or by its own filter",
            ["target"],
            registry=registry,
        )
        self.unfiltered = Counter(
            "alerthistory_publisher_unfiltered_total",
            "Calls that published without filter rules, because these could not be read",
            registry=registry,
        )
        self.deliveries = Counter(
            "alerthistory_publisher_deliveries_total",
            "Deliveries that ended, by target and how: delivered or dead",
            ["target", "state"],
            registry=registry,
        )
        self.attempts = Counter(
            "alerthistory_publisher_attempts_total",
            "Attempts to deliver, by target and outcome",
            ["target", "outcome"],
            registry=registry,
        )
        self.duration = Histogram(
            "alerthistory_publisher_attempt_duration_seconds",
            "How long attempts took",
            ["target"],
            registry=registry,
        )
        self.fenced = Counter(
            "alerthistory_publisher_fenced_results_total",
            "Results that came too late: the delivery was claimed anew meanwhile",
            ["target"],
            registry=registry,
        )
        self.pending = Gauge(
            "alerthistory_publisher_pending_deliveries", "Deliveries that wait for an attempt", registry=registry
        )
        self.oldest = Gauge(
            "alerthistory_publisher_oldest_pending_seconds", "How long the oldest of them waits", registry=registry
        )
        self.dead = Gauge("alerthistory_publisher_dead_deliveries", "Deliveries that were given up", registry=registry)
        self.breaker = Enum(
            "alerthistory_publisher_breaker_state",
            "Whether deliveries to the target are let through, as this replica sees it",
            ["target"],
            states=[each.value for each in BreakerState],
            registry=registry,
        )
        self.target_problems = Gauge(
            "alerthistory_publisher_target_problems",
            "Mistakes in the configuration of targets, and sources of targets that are away",
            registry=registry,
        )
        self.target_refreshes = Counter(
            "alerthistory_publisher_target_refreshes_total",
            "Times that a source of targets was read, by outcome: read, away, invalid or broken",
            ["source", "outcome"],
            registry=registry,
        )
        self.targets_refreshed = Gauge(
            "alerthistory_publisher_targets_refreshed_timestamp_seconds",
            "When a source of targets was last read, in Unix seconds",
            ["source"],
            registry=registry,
        )
