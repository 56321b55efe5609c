"""The page Phase in a real browser: real values, a click that moves the setting, controls, exports, phone."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import expect

from fimcore.experiments import phase
from tests.browser.driver import (
    PHONE,
    address,
    control,
    download,
    press_button,
    select,
    settle,
    sideways_scroll,
    slide_to,
    toggle,
    wait_for_address,
)

SMALL = "/phase?n=32&D=6&S=3&N=40"
SPEC = phase.Spec(width=32, hidden_layers=6, seeds=3, samples=40)
DIAGRAM = ".st-key-phase-diagram .js-plotly-plot"


def trace(page, key, name):
    """y of a chart's trace."""
    return page.evaluate(
        "([key, name]) => [...document.querySelector(`.st-key-${key} .js-plotly-plot`)._fullData"
        ".find(trace => trace.name === name).y]",
        [key, name],
    )


def place_of(page, weight, bias):
    """Pixels of a pair of variances in the diagram, and the diagram scrolled into sight."""
    page.locator(DIAGRAM).scroll_into_view_if_needed()
    return page.evaluate(
        """([query, x, y]) => {
          const plot = document.querySelector(query), {xaxis, yaxis} = plot._fullLayout;
          const box = plot.querySelector('.nsewdrag').getBoundingClientRect();
          return [box.left + xaxis.d2p(x), box.top + yaxis.d2p(y)];
        }""",
        [DIAGRAM, weight, bias],
    )


def here(page):
    return page.evaluate(
        "query => { const t = document.querySelector(query)._fullData.find(t => t.name === 'Current setting');"
        "return [t.x[0], t.y[0]]; }",
        DIAGRAM,
    )


def test_layers_are_drawn_as_measured_and_predicted(open_app):
    page = open_app(SMALL)
    expect(page.get_by_role("heading", level=1)).to_have_text("What does a signal do on its way?")
    expect(page.get_by_text("Ordered.", exact=True).first).to_be_visible()
    result = phase.run(SPEC)
    signal = result.tables["signal"]
    for quantity in ("length", "correlation", "gradient"):
        rows = signal[signal["quantity"] == quantity]
        for column, name in (("measured", "Measured"), ("predicted", "Predicted")):
            np.testing.assert_allclose(trace(page, f"signal-{quantity}", name), rows[column], rtol=1e-5)
    for verdict in result.verdicts:
        expect(page.get_by_text(verdict.sentence).first).to_be_visible()
    toggle(page, "res")
    wait_for_address(page, res="1")
    rows = signal[signal["quantity"] == "gradient"]
    np.testing.assert_allclose(trace(page, "signal-gradient", "Measured"), rows["residual"], rtol=1e-4, atol=1e-6)


def test_a_click_in_the_diagram_moves_the_setting_and_the_address(open_app):
    page = open_app(SMALL)
    for weight, bias in ((3.0, 0.5), (1.0, 1.5), (3.0, 0.5)):
        page.mouse.click(*place_of(page, weight, bias))
        wait_for_address(page, sw2=f"{weight:g}", sb2=f"{bias:g}")
        settle(page)
        assert here(page) == pytest.approx([weight, bias])
    expect(page.get_by_text("Chaotic.", exact=True).first).to_be_visible()
    expect(control(page, "sw2")).to_contain_text("3.00")
    slide_to(page, "sb2", "0.05")
    wait_for_address(page, sb2="0.05")
    assert here(page) == pytest.approx([3.0, 0.05])


def test_activations_without_a_line_and_settings_elsewhere(open_app):
    page = open_app(SMALL)
    select(page, "act", "softplus")
    wait_for_address(page, act="softplus")
    expect(page.get_by_text("no critical point").first).to_be_visible()
    select(page, "act", "GELU")
    expect(page.get_by_text("repels").first).to_be_visible()
    select(page, "act", "ReLU")
    expect(page.get_by_text("a single point").first).to_be_visible()
    slide_to(page, "D", "8")
    wait_for_address(page, D="8")
    assert len(trace(page, "signal-length", "Measured")) == 8
    select(page, "act", "softplus")
    page.get_by_role("link", name="Width").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What does width change?")
    settle(page)
    assert "act" not in address(page)


def test_exports_and_a_phone(open_app):
    page = open_app(SMALL)

    def get(place, kind):
        press_button(page, f"export-phase-{place}")
        file = download(page, page.get_by_role("button", name=kind, exact=True).click)
        page.keyboard.press("Escape")
        return Path(file.path())

    table = pd.read_csv(get("length", "CSV"), comment="#")
    np.testing.assert_allclose(table["measured"], phase.run(SPEC).table["measured"], rtol=1e-9)
    svg = get("diagram", "SVG").read_text(encoding="utf-8")
    ET.fromstring(svg)
    assert "Critical" in svg
    assert len(re.findall("<polygon|<path", svg)) > 500
    assert get("diagram", "PNG").read_bytes().startswith(b"\x89PNG")

    phone = open_app(f"{SMALL}&act=relu&sw2=2&sb2=0", viewport=PHONE, has_touch=True)
    assert sideways_scroll(phone) == 0
    expect(phone.get_by_text("no depth scale").first).to_be_visible()
    phone.touchscreen.tap(*place_of(phone, 1.0, 1.0))
    wait_for_address(phone, sw2="1", sb2="1")
