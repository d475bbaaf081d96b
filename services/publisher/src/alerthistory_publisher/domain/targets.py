"""Targets: the receivers of alerts, as configured."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from urllib.parse import urlsplit

from alerthistory_common.errors import FailedPreconditionError
from alerthistory_publisher.domain.target_filters import TargetFilter

DEDUPLICATION_WINDOW = timedelta(minutes=5)
"""How long a second report that an alert fires is held back after the first, unless it is critical."""


class PublishingMode(StrEnum):
    """Whether alerts are published at all."""

    INTELLIGENT = "intelligent"
    METRICS_ONLY = "metrics_only"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One receiver. The address, the headers, and every key may be secret: they are shown to nobody, nor by ``repr``.

    ``rate_limits`` are texts such as ``1 per second``, all of which hold; None means those of the format.
    ``concurrency`` 0 means the service's setting. ``signing_secrets`` sign what is sent after Standard Webhooks, each
    with a signature of its own. ``channel`` is for Slack's ``chat.postMessage``. ``title`` and ``description`` are
    Jinja2 templates, empty for the format's own words. ``source`` says where the target is configured.
    """

    name: str
    format: str
    url: str = field(repr=False)
    is_enabled: bool = True
    sends_resolved: bool = True
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    timeout_s: float = 10.0
    routing_key: str = field(default="", repr=False)
    signing_secrets: tuple[str, ...] = field(default=(), repr=False)
    channel: str = ""
    title: str = ""
    description: str = ""
    filter: TargetFilter = field(default_factory=TargetFilter)
    deduplication_window: timedelta = DEDUPLICATION_WINDOW
    rate_limits: tuple[str, ...] | None = None
    concurrency: int = 0
    source: str = ""

    @property
    def address(self) -> str:
        """Scheme, host and port: what may be shown of the URL."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the texts that must not leak, the longest first."""
        parts = urlsplit(self.url)
        values = [self.routing_key, *self.signing_secrets, *(value for _, value in self.headers)]
        words = [word for value in values for word in value.split()]
        found = {self.url, parts.path, parts.query, parts.fragment, parts.netloc.rpartition("@")[0], *values, *words}
        return tuple(sorted((text for text in found if len(text) > _SHORT), key=len, reverse=True))


_SHORT = 5  # "/", "Token": hiding these would only garble.


class InvalidTargetsError(FailedPreconditionError):
    """The configuration of the targets is wrong; *problems* names every mistake."""

    reason = "INVALID_TARGETS"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("the targets stay as they are, their configuration is wrong: " + "; ".join(problems))
        self.problems = problems
