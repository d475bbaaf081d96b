"""Plan what targets are told about events: who is told, who later, who not, and why."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import structlog

from alerthistory_common.alerts import Fingerprint, Instant
from alerthistory_publisher.application.filtering import Filtering
from alerthistory_publisher.application.targets import TargetDirectory
from alerthistory_publisher.domain.conditions import Subject
from alerthistory_publisher.domain.decisions import Action, Beginning, Decision, decide
from alerthistory_publisher.domain.deliveries import DeliveryState, Order, Publication
from alerthistory_publisher.domain.filters import RuleBook
from alerthistory_publisher.domain.outcomes import later
from alerthistory_publisher.domain.plan import plan
from alerthistory_publisher.domain.targets import Target
from alerthistory_publisher.metrics import PublisherMetrics
from alerthistory_publisher.ports import DeliveryStore, Past

_LOG = structlog.get_logger(__name__)
_STATES = {
    Action.SEND: DeliveryState.PENDING,
    Action.HOLD: DeliveryState.PENDING,
    Action.FILTER: DeliveryState.FILTERED,
    Action.SUPERSEDE: DeliveryState.SUPERSEDED,
}
_TOLD = {DeliveryState.PENDING, DeliveryState.DELIVERED, DeliveryState.DEAD}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be kept, and the names of the targets that are told about each publication, now or later."""

    orders: Sequence[Order]
    told: Sequence[list[str]]


class Planning:
    """Decides about events, from the rules, the targets, and what was decided before."""

    def __init__(
        self,
        store: DeliveryStore,
        directory: TargetDirectory,
        filtering: Filtering,
        *,
        metrics: PublisherMetrics,
        max_age: timedelta,
    ) -> None:
        self._store = store
        self._directory = directory
        self._filtering = filtering
        self._metrics = metrics
        self._max_age = max_age

    async def plan(self, publications: Sequence[Publication], *, now: Instant) -> Plan:
        """Return what is done about *publications*. What was decided once stays decided."""
        planned = [(each, plan(each.event, self._directory.targets)) for each in publications]
        candidates = [(each.event, target.name) for each, targets in planned for target in targets]
        if not candidates:
            return Plan((), [[] for _ in publications])
        draft = _Draft(
            past=await self._store.past(candidates),
            rules=await self._filtering.rule_book(),
            max_age=self._max_age,
            now=now,
        )
        told = [draft.add(each, targets) for each, targets in planned]
        for order in draft.orders:
            if order.state is DeliveryState.FILTERED:
                self._tell(order)
        return Plan(draft.orders, told)

    async def explain(self, publication: Publication, *, now: Instant) -> list[tuple[Target, Decision]]:
        """Return what would be done about *publication* at every target, disabled ones included."""
        event, targets = publication.event, self._directory.targets
        past = await self._store.past([(event, target.name) for target in targets])
        rules, subject = await self._filtering.rule_book(), Subject.of(publication)
        return [
            (
                target,
                decide(
                    event.kind,
                    subject,
                    target,
                    rules=rules,
                    beginning=past.beginnings.get((event.fingerprint, target.name)),
                    now=now,
                ),
            )
            for target in targets
        ]

    def _tell(self, order: Order) -> None:
        self._metrics.denied.labels(order.target).inc()
        _LOG.info(
            "a target is not told about an alert",
            target=order.target,
            event_id=order.publication.event.event_id,
            decision=order.decision,
        )


@dataclass(slots=True, kw_only=True)
class _Draft:
    """A plan in the making. What it says about one event is known when it comes to the next."""

    past: Past
    rules: RuleBook
    max_age: timedelta
    now: Instant
    orders: list[Order] = field(default_factory=list)
    _begun: dict[tuple[Fingerprint, str], int] = field(default_factory=dict)

    def add(self, publication: Publication, targets: Sequence[Target]) -> list[str]:
        """Decide about *publication* at *targets*; return the names of those that are told."""
        subject = Subject.of(publication)
        return [target.name for target in targets if self._decide(publication, subject, target)]

    def _decide(self, publication: Publication, subject: Subject, target: Target) -> bool:
        event = publication.event
        if (known := self.past.ordered.get((event.event_id, target.name))) is not None:
            return known in _TOLD
        beginning = self._beginning(event.fingerprint, target.name)
        decision = decide(event.kind, subject, target, rules=self.rules, beginning=beginning, now=self.now)
        self._keep(publication, target.name, decision, beginning)
        return decision.is_told

    def _beginning(self, fingerprint: Fingerprint, target: str) -> Beginning | None:
        """Return the last beginning of the alert, of this plan or of before."""
        if (number := self._begun.get((fingerprint, target))) is None:
            return self.past.beginnings.get((fingerprint, target))
        order = self.orders[number]
        return Beginning(
            delivery_id=None,
            state=order.state,
            ordered_at=order.ordered_at,
            due_at=order.due_at if order.decision else None,
            is_held=order.state is DeliveryState.PENDING and order.due_at > order.ordered_at,
        )

    def _keep(self, publication: Publication, target: str, decision: Decision, beginning: Beginning | None) -> None:
        is_over = decision.action is Action.SUPERSEDE
        due_at = decision.due_at or self.now
        key = publication.event.fingerprint, target
        if is_over and (number := self._begun.get(key)) is not None:
            self.orders[number] = replace(self.orders[number], state=DeliveryState.SUPERSEDED)
        elif publication.event.kind.is_firing:
            self._begun[key] = len(self.orders)
        self.orders.append(
            Order(
                publication=publication,
                target=target,
                ordered_at=self.now,
                give_up_at=later(due_at, self.max_age),
                due_at=due_at,
                state=_STATES[decision.action],
                decision=decision.text,
                supersedes=beginning.delivery_id if is_over and beginning is not None else None,
            )
        )
