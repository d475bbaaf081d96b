"""A real browser reads the web page and the documentation."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select

from tests.fakes.browser import browser, complaints, require_browser
from tests.integration.gateway.test_documentation import NOT_YET_SERVED
from tests.payloads import ago, alert, webhook
from tests.processes import short_folder, until
from tests.suites import Suite

pytestmark = pytest.mark.browser
needs_dashboard = pytest.mark.skipif(
    "/api/dashboard/overview" in NOT_YET_SERVED, reason="the gateway does not serve /api/dashboard/ yet"
)

_HOSTILE = [
    "<script>window.broken = 1</script>",
    "<img src=x onerror='window.broken = 1'>",
    "</td></tr></table><h1>gone</h1>",
    "{{7*7}}${7*7}",
    "safe\u202egnp.exe",
]


@pytest.fixture
def driver(folder: Path) -> Iterator[Chrome]:
    """Return a browser."""
    require_browser()
    with browser(folder / "browser") as started:
        yield started


@pytest.fixture(scope="module")
def shared() -> Iterator[Suite]:
    """Return a running suite for tests that only read, with one alert of long texts and one of short ones."""
    require_browser()
    with short_folder() as folder:
        suite = Suite(folder)
        with suite.running():
            _post(suite, alert("A" * 300, namespace="n" * 300), alert("Short"))
            yield suite


@needs_dashboard
def test_page_shows_a_posted_alert_and_counts_it(suite: Suite, driver: Chrome) -> None:
    with suite.running():
        driver.get(f"{suite.url}/")
        until(lambda: "No alert has been received yet" in _text(driver, "alerts-state"), saying="the page is empty")
        _post(suite, alert("DiskFull", severity="critical", namespace="shop"))
        driver.get(f"{suite.url}/dashboard")
        row = _row(driver, "DiskFull")
        assert row.find_element(By.CSS_SELECTOR, "td.firing").text == "firing"
        for part in ("critical", "shop", "DiskFull is up to something"):
            assert part in row.text
        assert _link(row) == "http://prometheus.example:9090/graph"
        assert driver.find_element(By.CSS_SELECTOR, '[data-figure="total_alerts"]').text == "1"
        until(lambda: driver.find_elements(By.CSS_SELECTOR, "#timeline rect"), saying="the chart has a bar")
        assert "DiskFull" in _text(driver, "top")
        assert complaints(driver) == []


@needs_dashboard
def test_hostile_texts_stay_text(suite: Suite, driver: Chrome) -> None:
    links = ["javascript:window.broken=1", "data:text/html,<script>1</script>", "JaVaScRiPt:alert(1)", "//elsewhere"]
    alerts = [
        {**alert(text, fingerprint=f"f{i}", severity=text, namespace=text), "annotations": {"summary": text}}
        for i, text in enumerate(_HOSTILE)
    ]
    alerts += [{**alert(f"Link{i}"), "generatorURL": url} for i, url in enumerate(links)]
    with suite.running():
        _post(suite, *alerts)
        driver.get(f"{suite.url}/dashboard")
        rows = until(lambda: _rows(driver, len(alerts)), saying="all alerts are shown")
        shown = "\n".join(row.text for row in rows)
        for text in _HOSTILE[:-1]:
            assert shown.count(text) == 4
        assert shown.count("safe‹U+202E›gnp.exe") == 4
        assert "\u202e" not in shown
        assert len([row for row in rows if row.find_elements(By.TAG_NAME, "a")]) == len(_HOSTILE)
        assert driver.execute_script("return window.broken") is None
        assert complaints(driver) == []


@needs_dashboard
def test_filters_restrict_the_list_and_stay_in_the_address(suite: Suite, driver: Chrome) -> None:
    with suite.running():
        _post(suite, alert("Here", namespace="shop"), alert("There", namespace="bank", ends_at=ago(seconds=1)))
        driver.get(f"{suite.url}/dashboard")
        until(lambda: _rows(driver, 2), saying="both are shown")
        Select(driver.find_element(By.CSS_SELECTOR, "#filters [name=status]")).select_by_visible_text("resolved")
        (row,) = until(lambda: _rows(driver, 1), saying="one is shown")
        assert "There" in row.text
        driver.refresh()
        assert driver.current_url.endswith("/dashboard?status=resolved")
        until(lambda: _rows(driver, 1), saying="one is shown again")
        _filter(driver, "namespace", "nowhere")
        until(lambda: "No recent alert matches" in _text(driver, "alerts-state"), saying="none is shown")
        assert complaints(driver) == []


@needs_dashboard
def test_refreshing_keeps_focus_and_what_is_open(suite: Suite, driver: Chrome) -> None:
    with suite.running():
        _post(suite, alert("First"))
        driver.get(f"{suite.url}/dashboard")
        link = _row(driver, "First").find_element(By.TAG_NAME, "a")
        driver.execute_script("arguments[0].focus()", link)
        _post(suite, *(alert(f"Later{i}") for i in range(5)), alert("First", starts_at=ago(minutes=9)))
        until(lambda: _rows(driver, 7), within_s=30, saying="the later ones are shown")
        assert driver.switch_to.active_element.text == "First"
        assert complaints(driver) == []


@needs_dashboard
def test_mode_is_switched_and_the_switch_confirmed(suite: Suite, driver: Chrome) -> None:
    with suite.running():
        driver.get(f"{suite.url}/dashboard")
        until(lambda: "Now: enriched" in _text(driver, "mode-state"), saying="the mode is shown")
        Select(driver.find_element(By.CSS_SELECTOR, "#mode select")).select_by_value("transparent")
        driver.find_element(By.CSS_SELECTOR, "#mode button").click()
        until(lambda: _text(driver, "mode-result") == "The mode is now transparent.", saying="the switch is confirmed")
        assert suite.http.get("/enrichment/mode").json()["mode"] == "transparent"
        assert complaints(driver) == []


@needs_dashboard
def test_page_says_that_nobody_answers_and_recovers(suite: Suite, driver: Chrome) -> None:
    with suite.running():
        _post(suite, alert("Kept"))
        driver.get(f"{suite.url}/dashboard")
        _row(driver, "Kept")
    driver.find_element(By.CSS_SELECTOR, "#filters button").click()
    until(
        lambda: "Alert History cannot be reached. Trying again." in _text(driver, "alerts-state"),
        within_s=30,
        saying="the page says what is wrong",
    )
    _row(driver, "Kept")
    with suite.running():
        until(lambda: not _text(driver, "alerts-state"), within_s=30, saying="the page has recovered")


@needs_dashboard
@pytest.mark.parametrize("width", [360, 800])
def test_narrow_windows_need_no_scrolling_sideways(shared: Suite, driver: Chrome, width: int) -> None:
    screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    driver.get(f"{shared.url}/dashboard")
    _row(driver, "Short")
    assert driver.execute_script("return document.scrollingElement.scrollWidth") <= width


@pytest.mark.parametrize(
    ("path", "operation"), [("/api/docs", ".opblock-summary-path"), ("/api/redoc", 'div[id^="tag/"] h2')]
)
def test_documentation_is_drawn_from_the_document(shared: Suite, driver: Chrome, path: str, operation: str) -> None:
    driver.get(f"{shared.url}{path}")
    shown = until(lambda: driver.find_elements(By.CSS_SELECTOR, operation), within_s=60, saying="it is drawn")
    assert len(shown) > 40
    assert "Take what Alertmanager posts to a webhook receiver" in driver.find_element(By.TAG_NAME, "body").text
    assert complaints(driver) == []


def _post(suite: Suite, *alerts: dict[str, Any]) -> None:
    assert suite.http.post("/webhook", json=webhook(alerts)).json()["processed"] == len(alerts)


def _text(driver: Chrome, name: str) -> str:
    return driver.find_element(By.ID, name).text


def _rows(driver: Chrome, count: int) -> list[WebElement] | None:
    rows = driver.find_elements(By.CSS_SELECTOR, "#alerts > tr")
    return rows if len(rows) == count else None


def _row(driver: Chrome, name: str) -> WebElement:
    found = until(
        lambda: [row for row in driver.find_elements(By.CSS_SELECTOR, "#alerts > tr") if name in row.text],
        saying=f"{name} is shown",
    )
    return found[0]


def _link(row: WebElement) -> str | None:
    return row.find_element(By.TAG_NAME, "a").get_attribute("href")


def _filter(driver: Chrome, name: str, value: str) -> None:
    driver.find_element(By.CSS_SELECTOR, f"#filters [name={name}]").send_keys(value)
    driver.find_element(By.CSS_SELECTOR, "#filters button").click()
