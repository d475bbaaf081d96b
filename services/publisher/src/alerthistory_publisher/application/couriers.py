"""Couriers: bring one claimed delivery to its target, and say what came of it."""

from alerthistory_common.clock import Clock
from alerthistory_publisher.domain.deliveries import Claim
from alerthistory_publisher.domain.outcomes import Answer, Outcome
from alerthistory_publisher.domain.parcels import pack
from alerthistory_publisher.domain.targets import Target
from alerthistory_publisher.ports import Sender


class Courier:
    """Packs, sends, and reads the answer."""

    def __init__(self, sender: Sender, clock: Clock) -> None:
        self._sender = sender
        self._clock = clock

    async def deliver(self, claim: Claim, target: Target) -> Answer:
        """Return what *target* answered."""
        try:
            parcel = pack(claim, target=target, now=self._clock.now())
        except (ValueError, RecursionError):
            return Answer(outcome=Outcome.PERMANENT, text=f"the alert cannot be written as {target.format}")
        return await self._sender.send(target, parcel)
