"""Driving the dashboard as a visitor does: the server, a Chromium, waiting for the page, and its controls by key.

A control's key is its key in the address, so `slide_to(page, "n", "32")` and `?n=32` speak of the same setting.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Download,
    Locator,
    Page,
    Request,
    Response,
    expect,
    sync_playwright,
)
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

OUT = Path(__file__).resolve().parent / "out"
DESKTOP, PHONE = (1280, 900), (390, 844)
START_LIMIT = 180.0
# The longest wait for anything on a page, in ms. It only ends a failing test: how fast the app is, is measured in
# tests/benchmarks, and a machine with other work on it may be several times slower.
PATIENCE = 120_000
PROBE = re.compile(r"/[a-z_]+/_stcore/(health|host-config)$")
CHROMIUM_ARGS = [
    "--headless",
    "--no-sandbox",  # root in a container
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# ------------------------------------------------------------------------------------------------- server and browser


@dataclass(frozen=True)
class AppServer:
    """A running dashboard."""

    url: str
    process: subprocess.Popen[bytes]
    log_path: Path

    def log(self, start: int = 0) -> str:
        """What the server said, from a position in its log."""
        return self.log_path.read_bytes()[start:].decode(errors="replace")

    def log_size(self) -> int:
        return self.log_path.stat().st_size


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running_app(folder: Path) -> Iterator[AppServer]:
    """The dashboard as a newcomer starts it, from a folder that is not the checkout; ready when it says so."""
    port, log_path = free_port(), folder / "server.log"
    command = [sys.executable, "-m", "fimcore", "app", "--port", str(port), "--no-open"]
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    app = AppServer(f"http://127.0.0.1:{port}", process, log_path)
    try:
        deadline = time.monotonic() + START_LIMIT
        while f"the dashboard is at {app.url}" not in app.log():
            assert process.poll() is None, f"the server ended early:\n{app.log()}"
            assert time.monotonic() < deadline, f"the server was not ready in {START_LIMIT:.0f} s:\n{app.log()}"
            time.sleep(0.05)
        # the body decides: other paths answer 200 with the page
        with urllib.request.urlopen(f"{app.url}/_stcore/health", timeout=5) as answer:
            assert answer.read() == b"ok"
        yield app
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=20)


def find_chromium() -> str | None:
    """The distribution's Chromium, or the one named by CHROMIUM_PATH."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM_PATH") or next(filter(None, map(shutil.which, names)), None)


