"""What a receiver's answer means. Some say in the body of a success that they failed, and only there what they made."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from alerthistory_publisher.domain.formats.slack import is_bot
from alerthistory_publisher.domain.outcomes import Answer, Outcome, outcome_of, sanitised
from alerthistory_publisher.domain.targets import Target

_GONE = 410
_SLACK_OK = b"ok"
_SLACK_ERRORS: Mapping[str, Outcome] = {
    "ratelimited": Outcome.THROTTLED,
    "rate_limited": Outcome.THROTTLED,
    "internal_error": Outcome.TRANSIENT,
    "fatal_error": Outcome.TRANSIENT,
    "service_unavailable": Outcome.TRANSIENT,
    "request_timeout": Outcome.TRANSIENT,
}


def read_answer(target: Target, answer: Answer) -> Answer:
    """Return *answer* with what *target* means by it: outcome, receipt and text.

    The receipt is what a later delivery about the same alert needs: Slack's ``ts``, PagerDuty's key, Rootly's identity.
    """
    read = _READERS.get(target.format)
    return answer if read is None else read(target, answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of alerts that Rootly has: the identities of those not resolved, by their ``external_id``.

    ``is_last`` when there is nothing behind it.
    """

    found: Mapping[str, str]
    is_last: bool


def read_page(answer: Answer, *, size: int) -> Page | None:
    """Return the page of at most *size* alerts that *answer* holds; None when it holds none that can be read."""
    document = _object(answer.content)
    entries = document.get("data")
    if outcome_of(answer) is not Outcome.DELIVERED or not isinstance(entries, list):
        return None
    found: dict[str, str] = {}
    for entry in entries:
        attributes = entry.get("attributes") if isinstance(entry, dict) else None
        if isinstance(attributes, dict) and attributes.get("status") != "resolved":
            found.setdefault(_text(attributes.get("external_id")), _text(entry.get("id")))
    return Page(
        found={key: identity for key, identity in found.items() if key and identity}, is_last=len(entries) < size
    )


def _slack(target: Target, answer: Answer) -> Answer:
    if outcome_of(answer) is not Outcome.DELIVERED:
        return answer
    return _slack_bot(target, answer) if is_bot(target) else _slack_webhook(answer)


def _slack_webhook(answer: Answer) -> Answer:
    content = answer.content.strip()
    if content == _SLACK_OK:
        return answer
    if not content:
        return replace(answer, outcome=Outcome.AMBIGUOUS, text="Slack did not say whether it took the message")
    return replace(answer, outcome=Outcome.PERMANENT, text=f"Slack did not take the message: {answer.text}")


def _slack_bot(target: Target, answer: Answer) -> Answer:
    said = _object(answer.content)
    if said.get("ok") is True:
        return replace(answer, receipt=_text(said.get("ts")))
    if said.get("ok") is not False:
        return replace(answer, outcome=Outcome.AMBIGUOUS, text=f"Slack's answer cannot be read: {answer.text}")
    error = str(said.get("error") or "unknown error")
    text = f"Slack did not take the message: {sanitised(_explained(error, said), target.secrets)}"
    return replace(answer, outcome=_SLACK_ERRORS.get(error, Outcome.PERMANENT), text=text)


def _explained(error: str, said: Mapping[str, Any]) -> str:
    """Return *error* with what Slack tells of the place in the message where it is."""
    metadata = said.get("response_metadata")
    messages = metadata.get("messages") if isinstance(metadata, dict) else None
    return " ".join([error, *(str(each) for each in messages)]) if isinstance(messages, list) else error


def _pagerduty(target: Target, answer: Answer) -> Answer:
    if outcome_of(answer) is not Outcome.DELIVERED:
        return answer
    return replace(answer, receipt=_text(_object(answer.content).get("dedup_key")))


def _rootly_api(target: Target, answer: Answer) -> Answer:
    if outcome_of(answer) is not Outcome.DELIVERED:
        return answer
    made = _object(answer.content).get("data")
    return replace(answer, receipt=_text(made.get("id")) if isinstance(made, dict) else "")


def _webhook(target: Target, answer: Answer) -> Answer:
    """Standard Webhooks: who answers 410 wants to hear nothing more."""
    if answer.status != _GONE:
        return answer
    told = f": {answer.text}" if answer.text else ""
    return replace(answer, outcome=Outcome.PERMANENT, text=f"the receiver is gone, disable the target{told}")


_READERS: Mapping[str, Callable[[Target, Answer], Answer]] = {
    "pagerduty": _pagerduty,
    "rootly-api": _rootly_api,
    "slack": _slack,
    "webhook": _webhook,
}


def _object(content: bytes) -> dict[str, Any]:
    """Return the JSON object *content*, an empty one when it is none."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str:
    """Return an identity as a text, empty for what is none; nothing that could not be stored or sent."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    text = str(value)
    return text if text.isprintable() and len(text) <= 255 else ""
