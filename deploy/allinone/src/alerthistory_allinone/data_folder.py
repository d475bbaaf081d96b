"""The folder that holds everything: SQLite files, the Unix socket, and a lock against a second process."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alerthistory_common.settings import SettingsError

# sun_path has 108 bytes on Linux and 104 on the BSDs, with a closing zero.
_MAX_SOCKET_PATH = 103


def socket_address(folder: Path) -> str:
    """Return the gRPC address of the Unix socket in *folder*; raise SettingsError when its path is too long."""
    path = folder / "alerthistory.sock"
    if len(os.fsencode(path)) > _MAX_SOCKET_PATH:
        raise SettingsError([f"ALERTHISTORY_DATA_DIR={folder}: too long for a Unix socket; choose a shorter one"])
    return f"unix:{path}"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Own *folder*, made if missing and readable by us alone, while the block runs.

    Raises SettingsError when another process owns it, or when it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise SettingsError([f"ALERTHISTORY_DATA_DIR={folder}: {error.strerror}"]) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise SettingsError(
            [f"ALERTHISTORY_DATA_DIR={folder}: another Alert History runs on it; stop it, or choose another folder"]
        ) from error
    try:
        yield
    finally:
        os.close(lock)
