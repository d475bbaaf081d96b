"""What the services answer, as plain immutable values; what ``alerthistory_common.alerts`` has is not repeated."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from alerthistory_common.alerts import Fingerprint, Instant, Severity, Verdict
from alerthistory_common.errors import AlertHistoryError


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """The effective state of one alert. ``severity`` is the verdict's, None when nobody has judged yet."""

    fingerprint: Fingerprint
    alert_name: str
    namespace: str
    is_firing: bool
    is_stale: bool
    severity: Severity | None
    severity_label: str
    starts_at: Instant | None
    ends_at: Instant | None
    labels_json: bytes
    annotations_json: bytes
    generator_url: str | None
    first_seen_at: Instant
    last_seen_at: Instant
    times_seen: int
    times_fired: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One (fingerprint, start) as last reported; ``id`` grows with every report."""

    id: int
    fingerprint: Fingerprint
    alert_name: str
    is_firing: bool
    starts_at: Instant
    ends_at: Instant | None
    labels_json: bytes
    annotations_json: bytes
    generator_url: str | None
    first_received_at: Instant
    last_received_at: Instant
    times_received: int


class PayloadFormat(StrEnum):
    """What a payload is: the object that Alertmanager posts, or the array that Prometheus posts."""

    ALERTMANAGER = "alertmanager"
    PROMETHEUS = "prometheus"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """Raw bytes to store. The payload's own ``externalURL``, when it has one, takes the place of *sender*."""

    body: bytes
    format: PayloadFormat
    sender: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedAlert:
    """One alert that was stored; ``decision`` is what it meant, such as ``fired`` or ``repeated``."""

    alert_name: str
    is_firing: bool
    decision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why one element of a payload was refused; ``index`` is its position, -1 for the payload as a whole."""

    index: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadResult:
    """What became of one payload. ``errors`` are the first 100 of ``refused_count``."""

    accepted: tuple[AcceptedAlert, ...]
    refused_count: int
    errors: tuple[Refusal, ...]
    rejection: str

    @property
    def is_complete(self) -> bool:
        """Whether nothing of the payload was refused."""
        return not self.refused_count and not self.rejection


@dataclass(frozen=True, slots=True, kw_only=True)
class PastAlert:
    """One alert of the past: an element of a webhook payload's ``alerts``, as JSON, and when it was received."""

    alert_json: bytes
    received_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """What became of one alert of the past: stored, unless it was known already or there is a ``refusal``."""

    is_known: bool = False
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """A verdict on an alert. ``metadata_json`` is what else the judge said: a JSON object, or empty."""

    fingerprint: Fingerprint
    alert_name: str
    verdict: Verdict
    created_at: Instant
    metadata_json: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedPayload:
    """One payload that could not be stored in whole or part, without its bytes."""

    quarantine_id: int
    format: str
    sender: str
    received_at: Instant
    errors: tuple[Refusal, ...]
    error_count: int
    body_size: int
    times_received: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayResult:
    """What became of one replayed payload; ``result`` is None when it is not in quarantine."""

    quarantine_id: int
    result: PayloadResult | None


class EnrichmentMode(StrEnum):
    """What is done with alerts besides storing them."""

    TRANSPARENT = "transparent"
    ENRICHED = "enriched"
    TRANSPARENT_WITH_RECOMMENDATIONS = "transparent_with_recommendations"


class ModeSource(StrEnum):
    """Where the enrichment mode comes from; ``memory`` is the classifier's own store."""

    REDIS = "redis"
    MEMORY = "memory"
    ENVIRONMENT = "environment"
    DEFAULT = "default"


class LlmState(StrEnum):
    """How well the LLM can be reached; when it is not available, the rules judge."""

    AVAILABLE = "available"
    FAILING = "failing"
    BUDGET_SPENT = "budget_spent"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeInForce:
    """The enrichment mode and where it comes from."""

    mode: EnrichmentMode
    source: ModeSource


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryStatus:
    """The figures of history."""

    occurrences: int
    alerts: int
    firing_alerts: int
    events: int
    pending_work: int
    oldest_pending_age: timedelta | None
    quarantined_payloads: int
    database_size_bytes: int
    database_type: str
    started_at: Instant
    retention_days: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionTable:
    """What retention would delete from one table, and how large that is; sizes may be estimates."""

    table: str
    rows: int
    bytes: int
    total_rows: int
    total_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPlan:
    """What would go now. ``configured_days`` is None when it is off, ``days`` when none were asked for."""

    configured_days: int | None
    days: int | None
    cutoff: Instant | None
    tables: tuple[RetentionTable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spool:
    """What waits on the disk of one replica of ingest until history can take it.

    ``damaged`` counts payloads that cannot be read any more; ``problem`` says why nothing can be added, if so.
    """

    payloads: int = 0
    size_bytes: int = 0
    oldest_age: timedelta | None = None
    damaged: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestStatus:
    """The figures of one replica of ingest."""

    in_flight: int
    capacity: int
    completed: int
    spool: Spool
    started_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierStatus:
    """The figures of one replica of the classifier; ``model`` is empty and ``llm_state`` None when the rules judge."""

    classifications: int
    mode: EnrichmentMode
    started_at: Instant
    model: str = ""
    llm_state: LlmState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherStatus:
    """The figures of the publisher. ``target_problems`` counts entries of the configuration that cannot be used."""

    targets: int
    enabled_targets: int
    pending: int
    delivered: int
    dead: int
    oldest_pending_age: timedelta | None
    started_at: Instant
    is_kubernetes_available: bool = False
    target_problems: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemStatus:
    """The figures of every service, or why it did not give them."""

    history: HistoryStatus | AlertHistoryError
    ingest: IngestStatus | AlertHistoryError
    classifier: ClassifierStatus | AlertHistoryError
    publisher: PublisherStatus | AlertHistoryError
