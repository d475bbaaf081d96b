"""Files that are named on a command line."""

import asyncio
import sys
from pathlib import Path

from alerthistory_client.alert_files import FiledAlert, read_alerts
from alerthistory_client.text import safe
from alerthistory_common.clock import SystemClock
from alerthistory_common.errors import InvalidArgumentError


async def read_file(name: str) -> bytes:
    """Return what the file holds, or stdin for ``-``; raise InvalidArgumentError that says why it cannot be read."""
    return await asyncio.to_thread(_read, name)


async def read_alert_file(name: str) -> list[FiledAlert]:
    """Return the alerts in a file; raise InvalidArgumentError that names the file, the place and what is wrong."""
    try:
        return read_alerts(await read_file(name), now=SystemClock().now())
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"{shown(name)}: {error.message}") from error


async def read_one_alert(name: str | None) -> bytes:
    """Return the only alert in a file, as an element of a webhook payload's ``alerts``; nothing when none is named.

    Raises InvalidArgumentError as ``read_alert_file`` does, and when there are several.
    """
    if name is None:
        return b""
    first, *others = await read_alert_file(name)
    if others:
        raise InvalidArgumentError(f"{shown(name)}: holds {len(others) + 1} alerts: give one")
    return first.alert_json


def shown(name: str) -> str:
    """Return the name of a file, safe to print."""
    return "stdin" if name == "-" else safe(name)


def _read(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidArgumentError(f"cannot be read: {reason}") from error
