"""Every page runs to its end at its defaults and says its question."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    "path",
    [
        "",
        "width",
        "spectrum",
        "phase",
        "unit",
        "directions",
        "train",
        "dynamics",
        "plateau",
        "sampling",
        "estimators",
        "estimator_training",
        "toy_descent",
        "empirical_fisher",
        "report",
        "about",
    ],
)
def test_a_page_runs_to_its_end(open_page, path):
    page = open_page(path)
    assert len(page.title) == 1
    assert page.title[0].value


def test_a_setting_in_the_address_is_taken(open_page):
    assert open_page("", n=8, L=2).session_state["n"] == 8
