"""The page Watch one in a real browser: what is drawn is the experiment's, sharpness and input are settings, files open."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pandas as pd
from playwright.sync_api import expect

from fimcore.experiments import sampling
from tests.browser.driver import control, download, press, press_button, settle, wait_for_address

SMALL = "/sampling?n=4&N=50&S=2&nd=200"
SPEC = sampling.Spec(width=4, samples=50, seeds=2, draws=200)


def trace(page, key, name, field="y"):
    """An attribute of a chart's trace."""
    return page.evaluate(
        "([key, name, field]) => [...document.querySelector(`.st-key-${key} .js-plotly-plot`)._fullData"
        ".find(trace => trace.name === name)[field]]",
        [key, name, field],
    )


def test_histograms_curves_and_files_are_those_of_the_experiment(open_app):
    page = open_app(SMALL)
    expect(page.get_by_role("heading", level=1)).to_have_text("What does one draw of an estimator look like?")
    expect(page.get_by_text("of them negative").first).to_be_visible()
    curves = sampling.curves(SPEC).tables["curves"].query("estimator == 'hessian'")
    np.testing.assert_allclose(trace(page, "curves", "Minus Hessian"), curves["exact"], rtol=1e-4)
    press(page, "beta", "ArrowRight")
    wait_for_address(page, beta="2")
    control(page, "at").get_by_text("One input").click()
    wait_for_address(page, beta="2", at="one")
    settle(page)
    result = sampling.watch(SPEC.model_copy(update={"sharpness": 2.0, "at": "one"}))
    own = result.tables["bins"].query("estimator == 'score' and labels == 'model'")
    exact = np.array(trace(page, "draws-score-model", "Exact law, model's labels"))[1:-1:2]
    there = own["exact"].to_numpy() > exact.min()
    np.testing.assert_allclose(exact[there], own["exact"][there], rtol=1e-4)
    expect(page.get_by_text("The data have one label here").first).to_be_visible()

    def get(kind):
        press_button(page, "export-sampling-draws-score-model")
        file = download(page, page.get_by_role("button", name=kind, exact=True).click)
        page.keyboard.press("Escape")
        return Path(file.path())

    table = pd.read_csv(get("CSV"), comment="#")
    np.testing.assert_allclose(table["share"], result.tables["bins"]["share"], rtol=1e-9)
    svg = get("SVG").read_text(encoding="utf-8")
    ET.fromstring(svg)
    assert "Exact law" in svg
