"""Show what a target would be sent, without sending it and without its secrets."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from alerthistory_common.alerts import Verdict
from alerthistory_common.clock import Clock
from alerthistory_common.errors import FieldViolation, InvalidArgumentError
from alerthistory_publisher.application.targets import TargetDirectory
from alerthistory_publisher.domain.formats.choice import TEMPLATED
from alerthistory_publisher.domain.formats.content import encode
from alerthistory_publisher.domain.formats.texts import mapped
from alerthistory_publisher.domain.parcels import SIGNATURE, Parcel, pack
from alerthistory_publisher.domain.probes import default_probe, probe_claim, probe_of
from alerthistory_publisher.domain.targets import Target, shown_url
from alerthistory_publisher.domain.templates import template_problem

HIDDEN = "***"
"""What stands for a secret."""

_RECEIPT = "RECEIPT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A request that was not sent. ``url_shown`` is its address without what may be secret in it."""

    method: str
    url_shown: str
    headers: Mapping[str, str]
    body: bytes


class Previewing:
    """Writes alerts for targets, and shows them."""

    def __init__(self, directory: TargetDirectory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock

    def preview(
        self,
        name: str,
        alert_json: bytes,
        verdict: Verdict | None = None,
        title: str | None = None,
        description: str | None = None,
    ) -> Preview:
        """Return what the target called *name* would be sent about *alert_json* (empty: an alert of our own).

        *title* and *description* take the place of the target's templates. The end of an alert is shown as if the
        receiver had answered ``RECEIPT`` to its beginning. Raises TargetNotFoundError, and InvalidArgumentError for
        what cannot be used.
        """
        target = _worded(self._directory.get(name), title=title, description=description)
        now = self._clock.now()
        probe = probe_of(alert_json, target=name, at=now) if alert_json else default_probe(name, at=now)
        claim = replace(probe_claim(probe, target=name, now=now, verdict=verdict), thread=_RECEIPT)
        try:
            parcel = pack(claim, target=target, now=now)
        except (ValueError, OverflowError, RecursionError) as error:
            raise _refused("alert_json", f"the alert cannot be written as {target.format}") from error
        for problem in parcel.problems:
            field, _, reason = problem.partition(": ")
            raise _refused(field, reason)
        return _shown(parcel, target)


def _worded(target: Target, *, title: str | None, description: str | None) -> Target:
    """Return *target* with templates of the caller's; raise InvalidArgumentError when they cannot be used."""
    for name, text in (("title", title), ("description", description)):
        if text and target.format not in TEMPLATED:
            raise _refused(name, f"the format {target.format} has no templates")
        if text and (problem := template_problem(text)):
            raise _refused(name, problem)
    return replace(
        target,
        title=target.title if title is None else title,
        description=target.description if description is None else description,
    )


def _shown(parcel: Parcel, target: Target) -> Preview:
    secret = {name.lower() for name, _ in target.headers} | {SIGNATURE}
    return Preview(
        method=parcel.method,
        url_shown=shown_url(parcel.url),
        headers={name: HIDDEN if name.lower() in secret else value for name, value in parcel.headers.items()},
        body=encode(mapped(json.loads(parcel.body), lambda text: _without_secrets(text, target))),
    )


def _without_secrets(text: str, target: Target) -> str:
    if text and text == target.routing_key:
        return HIDDEN  # However short it is.
    for secret in target.secrets:
        text = text.replace(secret, HIDDEN)
    return text


def _refused(field: str, reason: str) -> InvalidArgumentError:
    violation = FieldViolation(field=field, description=reason)
    return InvalidArgumentError(f"{field}: {reason}", violation)
