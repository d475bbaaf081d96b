"""The format ``rootly-simple``: a flat body for a generic webhook source of Rootly, whose fields are mapped there."""

from alerthistory_publisher.domain.deliveries import Claim
from alerthistory_publisher.domain.formats import rootly
from alerthistory_publisher.domain.formats.content import Content, Letter, encode
from alerthistory_publisher.domain.formats.texts import cut
from alerthistory_publisher.domain.targets import Target

MAX_LABELS = 64
MAX_LABEL_LENGTH = 255


def write(content: Content, *, claim: Claim, target: Target) -> Letter:
    """Return the letter. The status is in the description, and what is not firing says so in its title."""
    content = content.cleaned()
    title = rootly.title(content)
    document = {
        "title": title if content.is_firing or content.title else f"RESOLVED: {title}",
        "description": rootly.full_description(content),
        "severity": rootly.severity(content),
        "labels": labels(content),
        "source": rootly.SOURCE,
    }
    return Letter(body=encode(document))


def labels(content: Content) -> dict[str, str]:
    """Return at most ``MAX_LABELS`` labels; names and values are texts, and not too long."""
    names = list(content.labels)[:MAX_LABELS]
    return {cut(name, MAX_LABEL_LENGTH): cut(content.label(name), MAX_LABEL_LENGTH) for name in names}
