"""The judge by rules, case by case."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerthistory_classifier.adapters.rules_file import default_rules
from alerthistory_common.alerts import HistoryContext, Severity
from tests.events import event

JUDGE = default_rules().judge
CRITICAL, WARNING, INFO, NOISE = Severity.CRITICAL, Severity.WARNING, Severity.INFO, Severity.NOISE
KNOWN = HistoryContext(times_fired=3, median_duration=timedelta(hours=2), flaps_per_hour=0.1)
HOURLY = HistoryContext(times_fired=200, median_duration=timedelta(minutes=2), flaps_per_hour=2.0)
FLAPPING = HistoryContext(times_fired=200, median_duration=timedelta(hours=1), flaps_per_hour=12.0)
BRIEF = HistoryContext(times_fired=200, median_duration=timedelta(seconds=40), flaps_per_hour=0.2)


def severity(name: str = "Something", summary: str = "", *, history: HistoryContext = KNOWN, **labels: str) -> Severity:
    """Return how serious an alert of this name, summary and labels is."""
    annotations = {"summary": summary} if summary else {}
    return JUDGE(event(labels={"alertname": name, **labels}, annotations=annotations), history).severity


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("critical", CRITICAL),
        ("CRIT", CRITICAL),
        ("page", CRITICAL),
        ("error", CRITICAL),
        ("P1", CRITICAL),
        ("warning", WARNING),
        ("warn", WARNING),
        ("info", INFO),
        ("debug", INFO),
        ("none", NOISE),
        ("hmm", WARNING),
        ("", WARNING),
    ],
)
def test_the_senders_word_counts_in_all_its_spellings(word: str, expected: Severity) -> None:
    assert severity(severity=word) is expected


@pytest.mark.parametrize("name", ["Watchdog", "DeadMansSwitch", "InfoInhibitor"])
def test_meta_alerts_are_noise_whatever_their_label(name: str) -> None:
    assert severity(name, severity="critical", namespace="prod") is NOISE


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        ("Volume is 97 % full", CRITICAL),
        ("Volume is 3 % full", INFO),
        ("Disk usage is at 98.5%", CRITICAL),
        ("Only 2.114% available in volume data", CRITICAL),
        ("The volume has 60% left", INFO),
        ("The volume is predicted to fill up within 30 minutes", CRITICAL),
        ("The volume is predicted to fill up within four days", WARNING),
        ("The volume is predicted to fill up in 4 days", WARNING),
        ("Certificate expires in 12 hours", WARNING),
        ("Certificate expires in less than 45m", CRITICAL),
        ("Certificate expires in 80 days", INFO),
        ("1 of 5 replicas is unavailable", WARNING),
        ("5 of 5 replicas are unavailable", CRITICAL),
        ("4/5 nodes down", CRITICAL),
        ("9 of 5 nodes down", WARNING),
    ],
)
def test_numbers_decide_between_equal_templates(summary: str, expected: Severity) -> None:
    assert severity(summary=summary) is expected


@pytest.mark.parametrize(
    ("name", "summary", "expected"),
    [
        ("DataLoss", "", CRITICAL),
        ("EtcdNoLeader", "etcd has no leader", CRITICAL),
        ("CertificateExpired", "The certificate of example.org has expired", CRITICAL),
        ("KubeAPIErrorBudgetBurn", "", CRITICAL),
        ("ShopDown", "The service is down", CRITICAL),
        ("KubePodCrashLooping", "", WARNING),
        ("TargetDown", "", WARNING),
        ("HighLatency", "", WARNING),
        ("BackupCompleted", "", INFO),
        ("DeploymentScaledDown", "", INFO),
        ("Qwertz", "asdf", WARNING),
    ],
)
def test_without_a_label_the_wording_decides(name: str, summary: str, expected: Severity) -> None:
    assert severity(name, summary) is expected


def test_words_of_loss_raise_the_senders_word_by_one_at_most_and_none_lowers_it() -> None:
    assert severity("DataLoss", severity="warning") is CRITICAL
    assert severity("DataLoss", severity="info") is WARNING
    assert severity("BackupCompleted", severity="critical") is CRITICAL


@pytest.mark.parametrize(
    ("name", "summary", "label", "expected"),
    [
        ("KubeAPIErrorBudgetBurn", "The API server is burning too much error budget.", "warning", WARNING),
        ("Nginx5xx", "0.4 % of requests answer 5xx", "warning", WARNING),
        ("CPUThrottlingHigh", "25.5% throttling of CPU", "info", INFO),
        ("KubeQuotaAlmostFull", "Namespace quota is going to be full.", "info", INFO),
        ("KubeJobFailed", "Job nightly-report failed; its next run is tomorrow", "info", INFO),
        ("NodeFilesystemSpaceFillingUp", "predicted to run out of space within the next 4 hours", "critical", CRITICAL),
        ("NodeFilesystemSpaceFillingUp", "predicted to run out of space within the next 24 hours", "warning", WARNING),
        ("CertificateExpires", "The certificate expires in 9 days", "critical", WARNING),
    ],
)
def test_the_sender_knows_its_threshold(name: str, summary: str, label: str, expected: Severity) -> None:
    assert severity(name, summary, severity=label) is expected


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"severity": "warning", "environment": "test"}, NOISE),
        ({"severity": "warning", "namespace": "team-a-sandbox"}, NOISE),
        ({"severity": "critical", "namespace": "sandbox"}, INFO),
        ({"namespace": "sandbox"}, INFO),
        ({"severity": "critical", "env": "staging"}, WARNING),
        ({"severity": "critical", "namespace": "shop-pre-prod"}, WARNING),
        ({"severity": "critical", "namespace": "shop-dev"}, WARNING),
        ({"severity": "warning", "namespace": "shop-dev"}, INFO),
        ({"severity": "critical", "namespace": "shop-prod"}, CRITICAL),
        ({"severity": "warning", "namespace": "latest-contest"}, WARNING),
        ({"severity": "warning", "environment": "production", "namespace": "test"}, WARNING),
    ],
)
def test_only_production_hurts_users(labels: dict[str, str], expected: Severity) -> None:
    assert JUDGE(event(labels={"alertname": "Something", **labels}), KNOWN).severity is expected


@pytest.mark.parametrize(
    ("history", "label", "expected"),
    [
        (HOURLY, "warning", NOISE),
        (FLAPPING, "warning", INFO),
        (BRIEF, "warning", INFO),
        (BRIEF, "info", INFO),
        (HOURLY, "critical", WARNING),
        (HOURLY, "", INFO),
        (HistoryContext(times_fired=2, median_duration=timedelta(seconds=5), flaps_per_hour=9), "warning", WARNING),
    ],
)
def test_bad_habits_lower_what_an_alert_is_worth(history: HistoryContext, label: str, expected: Severity) -> None:
    assert severity(history=history, severity=label) is expected


@pytest.mark.parametrize(
    ("history", "summary", "expected"),
    [
        (FLAPPING, "", CRITICAL),
        (BRIEF, "", CRITICAL),
        (HOURLY, "", WARNING),
        (KNOWN, "Disk is 3% full", WARNING),
        (HOURLY, "Disk is 3% full", WARNING),
    ],
)
def test_critical_in_production_is_lowered_by_strong_evidence_only(
    history: HistoryContext, summary: str, expected: Severity
) -> None:
    assert severity(summary=summary, history=history, severity="critical", namespace="prod") is expected


def test_an_unknown_alert_is_an_unsure_warning() -> None:
    found = JUDGE(event(labels={"alertname": "Qwertz"}), KNOWN)
    assert (found.severity, found.rules) == (WARNING, ("unknown",))
    assert found.confidence < 0.4
    assert found.recommendations


def test_an_alert_never_seen_before_is_judged_with_more_confidence() -> None:
    labels = {"alertname": "A", "severity": "warning"}
    new, known = (JUDGE(event(labels=labels), history) for history in (HistoryContext(), KNOWN))
    assert new.confidence > known.confidence


def test_a_verdict_explains_itself() -> None:
    labels = {"alertname": "KubePodCrashLooping", "severity": "critical", "namespace": "prod"}
    annotations = {"runbook_url": "https://runbooks.example.com/x"}
    found = JUDGE(event(labels=labels, annotations=annotations), HOURLY)
    assert found.rules == ("label-critical", "crash-loop", "environment-production", "flapping", "short-lived")
    assert found.reasoning.startswith("Judged warning: its sender calls it severity 'critical'; ")
    assert found.reasoning.endswith(".")
    assert found.recommendations[0] == "Follow the runbook: https://runbooks.example.com/x"
    assert len(found.recommendations) <= 5


def test_a_runbook_that_is_no_web_address_is_not_recommended() -> None:
    found = JUDGE(event(annotations={"runbook_url": "javascript:alert(1)"}), KNOWN)
    assert not any("javascript" in text for text in found.recommendations)


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"[1]", b"\xff", b"[" * 100_000])
def test_content_that_is_no_object_is_judged_all_the_same(content: bytes) -> None:
    assert JUDGE(event(labels_json=content, annotations_json=content), KNOWN).severity is WARNING


@given(
    labels=st.dictionaries(st.sampled_from(["severity", "namespace", "environment", "x"]), st.text(max_size=30)),
    summary=st.text(max_size=200),
    times=st.integers(0, 10_000),
    flaps=st.floats(0, 1000),
)
def test_every_alert_gets_a_verdict_with_reasons(
    labels: dict[str, str], summary: str, times: int, flaps: float
) -> None:
    history = HistoryContext(times_fired=times, flaps_per_hour=flaps, median_duration=timedelta(seconds=times))
    found = JUDGE(event(labels=labels, annotations={"summary": summary}), history)
    assert 0 < found.confidence < 1
    assert found.rules
    assert found.reasoning


def test_a_hostile_text_is_judged_in_time() -> None:
    hostile = "disk " * 200_000 + "1" * 200_000 + " of " * 100_000
    assert JUDGE(event(annotations={str(n): hostile for n in range(20)}), KNOWN).severity in set(Severity)
