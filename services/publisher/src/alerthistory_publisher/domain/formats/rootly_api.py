"""The format ``rootly-api``: alerts of Rootly's REST API (JSON:API). They are resolved under the identity Rootly gave.

An alert whose identity was lost with an answer is looked for first. The API cannot be asked for an ``external_id``:
the documented filters narrow down, and ``external_id`` is compared here.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from alerthistory_common.alerts import Instant, Verdict
from alerthistory_publisher.domain.deliveries import Claim
from alerthistory_publisher.domain.formats import rootly, rootly_simple
from alerthistory_publisher.domain.formats.content import Content, Letter, encode
from alerthistory_publisher.domain.formats.texts import cut, web_link
from alerthistory_publisher.domain.targets import Target

CONTENT_TYPE = "application/vnd.api+json"
PAGE_SIZE = 5
"""How many alerts are asked for at a time: of an answer no more than 64 KiB are read."""

_SOURCE = "api"  # One of Rootly's own list; "alertmanager" and "generic_webhook" belong to sources configured there.
_TYPE = "alerts"
_TOLERANCE = timedelta(seconds=1)
_MAX_WORD_LENGTH = 500
_MAX_TEXT_LENGTH = 2000
_MAX_DESCRIPTION_LENGTH = 5000
_MAX_ANNOTATIONS = 20


def write(content: Content, *, claim: Claim, target: Target) -> Letter:
    """Return the letter that makes the alert or, under the identity in ``claim.thread``, resolves it.

    Raises ValueError when there is no identity to resolve.
    """
    content = content.cleaned()
    if content.is_firing:
        return Letter(body=_document(_attributes(content)), content_type=CONTENT_TYPE)
    if not claim.thread:
        raise ValueError("an alert of unknown identity cannot be resolved")
    message = {"resolution_message": "The alert has resolved at its source."}
    return Letter(body=_document(message), path=(claim.thread, "resolve"), content_type=CONTENT_TYPE)


def must_look_up(claim: Claim) -> bool:
    """Whether the alert must be looked for: it may have been made by an attempt before, or its identity is unknown."""
    return claim.attempt > 1 if claim.publication.event.kind.is_firing else not claim.thread


def lookup(claim: Claim, *, page: int) -> Mapping[str, str]:
    """Return the query for a page, from 1, of the alerts among which this one would be."""
    starts_at = claim.publication.event.starts_at
    return {
        "filter[source]": _SOURCE,
        "filter[started_at][gte]": _moved(starts_at, -_TOLERANCE),
        "filter[started_at][lte]": _moved(starts_at, _TOLERANCE),
        "page[number]": str(page),
        "page[size]": str(PAGE_SIZE),
    }


def _document(attributes: dict[str, Any]) -> bytes:
    return encode({"data": {"type": _TYPE, "attributes": attributes}})


def _attributes(content: Content) -> dict[str, Any]:
    attributes = {
        "source": _SOURCE,
        "summary": rootly.title(content),
        "description": cut(rootly.full_description(content), _MAX_DESCRIPTION_LENGTH),
        "status": "open",
        "started_at": content.event.starts_at.iso_utc(),
        "external_id": content.key,
        "deduplication_key": content.key,
        "labels": [{"key": key, "value": value} for key, value in rootly_simple.labels(content).items()],
        "data": _data(content),
    }
    if url := web_link(content.event.generator_url):
        attributes["external_url"] = url
    return attributes


def _data(content: Content) -> dict[str, Any]:
    names = list(content.annotations)[:_MAX_ANNOTATIONS]
    return {
        "alert_name": cut(content.event.alert_name, _MAX_WORD_LENGTH),
        "namespace": cut(content.namespace, _MAX_WORD_LENGTH) or None,
        "severity": rootly.severity(content),
        "annotations": {cut(name, _MAX_WORD_LENGTH): cut(content.annotation(name), _MAX_WORD_LENGTH) for name in names},
        "verdict": None if content.verdict is None else _said(content.verdict),
    }


def _said(verdict: Verdict) -> dict[str, Any]:
    return {
        "severity": verdict.severity.value,
        "confidence": verdict.confidence,
        "reasoning": cut(verdict.reasoning, _MAX_TEXT_LENGTH),
        "recommendations": [cut(text, _MAX_WORD_LENGTH) for text in verdict.recommendations[:5]],
    }


def _moved(instant: Instant, by: timedelta) -> str:
    try:
        return (instant.to_datetime() + by).isoformat()
    except OverflowError:  # The first or the last second that there is.
        return instant.iso_utc()
