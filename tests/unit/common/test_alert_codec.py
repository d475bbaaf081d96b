"""The codec gives back what it was given."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from alerthistory_common import alert_codec
from alerthistory_common.alerts import (
    ZERO_TIME,
    AlertEvent,
    EventKind,
    Fingerprint,
    HistoryContext,
    Instant,
    Report,
    Severity,
    Verdict,
)

MICROS = st.integers(ZERO_TIME.micros, 253402300799_999999)
INSTANTS = st.builds(Instant, MICROS, st.integers(0, 999))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
DURATIONS = st.timedeltas(timedelta(0), timedelta(days=10_000))


@given(
    st.builds(
        Report,
        fingerprint=TEXTS.map(Fingerprint),
        alert_name=TEXTS,
        is_firing=st.booleans(),
        starts_at=INSTANTS,
        ends_at=st.none() | INSTANTS,
        labels_json=st.binary(),
        annotations_json=st.binary(),
        generator_url=st.none() | TEXTS,
        received_at=INSTANTS,
        sender=TEXTS,
        namespace=TEXTS,
        severity_label=TEXTS,
        lease_expires_at=st.none() | INSTANTS,
        traceparent=TEXTS,
    )
)
def test_reports_survive_the_wire(report: Report) -> None:
    assert alert_codec.report(alert_codec.report_message(report)) == report


@given(
    st.builds(
        AlertEvent,
        event_id=TEXTS,
        cursor=TEXTS,
        kind=st.sampled_from(EventKind),
        fingerprint=TEXTS.map(Fingerprint),
        alert_name=TEXTS,
        starts_at=INSTANTS,
        ends_at=st.none() | INSTANTS,
        labels_json=st.binary(),
        annotations_json=st.binary(),
        generator_url=st.none() | TEXTS,
        occurred_at=INSTANTS,
        received_at=INSTANTS,
        sender=TEXTS,
        traceparent=TEXTS,
    )
)
def test_events_survive_the_wire(event: AlertEvent) -> None:
    assert alert_codec.event(alert_codec.event_message(event)) == event


@given(
    st.builds(
        Verdict,
        severity=st.sampled_from(Severity),
        confidence=st.floats(0, 1),
        reasoning=TEXTS,
        recommendations=st.lists(TEXTS).map(tuple),
        source=TEXTS,
        rules=st.lists(TEXTS).map(tuple),
        processing_time=DURATIONS,
    )
)
def test_verdicts_survive_the_wire(verdict: Verdict) -> None:
    assert alert_codec.verdict(alert_codec.verdict_message(verdict)) == verdict


@given(
    st.builds(
        HistoryContext,
        times_fired=st.integers(0, 2**62),
        median_duration=st.none() | DURATIONS,
        last_resolved_at=st.none() | INSTANTS,
        flaps_per_hour=st.floats(0, 1e6),
    )
)
def test_contexts_survive_the_wire(context: HistoryContext) -> None:
    assert alert_codec.history(alert_codec.history_message(context)) == context
