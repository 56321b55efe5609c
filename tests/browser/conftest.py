"""One server and one Chromium for all browser tests, one guarded page for each."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.driver import (
    DESKTOP,
    OUT,
    PATIENCE,
    AppServer,
    Guard,
    find_chromium,
    running_app,
    running_browser,
    settle,
)

HERE = Path(__file__).resolve().parent
expect.set_options(timeout=PATIENCE)
NO_BROWSER = "no Chromium was found: install Debian's package `chromium` (apt-get install chromium), or name one in CHROMIUM_PATH"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = find_chromium()
    if path is None:
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail(NO_BROWSER)
        pytest.skip(NO_BROWSER)
    with running_browser(path) as started:
        yield started


@pytest.fixture(scope="session")
def server(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """Depends on the browser, so that nothing is started where there is none."""
    with running_app(tmp_path_factory.mktemp("server")) as app:
        yield app


@pytest.fixture
def open_app(server: AppServer, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[..., Page]]:
    """`open_app("/width?act=relu", viewport=PHONE, color_scheme="dark")` is a page at rest.

    At the end the page must have written no error, asked no other host, failed no request, and the server must have
    written no traceback. Each call is a visitor of their own.
    """
    guard, contexts, start = Guard(server.url), list[BrowserContext](), server.log_size()

    def open_page(path: str = "/", *, viewport: tuple[int, int] = DESKTOP, rest: bool = True, **options) -> Page:
        context = browser.new_context(
            viewport={"width": viewport[0], "height": viewport[1]}, accept_downloads=True, **options
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        guard.watch(page)
        page.goto(server.url + path)
        if rest:
            settle(page)
        return page

    yield open_page
    failed = getattr(request.node, "failed", False) or guard.problems
    for number, context in enumerate(contexts):
        if failed:
            OUT.mkdir(exist_ok=True)
            name = re.sub(r"[^\w.-]+", "_", request.node.name)
            for page in context.pages:
                page.screenshot(path=OUT / f"FAILED-{name}-{number}.png", full_page=True)
        context.close()
    assert not guard.problems, "\n".join(guard.problems)
    said = server.log(start)
    assert "Traceback" not in said, said[-4000:]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    report = yield
    if report.when == "call":
        item.failed = report.failed  # type: ignore[attr-defined]
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if find_chromium() is None:
        terminalreporter.section("BROWSER TESTS SKIPPED", red=True, bold=True)
        terminalreporter.write_line(NO_BROWSER, red=True)
