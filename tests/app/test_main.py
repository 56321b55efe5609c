from __future__ import annotations

import gc
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

MAIN = Path(__file__).resolve().parents[2] / "app" / "main.py"


@pytest.fixture(scope="module")
def app() -> AppTest:
    return AppTest.from_file(str(MAIN), default_timeout=120).run()


def test_first_page_runs_and_the_collector_has_nothing_left_to_walk(app: AppTest) -> None:
    assert not app.exception
    assert not app.error
    assert app.title[0].value == "Is the Fisher matrix block-diagonal?"
    assert gc.get_freeze_count() > 100_000


def test_about_says_what_may_be_said_and_never_the_false_sentence_as_true(app: AppTest) -> None:
    app.switch_page("views/about.py").run()
    assert not app.exception
    assert app.title[0].value == "How is this computed?"
    text = " ".join(each.value for each in app.markdown)
    for words in ("arXiv 1808.07172", "never a sum", "FIMCORE_SECONDS", "torch"):
        assert words in text
    safe, unsafe = text.split("**These do not")
    assert "becomes block-diagonal" not in safe
    assert "becomes block-diagonal" in unsafe
    assert "@software{fimcore" in app.code[0].value


def test_sidebar_is_drawn_on_every_page_but_about(app: AppTest) -> None:
    assert not app.sidebar.button
    app.switch_page("views/explore.py").run()
    assert "reset" in {button.key for button in app.sidebar.button}
