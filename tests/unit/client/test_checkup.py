"""What an operator is told, and what only when it matters."""

from dataclasses import replace
from datetime import timedelta

import pytest

from alerthistory_client.checkup import Growth, Level, check_up
from alerthistory_client.records import (
    ClassifierStatus,
    EnrichmentMode,
    HistoryStatus,
    IngestStatus,
    LlmState,
    PublisherStatus,
    Spool,
    SystemStatus,
)
from alerthistory_common.alerts import Instant
from alerthistory_common.errors import UnavailableError

_NOW = Instant(0)
_HEALTHY = SystemStatus(
    history=HistoryStatus(
        occurrences=10,
        alerts=5,
        firing_alerts=1,
        events=1000,
        pending_work=2,
        oldest_pending_age=timedelta(seconds=1),
        quarantined_payloads=0,
        database_size_bytes=10_000_000,
        database_type="postgresql",
        started_at=_NOW,
        retention_days=90,
    ),
    ingest=IngestStatus(in_flight=1, capacity=64, completed=9, spool=Spool(), started_at=_NOW),
    classifier=ClassifierStatus(classifications=3, mode=EnrichmentMode.ENRICHED, started_at=_NOW),
    publisher=PublisherStatus(
        targets=2, enabled_targets=1, pending=0, delivered=5, dead=0, oldest_pending_age=None, started_at=_NOW
    ),
)
_GROWTH = Growth(events=700, days=7)


def _bad(status: SystemStatus, growth: Growth | None = _GROWTH) -> list[tuple[str, Level]]:
    return [(each.about, each.level) for each in check_up(status, growth) if each.level is not Level.OK]


def test_a_healthy_system_has_no_findings_but_good_ones() -> None:
    assert _bad(_HEALTHY) == []
    assert all(not each.advice for each in check_up(_HEALTHY, _GROWTH))


@pytest.mark.parametrize(
    ("service", "changes", "found"),
    [
        ("history", {"oldest_pending_age": timedelta(minutes=2)}, ("history", Level.PROBLEM)),
        ("history", {"quarantined_payloads": 1}, ("quarantine", Level.WARNING)),
        ("history", {"retention_days": None}, ("retention", Level.WARNING)),
        ("ingest", {"in_flight": 64}, ("ingest", Level.WARNING)),
        ("ingest", {"spool": Spool(payloads=1, oldest_age=timedelta(minutes=2))}, ("spool", Level.PROBLEM)),
        ("ingest", {"spool": Spool(damaged=1)}, ("spool", Level.PROBLEM)),
        ("ingest", {"spool": Spool(problem="the disk is full")}, ("spool", Level.PROBLEM)),
        ("classifier", {"model": "m", "llm_state": LlmState.FAILING}, ("llm", Level.WARNING)),
        ("classifier", {"model": "m", "llm_state": LlmState.BUDGET_SPENT}, ("llm", Level.WARNING)),
        ("publisher", {"enabled_targets": 0}, ("targets", Level.WARNING)),
        ("publisher", {"target_problems": 2}, ("targets", Level.WARNING)),
        ("publisher", {"dead": 1}, ("deliveries", Level.PROBLEM)),
        ("publisher", {"oldest_pending_age": timedelta(hours=1)}, ("deliveries", Level.PROBLEM)),
    ],
)
def test_each_trouble_is_found_with_advice(service: str, changes: dict[str, object], found: tuple[str, Level]) -> None:
    status = replace(_HEALTHY, **{service: replace(getattr(_HEALTHY, service), **changes)})
    assert _bad(status) == [found]
    assert all(each.advice for each in check_up(status, _GROWTH) if each.level is not Level.OK)


@pytest.mark.parametrize("service", ["history", "ingest", "classifier", "publisher"])
def test_a_service_without_an_answer_is_a_problem(service: str) -> None:
    status = replace(_HEALTHY, **{service: UnavailableError("no answer at unix:/x")})
    assert _bad(status) == [(service, Level.PROBLEM)]


def test_growth_is_told_and_how_far_it_goes_when_nothing_is_deleted() -> None:
    kept, *_ = (each.text for each in check_up(_HEALTHY, _GROWTH) if each.about == "retention")
    # 100 events a day, of 10 kB each.
    assert kept == "keeps 90 days: postgresql takes 10.0 MB and grows by about 1.0 MB a day (100 events)"
    history = replace(_HEALTHY.history, retention_days=None)  # type: ignore[type-var]  # It gave its figures.
    off, *_ = (each.text for each in check_up(replace(_HEALTHY, history=history), _GROWTH) if each.about == "retention")
    assert off.endswith("a day (100 events), to 40.0 MB in 30 days")


def test_an_llm_is_spoken_of_only_where_there_is_one() -> None:
    assert all(each.about != "llm" for each in check_up(_HEALTHY, _GROWTH))
    asked = ClassifierStatus(
        classifications=3,
        mode=EnrichmentMode.ENRICHED,
        started_at=_NOW,
        model="gpt",
        llm_state=LlmState.AVAILABLE,
    )
    (found,) = (each for each in check_up(replace(_HEALTHY, classifier=asked), _GROWTH) if each.about == "llm")
    assert (found.level, found.text) == (Level.OK, "gpt is asked")


def test_without_growth_only_the_size_is_told() -> None:
    (text,) = (each.text for each in check_up(_HEALTHY, None) if each.about == "retention")
    assert text == "keeps 90 days: postgresql takes 10.0 MB"
