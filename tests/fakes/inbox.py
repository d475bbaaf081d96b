"""A webhook receiver in a thread: remembers what was delivered to it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Delivered:
    """One request that was answered with 200."""

    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def fingerprint(self) -> str:
        """The alert's identity."""
        fingerprint: str = self.body["alert"]["fingerprint"]
        return fingerprint

    @property
    def status(self) -> str:
        """``firing`` or ``resolved``."""
        status: str = self.body["alert"]["status"]
        return status


class Inbox:
    """What was delivered to ``url``, in order of arrival. While ``is_refusing``, the answer is 503."""

    def __init__(self) -> None:
        self.url = ""
        self.is_refusing = False
        self._delivered: list[Delivered] = []
        self._lock = threading.Lock()

    def add(self, delivered: Delivered) -> None:
        """Remember one request."""
        with self._lock:
            self._delivered.append(delivered)

    @property
    def delivered(self) -> list[Delivered]:
        """Everything delivered so far."""
        with self._lock:
            return list(self._delivered)

    def of(self, fingerprint: str) -> list[Delivered]:
        """Return what was delivered of one alert."""
        return [each for each in self.delivered if each.fingerprint == fingerprint]

    def write_targets(self, file: Path) -> Path:
        """Write a targets file that names this inbox, and return its path."""
        return write_targets(file, inbox=self)


def write_targets(file: Path, **inboxes: Inbox) -> Path:
    """Write a targets file with the inboxes under their names, who hear of every change at once; return its path."""
    targets = [
        {"name": name, "format": "webhook", "url": inbox.url, "deduplication_window_s": 0}
        for name, inbox in inboxes.items()
    ]
    file.write_text(json.dumps({"targets": targets}))  # JSON is YAML.
    return file


@contextmanager
def open_inbox() -> Iterator[Inbox]:
    """Yield a listening inbox."""
    inbox = Inbox()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            body = self.rfile.read(length)
            if len(body) < length:  # The sender was killed while it spoke.
                self.close_connection = True
                return
            if not inbox.is_refusing:
                inbox.add(Delivered({k.lower(): v for k, v in self.headers.items()}, json.loads(body)))
            self.send_response(503 if inbox.is_refusing else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # The name in the standard library.
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    inbox.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield inbox
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
