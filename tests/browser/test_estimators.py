"""The page Two estimators in a real browser: exact values in the picture, views with an address, the calculator, a phone."""

from __future__ import annotations

import numpy as np
from playwright.sync_api import expect

from fimcore.experiments import estimators
from tests.browser.driver import PHONE, choose, settle, sideways_scroll, slide_to, wait_for_address

SPEC = estimators.Spec(width=6, samples=20, seeds=2)
TRACE = """([key, name]) => { const plot = document.querySelector(`.st-key-chart-${key} .js-plotly-plot`);
  return [...plot._fullData.find(trace => trace.name === name).y]; }"""


def test_deviations_as_computed_and_a_calculator_that_follows(open_app):
    page = open_app("/estimators?n=6&S=2&N=20")
    expect(page.get_by_role("heading", level=1)).to_have_text("Which estimator of the Fisher diagonal should I trust?")
    layers = estimators.run(SPEC).tables["layers"]
    for quantity, name in (("score", "SD of squared score"), ("hessian", "SD of minus Hessian")):
        own = layers[(layers["quantity"] == quantity) & (layers["measured"] > 0)]
        np.testing.assert_allclose(page.evaluate(TRACE, ["deviations", name]), own["measured"], rtol=1e-5)
    choose(page, "view", "Samples needed")
    wait_for_address(page, view="samples")
    settle(page)
    slide_to(page, "eps", "0.2")
    wait_for_address(page, eps="0.2")
    settle(page)
    table = estimators.needed(SPEC.model_copy(update={"relative_error": 0.2})).table
    own = table[(table["estimator"] == "score")].sort_values("layer")
    np.testing.assert_allclose(page.evaluate(TRACE, ["samples", "Squared score"]), own["most"], rtol=1e-5)
    expect(page.get_by_text(f"{int(own['most'].iloc[0]):,}", exact=True).first).to_be_visible()
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    choose(page, "view", "Causes")
    wait_for_address(page, view="causes")
    settle(page)
    expect(page.locator(".st-key-chart-causes .js-plotly-plot .main-svg").first).to_be_visible()
    assert sideways_scroll(page) == 0
