"""Keep the filter rules, and ask them."""

from collections.abc import Sequence
from typing import NamedTuple

import structlog

from alerthistory_common.alerts import Fingerprint
from alerthistory_common.errors import NotFoundError
from alerthistory_publisher.domain.conditions import Subject
from alerthistory_publisher.domain.deliveries import Publication
from alerthistory_publisher.domain.filters import FilterRule, RuleBook
from alerthistory_publisher.metrics import PublisherMetrics
from alerthistory_publisher.ports import DeliveryStore, RuleStore

_LOG = structlog.get_logger(__name__)


class RuleNotFoundError(NotFoundError):
    """No filter rule has this name for this target."""

    reason = "RULE_NOT_FOUND"


class Denial(NamedTuple):
    """A target that a rule keeps from being told."""

    publication: Publication
    target: str
    rule: FilterRule


class Filtering:
    """The rules, and what they say about events."""

    def __init__(self, rules: RuleStore, deliveries: DeliveryStore, *, metrics: PublisherMetrics) -> None:
        self._rules = rules
        self._deliveries = deliveries
        self._metrics = metrics

    async def rules(self) -> list[FilterRule]:
        """Return all rules, by priority."""
        return await self._rules.list_all()

    async def add(self, rule: FilterRule) -> None:
        """Keep *rule*, durably. Several may have one name."""
        await self._rules.add(rule)

    async def delete(self, name: str, target: str) -> int:
        """Delete all rules of *name* for *target* (empty: for all); raise RuleNotFoundError when there is none."""
        if not (count := await self._rules.delete(name, target)):
            raise RuleNotFoundError(f"no filter rule {name!r}", rule=name)
        return count

    async def permitted(self, publications: Sequence[Publication], planned: Sequence[Sequence[str]]) -> list[list[str]]:
        """Return the targets of *planned* that may be told about each publication.

        What was ordered once is not denied later, and neither is the end of an alert whose beginning was ordered.
        """
        if not any(planned):
            return [list(names) for names in planned]
        denials = self._denials(await self._rule_book(), publications, planned)
        if denials:
            denials = await self._standing(denials, publications, planned)
        for denial in denials:
            self._tell(denial)
        denied = {(denial.publication.event.event_id, denial.target) for denial in denials}
        return [
            [name for name in names if (each.event.event_id, name) not in denied]
            for each, names in zip(publications, planned, strict=True)
        ]

    async def _rule_book(self) -> RuleBook:
        try:
            return RuleBook(await self._rules.list_all())
        except Exception as error:  # noqa: BLE001  # Whatever is wrong with the rules: a lost alert is worse than a spare one.
            self._metrics.unfiltered.inc()
            _LOG.warning("the filter rules cannot be read, alerts are published without them", exc_info=error)
            return RuleBook(())

    def _denials(
        self, book: RuleBook, publications: Sequence[Publication], planned: Sequence[Sequence[str]]
    ) -> list[Denial]:
        denials: list[Denial] = []
        for each, names in zip(publications, planned, strict=True):
            subject = Subject.of(each)
            asked = ((name, book.denying(subject, name)) for name in names)
            denials += [Denial(each, name, rule) for name, rule in asked if rule is not None]
        return denials

    async def _standing(
        self, denials: Sequence[Denial], publications: Sequence[Publication], planned: Sequence[Sequence[str]]
    ) -> list[Denial]:
        """Return the denials that stand against what was ordered before, and what this very call orders."""
        denied = {(denial.publication.event.event_id, denial.target) for denial in denials}
        begun = {
            (each.event.fingerprint, name)
            for each, names in zip(publications, planned, strict=True)
            for name in names
            if each.event.kind.is_firing and (each.event.event_id, name) not in denied
        }
        told = await self._deliveries.told([(denial.publication.event, denial.target) for denial in denials])
        return [
            denial
            for denial in denials
            if (denial.publication.event.event_id, denial.target) not in told and not _ends(denial, begun)
        ]

    def _tell(self, denial: Denial) -> None:
        event, rule = denial.publication.event, denial.rule
        self._metrics.denied.labels(denial.target).inc()
        _LOG.info("a filter rule denied an alert", rule=rule.name, target=denial.target, event_id=event.event_id)


def _ends(denial: Denial, begun: set[tuple[Fingerprint, str]]) -> bool:
    event = denial.publication.event
    return not event.kind.is_firing and (event.fingerprint, denial.target) in begun
