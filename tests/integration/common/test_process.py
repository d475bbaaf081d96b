"""The end of a process, as its starter sees it."""

import time
from pathlib import Path

from tests.processes import SCRIPTS, Program, short_folder, until

_PROGRAM = """
import asyncio
import sys
from contextlib import asynccontextmanager

from alerthistory_common.component import Component
from alerthistory_common.process import run_process
from alerthistory_common.settings import CommonSettings


@asynccontextmanager
async def stuck(host):
    try:
        yield Component(name="stuck")
    finally:
        await asyncio.Event().wait()


asyncio.run(
    run_process(
        "stuck",
        [stuck],
        settings=CommonSettings(drain_grace_s=0.1),
        grpc_listen=f"unix:{sys.argv[1]}/s",
        metrics_listen="",
        on_started=lambda: print("started", flush=True),
    )
)
"""


def test_what_cannot_be_closed_does_not_keep_the_process() -> None:
    with short_folder() as folder:
        log = Path(folder / "log")
        program = Program(str(SCRIPTS / "python"), "-c", _PROGRAM, str(folder), env={}, log=log)
        try:
            until(lambda: "started" in log.read_text(), saying="the process runs")
            began = time.monotonic()
            assert program.stop(within_s=20) == 1
            assert time.monotonic() - began < 10
            assert "the end took too long" in log.read_text()
        finally:
            program.kill()


_STOPPED_EARLY = """
import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager

from alerthistory_common.component import Component
from alerthistory_common.process import run_process
from alerthistory_common.settings import CommonSettings


def be_stopped(server):
    os.kill(os.getpid(), signal.SIGTERM)
    return ()


async def drain():
    print("drained", flush=True)


@asynccontextmanager
async def hasty(host):
    yield Component(name="hasty", register=be_stopped, drain=drain)


asyncio.run(
    run_process(
        "hasty", [hasty], settings=CommonSettings(), grpc_listen=f"unix:{sys.argv[1]}/s", metrics_listen=""
    )
)
"""


def test_a_stop_before_the_first_answer_still_drains() -> None:
    with short_folder() as folder:
        log = Path(folder / "log")
        program = Program(str(SCRIPTS / "python"), "-c", _STOPPED_EARLY, str(folder), env={}, log=log)
        try:
            assert program.process.wait(20) == 0
            assert "drained" in log.read_text()
        finally:
            program.kill()
