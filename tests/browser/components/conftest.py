"""The demo page of the components in a real Chromium: one server and browser per session, one guarded page a test."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.driver import PATIENCE

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "out"
SETTLED = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  return app && app.dataset.testScriptState === 'notRunning' && app.dataset.testConnectionState === 'CONNECTED'
    && !document.querySelector('[data-stale=true], [data-testid=stSkeleton], [data-testid=stSpinner]');
}"""


@pytest.fixture(scope="session")
def components_server(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log_path = tmp_path_factory.mktemp("components") / "streamlit.log"
    command = [sys.executable, "-m", "streamlit", "run", "demo_app.py", "--server.headless", "true"]
    command += ["--server.address", "127.0.0.1", "--server.port", str(port)]
    with log_path.open("w") as log:
        process = subprocess.Popen(command, cwd=HERE, stdout=log, stderr=subprocess.STDOUT)
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 60
    while True:
        try:
            # The body matters: unknown paths answer 200 with the page itself.
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=1) as answer:
                if answer.read() == b"ok":
                    break
        except OSError:
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"the demo server did not start:\n{log_path.read_text(errors='replace')}")
        time.sleep(0.05)
    yield url, log_path
    process.terminate()
    process.wait(timeout=20)


@pytest.fixture(scope="session")
def components_browser(browser: Browser) -> Browser:
    """The Chromium of all browser tests; a second driver in one process would not start."""
    return browser


@pytest.fixture
def settle() -> Callable[[Page], None]:
    """Wait until the script has stopped, and stays so for 100 ms; after an event wait for its visible effect first."""

    def wait(page: Page) -> None:
        deadline = time.monotonic() + PATIENCE / 1000
        while time.monotonic() < deadline:
            page.wait_for_function(SETTLED)
            page.wait_for_timeout(100)
            if page.evaluate(SETTLED):
                return
        raise TimeoutError("the page did not settle")

    return wait


@pytest.fixture
def open_demo(components_server, components_browser, settle, request) -> Iterator[Callable[..., Page]]:
    """open_demo("?sweep=1", viewport=(390, 844), ...) → settled page with a matrix view; its console stays clean."""
    url, log_path = components_server
    problems: list[str] = []
    contexts = []

    def note(text: str) -> None:
        problems.append(text)

    def open_page(query: str = "", *, viewport: tuple[int, int] = (1280, 1100), **options) -> Page:
        size = {"width": viewport[0], "height": viewport[1]}
        context = components_browser.new_context(viewport=size, **options)
        context.set_default_timeout(20_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: message.type == "error" and note(f"console: {message.text}"))
        page.on("pageerror", lambda error: note(f"page error: {error}"))
        page.on("request", lambda sent: sent.url.startswith("http") and not sent.url.startswith(url) and note(sent.url))
        page.on("websocket", lambda socket: socket.on("framesent", lambda _: sent.append(time.monotonic())))
        sent: list[float] = []
        page.sent = sent  # type: ignore[attr-defined]
        page.goto(f"{url}/{query}")
        page.locator(".mv[data-tick]").wait_for()
        settle(page)
        return page

    yield open_page
    for index, context in enumerate(contexts):
        if getattr(request.node, "failed", False):
            OUT.mkdir(exist_ok=True)
            for page in context.pages:
                page.screenshot(path=OUT / f"FAILED-{request.node.name}-{index}.png", full_page=True)
        context.close()
    assert not problems, problems
    assert "Traceback" not in log_path.read_text(errors="replace")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call":
        item.failed = report.failed
