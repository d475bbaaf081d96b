"""RecordAlerts through the real store."""

from alerthistory_common import alert_codec
from alerthistory_common.alerts import Fingerprint, Instant, Severity
from tests import builders
from tests.integration.history.harness import NOON, SECOND, History


async def test_a_firing_is_stored_as_occurrence_alert_event_and_leased_work(history: History) -> None:
    answer = await history.record(builders.report(), lease_owner="a", lease_capacity=10)

    assert [result.decision for result in answer.results] == ["fired"]
    (work,) = answer.work
    assert (work.event.fingerprint, work.attempt) == ("00000000000000a1", 1)
    (occurrence,) = await history.occurrences()
    assert (occurrence.alert_name, occurrence.is_firing, occurrence.times_received) == ("HighLatency", True, 1)
    alert = await history.alert("00000000000000a1")
    assert (alert.is_firing, alert.times_seen, alert.times_fired) == (True, 1, 1)
    assert await history.kinds() == ["fired"]
    assert (await history.events())[0] == work.event


async def test_work_passes_and_its_verdict_stays_with_the_alert(history: History) -> None:
    await history.record(builders.report())
    (work,) = await history.lease()

    answer = await history.complete(work, severity=Severity.CRITICAL)

    assert not answer.outdated
    assert not answer.work
    assert await history.lease() == []
    alert = await history.alert("00000000000000a1")
    assert alert_codec.severity(alert.severity) is Severity.CRITICAL
