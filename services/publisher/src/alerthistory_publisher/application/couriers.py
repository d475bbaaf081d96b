"""Bring one claimed delivery to its target: write it, send it, and understand the answer."""

import asyncio
from dataclasses import replace

import structlog

from alerthistory_common.clock import Clock
from alerthistory_publisher.domain.answers import Page, read_answer, read_page
from alerthistory_publisher.domain.deliveries import Claim
from alerthistory_publisher.domain.formats import rootly_api
from alerthistory_publisher.domain.formats.texts import stable_key
from alerthistory_publisher.domain.outcomes import Answer, Outcome, outcome_of
from alerthistory_publisher.domain.parcels import Parcel, pack, pack_lookup
from alerthistory_publisher.domain.targets import Target
from alerthistory_publisher.ports import Sender

_LOG = structlog.get_logger(__name__)
_LOOKED_UP = "rootly-api"
_MAX_PAGES = 10
_SHORTEST_S = 0.05


class Courier:
    """Sends what was claimed, once."""

    def __init__(self, sender: Sender, clock: Clock) -> None:
        self._sender = sender
        self._clock = clock

    async def deliver(self, claim: Claim, target: Target) -> Answer:
        """Return what *target* answered, and what it means. Takes at most the target's timeout, all requests together.

        An alert that cannot be written is an answer, too: a permanent failure.
        """
        trip = _Trip(self._sender, target)
        try:
            if target.format == _LOOKED_UP and rootly_api.must_look_up(claim):
                return await self._deliver_known(claim, target, trip)
            return await self._send(claim, target, trip)
        except (ValueError, OverflowError, RecursionError):
            return Answer(outcome=Outcome.PERMANENT, text=f"the alert cannot be written as {target.format}")

    async def _send(self, claim: Claim, target: Target, trip: "_Trip") -> Answer:
        parcel = pack(claim, target=target, now=self._clock.now())
        for problem in parcel.problems:
            _LOG.warning("a template failed, the format's own words are sent", target=target.name, problem=problem)
        return read_answer(target, await trip.send(parcel))

    async def _deliver_known(self, claim: Claim, target: Target, trip: "_Trip") -> Answer:
        """Look whether the receiver has the alert, and do what is left to do."""
        looked = await self._look_up(claim, target, trip)
        is_firing = claim.publication.event.kind.is_firing
        if looked.receipt and is_firing:
            return replace(looked, text="it was there: the answer to an earlier attempt was lost")
        if looked.receipt:
            return await self._send(replace(claim, thread=looked.receipt), target, trip)
        if outcome_of(looked) is Outcome.DELIVERED:
            if is_firing:
                return await self._send(claim, target, trip)
            return replace(looked, text="nothing to resolve: the target does not have this alert open")
        if is_firing and outcome_of(looked) is Outcome.PERMANENT:
            # Who may write but not read still makes the alert; the receiver recognises it by its deduplication key.
            return await self._send(claim, target, trip)
        return replace(looked, text=f"the alert cannot be looked up: {looked.text}".removesuffix(": "))

    async def _look_up(self, claim: Claim, target: Target, trip: "_Trip") -> Answer:
        """Return an answer with the alert's identity as receipt, without one when it is not there; or the failure."""
        key = stable_key(claim.publication.event.fingerprint)
        for number in range(1, _MAX_PAGES + 1):
            parcel = pack_lookup(claim, target=target, now=self._clock.now(), page=number)
            answer = await trip.send(parcel)
            page = read_page(answer, size=rootly_api.PAGE_SIZE)
            if page is None:
                return _unread(answer)
            if key in page.found or page.is_last:
                return _told(answer, page, key)
        return Answer(outcome=Outcome.PERMANENT, text="there are too many alerts that began with it")


class _Trip:
    """The requests of one delivery, which share the target's timeout."""

    def __init__(self, sender: Sender, target: Target) -> None:
        self._sender = sender
        self._target = target
        self._ends_at = asyncio.get_running_loop().time() + target.timeout_s
        self._is_first = True

    async def send(self, parcel: Parcel) -> Answer:
        """Return the answer to *parcel*, or that there was no time left to send it."""
        target, self._is_first = self._target if self._is_first else self._hurried(), False
        if target.timeout_s < _SHORTEST_S:
            return Answer(outcome=Outcome.TRANSIENT, text=f"no time left of {self._target.timeout_s:g} s")
        return await self._sender.send(target, parcel)

    def _hurried(self) -> Target:
        return replace(self._target, timeout_s=self._ends_at - asyncio.get_running_loop().time())


def _told(answer: Answer, page: Page, key: str) -> Answer:
    return replace(answer, receipt=page.found.get(key, ""))


def _unread(answer: Answer) -> Answer:
    """Return the failure of a lookup. Nothing was sent that could have been taken: it is never ambiguous."""
    outcome = outcome_of(answer)
    if outcome is Outcome.DELIVERED:
        return replace(answer, outcome=Outcome.PERMANENT, text="the answer cannot be read")
    return replace(answer, outcome=Outcome.TRANSIENT) if outcome is Outcome.AMBIGUOUS else answer
