"""The format ``slack``: a message for an incoming webhook, or for ``chat.postMessage`` when the address ends in that.

The verdict's colour runs along the details, which are five blocks: Slack folds an attachment that has more. Texts of
others are in ``plain_text`` objects wherever possible, which nothing in them can format, and are copied as they are.
There are links and no buttons, since Slack warns of buttons whose app hears nothing of them.
"""

from typing import Any
from urllib.parse import urlsplit

from alerthistory_common.alerts import Severity, Verdict
from alerthistory_publisher.domain.deliveries import Claim
from alerthistory_publisher.domain.formats.content import Content, Letter, encode
from alerthistory_publisher.domain.formats.slack_texts import escaped, moment, mrkdwn, plain_text, shortened
from alerthistory_publisher.domain.formats.texts import one_line, percent, web_link
from alerthistory_publisher.domain.targets import Target

EVENT_TYPE = "alerthistory_alert"
_POST_MESSAGE = "/chat.postMessage"
_COLORS = {
    Severity.CRITICAL: "#FF0000",
    Severity.WARNING: "#FFA500",
    Severity.INFO: "#0000FF",
    Severity.NOISE: "#808080",
}
_COLOR_WITHOUT_VERDICT = "#FFA500"
_COLOR_RESOLVED = "#2EB67D"
_LABELS_TOLD_APART = ("alertname", "namespace", "severity")

# Together with the fallback text below the 12 000 characters that a message may have.
_FALLBACK_LENGTH = 300
_HEADER_LENGTH = 150
_VALUE_LENGTH = 200
_WHAT_LENGTH = 2500
_REASONING_LENGTH = 1200
_RECOMMENDATION_LENGTH = 300
_RECOMMENDATIONS = 4
_LABELS_LENGTH = 1500
_URL_LENGTH = 1200


def write(content: Content, *, claim: Claim, target: Target) -> Letter:
    """Return the letter. A bot tells of the end in the thread of the beginning, when that is known."""
    content = content.cleaned()
    document: dict[str, Any] = {
        "text": escaped(_fallback(content), _FALLBACK_LENGTH),
        "blocks": _blocks(content),
        "attachments": [{"color": _color(content), "blocks": _details(content)}],
        "unfurl_links": False,
        "unfurl_media": False,
        "link_names": False,
        "mrkdwn": False,
    }
    if not is_bot(target):
        return Letter(body=encode(document | {"username": "Alert History Bot", "icon_emoji": ":warning:"}))
    document["channel"] = target.channel
    document["metadata"] = {"event_type": EVENT_TYPE, "event_payload": {"webhook_id": claim.webhook_id}}
    if claim.thread and not content.is_firing:
        document |= {"thread_ts": claim.thread, "reply_broadcast": False}
    return Letter(body=encode(document))


def is_bot(target: Target) -> bool:
    """Whether *target* is Slack's method ``chat.postMessage``, not an incoming webhook."""
    return urlsplit(target.url).path.endswith(_POST_MESSAGE)


def _fallback(content: Content) -> str:
    """Return what notifications and screen readers say."""
    place = f" in {content.namespace}" if content.namespace else ""
    said = f" ({content.verdict.severity.value})" if content.verdict is not None else ""
    return one_line(f"{content.status.upper()}: {_title(content)}{place}{said}")


def _title(content: Content) -> str:
    return one_line(content.title or content.event.alert_name)


def _color(content: Content) -> str:
    if not content.is_firing:
        return _COLOR_RESOLVED
    return _COLOR_WITHOUT_VERDICT if content.verdict is None else _COLORS[content.verdict.severity]


def _blocks(content: Content) -> list[dict[str, Any]]:
    sign = "🔥" if content.is_firing else "✅"
    blocks: list[dict[str, Any]] = [{"type": "header", "text": plain_text(f"{sign} {_title(content)}", _HEADER_LENGTH)}]
    if what := _what(content):
        blocks.append(_section(plain_text(what, _WHAT_LENGTH)))
    return blocks


def _what(content: Content) -> str:
    if content.description:
        return content.description
    said = (content.annotation(name).strip() for name in ("summary", "description"))
    return "\n".join(dict.fromkeys(text for text in said if text))


def _details(content: Content) -> list[dict[str, Any]]:
    blocks = [{"type": "section", "fields": _fields(content)}]
    if content.verdict is not None:
        blocks += _said(content.verdict)
    if links := _links(content):
        blocks.append(_section(mrkdwn(links)))
    if labels := _labels(content):
        blocks.append({"type": "context", "elements": [plain_text(labels, _LABELS_LENGTH)]})
    return blocks


def _fields(content: Content) -> list[dict[str, Any]]:
    """Return a table: a name beside every value, ten fields at most."""
    rows = [
        ("Status", plain_text(_status(content), _VALUE_LENGTH)),
        ("Severity", plain_text(_severity(content), _VALUE_LENGTH)),
    ]
    if content.verdict is not None:
        rows.append(("Confidence", plain_text(percent(content.verdict.confidence), _VALUE_LENGTH)))
    if namespace := one_line(content.namespace):
        rows.append(("Namespace", plain_text(namespace, _VALUE_LENGTH)))
    rows.append(("Started", mrkdwn(moment(content.event.starts_at))))
    return [field for name, value in rows for field in (mrkdwn(f"*{name}*"), value)]


def _status(content: Content) -> str:
    event = content.event
    if content.is_firing or event.ends_at is None:
        return content.status.upper()
    seconds = max(0, event.ends_at.micros - event.starts_at.micros) // 1_000_000
    return f"{content.status.upper()} after {_duration(seconds)}"


def _duration(seconds: int) -> str:
    days, rest = divmod(seconds, 86_400)
    hours, minutes = rest // 3600, rest % 3600 // 60
    parts = ((days, "d"), (hours, "h"), (minutes, "min"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or f"{seconds} s"


def _severity(content: Content) -> str:
    if content.verdict is not None:
        return content.verdict.severity.value.upper()
    return one_line(content.label("severity")).upper() or "UNKNOWN"


def _said(verdict: Verdict) -> list[dict[str, Any]]:
    blocks = []
    if reasoning := verdict.reasoning.strip():
        blocks.append(_section(plain_text(f"Why: {reasoning}", _REASONING_LENGTH)))
    told = [text.strip() for text in verdict.recommendations if text.strip()][:_RECOMMENDATIONS]
    if told:
        lines = "\n".join(f"• {shortened(text, _RECOMMENDATION_LENGTH)}" for text in told)
        blocks.append(_section(plain_text(f"What to do:\n{lines}", _REASONING_LENGTH + 100)))
    return blocks


def _links(content: Content) -> str:
    urls = (("Runbook", content.annotation("runbook_url")), ("Source", content.event.generator_url))
    return "   ".join(link for name, url in urls if (link := _link(name, url)))


def _link(name: str, url: str | None) -> str:
    found = web_link(url, limit=_URL_LENGTH).replace("|", "%7C")
    safe = escaped(found, _URL_LENGTH)
    # A shortened address leads elsewhere.
    return f"<{safe}|{name}>" if found and not safe.endswith("…") else ""


def _labels(content: Content) -> str:
    told = ((name, content.label(name)) for name in content.labels if name not in _LABELS_TOLD_APART)
    return "  ".join(one_line(f"{name}={value}") for name, value in told)


def _section(text: dict[str, Any]) -> dict[str, Any]:
    return {"type": "section", "text": text}
