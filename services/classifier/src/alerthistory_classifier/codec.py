"""What the classifier knows, as messages."""

from collections import Counter

from alerthistory.classifier.v1 import classifier_service_pb2 as pb
from alerthistory_classifier.application.judging import Explanation
from alerthistory_classifier.domain.modes import Mode, ModeSource
from alerthistory_classifier.ports import Classification, ModeChange, ModelCounts, Override, Place, Tally
from alerthistory_common import alert_codec, paging
from alerthistory_common.alerts import Severity, Verdict
from alerthistory_common.errors import PageTokenMismatchError

MODES = {mode: pb.EnrichmentMode.Value(f"ENRICHMENT_MODE_{mode.name}") for mode in Mode}
MODES_BACK = {value: key for key, value in MODES.items()}
SOURCES = {source: pb.ModeSource.Value(f"MODE_SOURCE_{source.name}") for source in ModeSource}
_MILLION = 1_000_000


def result(verdict: Verdict | None) -> pb.ClassifyResult:
    """Return what came of one event."""
    return pb.ClassifyResult(verdict=None if verdict is None else alert_codec.verdict_message(verdict))


def classification(found: Classification) -> pb.Classification:
    """Return a stored verdict."""
    return pb.Classification(
        fingerprint=found.fingerprint,
        alert_name=found.alert_name,
        verdict=alert_codec.verdict_message(found.verdict),
        created_at=alert_codec.timestamp(found.created_at),
        metadata_json=found.metadata_json,
    )


def explanation(found: Explanation) -> pb.Explanation:
    """Return how an alert would be judged."""
    is_asked = found.question is not None and not found.not_asked_because
    return pb.Explanation(
        rules_verdict=alert_codec.verdict_message(found.rules_verdict),
        override=None if found.override is None else override(found.override),
        question=found.question.alert if found.question is not None and is_asked else "",
        not_asked_because=found.not_asked_because,
        template_hash="" if found.question is None else found.question.template_hash,
    )


def override(found: Override) -> pb.Override:
    """Return what a person said."""
    return pb.Override(
        fingerprint=found.fingerprint,
        alert_name=found.alert_name,
        severity=alert_codec.severity_message(found.severity),
        author=found.author,
        reason=found.reason,
        created_at=alert_codec.timestamp(found.created_at),
    )


def mode_change(found: ModeChange) -> pb.ModeChange:
    """Return one change of the mode."""
    return pb.ModeChange(
        previous=pb.ENRICHMENT_MODE_UNSPECIFIED if found.previous is None else MODES[found.previous],
        mode=MODES[found.mode],
        changed_at=alert_codec.timestamp(found.changed_at),
        author=found.author,
    )


def verdict_counts(tally: Tally) -> list[pb.VerdictCount]:
    """Return the counts of all days together, by severity and judge."""
    sums = Counter[tuple[str, Severity]]()
    for (_, source, severity), count in tally.verdicts.items():
        sums[source, severity] += count
    return [
        pb.VerdictCount(severity=alert_codec.severity_message(severity), source=source, count=count)
        for (source, severity), count in sorted(sums.items())
    ]


def model_usages(tally: Tally) -> list[pb.ModelUsage]:
    """Return what each model did on all days together."""
    sums: dict[str, ModelCounts] = {}
    for (_, model), counts in tally.models.items():
        sums[model] = sums.get(model, ModelCounts()).plus(counts)
    return [
        pb.ModelUsage(
            model=model,
            questions=counts.questions,
            failures=counts.failures,
            cache_hits=counts.cache_hits,
            fallbacks=counts.fallbacks,
            prompt_tokens=counts.prompt_tokens,
            completion_tokens=counts.completion_tokens,
            cost=counts.cost / _MILLION,
        )
        for model, counts in sorted(sums.items())
    ]


def cursor(at: Place) -> paging.Cursor:
    """Return the place of an element as a cursor."""
    given_at, key = at
    return given_at, key.hex()


def place(found: paging.Cursor | None) -> Place | None:
    """Return the place that a cursor names; raise PageTokenMismatchError when it is none of ours."""
    if found is None:
        return None
    try:
        given_at, key = found
        return int(given_at), bytes.fromhex(str(key))
    except ValueError as error:
        raise PageTokenMismatchError("page_token is not one of ours") from error
