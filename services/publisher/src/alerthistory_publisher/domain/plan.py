"""Which targets are told about an event."""

from collections.abc import Iterable

from alerthistory_common.alerts import AlertEvent
from alerthistory_publisher.domain.targets import Target


def plan(event: AlertEvent, targets: Iterable[Target]) -> list[Target]:
    """Return the targets that are told about *event*, in their order; none when its kind is only remembered."""
    if not event.kind.is_published:
        return []
    return [each for each in targets if each.is_enabled and (event.kind.is_firing or each.sends_resolved)]
