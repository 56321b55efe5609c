"""The page Explore in-process: numbers, tables, refusals, and never an earlier picture under new settings."""

from __future__ import annotations

import pytest

from fimcore.experiments import explore

SMALL = {"n": 4, "L": 2, "N": 50, "S": 2}


def texts(page) -> str:
    return " ".join(each.value for each in page.markdown)


def test_the_sentence_and_cards_hold_the_numbers_of_the_setting(open_page):
    page = open_page("", **SMALL)
    spec = explore.Spec(width=4, hidden_layers=2, samples=50, seeds=2)
    facts = explore.facts(spec)
    assert f"**{facts['parameters']} parameters**" in texts(page)
    assert f"{100 * facts['dropped_share']:.1f}" in texts(page)
    assert [card.label for card in page.metric] == [
        "Parameters P",
        "Largest eigenvalue",
        "Mean eigenvalue",
        "Off-block share of ‖F‖²",
    ]


@pytest.mark.parametrize("key", ["cells", "summary", "eigenvalues"])
def test_every_picture_has_a_table(open_page, key):
    page = open_page("", **SMALL)
    assert not page.dataframe
    page.toggle(key=f"table-{key}").set_value(True).run()
    assert not page.exception
    table = page.dataframe[0].value
    if key == "cells":
        assert table["full"].abs().is_monotonic_decreasing
    elif key == "summary":
        assert table["seed"].tolist() == [0, 1]


def test_a_refused_setting_keeps_the_last_picture_and_computes_nothing(open_page, monkeypatch):
    page = open_page("", **SMALL)
    called = []
    monkeypatch.setattr(explore, "facts", lambda *_, **__: called.append("facts"))
    monkeypatch.setattr(explore, "summary", lambda *_, **__: called.append("summary"))
    page.session_state["n"], page.session_state["L"] = 512, 12
    page.session_state["k"], page.session_state["N"] = 64, 2000
    page.run()
    assert not page.exception
    assert not called
    assert "Width 512 with 12 hidden layers" in texts(page)
    assert any("Until then: the last picture, width 4 with 2 hidden layers" in each.value for each in page.caption)
    assert not page.metric


def test_a_dead_network_gets_a_remedy(open_page):
    page = open_page("", n=2, L=6, act="relu", sb2=0, N=50, S=2)
    assert "All hidden units are off" in texts(page)
    page.button(key="remedy-dead").click().run()
    assert page.session_state["sb2"] == 0.5
