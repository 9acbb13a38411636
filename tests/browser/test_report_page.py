"""The HTML report in a real browser, opened from a file: what it asks for, how it is used by keyboard, and how it looks."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from audit_reports import AGES, LEAKS, ORDINARY, hostile
from conftest import Programs
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from keyvault.audit.findings import Report
from keyvault.audit.report import html

QUIET = (
    *("--headless=new", "--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--no-first-run", "--disable-gpu", "--no-default-browser-check", "--disable-dev-shm-usage", "--window-size=1200,1600"),
)


@pytest.fixture(scope="module")
def browser(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = programs["chromium"]
    folder = tmp_path_factory.mktemp("browser")
    for word in (*QUIET, f"--user-data-dir={folder}"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    service = Service(programs["chromedriver"], env={**os.environ, "HOME": str(folder)})
    made = webdriver.Chrome(options=options, service=service)
    made.get("about:blank")  # what it shows first loads parts of its own
    yield made
    made.quit()


class Opened:
    """A report in the browser."""

    def __init__(self, browser: webdriver.Chrome, folder: Path, report: Report) -> None:
        self.browser = browser
        self.path = folder / "report.html"
        self.path.write_text(html.page(report), encoding="utf-8")
        browser.get_log("performance")  # what came before
        browser.get_log("browser")
        browser.get(self.path.as_uri())

    def run(self, script: str, *words: Any) -> Any:
        return self.browser.execute_script(script, *words)

    def requests(self) -> list[str]:
        """Every address that the page asked for since it was opened."""
        events = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]

    def press(self, *keys: str) -> None:
        """Keys go to whatever has the focus."""
        for key in keys:
            self.browser.switch_to.active_element.send_keys(key)

    def focused(self) -> str:
        return str(self.run("var e = document.activeElement; return e.id || e.name && e.name + ':' + e.value || e.tagName"))

    def shown(self) -> int:
        return int(self.run("return document.querySelectorAll('tr[data-level]:not([hidden])').length"))

    def told(self) -> str:
        return str(self.run("return document.getElementById('told').textContent"))


@pytest.fixture
def ordinary(browser: webdriver.Chrome, tmp_path: Path) -> Opened:
    return Opened(browser, tmp_path, ORDINARY)


class Listener(ThreadingHTTPServer):
    """A server of this machine that notes who connects, and what is asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        self.connected = 0
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), Ear)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connected += 1
        super().process_request(request, client_address)


class Ear(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Listener)
        self.server.asked.append(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[Listener]:
    server = Listener()
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_hostile_names_do_nothing_and_no_request_leaves(browser: webdriver.Chrome, tmp_path: Path, listener: Listener) -> None:
    url = listener.url
    tags = f"<img src={url}/i><script src={url}/s></script><style>@import '{url}/c'</style><iframe src={url}/f></iframe>"
    opened = Opened(browser, tmp_path, hostile(tags))
    assert browser.title.startswith("keyvault audit, ")
    assert opened.requests() == [opened.path.as_uri()]
    assert opened.run("return performance.getEntriesByType('resource').length") == 0
    assert (listener.connected, listener.asked) == (0, [])
    assert opened.run("return document.querySelectorAll('img, iframe, link, svg[onload]').length") == 0
    assert opened.run("return document.querySelectorAll('script, style').length") == 2
    assert browser.get_log("browser") == []  # no refusal of the policy, and no error


def test_even_a_slip_in_the_escaping_could_run_and_fetch_nothing(
    browser: webdriver.Chrome, tmp_path: Path, listener: Listener
) -> None:
    url = listener.url
    opened = Opened(browser, tmp_path, ORDINARY)
    slip = (
        f"<img src={url}/i onerror='document.title=1'><script>document.title='2'</script>"
        f"<script src={url}/s></script><style>h1 {{ color: red }}</style><form action={url}/f id=f><input></form>"
    )
    opened.path.write_text(html.page(ORDINARY).replace("<h1>", slip + "<h1>"), encoding="utf-8")
    browser.get(opened.path.as_uri())
    opened.run("document.getElementById('f').submit()")
    assert browser.title.startswith("keyvault audit, ")
    assert listener.asked == []  # it may connect ahead of time, but asks for nothing
    assert opened.run("return getComputedStyle(document.querySelector('h1')).color") != "rgb(255, 0, 0)"
    assert opened.shown() > 0


def test_the_filters_work_by_keyboard_alone(ordinary: Opened) -> None:
    everything = len(LEAKS) + len(ORDINARY.stale)
    assert ordinary.told() == f"{everything} of {everything} findings shown"
    ordinary.press(Keys.TAB)
    assert ordinary.run("return document.activeElement.className") == "skip"
    ordinary.press(Keys.TAB)
    assert ordinary.focused() == "level:error"
    ordinary.press(Keys.SPACE)
    assert ordinary.shown() == everything - 4
    assert ordinary.told() == f"{everything - 4} of {everything} findings shown"
    ordinary.press(Keys.TAB, Keys.TAB, Keys.TAB)
    assert ordinary.focused() == "source"
    ordinary.press("k")  # keys and vault
    assert ordinary.shown() == 1
    ordinary.press(Keys.TAB)
    assert ordinary.focused() == "words"
    ordinary.press("no such words")
    assert ordinary.told() == f"0 of {everything} findings shown"
    ordinary.press(Keys.ENTER)  # goes nowhere
    assert ordinary.browser.current_url == ordinary.path.as_uri()
    ordinary.press(Keys.TAB)
    ordinary.press(Keys.ENTER)
    ordinary.browser.implicitly_wait(0)
    assert ordinary.run("return new Promise(done => setTimeout(() => done(true), 50))")
    assert ordinary.shown() == everything


def test_the_skip_link_leads_to_the_findings(ordinary: Opened) -> None:
    ordinary.press(Keys.TAB)
    ordinary.press(Keys.ENTER)
    assert ordinary.run("return document.activeElement.id") == "content"


def test_without_scripts_everything_is_shown_and_the_filters_are_not(browser: webdriver.Chrome, tmp_path: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        opened = Opened(browser, tmp_path, ORDINARY)
        rows = browser.find_elements(By.CSS_SELECTOR, "tr[data-level]")
        assert len(rows) == len(LEAKS) + len(ORDINARY.stale)
        assert all(row.is_displayed() for row in rows)
        assert not browser.find_element(By.ID, "filters").is_displayed()
        assert opened.requests() == [opened.path.as_uri()]
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def script(name: str) -> str:
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), name), encoding="utf-8") as file:
        return file.read()


