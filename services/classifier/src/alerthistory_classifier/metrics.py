"""The classifier's metrics."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from alerthistory_classifier.domain.opinion import Usage

_OUTCOMES = ("good", "unusable", "failed", "timeout")
_REASONS = ("failed", "unusable", "busy", "breaker", "budget", "injection", "late")


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


class ModelMetrics:
    """What is counted about the language model."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "alerthistory_classifier_llm_requests_total",
            "HTTP requests to the LLM's proxy, tries included",
            registry=registry,
        )
        self.duration = Histogram(
            "alerthistory_classifier_llm_duration_seconds",
            "How long the LLM took to answer a question, tries included, by what came of it",
            ["outcome"],
            buckets=(0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60),
            registry=registry,
        )
        self.tokens = Counter(
            "alerthistory_classifier_llm_tokens_total", "Tokens that answers took", ["direction"], registry=registry
        )
        self.fallbacks = Counter(
            "alerthistory_classifier_llm_fallbacks_total",
            "Verdicts that rules gave although an LLM is configured, by why",
            ["reason"],
            registry=registry,
        )
        self.in_flight = Gauge(
            "alerthistory_classifier_llm_in_flight", "Questions that the LLM has before it", registry=registry
        )
        self.waiting = Gauge(
            "alerthistory_classifier_llm_waiting", "Questions that wait for their turn", registry=registry
        )
        for outcome in _OUTCOMES:
            self.duration.labels(outcome)
        for reason in _REASONS:
            self.fallbacks.labels(reason)
        for direction in ("prompt", "completion"):
            self.tokens.labels(direction)

    def answered(self, outcome: str, took_s: float) -> None:
        """Count one question that was asked."""
        self.duration.labels(outcome).observe(took_s)

    def spent(self, usage: Usage) -> None:
        """Count the tokens of one answer."""
        self.tokens.labels("prompt").inc(usage.prompt_tokens)
        self.tokens.labels("completion").inc(usage.completion_tokens)
