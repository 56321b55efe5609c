"""The page Through training in a real browser: real values, playback over all charts, all bounds, images of one's own."""

from __future__ import annotations

import numpy as np
from playwright.sync_api import expect

from fimcore.experiments import estimator_training
from tests.browser.driver import control, settle, toggle, wait_for_address

TRACE = """([key, name]) => { const plot = document.querySelector(`.st-key-${key} .js-plotly-plot`);
  const trace = plot._fullData.find(t => t.name === name); return trace ? [...trace.y] : null; }"""
CLIPPED = """key => { const plot = document.querySelector(`.st-key-${key} .js-plotly-plot`);
  return [...plot.querySelectorAll('.scatterlayer .trace')].filter(t => t.style.clipPath).length; }"""


def test_curves_play_epoch_by_epoch(open_app):
    page = open_app("/estimator_training?n=4&L=1&S=1&ep=5&N=50&M=10")
    expect(page.get_by_role("heading", level=1)).to_have_text("Which estimator is better as training goes on?")
    spec = estimator_training.Spec(width=4, hidden_layers=1, seeds=1, epochs=5, samples=50, looked_at=10)
    layers = estimator_training.run(spec).tables["layers"]
    expect(control(page, "values-2").locator(".js-plotly-plot .main-svg").first).to_be_visible()
    for layer in (1, 2):
        own = layers[layers["layer"] == layer]
        np.testing.assert_allclose(page.evaluate(TRACE, [f"values-{layer}", "Fisher F"]), own["fisher"], rtol=1e-5)
        np.testing.assert_allclose(
            page.evaluate(TRACE, [f"values-{layer}", "Squared score √V₁"]), own["score"], rtol=1e-5
        )
    assert page.evaluate(TRACE, ["values-2", "Minus Hessian √V₂"]) is None
    bar = page.locator(".pl")
    expect(bar.locator("label[for=step]")).to_have_text("Epoch 5 of 5")
    bar.locator(".reset").click()
    expect(bar).to_have_attribute("data-step", "0")
    assert all(page.evaluate(CLIPPED, f"{kind}-{layer}") > 0 for kind in ("values", "ratios") for layer in (1, 2))
    bar.locator(".play").click()
    expect(bar).to_have_attribute("data-step", "5")
    assert page.evaluate(CLIPPED, "values-1") == 0
    toggle(page, "all")
    wait_for_address(page, all="1")
    settle(page)
    assert page.evaluate(TRACE, ["values-1", "Lower bound, Minus Hessian √V₂"]) is not None
