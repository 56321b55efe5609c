"""The page Spectrum in a real browser: real values in every view, controls and address, exports, phone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import expect

from fimcore.experiments import spectrum
from tests.browser.driver import (
    PHONE,
    choose,
    control,
    download,
    press_button,
    settle,
    sideways_scroll,
    slide_to,
    toggle,
    wait_for_address,
)

SMALL = "/spectrum?n=64&L=1&N=40&S=4&wm=64"
SPEC = spectrum.Spec(width=64, hidden_layers=1, samples=40, seeds=4, widest=64)


def trace(page, key, name, axis="y"):
    """x or y of the first trace of a chart with this name."""
    return page.evaluate(
        "([key, name, axis]) => [...document.querySelector(`.st-key-spectrum-${key} .js-plotly-plot`)._fullData"
        ".find(trace => trace.name === name)[axis]]",
        [key, name, axis],
    )


def test_eigenvalues_are_drawn_as_measured_and_an_outlier_goes(open_app):
    page = open_app(SMALL)
    expect(page.get_by_role("heading", level=1)).to_have_text("How large is the largest eigenvalue?")
    result = spectrum.run(SPEC)
    np.testing.assert_allclose(trace(page, "ranks", "Measured"), result.tables["eigenvalues"]["eigenvalue"], rtol=1e-5)
    assert max(trace(page, "density", "Measured")) == pytest.approx(result.tables["density"]["count"].max())
    for verdict in result.verdicts:
        if verdict.word != "no prediction":
            expect(page.get_by_text(verdict.sentence).first).to_be_visible()
    expect(page.get_by_text("no prediction here").first).to_be_visible()
    expect(page.get_by_text("eigenvalues are zero").first).to_be_visible()
    toggle(page, "hkh")
    wait_for_address(page, hkh="1")
    settle(page)
    centred = spectrum.run(SPEC.model_copy(update={"centred": True})).tables["eigenvalues"]["centred"].dropna()
    np.testing.assert_allclose(trace(page, "ranks", "Outputs centred"), centred, rtol=1e-5)
    toggle(page, "res")
    wait_for_address(page, res="1")
    settle(page)
    rows = result.tables["statistics"].set_index("quantity")
    assert trace(page, "residuals", "Mean over networks")[2] == pytest.approx(rows.loc["mean", "residual"], abs=1e-6)


def test_views_have_an_address_and_their_own_controls(open_app):
    page = open_app(f"{SMALL}&view=whitened")
    before = trace(page, "whitened", "Measured")
    slide_to(page, "damp", "0.1")
    wait_for_address(page, damp="0.1")
    settle(page)
    assert trace(page, "whitened", "Measured") != before
    choose(page, "view", "Against width")
    wait_for_address(page, view="width")
    settle(page)
    expect(control(page, "n")).to_have_count(0)
    rows = spectrum.run(SPEC.model_copy(update={"view": "width"})).tables["sweep"]
    np.testing.assert_allclose(
        trace(page, "outlier", "Measured"), rows.loc[rows["quantity"] == "outlier", "measured"], rtol=1e-5
    )
    choose(page, "view", "Step size")
    wait_for_address(page, view="step")
    expect(page.get_by_text("rose in 4 of 4 networks").first).to_be_visible()
    settle(page)
    np.testing.assert_allclose(trace(page, "factor", "Measured"), [0.81, 1.21], rtol=1e-3)


def test_exports_and_a_phone(open_app):
    page = open_app(f"{SMALL}&view=blocks")
    press_button(page, "export-spectrum-layers")
    file = download(page, page.get_by_role("button", name="CSV", exact=True).click)
    table = pd.read_csv(Path(file.path()), comment="#")
    layers = spectrum.run(SPEC.model_copy(update={"view": "blocks"})).tables["layers"]
    np.testing.assert_allclose(table["measured"], layers["measured"], rtol=1e-9)
    page.keyboard.press("Escape")
    press_button(page, "export-spectrum-structures")
    file = download(page, page.get_by_role("button", name="PNG", exact=True).click)
    assert Path(file.path()).read_bytes().startswith(b"\x89PNG")

    phone = open_app(f"{SMALL}&out=softmax&k=5", viewport=PHONE, has_touch=True)
    assert sideways_scroll(phone) == 0
    expect(phone.get_by_text("4 eigenvalues are expected to stand out").first).to_be_visible()
