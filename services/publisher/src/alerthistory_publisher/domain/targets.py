"""Targets: the receivers of alerts, as configured."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from urllib.parse import unquote, urlsplit, urlunsplit

from alerthistory_common.errors import FailedPreconditionError, UnavailableError
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
        values = [self.routing_key, *self.signing_secrets, *(value for _, value in self.headers)]
        words = [word for value in values for word in value.split()]
        keys = [secret.removeprefix(_SIGNING_PREFIX) for secret in self.signing_secrets]
        found = {*_url_secrets(self.url), *values, *words, *keys}
        return tuple(sorted((text for text in found if len(text) > _SHORT), key=len, reverse=True))


_SHORT = 5  # "/", "Token": hiding these would only garble.
_LONG = 16  # So many characters make a part of a path a secret; what people write there is shorter.
_HIDDEN = "***"
_SIGNING_PREFIX = "whsec_"


def shown_url(url: str) -> str:
    """Return *url* as it may be shown: without its user, the values of its query, its fragment, and long path parts.

    The path of Slack's webhooks ends in a secret of 24 characters; the parts before it are shown.
    """
    parts = urlsplit(url)
    path = "/".join(_HIDDEN if len(part) >= _LONG else part for part in parts.path.split("/"))
    query = "&".join(_shown_parameter(pair) for pair in parts.query.split("&")) if parts.query else ""
    fragment = _HIDDEN if parts.fragment else ""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], path, query, fragment))


def _shown_parameter(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return f"{name}={_HIDDEN}" if equals and len(name) < _LONG else _HIDDEN


def _url_secrets(url: str) -> set[str]:
    """Return the parts of *url* that may be secret, as they are written and as they are meant."""
    parts = urlsplit(url)
    long = {part for part in parts.path.split("/") if len(part) >= _LONG}
    user = parts.netloc.rpartition("@")[0]
    pairs = [pair.partition("=") for pair in parts.query.split("&")]
    values = {value if equals else name for name, equals, value in pairs}
    found = {url, parts.path, parts.query, parts.fragment, user, *user.split(":", 1), *long, *values}
    return found | {unquote(text) for text in found}


class InvalidTargetsError(FailedPreconditionError):
    """The configuration of the targets is wrong; *problems* names every mistake."""

    reason = "INVALID_TARGETS"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("what is configured wrongly stays as it was: " + "; ".join(problems))
        self.problems = problems


class TargetSourceAwayError(UnavailableError):
    """A source of targets does not answer for now: what it named stays, and it is asked again."""

    reason = "TARGET_SOURCE_AWAY"
