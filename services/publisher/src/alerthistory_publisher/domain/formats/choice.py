"""The formats there are, by name."""

from collections.abc import Mapping
from typing import Protocol

from alerthistory_common.alerts import Instant
from alerthistory_publisher.domain.deliveries import Publication
from alerthistory_publisher.domain.formats import webhook


class Format(Protocol):
    """Writes the body for one kind of receiver."""

    def __call__(self, publication: Publication, *, at: Instant) -> bytes:
        """Return the body; raise ValueError or RecursionError when the alert cannot be written."""
        ...


FORMATS: Mapping[str, Format] = {"webhook": webhook.body}
