"""Send a test alert to one target, and say what came of it."""

from dataclasses import dataclass, replace
from datetime import timedelta

from alerthistory_common.clock import Clock
from alerthistory_common.errors import FieldViolation, InvalidArgumentError
from alerthistory_publisher.application.couriers import Courier
from alerthistory_publisher.application.targets import TargetDirectory
from alerthistory_publisher.domain.outcomes import Answer, Outcome, outcome_of, result_of
from alerthistory_publisher.domain.probes import default_probe, marked, probe_claim, probe_of
from alerthistory_publisher.domain.targets import Target

TEST_TIMEOUT = timedelta(seconds=30)
_SHORTEST, _LONGEST = timedelta(seconds=1), timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """What came of a test alert. ``status`` is 0 without an answer; ``problem`` is empty when there is none."""

    is_delivered: bool
    status: int
    response_time: timedelta
    problem: str


class Testing:
    """Sends test alerts: once, at once, and nothing of them is kept."""

    def __init__(self, directory: TargetDirectory, courier: Courier, *, clock: Clock) -> None:
        self._directory = directory
        self._courier = courier
        self._clock = clock

    async def test(self, name: str, alert_json: bytes, *, limit: timedelta) -> TestResult:
        """Send *alert_json* (empty: an alert of our own) to a target, enabled or not.

        Raises TargetNotFoundError, and InvalidArgumentError for an alert or a timeout that cannot be used.
        """
        if not _SHORTEST <= limit <= _LONGEST:
            violation = FieldViolation(field="timeout", description="must be 1 s to 5 min")
            raise InvalidArgumentError("the timeout must be 1 s to 5 min", violation)
        target = replace(self._directory.get(name), timeout_s=limit.total_seconds())
        began = self._clock.now()
        answer = await self._attempt(target, alert_json)
        is_delivered = outcome_of(answer) is Outcome.DELIVERED
        return TestResult(
            is_delivered=is_delivered,
            status=answer.status,
            response_time=timedelta(microseconds=max(0, self._clock.now().micros - began.micros)),
            problem="" if is_delivered else result_of(answer),
        )

    async def _attempt(self, target: Target, alert_json: bytes) -> Answer:
        now = self._clock.now()
        probe = probe_of(alert_json, target=target.name, at=now) if alert_json else default_probe(target.name, at=now)
        return await self._courier.deliver(probe_claim(probe, target=target.name, now=now), marked(target))
