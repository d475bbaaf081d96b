"""The program ``alerthistory-up``: the five services as five processes on loopback ports.

Each is started as an operator would start it: its own console script, settings from the environment, its own database.
When one ends, all end; SIGTERM and SIGINT are passed on, and each drains.
"""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from alerthistory_allinone.settings import ALL_SETTINGS
from alerthistory_allinone.welcome import welcome_to_services
from alerthistory_common.program import LoadedSettings
from alerthistory_common.settings import SettingsError, load

# Callees first: what is started last calls what was started before.
_SERVICES = ("history", "classifier", "publisher", "ingest", "gateway")


def main() -> None:
    """Run the five until a signal comes or one of them ends; exit with the worst of their codes."""
    argparse.ArgumentParser(prog="alerthistory-up", description=__doc__).parse_args()
    try:
        loaded = LoadedSettings(load(*ALL_SETTINGS))
    except SettingsError as error:
        sys.stderr.write(f"alerthistory-up: {error}\n")
        sys.exit(2)
    sys.exit(asyncio.run(_up(welcome_to_services(loaded))))


async def _up(greeting: str) -> int:
    # One process for the three databases: starting Python takes longer than most migrations.
    migration = await asyncio.create_subprocess_exec(_script("alerthistory"), "migrate")
    if code := await migration.wait():
        return code
    # A session of their own: a Ctrl-C at the terminal reaches them through us, once.
    processes = [
        await asyncio.create_subprocess_exec(_script(f"alerthistory-{each}"), start_new_session=True)
        for each in _SERVICES
    ]
    sys.stdout.write(greeting)
    sys.stdout.flush()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    waits = [asyncio.ensure_future(process.wait()) for process in processes]
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait([*waits, stopped], return_when=asyncio.FIRST_COMPLETED)
    was_asked = stopped.done()
    stopped.cancel()
    return max(await _end(processes), 0 if was_asked else 1)


async def _end(processes: list[asyncio.subprocess.Process]) -> int:
    """Stop the callers before the callees, so that every drain finds those it needs; return the worst exit code."""
    codes = []
    for process in reversed(processes):
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        codes.append(abs(await process.wait()))
    return max(codes)


def _script(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


if __name__ == "__main__":
    main()
