"""A publisher with other insides: ``python -m tests.chaos.variants NAME[,NAME…]``, then as the real one.

All but ``brisk`` switch off what keeps a promise: the proof of that promise must fail with it.
"""

import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from alerthistory_common.alerts import Instant
from alerthistory_publisher.__main__ import main
from alerthistory_publisher.adapters import store
from alerthistory_publisher.adapters.tables import deliveries
from alerthistory_publisher.application import dispatch, lanes
from alerthistory_publisher.application.lanes import Lane
from alerthistory_publisher.domain import outcomes
from alerthistory_publisher.domain.outcomes import Answer, Outcome, Result
from alerthistory_publisher.ports import Room

_shared: list[Lane] = []


def unordered(room: Room, now: Instant) -> Select[tuple[int]]:
    """Select all that is due, whatever of the same alert waits before it."""
    return (
        select(deliveries.c.id)
        .where(deliveries.c.state == "pending", deliveries.c.target == room.target, deliveries.c.due_at <= now.micros)
        .order_by(deliveries.c.due_at, deliveries.c.id)
        .limit(room.slots)
        .with_for_update(skip_locked=True)
    )


async def unfenced(connection: AsyncConnection, results: Sequence[Result]) -> set[int]:
    """Write every result, however late it is."""
    rows = [store._result(each) for each in results]
    await store._RECORD.run(connection, rows)
    return {row["id"] for row in rows}


def shared_lane(**bounds: Any) -> Lane:
    """Return the lane that all targets have in common."""
    if not _shared:
        _shared.append(Lane(**bounds))
    return _shared[0]


def careless(answer: Answer) -> Outcome:
    """Take every answer for a success, and none, too."""
    return Outcome.DELIVERED


VARIANTS: Mapping[str, Sequence[tuple[Any, str, Any]]] = {
    # Leases that are over in seconds.
    "brisk": [(dispatch, "_LEASE_RESERVE", timedelta(seconds=3)), (dispatch, "_MAX_WAIT", timedelta(seconds=1))],
    "unordered": [(store, "due", unordered)],
    "unfenced": [(store, "_record", unfenced)],
    "careless": [(outcomes, "outcome_of", careless), (dispatch, "outcome_of", careless)],
    "shared-lane": [(lanes, "Lane", shared_lane)],
}


def change(names: str) -> None:
    """Change this process's insides as *names* say, a list with commas."""
    for name in names.split(","):
        for module, attribute, replacement in VARIANTS[name]:
            if not hasattr(module, attribute):
                raise AttributeError(f"{module.__name__} has no {attribute} any more: {name} changes nothing")
            setattr(module, attribute, replacement)


if __name__ == "__main__":
    change(sys.argv.pop(1))
    main()
