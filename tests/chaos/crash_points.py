"""The process kills itself at every step between a webhook and its delivery, and acknowledged alerts are looked for.

``python -m tests.chaos.crash_points``. A step that is never reached is an error: it would prove nothing.
"""

import sqlite3
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

from alerthistory_common.crash_points import CRASH_POINTS, CrashPoint
from tests.client_history import Outcome, Sender
from tests.e2e.kill_rounds import compare
from tests.fakes.inbox import open_inbox
from tests.processes import Program, short_folder, until
from tests.suites import Suite

_CRASH_LIMIT_S = 60
_HELD_S = 10
_LET_GO_S = 2
# These are reached while history cannot write.
_OF_SPOOL: tuple[CrashPoint, ...] = ("ingest.spooled", "ingest.replayed")


def crash_at(
    point: CrashPoint, *, lives: int = 2, env: Mapping[str, str] | None = None, limit_s: float = _CRASH_LIMIT_S
) -> Outcome:
    """Return what became of the alerts posted to lives that ended at *point*, as many as *lives*."""
    outcome = Outcome()
    with short_folder() as folder, open_inbox() as inbox:
        settings = {"ALERTHISTORY_PUBLISHER_TARGETS_FILE": str(inbox.write_targets(folder / "targets.yaml"))}
        suite = Suite(folder, env={**settings, **(env or {})})
        suite.run("alerthistory", "migrate")
        for number in range(lives):
            _one_life(suite, f"before-{number}", "", limit_s, outcome)
            outcome.rounds += 1
            _one_life(suite, f"{number}", point, limit_s, outcome)
        with suite.running():
            compare(suite, inbox, outcome)
    return outcome


def _one_life(suite: Suite, prefix: str, point: CrashPoint | str, limit_s: float, outcome: Outcome) -> None:
    """Add to *outcome* what a life acknowledged that ended at *point*, or in the middle of things."""
    stop = threading.Event()
    senders = [Sender(suite.url, f"{prefix}-{index}", stop) for index in range(2)]
    crashing = Suite(suite.folder, port=suite.port, env={**suite.env, "ALERTHISTORY_CRASH_AT": point})
    program = crashing.launch(migrate=False)
    for sender in senders:
        sender.start()
    try:
        if point in _OF_SPOOL:
            _keep_history_from_writing(suite, program)
        elif point:
            until(lambda: program.process.poll() is not None, within_s=limit_s, saying=f"{point} is reached")
        else:
            until(lambda: any(sender.acknowledged for sender in senders), within_s=_CRASH_LIMIT_S)
    finally:
        program.kill()
        stop.set()
        for sender in senders:
            sender.join()
            outcome.add(sender)


def _keep_history_from_writing(suite: Suite, program: Program) -> None:
    """Hold the lock of history's file until the process has ended, letting go now and then for a replay."""
    file = Path(suite.env["ALERTHISTORY_DATA_DIR"]) / "history.sqlite3"
    deadline = time.monotonic() + _CRASH_LIMIT_S
    while program.process.poll() is None:
        assert time.monotonic() < deadline, "the spool was never reached"
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            _wait_for_end(program, _HELD_S)
        _wait_for_end(program, _LET_GO_S)


def _wait_for_end(program: Program, seconds: float) -> None:
    end = time.monotonic() + seconds
    while program.process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)


def main() -> None:
    """Crash at every point; exit 1 when anything was lost."""
    lost = 0
    for point in CRASH_POINTS:
        outcome = crash_at(point)
        lost += len(outcome.lost)
        sys.stdout.write(f"{point:<20} {outcome}\n")
        sys.stdout.flush()
    sys.stdout.write(f"crash_points={len(CRASH_POINTS)} lost={lost}\n")
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