FAULTS, CONTRASTS = script("faults.js"), script("contrasts.js")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("report", [ORDINARY, hostile(), Report(ORDINARY.at)], ids=["ordinary", "hostile", "empty"])
def test_everybody_can_read_it(browser: webdriver.Chrome, tmp_path: Path, scheme: str, report: Report) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        opened = Opened(browser, tmp_path, report)
        paper = opened.run("return getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
        assert opened.run(FAULTS) == []
        contrasts = opened.run(CONTRASTS)
        low = [one for one in contrasts if one[0] < (4.5 if one[1] == "text" else 3)]
        assert low == []
        assert len(contrasts) > 5
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_these_checks_see_what_they_look_for(ordinary: Opened) -> None:
    ordinary.run(
        "var h = document.createElement('h5'), b = document.createElement('button'); h.textContent = 'x';"
        "h.className = 'faint'; document.body.append(h, document.createElement('input'), b);"
        "document.querySelector('caption').remove();"
        "var sheet = new CSSStyleSheet(); sheet.replaceSync('.faint { color: #999 } button:empty { height: 9px }');"
        "document.adoptedStyleSheets.push(sheet);"
    )
    assert [fault.split(":")[0] for fault in ordinary.run(FAULTS)] == [
        *("no label", "no text", "heading skips a rank", "table without caption", "a target below 24 px"),
    ]
    low = [one for one in ordinary.run(CONTRASTS) if one[0] < 4.5 and one[1] == "text"]
    assert [(round(ratio, 2), text) for ratio, _, text in low] == [(2.85, "x")]  # as other calculators have it


def test_the_picture_tells_a_screen_reader_what_it_shows(ordinary: Opened) -> None:
    tree = ordinary.browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    pictures = [node for node in tree if node.get("role", {}).get("value") in ("image", "img")]
    assert len(pictures) == 1
    name = pictures[0]["name"]["value"]
    assert "Age of each key in days" in name
    assert "the oldest is aws/default, at least 120 days" in name
    assert len(ordinary.browser.find_elements(By.CSS_SELECTOR, "svg rect")) == len(AGES)


@pytest.mark.parametrize("width", [320, 768, 1400])
def test_nothing_is_wider_than_the_window(browser: webdriver.Chrome, tmp_path: Path, width: int) -> None:
    """WCAG 1.4.10: no scrolling in two directions, but for tables and pictures in frames of their own."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        opened = Opened(browser, tmp_path, hostile())
        assert opened.run("return document.documentElement.scrollWidth") <= width
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_on_paper_there_is_dark_ink_on_white_and_no_form(browser: webdriver.Chrome, tmp_path: Path) -> None:
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": dark})
    try:
        opened = Opened(browser, tmp_path, ORDINARY)
        assert opened.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert opened.run("return getComputedStyle(document.getElementById('filters')).display") == "none"
        assert [one for one in opened.run(CONTRASTS) if one[1] == "text" and one[0] < 4.5] == []
        assert browser.execute_cdp_cmd("Page.printToPDF", {})["data"]
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
