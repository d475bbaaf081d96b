"""Where a test may end the process at once, as ``kill -9`` would: every step between a webhook and its delivery."""

import os
import signal
from typing import Literal, get_args

CrashPoint = Literal[
    "gateway.read",
    "gateway.stored",
    "ingest.read",
    "ingest.recorded",
    "ingest.spooled",
    "ingest.replayed",
    "history.committing",
    "history.committed",
    "ingest.classified",
    "ingest.published",
    "ingest.completed",
    "publisher.ordered",
    "publisher.sending",
    "publisher.sent",
    "publisher.recording",
    "publisher.recorded",
]
CRASH_POINTS: tuple[CrashPoint, ...] = get_args(CrashPoint)

_armed: list[str] = []


def arm(point: str) -> None:
    """Let the process end when it reaches *point*; empty: never."""
    _armed[:] = [point] if point else []


def reach(point: CrashPoint) -> None:
    """Say that the process is at *point*. Does nothing unless a test has armed it."""
    if _armed and _armed[0] == point:
        os.kill(os.getpid(), signal.SIGKILL)
