"""The format ``rootly``: an incident, as the older service sent it; and words that its siblings use."""

from typing import Any

from alerthistory_common.alerts import Severity, Verdict
from alerthistory_publisher.domain.deliveries import Claim
from alerthistory_publisher.domain.formats.content import Content, Letter, encode
from alerthistory_publisher.domain.formats.texts import cut, one_line, percent, web_link
from alerthistory_publisher.domain.targets import Target

SOURCE = "alert-history-llm"
MAX_TITLE_LENGTH = 1000
MAX_DESCRIPTION_LENGTH = 20_000
_MAX_WORD_LENGTH = 1000
_BY_VERDICT = {
    Severity.CRITICAL: "critical",
    Severity.WARNING: "major",
    Severity.INFO: "minor",
    Severity.NOISE: "low",
}
_BY_LABEL = {"critical": "critical", "info": "minor"}
_TOLD_APART = ("description", "summary")


def write(content: Content, *, claim: Claim, target: Target) -> Letter:
    """Return the letter."""
    content = content.cleaned()
    incident = {
        "title": title(content),
        "description": description(content),
        "severity": severity(content),
        "status": "started" if content.is_firing else "resolved",
        "source": SOURCE,
        "alert_fingerprint": content.key,
        "tags": _tags(content),
        "custom_fields": _custom_fields(content),
    }
    return Letter(body=encode({"incident": incident}))


def title(content: Content) -> str:
    """Return the title of an incident, at most ``MAX_TITLE_LENGTH`` long."""
    return cut(one_line(content.title or _title(content)), MAX_TITLE_LENGTH)


def description(content: Content) -> str:
    """Return what happened and what to do, in Markdown, at most ``MAX_DESCRIPTION_LENGTH`` long."""
    return cut(content.description or "\n".join(_description(content)), MAX_DESCRIPTION_LENGTH)


def full_description(content: Content) -> str:
    """Return the same behind the alert's own summary and description, which the older service left out."""
    own = "\n\n".join(text for name in ("summary", "description") if (text := content.annotation(name).strip()))
    if content.description or not own:
        return description(content)
    return cut(f"{own}\n\n{description(content)}", MAX_DESCRIPTION_LENGTH)


def severity(content: Content) -> str:
    """Return one of Rootly's severities: that of the verdict, else that of the label."""
    if content.verdict is not None:
        return _BY_VERDICT[content.verdict.severity]
    return _BY_LABEL.get(content.label("severity").lower(), "major")


def _title(content: Content) -> str:
    title = f"[{content.event.alert_name}] Alert in {content.namespace or 'unknown'}"
    verdict = content.verdict
    if verdict is None:
        return title
    return f"{title} (LLM: {verdict.severity.value}, {percent(verdict.confidence)} confidence)"


def _description(content: Content) -> list[str]:
    lines = [
        f"**Alert:** {content.event.alert_name}",
        f"**Status:** {content.status}",
        f"**Namespace:** {content.namespace or 'unknown'}",
        f"**Started:** {content.event.starts_at.iso_utc()}",
    ]
    if content.verdict is not None:
        lines += _said(content.verdict)
    if content.labels:
        lines += ["", "**Labels:**", *(f"- {name}: {value}" for name, value in content.labels.items())]
    if content.annotations:
        told = {name: value for name, value in content.annotations.items() if name not in _TOLD_APART}
        lines += ["", "**Annotations:**", *(f"- {name}: {cut(str(value), 100)}" for name, value in told.items())]
    return lines


def _said(verdict: Verdict) -> list[str]:
    lines = [
        "",
        "**AI Classification:**",
        f"- **Severity:** {verdict.severity.value}",
        f"- **Confidence:** {percent(verdict.confidence)}",
        f"- **Reasoning:** {verdict.reasoning}",
    ]
    if verdict.recommendations:
        numbered = enumerate(verdict.recommendations[:5], 1)
        lines += ["", "**Recommendations:**", *(f"{number}. {text}" for number, text in numbered)]
    return lines


def _tags(content: Content) -> list[str]:
    tags = ["alert-history", "automated", f"alert:{content.event.alert_name}"]
    if content.namespace:
        tags.append(f"namespace:{content.namespace}")
    if content.verdict is not None:
        tags += [f"llm-severity:{content.verdict.severity.value}", _confidence(content.verdict.confidence)]
    for name in ("service", "job", "instance"):
        if value := content.label(name):
            tags.append(f"{name}:{value}".replace(" ", "-").lower())
    return [cut(tag, _MAX_WORD_LENGTH) for tag in tags]


def _confidence(confidence: float) -> str:
    if confidence >= 0.8:
        return "high-confidence"
    return "medium-confidence" if confidence >= 0.5 else "low-confidence"


def _custom_fields(content: Content) -> dict[str, Any]:
    verdict = content.verdict
    return {
        "alert_name": cut(content.event.alert_name, _MAX_WORD_LENGTH),
        "namespace": cut(content.namespace, _MAX_WORD_LENGTH) or "unknown",
        "generator_url": web_link(content.event.generator_url),
        "llm_severity": None if verdict is None else verdict.severity.value,
        "llm_confidence": None if verdict is None else verdict.confidence,
    }