@contextlib.contextmanager
def running_browser(path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


@dataclass
class Guard:
    """Everything a page did that a healthy page does not do."""

    base: str
    problems: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("console", self._said)
        page.on("pageerror", lambda error: self._note(f"page error: {error}"))
        page.on("requestfailed", self._failed)
        page.on("request", self._asked)
        page.on("response", self._answered)

    def _note(self, text: str) -> None:
        self.problems.append(text)

    def _said(self, message: ConsoleMessage) -> None:
        # of a failed load the console gives no address; `_answered` and `_failed` do
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self._note(f"console: {message.text}")

    def _answered(self, answer: Response) -> None:
        # opened at /width, Streamlit's page first asks whether its server lives under /width
        if answer.status >= 400 and not PROBE.search(answer.url):
            self._note(f"{answer.status}: {answer.url}")

    def _asked(self, request: Request) -> None:
        if request.url.startswith(("http:", "https:")) and not request.url.startswith(self.base):
            self._note(f"left the machine: {request.url}")

    def _failed(self, request: Request) -> None:
        # an address left behind by a navigation or a download is no fault
        if "ERR_ABORTED" not in (request.failure or ""):
            self._note(f"failed: {request.url} {request.failure}")


# ----------------------------------------------------------------------------------------------------------- waiting

# Stopped, connected, nothing stale, nothing being computed, no placeholder left.
SETTLED = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  return Boolean(app) && app.dataset.testScriptState === 'notRunning'
    && app.dataset.testConnectionState === 'CONNECTED'
    && !document.querySelector('[data-stale=true], [data-testid=stSkeleton], [data-testid=stSpinner]')
    && !document.querySelector('[class*="st-key-job-card-"]');
}"""


def settle(page: Page, timeout: float = PATIENCE / 1000) -> None:
    """Wait until the page is at rest, and still is 150 ms later.

    Right after an event the page may not have begun to move: wait for the event's visible effect first, then settle.
    """
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        page.wait_for_function(SETTLED, timeout=1000 * max(deadline - time.monotonic(), 0.1))
        page.wait_for_timeout(150)
        if page.evaluate(SETTLED):
            return
    raise TimeoutError(f"the page did not settle in {timeout:.0f} s")


def wait_for_address(page: Page, **values: str | None) -> None:
    """Wait until the address carries these values; None means that the key is absent (it is at its default)."""
    deadline = time.monotonic() + PATIENCE / 1000
    while True:
        now = address(page)
        if all(now.get(key) == value for key, value in values.items()):
            return
        assert time.monotonic() < deadline, f"the address holds {now}, not {values}"
        page.wait_for_timeout(50)


def address(page: Page) -> dict[str, str]:
    """The settings in the address."""
    return {key: values[-1] for key, values in parse_qs(urlsplit(page.url).query, keep_blank_values=True).items()}


# ---------------------------------------------------------------------------------------------------------- controls


def control(page: Page, key: str) -> Locator:
    """The element of a widget or container, by its key."""
    return page.locator(f".st-key-{re.sub('[^a-zA-Z0-9_-]', '-', key)}").first


def slider(page: Page, key: str) -> Locator:
    return control(page, key).get_by_role("slider").first


def slider_text(page: Page, key: str) -> str:
    """The value a slider shows."""
    thumb = slider(page, key)
    return thumb.get_attribute("aria-valuetext") or thumb.input_value()


def press(page: Page, key: str, stroke: str, times: int = 1) -> None:
    """Focus a slider and press a key: ArrowRight, ArrowLeft, Home or End; each press is one value and one rerun."""
    slider(page, key).focus()
    for _ in range(times):
        page.keyboard.press(stroke)


def slide_to(page: Page, key: str, text: str, most: int = 60) -> None:
    """Move a slider from its lower end until it shows `text`."""
    press(page, key, "Home")
    for _ in range(most):
        if slider_text(page, key) == text:
            settle(page)
            return
        before = slider_text(page, key)
        page.keyboard.press("ArrowRight")
        if slider_text(page, key) == before:
            page.wait_for_timeout(50)
    raise AssertionError(f"the slider {key!r} never showed {text!r}; it shows {slider_text(page, key)!r}")


def choose(page: Page, key: str, name: str) -> None:
    """Choose in a segmented control, and settle."""
    option = control(page, key).get_by_role("radio", name=name, exact=True)
    option.click()
    expect(option).to_be_checked()
    settle(page)


def select(page: Page, key: str, name: str) -> None:
    """Choose in a drop-down list, and settle."""
    option = page.get_by_role("option", name=name, exact=True)
    for _ in range(3):  # a list opened while its expander is still unfolding closes again
        control(page, key).get_by_role("combobox").click()
        with contextlib.suppress(PlaywrightTimeoutError):
            option.wait_for(timeout=3_000)
            break
    option.click()
    settle(page)


def fill(page: Page, key: str, value: str) -> None:
    """Type into a number box and leave it."""
    box = control(page, key).locator("input")
    box.fill(value)
    box.press("Enter")
    settle(page)


def toggle(page: Page, key: str) -> None:
    control(page, key).locator("label").first.click()
    settle(page)


def press_button(page: Page, key: str) -> None:
    control(page, key).get_by_role("button").first.click()


def choose_in_menu(page: Page, key: str, name: str) -> None:
    """Open a menu button and take one of its entries."""
    control(page, key).get_by_role("button").first.click()
    page.get_by_role("menuitem", name=name, exact=True).click()


def unfold(page: Page, key: str) -> None:
    """Open an expander, if it is closed."""
    details = control(page, key).locator("details").first
    if details.get_attribute("open") is None:
        details.locator("summary").click()
        expect(details).to_have_js_property("open", True)


def download(page: Page, trigger: Callable[[], None]) -> Download:
    """Do something that ends in a download, and return it."""
    with page.expect_download() as waiting:
        trigger()
    return waiting.value


# ------------------------------------------------------------------------------------------------------- measurements


def sideways_scroll(page: Page) -> int:
    """Pixels by which the page is wider than the window; 0 on a page that fits."""
    return int(
        page.evaluate(
            """() => Math.max(...[document.documentElement, document.querySelector('[data-testid=stMain]')]
            .filter(Boolean).map(e => e.scrollWidth - e.clientWidth))"""
        )
    )


def machine_is_busy() -> bool:
    """More to do than there are cores: a latency measured now says nothing."""
    return os.getloadavg()[0] > (os.cpu_count() or 1)
