"""Payloads that wait on disk until history can take them."""

from dataclasses import dataclass

from alerthistory_common.alerts import Instant
from alerthistory_ingest.domain.payload import Payload


@dataclass(frozen=True, slots=True, kw_only=True)
class Spooled:
    """One payload in the spool. ``spool_id`` grows with every payload; ``failures`` counts what history refused.

    ``is_store_only`` says whether its alerts make no work.
    """

    spool_id: int = 0
    payload: Payload
    is_store_only: bool
    failures: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolState:
    """What the spool holds. ``damaged`` counts payloads that cannot be read any more.

    ``problem`` says, for a person, why nothing can be written to it; empty when it can.
    """

    payloads: int = 0
    size_bytes: int = 0
    oldest_at: Instant | None = None
    damaged: int = 0
    problem: str = ""
