"""The command line ``ahctl`` as a user runs it: another process, its output, its exit code."""

import asyncio
import json
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.processes import clean_environment, script

LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Finished:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The output as JSON."""
        return json.loads(self.out)


async def ahctl(*arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Finished:
    """Return what ``ahctl`` with *arguments* leaves behind; *env* is added to an environment without settings."""
    async with started(*arguments, env=env) as process, asyncio.timeout(LIMIT_S):
        out, err = await process.communicate(stdin)
    return Finished(process.returncode or 0, out.decode(), err.decode())


@asynccontextmanager
async def started(*arguments: str, env: Mapping[str, str] | None = None) -> AsyncIterator[Process]:
    """Yield a running ``ahctl``; it is killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        script("ahctl"), *arguments, stdin=PIPE, stdout=PIPE, stderr=PIPE, env={**clean_environment(), **(env or {})}
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def read_line(process: Process) -> str:
    """Return the next line that *process* prints."""
    assert process.stdout is not None
    async with asyncio.timeout(LIMIT_S):
        return (await process.stdout.readline()).decode()


async def interrupt(process: Process) -> Finished:
    """Press Ctrl-C and return what is left."""
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(LIMIT_S):
        out, err = await process.communicate()
    return Finished(process.returncode or 0, out.decode(), err.decode())
