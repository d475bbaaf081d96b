"""A real browser without a window, driven over WebDriver."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

_BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
_DRIVER = shutil.which("chromedriver")
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def require_browser() -> None:
    """Skip the test where no browser is installed; fail in CI, where it must be."""
    if _BROWSER is None or _DRIVER is None:
        assert not os.environ.get("CI"), "chromium or chromedriver is missing, and CI must not skip"
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium chromium-driver)")


@contextmanager
def browser(folder: Path) -> Iterator[Chrome]:
    """Yield a browser that knows nothing yet and keeps what it has in *folder*."""
    assert _BROWSER is not None
    options = ChromeOptions()
    options.binary_location = _BROWSER
    for flag in (*_FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=ChromeService(_DRIVER))
    try:
        driver.set_page_load_timeout(30)
        yield driver
    finally:
        driver.quit()


def complaints(driver: Chrome) -> Sequence[str]:
    """Return what the browser had to say since it was last asked: errors of scripts, and what a policy forbade."""
    entries: list[dict[str, Any]] = driver.get_log("browser")  # type: ignore[no-untyped-call]
    return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]
