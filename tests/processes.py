"""Real processes for tests: started as a user would, watched, killed, and never left behind."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import httpx
import psutil

T = TypeVar("T")
SCRIPTS = Path(sys.executable).parent
START_LIMIT_S = 60.0


def free_ports(count: int) -> list[int]:
    """Return *count* TCP ports that nothing on loopback uses now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def port_is_open(port: int) -> bool:
    """Whether something on loopback listens on *port*."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def short_folder() -> Iterator[Path]:
    """Yield an empty folder whose path is short enough for Unix sockets."""
    with tempfile.TemporaryDirectory(prefix="ah-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def until(what: Callable[[], T | None], *, within_s: float = 15.0, saying: str = "the condition") -> T:
    """Return the first truthy answer of *what*, asked again and again; fail when it takes too long."""
    deadline = time.monotonic() + within_s
    while True:
        if answer := what():
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{saying} did not come true within {within_s} s")
        time.sleep(0.02)


class Program:
    """One started program, with its log in a file."""

    def __init__(self, *command: str, env: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as sink:
            self.process = subprocess.Popen(command, env={**clean_environment(), **env}, stdout=sink, stderr=sink)

    def stop(self, number: int = signal.SIGTERM, *, within_s: float = 30.0) -> int:
        """Send the signal, wait for the end and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(within_s)

    def kill(self) -> None:
        """End the program and all that it started at once, as a crash would."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                child.kill()
        self.process.kill()
        self.process.wait(10)


def clean_environment() -> dict[str, str]:
    """Return this process's environment without any setting of ours."""
    legacy = {"PORT", "DATABASE_URL", "REDIS_URL", "ENRICHMENT_MODE", "RETENTION_DAYS"}
    return {k: v for k, v in os.environ.items() if not k.startswith(("ALERTHISTORY_", "OTEL_")) and k not in legacy}


def script(name: str) -> str:
    """Return the path of an installed console script."""
    return str(SCRIPTS / name)


def answers(url: str, client: httpx.Client) -> bool:
    """Whether a GET of *url* succeeds."""
    try:
        return client.get(url).is_success
    except httpx.TransportError:
        return False
