"""The formats there are, by name."""

from collections.abc import Mapping
from typing import Protocol

from alerthistory_publisher.domain.deliveries import Claim
from alerthistory_publisher.domain.formats import (
    alertmanager,
    pagerduty,
    rootly,
    rootly_api,
    rootly_simple,
    slack,
    webhook,
)
from alerthistory_publisher.domain.formats.content import Content, Letter
from alerthistory_publisher.domain.targets import Target


class Format(Protocol):
    """Writes letters for one kind of receiver."""

    def __call__(self, content: Content, *, claim: Claim, target: Target) -> Letter:
        """Return the letter of the claimed attempt; raise ValueError when the alert cannot be written."""
        ...


FORMATS: Mapping[str, Format] = {
    "alertmanager": alertmanager.write,
    "pagerduty": pagerduty.write,
    "rootly": rootly.write,
    "rootly-api": rootly_api.write,
    "rootly-simple": rootly_simple.write,
    "slack": slack.write,
    "webhook": webhook.write,
}

TEMPLATED: frozenset[str] = frozenset({"pagerduty", "rootly", "rootly-api", "rootly-simple", "slack"})
"""The formats that an operator may give a title and a description of their own; machines read the others."""


def format_of(target: Target) -> Format:
    """Return how alerts are written for *target*; raise KeyError when there is no such format."""
    return FORMATS[target.format]


THREADED = frozenset({"rootly-api", "slack"})
"""The formats in which the end of an alert refers to what its beginning made at the receiver."""

# PagerDuty takes 120 a minute. The second on top is for requests that take less time to arrive than earlier ones took.
_LIMITS = {"pagerduty": ("120 per 61 second",), "slack": ("1 per second",)}


def limits_of(target: Target) -> tuple[str, ...]:
    """Return how much is sent to *target* at most: as configured, else what the receivers of its format document."""
    return _LIMITS.get(target.format, ()) if target.rate_limits is None else target.rate_limits
