"""Targets from mounted secrets: a directory with one sub-directory per secret, whose files are the keys."""

import asyncio
import errno
from collections.abc import Callable, Mapping
from pathlib import Path

from alerthistory_publisher.adapters.target_secrets import MAX_BYTES, parse_secret
from alerthistory_publisher.domain.target_sets import Listing, Malformed
from alerthistory_publisher.domain.targets import InvalidTargetsError, Target

_CURRENT = "..data"
_TRIES = 3


class TargetsDirectory:
    """The port ``TargetSource`` over mounted secrets. They are read anew; nothing tells of their change."""

    name = "directory"

    def __init__(self, path: Path, *, allow_http: bool) -> None:
        self._path = path
        self._allow_http = allow_http

    async def load(self) -> Listing:
        """Return a target, or its problems, for each secret; raise InvalidTargetsError without the directory."""
        return await asyncio.to_thread(self._load)

    async def watch(self, hint: Callable[[], None]) -> None:
        """Return: no event is worth its machinery, the kubelet takes a minute before it changes a file."""

    def _load(self) -> Listing:
        try:
            places = sorted(each for each in self._path.iterdir() if not each.name.startswith(".") and each.is_dir())
        except OSError as error:
            raise InvalidTargetsError([f"{self._path}: cannot be read: {error.strerror}"]) from error
        return Listing({place.name: self._target(place) for place in places})

    def _target(self, place: Path) -> Target | Malformed:
        try:
            data = read_secret(place)
        except OSError as error:
            return Malformed((f"{place}: cannot be read: {error.strerror}",))
        except ValueError as error:
            return Malformed((f"{place}: {error}",))
        return parse_secret(
            data,
            name=place.name,
            place=str(place),
            source=f"directory {place.name}",
            allow_http=self._allow_http,
            labels=None,
        )


def read_secret(place: Path) -> Mapping[str, bytes]:
    """Return the keys of the secret mounted at *place*, all of one version.

    The kubelet puts each version into a folder of its own and lets ``..data`` point there, then deletes the older one.
    Raises OSError when it cannot be read, and ValueError when it holds nothing, or too much.
    """
    for _ in range(_TRIES):
        try:
            folder = _current(place)
            data = _read_files(folder)
            if _current(place) == folder:
                return _checked(data)
        except FileNotFoundError:
            continue  # It was replaced meanwhile.
    raise OSError(errno.EAGAIN, "it changes while it is read")


def _current(place: Path) -> Path:
    link = place / _CURRENT
    return link.resolve(strict=True) if link.is_symlink() else place


def _read_files(folder: Path) -> dict[str, bytes]:
    files = [each for each in sorted(folder.iterdir()) if not each.name.startswith(".") and each.is_file()]
    return {each.name: _read_file(each) for each in files}


def _checked(data: dict[str, bytes]) -> dict[str, bytes]:
    if not data:
        raise ValueError("holds no keys: remove it to remove its target")
    if sum(len(value) for value in data.values()) > MAX_BYTES:
        raise ValueError("holds more than 1 MiB")
    return data


def _read_file(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)
