"""Page tests: the dashboard's script run without a browser, at an address."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import jobs
import pytest
from streamlit.testing.v1 import AppTest

MAIN = Path(__file__).resolve().parents[2] / "app" / "main.py"


@pytest.fixture(autouse=True)
def jobs_of_this_visit(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """All pages that are run without a browser share one visit; what a test has left running is not the next one's."""
    mine = jobs.SessionJobs()
    monkeypatch.setattr(jobs, "session_jobs", lambda: mine)
    yield
    mine.close()


@pytest.fixture
def open_page() -> Callable[..., AppTest]:
    """`open_page("width", act="relu", n=32)`: the page after its first run, without an exception.

    The first argument is the page's address ("" is Explore), the others are settings as they stand in the address.
    """

    def run(path: str = "", **settings: object) -> AppTest:
        page = AppTest.from_file(MAIN, default_timeout=90)
        for key, value in settings.items():
            page.query_params[key] = str(value)
        if path:
            page.switch_page(str(MAIN.parent / "views" / f"{path}.py"))
        page.run()
        assert not page.exception, [problem.message for problem in page.exception]
        return page

    return run
