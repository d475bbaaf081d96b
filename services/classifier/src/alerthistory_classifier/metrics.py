"""The classifier's metrics."""

from prometheus_client import CollectorRegistry, Counter, Histogram


class ClassifierMetrics:
    """What the classifier counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.verdicts = Counter(
            "alerthistory_classifier_verdicts_total",
            "Verdicts given, by severity and who judged",
            ["severity", "source"],
            registry=registry,
        )
        self.duration = Histogram(
            "alerthistory_classifier_judging_duration_seconds",
            "How long judging took",
            buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5),
            registry=registry,
        )
        self.store_failures = Counter(
            "alerthistory_classifier_store_failures_total",
            "Times the database was asked in vain, by what for",
            ["operation"],
            registry=registry,
        )
