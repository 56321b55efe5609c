"""The page Width in a real browser: streaming, cancel, controls, links, tables, exports."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pandas as pd
from playwright.sync_api import expect

from fimcore.experiments import width
from tests.browser.driver import choose, control, download, press_button, settle, slide_to, toggle, wait_for_address

SMALL = "/width?S=3&N=200&w0=8&w1=32"


def chart(page, key):
    return control(page, key).locator(".js-plotly-plot .main-svg").first


def test_measured_and_predicted_on_the_same_axes(open_app):
    page = open_app(SMALL)
    expect(page.get_by_role("heading", level=1)).to_have_text("What does width change?")
    expect(chart(page, "ratios")).to_be_visible()
    names = page.evaluate(
        "() => document.querySelector('.st-key-ratios .js-plotly-plot').data.filter(t => t.showlegend !== false).map(t => t.name)"
    )
    assert sorted(names) == sorted(["Layer 1", "Layer 2", "Layer 3", "Predicted", "Plateau, n → ∞", "Slope −1/2"])
    result = width.run(width.Spec(seeds=3, samples=200, narrowest=8, widest=32))
    drawn = page.evaluate(
        "() => [...document.querySelector('.st-key-ratios .js-plotly-plot')._fullData.find(t => t.name === 'Layer 1').y]"
    )
    table = result.tables["ratios"]
    np.testing.assert_allclose(drawn, table[table["layer"] == 1]["measured"], rtol=1e-5)
    shown = [verdict.sentence for verdict in result.verdicts if verdict.quantity.startswith("Slope of layer")]
    assert len(shown) == 3
    for sentence in shown:
        expect(page.get_by_text(sentence).first).to_be_visible()


def test_outputs_that_follow_the_width(open_app):
    page = open_app(SMALL)
    choose(page, "C", "n")
    wait_for_address(page, C="n")
    expect(page.get_by_text("as many outputs as units").first).to_be_visible()
    expect(page.get_by_text(re.compile("Slope of layer 3: predicted −0.4")).first).to_be_visible()


def test_range_of_widths(open_app):
    page = open_app(SMALL)
    slide_to(page, "w0", "16")
    wait_for_address(page, w0=None)  # 16 is the default
    ticks = page.evaluate("() => [...document.querySelector('.st-key-ratios .js-plotly-plot').layout.xaxis.ticktext]")
    assert ticks == ["16", "32"]
    slide_to(page, "w0", "32")
    expect(page.get_by_text("a sweep needs narrowest below widest").first).to_be_visible()
    expect(chart(page, "ratios")).to_be_visible()


def test_long_sweeps_stream_and_cancel_keeps_what_is_finished(open_app):
    page = open_app("/width?S=8&w1=1024", rest=False)
    card = control(page, "job-card-width-run")
    expect(card).to_be_visible()
    expect(card).to_contain_text(re.compile(r"\d+ of 56 networks"))
    expect(chart(page, "ratios")).to_be_visible()
    card.get_by_role("button", name="Cancel").click()
    stopped = control(page, "stopped-width-run")
    expect(stopped).to_contain_text(re.compile(r"Stopped .*\d+ of 56 networks"))
    expect(stopped).to_contain_text("The picture uses")
    expect(chart(page, "ratios")).to_be_visible()
    settle(page)
    slide_to(page, "w1", "32")
    expect(stopped).to_have_count(0)


def test_observables_answer_differently_and_shares_have_a_picture_each(open_app):
    page = open_app(SMALL)
    expect(page.get_by_text("RMS ratio: stays")).to_be_visible()
    expect(page.get_by_text("Diagonal-normalised entry: decays")).to_be_visible()
    choose(page, "view", "Shares of the whole")
    wait_for_address(page, view="shares")
    expect(chart(page, "shares-hidden")).to_be_visible()
    expect(chart(page, "shares-all")).to_be_visible()
    toggle(page, "table-mass")
    expect(page.get_by_test_id("stDataFrame").first).to_be_visible()


def test_exports(open_app):
    page = open_app(SMALL)

    def get(kind):
        press_button(page, "export-width-ratios")
        file = download(page, page.get_by_role("button", name=kind, exact=True).click)
        page.keyboard.press("Escape")
        return Path(file.path())

    result = width.run(width.Spec(seeds=3, samples=200, narrowest=8, widest=32))
    table = pd.read_csv(get("CSV"), comment="#")
    np.testing.assert_allclose(table["measured"], result.table["measured"], rtol=1e-9)
    svg = get("SVG").read_text(encoding="utf-8")
    ET.fromstring(svg)
    assert "Predicted" in svg
    assert get("PNG").read_bytes().startswith(b"\x89PNG")


def test_no_width_in_the_sidebar_of_a_sweep_over_widths(open_app):
    page = open_app(SMALL)
    expect(control(page, "n")).to_have_count(0)
    expect(control(page, "L")).to_have_count(1)
