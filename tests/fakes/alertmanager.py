"""A real Alertmanager, as a process."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.processes import Program, answers, free_ports, until

_BINARY = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
_CONFIGURATION = """
route:
  receiver: alert-history
  group_by: [alertname]
  group_wait: 100ms
  group_interval: {group_interval}
  repeat_interval: 1h
receivers:
  - name: alert-history
    webhook_configs:
      - url: {url}
"""


class Alertmanager:
    """A running Alertmanager that notifies one webhook."""

    def __init__(self, url: str, program: Program, client: httpx.Client) -> None:
        self.url = url
        self.program = program
        self.http = client

    def post(self, labels: Mapping[str, str], **more: object) -> None:
        """Post one alert, as Prometheus or amtool would."""
        alert = {"labels": labels, **more}
        self.http.post("/api/v2/alerts", json=[alert]).raise_for_status()


def require_alertmanager() -> None:
    """Skip the test where no Alertmanager is installed; fail in CI, where it must be."""
    if _BINARY is None:
        assert not os.environ.get("CI"), "prometheus-alertmanager is missing, and CI must not skip"
        pytest.skip("prometheus-alertmanager is not installed (Debian: apt-get install prometheus-alertmanager)")


@contextmanager
def alertmanager(
    folder: Path, *, webhook: str, group_interval: str = "1s", cluster: str = "", peer: str = ""
) -> Iterator[Alertmanager]:
    """Yield a ready Alertmanager that posts to *webhook*; in a cluster it listens at *cluster*, and joins *peer*."""
    assert _BINARY is not None
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "alertmanager.yml"
    configuration.write_text(_CONFIGURATION.format(url=webhook, group_interval=group_interval))
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    program = Program(
        _BINARY,
        f"--config.file={configuration}",
        f"--storage.path={folder / 'storage'}",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--cluster.listen-address={cluster}",
        *([f"--cluster.peer={peer}"] if peer else []),
        env={},
        log=folder / "alertmanager.log",
    )
    with httpx.Client(base_url=url, verify=False, trust_env=False, timeout=5) as client:
        try:
            until(lambda: answers("/-/ready", client), within_s=20, saying="Alertmanager is ready")
            yield Alertmanager(url, program, client)
        finally:
            program.stop()
