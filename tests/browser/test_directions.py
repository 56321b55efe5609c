"""The page Directions in a real browser: real values, damping in picture and address, cancel, exports, phone."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pandas as pd
from playwright.sync_api import expect

from fimcore.experiments import directions
from tests.browser.driver import (
    PHONE,
    control,
    download,
    press_button,
    settle,
    sideways_scroll,
    slide_to,
    wait_for_address,
)

SMALL = "/directions?n=8&S=2&N=100"
SPEC = directions.Spec(width=8, seeds=2, samples=100)


def points(page, key, name):
    """x of a chart's trace."""
    return page.evaluate(
        "([key, name]) => [...document.querySelector(`.st-key-${key} .js-plotly-plot`)._fullData"
        ".find(trace => trace.name === name).x]",
        [key, name],
    )


def test_both_measures_are_drawn_and_said(open_app):
    page = open_app(SMALL)
    expect(page.get_by_role("heading", level=1)).to_have_text("Which approximation keeps the natural direction?")
    result = directions.run(SPEC)
    np.testing.assert_allclose(points(page, "cosines", "Metric of F, uᵀ F v"), result.table["cosine"], rtol=1e-5)
    np.testing.assert_allclose(points(page, "cosines", "Euclidean"), result.table["euclidean"], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(points(page, "errors", "Measured"), result.table["error"], rtol=1e-5)
    alt = page.locator('[role="figure"]').first.get_attribute("aria-label") or ""
    assert f"Layer blocks {result.table.set_index('structure').loc['layer_blocks', 'cosine']:.2f}" in alt
    for verdict in result.verdicts:
        expect(page.get_by_text(verdict.sentence).first).to_be_visible()


def test_damping_changes_picture_and_address_and_files_have_the_numbers(open_app):
    page = open_app(SMALL)
    before = points(page, "cosines", "Metric of F, uᵀ F v")
    slide_to(page, "lam", "0.3")
    wait_for_address(page, lam="0.3")
    settle(page)
    result = directions.run(SPEC.model_copy(update={"damping": 0.3}))
    after = points(page, "cosines", "Metric of F, uᵀ F v")
    assert after != before
    np.testing.assert_allclose(after, result.table["cosine"], rtol=1e-5)

    def get(menu, kind):
        press_button(page, f"export-directions-{menu}")
        file = download(page, page.get_by_role("button", name=kind, exact=True).click)
        page.keyboard.press("Escape")
        return Path(file.path())

    table = pd.read_csv(get("cosines", "CSV"), comment="#")
    np.testing.assert_allclose(table["cosine"], result.table["cosine"], rtol=1e-9)
    svg = get("ranks", "SVG").read_text(encoding="utf-8")
    ET.fromstring(svg)
    assert "Layer blocks" in svg


def test_long_computations_stream_and_can_be_cancelled(open_app):
    page = open_app("/directions?n=32&S=8&seed=5", rest=False)
    card = control(page, "job-card-directions-run")
    expect(card).to_contain_text(re.compile(r"[1-9] of 8 networks"))
    expect(control(page, "cosines").locator(".js-plotly-plot").first).to_be_visible()
    card.get_by_role("button", name="Cancel").click()
    stopped = control(page, "stopped-directions-run")
    expect(stopped).to_contain_text("The picture uses what was finished")
    expect(control(page, "ranks").locator(".js-plotly-plot").first).to_be_visible()


def test_on_a_phone_everything_is_there_without_sideways_scroll(open_app):
    page = open_app(SMALL, viewport=PHONE, color_scheme="dark")
    for key in ("cosines", "errors", "ranks", "sweep"):
        chart = control(page, key).locator(".js-plotly-plot").first
        chart.scroll_into_view_if_needed()
        expect(chart).to_be_visible()
    assert sideways_scroll(page) == 0
