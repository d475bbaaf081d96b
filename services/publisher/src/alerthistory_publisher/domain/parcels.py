"""Parcels: what is sent to a target in one attempt."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from standardwebhooks import Webhook

from alerthistory_common.alerts import Instant
from alerthistory_publisher.domain.deliveries import Claim
from alerthistory_publisher.domain.formats import rootly_api
from alerthistory_publisher.domain.formats.choice import TEMPLATED, format_of
from alerthistory_publisher.domain.formats.content import Content, read
from alerthistory_publisher.domain.targets import Target
from alerthistory_publisher.domain.templates import TemplateFailedError, render

SECRET_PREFIX = "whsec_"  # noqa: S105  # What all secrets begin with.
SIGNATURE = "webhook-signature"
USER_AGENT = "AlertHistory-Publisher/1.0"
_SECRET_BYTES = range(24, 65)
_YOUNG = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One request, and the trace it belongs to: as a child of *parent*, or in a new one with a link.

    The address and the headers are complete: nothing of the target's is added. ``problems`` says which of the target's
    templates failed: then the format's own words are in the body.
    """

    url: str = field(repr=False)
    method: str = "POST"
    headers: Mapping[str, str] = field(repr=False)
    body: bytes
    parent: str = ""
    linked: str = ""
    problems: tuple[str, ...] = ()


def pack(claim: Claim, *, target: Target, now: Instant) -> Parcel:
    """Return the parcel of the claimed attempt.

    Raises ValueError or RecursionError when the alert cannot be written in the target's format.
    """
    content, problems = _worded(read(claim.publication), target)
    letter = format_of(target)(content, claim=claim, target=target)
    seconds = now.micros // 1_000_000
    headers = {
        **dict(target.headers),
        "Content-Type": letter.content_type,
        "User-Agent": USER_AGENT,
        "webhook-id": claim.webhook_id,
        "webhook-timestamp": str(seconds),
    }
    if target.signing_secrets:
        signed = Instant(seconds * 1_000_000)
        headers[SIGNATURE] = signature(target.signing_secrets, claim.webhook_id, at=signed, body=letter.body)
    url = _below(target.url, letter.path)
    return _posted(Parcel(url=url, headers=headers, body=letter.body, problems=problems), claim, now)


def pack_lookup(claim: Claim, *, target: Target, now: Instant, page: int) -> Parcel:
    """Return the parcel that asks for a page of the alerts among which the claimed one would be."""
    headers = {**dict(target.headers), "Accept": rootly_api.CONTENT_TYPE, "User-Agent": USER_AGENT}
    url = _below(target.url, (), rootly_api.lookup(claim, page=page))
    return _posted(Parcel(url=url, method="GET", headers=headers, body=b""), claim, now)


def signature(secrets: tuple[str, ...], webhook_id: str, *, at: Instant, body: bytes) -> str:
    """Return the signatures of *body* after Standard Webhooks, one with each of *secrets*.

    While a secret is replaced, the receiver finds one that fits the secret it has.
    """
    text, moment = body.decode(), at.to_datetime()
    return " ".join(Webhook(secret).sign(webhook_id, moment, text) for secret in secrets)


def signing_problem(secret: str) -> str:
    """Return what is wrong with *secret* as one of Standard Webhooks, without showing it; empty when nothing is."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if secret.startswith(SECRET_PREFIX) and len(key) in _SECRET_BYTES:
        return ""
    return f"must be {SECRET_PREFIX} and the base64 of {_SECRET_BYTES.start} to {_SECRET_BYTES.stop - 1} bytes"


def _posted(parcel: Parcel, claim: Claim, now: Instant) -> Parcel:
    """Return *parcel* in the trace of the claimed event; one that comes late only points there."""
    origin = claim.publication.event.traceparent
    is_fresh = claim.attempt == 1 and now.to_datetime() - claim.ordered_at.to_datetime() < _YOUNG
    return replace(parcel, parent=origin if is_fresh else "", linked="" if is_fresh else origin)


def _worded(content: Content, target: Target) -> tuple[Content, tuple[str, ...]]:
    """Return *content* in the target's own words, and what is wrong with those that cannot be used."""
    if target.format not in TEMPLATED:
        return content, ()
    title, no_title = _words("title", target.title, content)
    description, no_description = _words("description", target.description, content)
    return replace(content, title=title, description=description), (*no_title, *no_description)


def _words(name: str, template: str, content: Content) -> tuple[str, tuple[str, ...]]:
    """Return what *template* says, empty without one or when it fails; and then the problem."""
    try:
        return (render(template, content) if template else ""), ()
    except TemplateFailedError as error:
        return "", (f"{name}: {error}",)


def _below(url: str, path: tuple[str, ...], query: Mapping[str, str] | None = None) -> str:
    """Return the address of what is at *path* below *url*, with *query* added to what is asked there."""
    if not path and not query:
        return url
    parts = urlsplit(url)
    below = "/".join([parts.path.rstrip("/"), *(quote(each, safe="") for each in path)])
    asked = "&".join(text for text in (parts.query, urlencode(query or {})) if text)
    return urlunsplit(parts._replace(path=below, query=asked))
