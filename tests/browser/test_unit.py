"""The page Units in a real browser: real values in every picture, controls that change them, exports, phone."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pandas as pd
from playwright.sync_api import expect

from fimcore.experiments import unit
from tests.browser.driver import (
    PHONE,
    control,
    download,
    fill,
    press,
    press_button,
    settle,
    sideways_scroll,
    slider_text,
    toggle,
    wait_for_address,
)

SMALL = "/unit?n=8&L=2&S=4&N=500"
SPEC = unit.Spec(width=8, hidden_layers=2, seeds=4, samples=500)


def trace(page, key, name, field="y"):
    """An attribute of a chart's trace, or of its only heat map."""
    return page.evaluate(
        "([key, name, field]) => [...document.querySelector(`.st-key-${key} .js-plotly-plot`)._fullData"
        ".find(trace => name ? trace.name === name : trace.type === 'heatmap')[field]]",
        [key, name, field],
    )


def matrix(page, name):
    """The entries on screen."""
    rows = page.evaluate(
        "key => document.querySelector(`.st-key-${key} .js-plotly-plot`)._fullData[0].z.map(row => [...row])",
        f"matrix-{name}",
    )
    values = np.array(rows)
    return np.sign(values) * values**2


def expect_matrices(page, spec):
    arrays = unit.one(spec).arrays
    for name, values in arrays.items():
        np.testing.assert_allclose(matrix(page, name), values, rtol=1e-4, atol=1e-7)


def test_matrices_layers_and_curves_are_those_of_the_experiment(open_app):
    page = open_app(SMALL)
    expect(page.get_by_role("heading", level=1)).to_have_text("Is one unit's Fisher matrix diagonal plus rank two?")
    expect(page.get_by_text("In layer 1, yes").first).to_be_visible()
    expect_matrices(page, SPEC)
    result = unit.run(SPEC)
    layers, values = result.tables["layers"], result.tables["eigenvalues"]
    np.testing.assert_allclose(trace(page, "eigenvalues", "Measured"), values["measured"], rtol=1e-5)
    np.testing.assert_allclose(trace(page, "eigenvalues", "Closed form"), values["isotropic"], rtol=1e-5)
    for key, form, name in (("alone", "isotropic", "Isotropic"), ("network", "own inputs", "Factor × own")):
        rows = layers[(layers["matrix"] == key) & (layers["form"] == form)]
        np.testing.assert_allclose(trace(page, f"errors-{key}", name), rows["error"], rtol=1e-4, atol=1e-7)
    points = result.tables["moments"]
    rows = points[(points["against"] == "length") & (points["moment"] == "A2")]
    np.testing.assert_allclose(trace(page, "moments-length", "A₂ measured"), rows["measured"], rtol=1e-5)
    expect(page.get_by_test_id("stMetric")).to_have_count(4)


def test_layer_unit_form_and_axes_are_settings(open_app):
    page = open_app(SMALL)
    press(page, "l", "ArrowRight")
    wait_for_address(page, l="2")
    fill(page, "u", "5")
    wait_for_address(page, l="2", u="5")
    expect(page.get_by_text("Unit 5 of layer 2", exact=True).first).to_be_visible()
    spec = SPEC.model_copy(update={"layer": 2, "unit": 5})
    expect_matrices(page, spec)
    toggle(page, "iso")
    toggle(page, "rot")
    wait_for_address(page, iso="0", rot="0")
    settle(page)
    expect_matrices(page, spec.model_copy(update={"isotropic": False, "along": False}))
    press(page, "L", "ArrowLeft")
    wait_for_address(page, L="1")
    settle(page)
    expect(control(page, "l")).to_have_count(0)
    expect(page.get_by_text("Unit 5 of layer 1", exact=True).first).to_be_visible()


def test_exports_a_link_and_a_phone(open_app):
    page = open_app(f"{SMALL}&l=2&u=3&rot=0")
    assert slider_text(page, "l") == "2"

    def get(place, kind):
        press_button(page, f"export-unit-{place}")
        file = download(page, page.get_by_role("button", name=kind, exact=True).click)
        page.keyboard.press("Escape")
        return Path(file.path())

    table = pd.read_csv(get("matrices", "CSV"), comment="#")
    own = unit.one(SPEC.model_copy(update={"layer": 2, "unit": 3, "along": False})).arrays
    np.testing.assert_allclose(table["measured"], own["measured"].reshape(-1), rtol=1e-9)
    np.testing.assert_allclose(table["difference"], own["difference"].reshape(-1), rtol=1e-9, atol=1e-15)
    svg = get("matrices", "SVG").read_text(encoding="utf-8")
    ET.fromstring(svg)
    assert "Closed form" in svg

    phone = open_app(f"{SMALL}&act=relu&sb2=0&l=2", viewport=PHONE, has_touch=True)
    assert sideways_scroll(phone) == 0
    expect(phone.get_by_text("Unit 1 of layer 2", exact=True).first).to_be_visible()
