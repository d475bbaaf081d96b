"""Translations between the classifier's messages and records."""

from alerthistory.alert.v1 import alert_pb2
from alerthistory.classifier.v1 import classifier_service_pb2 as pb
from alerthistory_client.codec import MODES, known, too_new
from alerthistory_client.records import Classification, ClassifierStatus, LlmState
from alerthistory_client.verdict_records import (
    Case,
    Explanation,
    ModeChange,
    ModelUsage,
    Override,
    RulesComparison,
    VerdictCount,
    VerdictStats,
)
from alerthistory_common import alert_codec
from alerthistory_common.alerts import Fingerprint, Severity, Verdict

_STATES = {each: pb.LlmState.Value(f"LLM_STATE_{each.name}") for each in LlmState}


def case_message(case: Case) -> pb.ClassifyCase:
    """Return *case* as a message."""
    return pb.ClassifyCase(
        event=alert_codec.event_message(case.event), history=alert_codec.history_message(case.history)
    )


def classification(message: pb.Classification) -> Classification:
    """Return the stored verdict in *message*."""
    return Classification(
        fingerprint=Fingerprint(message.fingerprint),
        alert_name=message.alert_name,
        verdict=_verdict(message.verdict),
        created_at=alert_codec.instant(message.created_at),
        metadata_json=message.metadata_json,
    )


def explanation(message: pb.Explanation) -> Explanation:
    """Return the explanation in *message*."""
    return Explanation(
        rules_verdict=_verdict(message.rules_verdict),
        override=override(message.override) if message.HasField("override") else None,
        question_json=message.question.encode(),
        not_asked_because=message.not_asked_because,
        template_hash=message.template_hash,
    )


def comparison(message: pb.RulesComparison) -> RulesComparison:
    """Return both verdicts in *message*."""
    return RulesComparison(tested=_verdict(message.tested), in_force=_verdict(message.in_force))


def override(message: pb.Override) -> Override:
    """Return the override in *message*."""
    return Override(
        fingerprint=Fingerprint(message.fingerprint),
        alert_name=message.alert_name,
        severity=_severity(message.severity),
        author=message.author,
        reason=message.reason,
        created_at=alert_codec.instant(message.created_at),
    )


def mode_change(message: pb.ModeChange) -> ModeChange:
    """Return the change of the mode in *message*."""
    return ModeChange(
        previous=known(MODES, message.previous, "mode") if message.previous else None,
        mode=known(MODES, message.mode, "mode"),
        changed_at=alert_codec.instant(message.changed_at),
        author=message.author,
    )


def stats(message: pb.GetStatsResponse) -> VerdictStats:
    """Return the counts in *message*."""
    return VerdictStats(
        verdicts=tuple(_verdict_count(each) for each in message.verdicts),
        models=tuple(_model_usage(each) for each in message.models),
        daily_budget=message.daily_budget or None,
        spent_today=message.spent_today,
    )


def classifier_status(message: pb.GetStatusResponse) -> ClassifierStatus:
    """Return the figures in *message*."""
    return ClassifierStatus(
        classifications=message.classifications,
        mode=known(MODES, message.mode, "mode"),
        started_at=alert_codec.instant(message.started_at),
        model=message.model,
        llm_state=known(_STATES, message.llm_state, "state of the LLM") if message.llm_state else None,
    )


def _verdict_count(message: pb.VerdictCount) -> VerdictCount:
    return VerdictCount(severity=_severity(message.severity), source=message.source, count=message.count)


def _model_usage(message: pb.ModelUsage) -> ModelUsage:
    return ModelUsage(
        model=message.model,
        questions=message.questions,
        failures=message.failures,
        cache_hits=message.cache_hits,
        fallbacks=message.fallbacks,
        prompt_tokens=message.prompt_tokens,
        completion_tokens=message.completion_tokens,
        cost=message.cost,
    )


def _verdict(message: alert_pb2.Verdict) -> Verdict:
    try:
        return alert_codec.verdict(message)
    except ValueError as error:
        raise too_new(str(error)) from error


def _severity(value: alert_pb2.Severity.ValueType) -> Severity:
    found = alert_codec.severity(value)
    if found is None:
        raise too_new(f"unknown severity {value}")
    return found
