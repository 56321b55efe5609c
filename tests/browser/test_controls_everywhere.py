"""The controls that other tests leave alone, the keys of the whole page, and a cancel beside another visitor."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from playwright.sync_api import Page, expect

from fimcore.experiments import explore
from tests.browser import matrix
from tests.browser.driver import (
    address,
    choose,
    control,
    fill,
    press,
    press_button,
    select,
    settle,
    slide_to,
    unfold,
    wait_for_address,
)

FIND = """const find = root => [...root.querySelectorAll('*')].filter(e => e.shadowRoot)
    .flatMap(e => [e.shadowRoot, ...find(e.shadowRoot)]);
    const host = document.querySelector('.st-key-matrix');
    const panels = [host, ...find(host)].flatMap(r => [...r.querySelectorAll('.px')]);"""


def expect_finite(page: Page) -> None:
    """Both matrices are painted in more than one colour, and nothing on the page is without a number."""
    settle(page)
    colours = page.evaluate(
        f"""() => {{ {FIND} return panels.map(c => new Set(new Uint32Array(
        c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size); }}"""
    )
    assert len(colours) == 2
    assert min(colours) > 1, colours
    assert not re.search(r"\b(nan|inf|NaN|Infinity)\b", page.get_by_test_id("stMain").inner_text())
    expect(page.get_by_test_id("stMetric")).to_have_count(4)


def painted(page: Page) -> str:
    """The pixels of the first matrix."""
    return str(page.evaluate(f"() => {{ {FIND} return panels[0].toDataURL(); }}"))


def expect_repainted(page: Page, before: str) -> None:
    page.wait_for_function(f"before => {{ {FIND} return panels[0].toDataURL() !== before; }}", arg=before)


def test_the_controls_that_matter_only_beside_others(open_app, tmp_path):
    page = open_app("/?n=4&L=1&S=2&N=20")
    unfold(page, "group-input")
    slide_to(page, "d", "2")
    matrix.expect_tick(page, "-gaussian-2-20-")
    wait_for_address(page, d="2")
    expect_finite(page)

    unfold(page, "group-output")
    before = page.get_by_test_id("stMetricValue").nth(1).inner_text()
    fill(page, "s2", "4")
    wait_for_address(page, s2="4")
    expect(page.get_by_test_id("stMetricValue").nth(1)).not_to_have_text(before)
    expect_finite(page)

    unfold(page, "group-estimator")
    choose(page, "est", "Monte Carlo")
    matrix.expect_tick(page, "-score-")
    before = page.get_by_test_id("stMetricValue").nth(1).inner_text()
    press(page, "mc", "ArrowRight")
    wait_for_address(page, mc="2")
    expect(page.get_by_test_id("stMetricValue").nth(1)).not_to_have_text(before)
    expect_finite(page)

    table = pd.DataFrame(np.random.default_rng(0).standard_normal((40, 3)), columns=["a", "b", "c"])
    table.to_csv(tmp_path / "good.csv", index=False)
    select(page, "in", "Your CSV")
    control(page, "upload").locator("input[type=file]").set_input_files(tmp_path / "good.csv")
    matrix.expect_tick(page, "-csv-2-.*-21x21$")
    fill(page, "y", "3")  # one column is the label, so two are inputs
    wait_for_address(page, y="3")
    matrix.expect_tick(page, "-csv-2-.*-17x17$")
    expect_finite(page)


def test_colours_and_a_link_to_a_pinned_entry(open_app):
    page = open_app("/?n=4&L=2&S=1&pin=0-5")
    pinned = page.locator(f"{matrix.VIEW} .pinned")
    exact = explore.pinned_entry(explore.Spec(width=4, hidden_layers=2, pin="0-5"), 0, 5)
    expect(pinned).to_contain_text(f"{exact['row_symbol']} with {exact['column_symbol']}")
    assert address(page)["pin"] == "0-5"

    press_button(page, "colours")
    for key, name, value in (
        ("sc", "Signed log", "signed_log"),
        ("rng", "Own", "own"),
        ("pool", "Mean square", "mean_square"),
    ):
        before = painted(page)
        choose(page, key, name)
        wait_for_address(page, **{key: value})
        if key == "sc":
            expect_repainted(page, before)
        expect_finite(page)
    matrix.expect_tick(page, "-mean_square-")
    expect(pinned).to_contain_text("F_ij")


def test_keys_of_the_whole_page(open_app):
    page = open_app("/?n=4&L=1&S=1")
    page.keyboard.press("/")
    page.keyboard.press("ArrowRight")
    wait_for_address(page, n="8")
    settle(page)
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    expect(keys).to_contain_text("Go to the width")
    page.keyboard.press("Escape")
    expect(keys).to_have_count(0)
    box = control(page, "seed").locator("input")
    box.focus()
    box.press("?")
    expect(keys).to_have_count(0)


def test_a_cancel_is_for_one_visitor_only(open_app):
    link = "/width?S=8&w1=1024&seed=77"
    first, second = open_app(link, rest=False), open_app(link, rest=False)
    cards = [control(page, "job-card-width-run") for page in (first, second)]
    for card in cards:
        expect(card).to_contain_text(re.compile(r"\d+ of 56 networks"))
    cards[0].get_by_role("button", name="Cancel").click()
    expect(control(first, "stopped-width-run")).to_be_visible()
    expect(cards[0]).to_have_count(0)
    expect(cards[1]).to_be_visible()
    cards[1].get_by_role("button", name="Cancel").click()
    expect(control(second, "stopped-width-run")).to_be_visible()
