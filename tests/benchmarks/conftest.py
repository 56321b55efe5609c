"""Benchmarks share the browser tests' server and Chromium."""

from tests.browser.conftest import browser, open_app, pytest_runtest_makereport, server

__all__ = ["browser", "open_app", "pytest_runtest_makereport", "server"]
