"""The formats there are, by name."""

from collections.abc import Mapping
from functools import partial
from typing import Protocol

from alerthistory_common.alerts import Instant
from alerthistory_publisher.domain.deliveries import Publication
from alerthistory_publisher.domain.formats import alertmanager, pagerduty, rootly, slack, webhook
from alerthistory_publisher.domain.targets import Target


class Format(Protocol):
    """Writes the body for one kind of receiver."""

    def __call__(self, publication: Publication, *, at: Instant) -> bytes:
        """Return the body; raise ValueError or RecursionError when the alert cannot be written."""
        ...


FORMATS: Mapping[str, Format] = {
    "alertmanager": alertmanager.body,
    "pagerduty": pagerduty.body,
    "rootly": rootly.body,
    "slack": slack.body,
    "webhook": webhook.body,
}


def format_of(target: Target) -> Format:
    """Return how alerts are written for *target*; raise KeyError when there is no such format."""
    if target.format == "pagerduty":
        return partial(pagerduty.body, routing_key=target.routing_key)
    return FORMATS[target.format]


THREADED = frozenset({"rootly-api", "slack"})
"""The formats in which the end of an alert refers to what its beginning made at the receiver."""

_LIMITS = {"pagerduty": ("120 per minute",), "slack": ("1 per second",)}


def limits_of(target: Target) -> tuple[str, ...]:
    """Return how much is sent to *target* at most: as configured, else what the receivers of its format document."""
    return _LIMITS.get(target.format, ()) if target.rate_limits is None else target.rate_limits
