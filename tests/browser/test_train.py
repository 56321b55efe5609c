"""The page Train in a real browser: controls, playback, links, divergence and its remedy, exports, streaming, access."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from fimcore.experiments import train
from tests.browser.driver import (
    PHONE,
    address,
    choose,
    control,
    download,
    press,
    press_button,
    settle,
    sideways_scroll,
    slide_to,
    slider,
    slider_text,
    toggle,
    wait_for_address,
)

SMALL = "/train?n=8&N=20&S=2&T=20"
SPEC = {"width": 8, "samples": 20, "seeds": 2, "steps": 20}
TRACE = """([key, name]) => { const trace = document.querySelector(`.st-key-${key} .js-plotly-plot`)
  ._fullData.filter(t => t.name === name).at(-1); return trace && [[...trace.x], [...trace.y]]; }"""
NAMES = "key => [...new Set(document.querySelector(`.st-key-${key} .js-plotly-plot`).data.map(t => t.name))]"
# Right edge of the clip of the last trace of a name; null where nothing is clipped.
CLIP = """([key, name]) => { const plot = document.querySelector(`.st-key-${key} .js-plotly-plot`);
  const trace = plot._fullData.filter(t => t.name === name).at(-1);
  const group = plot.querySelector(`.scatterlayer .trace${trace.uid}`);
  const id = /url\\("?#([^")]+)/.exec(group.style.clipPath)?.[1];
  return id ? Number(plot.querySelector(`#${id} rect`).getAttribute('width')) : null; }"""


def chart(page: Page, key: str):
    return control(page, key).locator(".js-plotly-plot .main-svg").first


def open_race(open_app, path: str = SMALL, **options) -> Page:
    page = open_app(path, **options)
    for key in ("train-steps", "train-seconds"):
        expect(chart(page, key)).to_be_visible()
    settle(page)
    return page


def unfold_settings(page: Page) -> None:
    control(page, "train-rates").locator("summary").click()
    expect(slider(page, "T")).to_be_visible()


def test_both_pictures_show_what_fimcore_computes(open_app):
    page = open_race(open_app)
    expect(page.get_by_role("heading", level=1)).to_have_text("Does the geometry help?")
    expect(page.get_by_text("of the starting loss first")).to_be_visible()
    curves = train.run(train.Spec(**SPEC)).tables["curves"]
    for optimizer, name in (("sgd", "SGD"), ("ngd_unit", "Natural, unit-wise")):
        loss = curves[curves["optimizer"] == optimizer].pivot_table(index="step", columns="seed", values="loss")
        x, y = page.evaluate(TRACE, ["train-steps", name])
        assert x == list(range(21))
        np.testing.assert_allclose(y, np.exp(np.log(loss).mean(axis=1)), rtol=1e-4)
        x, _ = page.evaluate(TRACE, ["train-seconds", name])
        assert len(x) == 20
        assert x == sorted(x)
    for key in ("train-steps", "train-seconds"):
        alt = control(page, key).evaluate("e => e.querySelector('[aria-label]')?.ariaLabel ?? e.ariaLabel ?? ''")
        assert "To 1 % of the start" in (alt or control(page, key).inner_html())


def test_optimizers_task_and_steps_change_address_and_picture(open_app):
    page = open_race(open_app)
    control(page, "opt").locator("input").press("Backspace")
    wait_for_address(page, opt="sgd,adam,ngd_exact")
    page.keyboard.press("Escape")
    settle(page)
    assert page.evaluate(NAMES, "train-steps") == ["SGD", "Adam", "Natural, exact", "Goal", "Linearised, predicted"]
    choose(page, "per", "Product")
    wait_for_address(page, per="products")
    expect(page.get_by_role("heading", name="Per Fisher-vector product")).to_be_visible()
    unfold_settings(page)
    press(page, "T", "ArrowLeft")
    wait_for_address(page, T="10")
    settle(page)
    assert page.evaluate(TRACE, ["train-steps", "SGD"])[0][-1] == 10
    expect(slider(page, "T")).to_be_visible()
    before = page.evaluate(TRACE, ["train-steps", "SGD"])[1]
    press(page, "eta_sgd", "ArrowRight")
    wait_for_address(page, eta_sgd="0.0001")
    settle(page)
    assert page.evaluate(TRACE, ["train-steps", "SGD"])[1][-1] > before[-1]
    for key in ("lam_exact", "goal", "eta_exact"):
        press(page, key, "ArrowRight")
        settle(page)
        assert key in address(page)
    choose(page, "task", "Digits")
    wait_for_address(page, task="digits")
    expect(page.get_by_text("The digits task sets the input")).to_be_visible()
    expect(chart(page, "train-steps")).to_be_visible()


def test_a_link_brings_everything_back(open_app):
    page = open_race(open_app, f"{SMALL}&opt=sgd,ngd_unit&lam_unit=10&goal=0.1&eta_sgd=0.07&eta_unit=0.05")
    assert page.evaluate(NAMES, "train-steps") == ["SGD", "Natural, unit-wise", "Goal", "Linearised, predicted"]
    expect(
        page.get_by_text(
            "step sizes: SGD 0.07 and Natural, unit-wise 0.05 · damping: Natural, unit-wise 10 · goal 10 %"
        )
    ).to_be_visible()
    expect(page.get_by_role("heading", name="To 10 % of the starting loss")).to_be_visible()
    unfold_settings(page)
    assert slider_text(page, "eta_sgd") == "0.07"
    assert address(page)["eta_sgd"] == "0.07"


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("opt=lion", "optimizers"),
        ("T=1e9", "steps"),
        ("lam_unit=-1", "damping"),
        ("eta_sgd=nan", "step size"),
        ("task=<script>alert(1)</script>", "task"),
        ("goal=7", "goal"),
    ],
)
def test_hostile_links_are_explained_and_the_rest_is_kept(open_app, bad, said):
    page = open_race(open_app, f"/train?n=8&N=20&S=2&{bad}")
    notice = control(page, "link-notices")
    expect(notice).to_contain_text(re.compile(said, re.IGNORECASE))
    expect(notice).to_contain_text("Everything else in the link is kept")
    assert {"n": "8", "N": "20", "S": "2"}.items() <= address(page).items()


def test_playback_play_pause_step_reset_and_shortcuts(open_app):
    page = open_race(open_app)
    bar = page.locator(".pl")
    expect(bar).to_have_attribute("data-step", "20")
    assert page.evaluate(CLIP, ["train-steps", "SGD"]) is None
    bar.locator(".reset").click()
    expect(bar).to_have_attribute("data-step", "0")
    start = page.evaluate(CLIP, ["train-steps", "SGD"])
    bar.locator(".forward").click()
    expect(bar).to_have_attribute("data-step", "1")
    assert page.evaluate(CLIP, ["train-steps", "SGD"]) > start
    page.locator("h1").click()
    page.keyboard.press("s")
    expect(bar).to_have_attribute("data-step", "2")
    page.keyboard.press("t")
    expect(bar).to_have_attribute("data-playing", "true")
    page.keyboard.press("t")
    expect(bar).to_have_attribute("data-playing", "false")
    bar.locator(".play").click()
    expect(bar).to_have_attribute("data-playing", "true")
    expect(bar).to_have_attribute("data-step", "20")
    expect(bar).to_have_attribute("data-playing", "false")
    bar.locator("input[type=range]").fill("7")
    expect(bar).to_have_attribute("data-step", "7")
    for key in ("train-steps", "train-seconds"):
        assert page.evaluate(CLIP, [key, "Natural, exact"]) is not None
    assert page.evaluate(CLIP, ["train-steps", "Goal"]) is None


def test_divergence_is_a_marked_curve_with_a_sentence_and_a_remedy(open_app):
    page = open_race(open_app, "/train?n=8&N=20&S=2&act=linear&eta_sgd=5&opt=sgd,adam")
    card = control(page, "card-train-sgd")
    expect(card).to_contain_text(re.compile(r"Loss became infinite at step \d+ \(SGD, step size 5\)"))
    expect(card).to_contain_text(re.compile(r"λ_max says steps above 2/λ_max = [\d.]+ are unstable"))
    assert "SGD diverged" in page.evaluate(NAMES, "train-steps")
    for key in ("train-steps", "train-seconds"):
        values = page.evaluate(
            "key => document.querySelector(`.st-key-${key} .js-plotly-plot`)._fullData.flatMap(t => [...t.x, ...t.y])",
            key,
        )
        assert np.isfinite(np.array(values, dtype=float)).all()
    useful = card.get_by_role("button").inner_text().removeprefix("Use ")
    card.get_by_role("button").click()
    wait_for_address(page, eta_sgd=useful)
    expect(card).to_have_count(0)
    settle(page)
    assert "SGD diverged" not in page.evaluate(NAMES, "train-steps")


def test_table_shows_the_numbers_of_the_cards(open_app):
    page = open_race(open_app)
    toggle(page, "table-train")
    expect(page.get_by_test_id("stDataFrame").first).to_be_visible()


def test_every_export_opens(open_app):
    page = open_race(open_app)

    def get(kind: str, which: str = "steps") -> Path:
        press_button(page, f"export-train-{which}")
        file = download(page, page.get_by_role("button", name=kind, exact=True).click)
        page.keyboard.press("Escape")
        return Path(file.path())

    curves = train.run(train.Spec(**SPEC)).tables["curves"]
    table = pd.read_csv(get("CSV"), comment="#")
    np.testing.assert_allclose(table["loss"], curves["loss"], rtol=1e-9)
    with np.load(get("NPZ"), allow_pickle=False) as arrays:
        np.testing.assert_allclose(arrays["curves.loss"], curves["loss"], rtol=1e-12)
    settings = json.loads(get("JSON").read_text(encoding="utf-8"))
    assert settings["settings"]["steps"] == 20
    assert settings["seeds"] == [0, 1]
    for which in ("steps", "seconds"):
        svg = get("SVG", which).read_text(encoding="utf-8")
        ET.fromstring(svg)
        assert "Natural, exact" in svg
        assert "/train?" in svg
    assert get("PNG").read_bytes().startswith(b"\x89PNG")
    script = get("Python").read_text(encoding="utf-8")
    assert "fc.experiments.train.run(spec)" in script


def test_long_races_stream_and_cancel_keeps_what_is_finished(open_app):
    page = open_app("/train?n=8&N=20&S=8&T=2000&opt=sgd,adam&eta_sgd=0.1&eta_adam=0.03", rest=False)
    card = control(page, "job-card-train-run")
    expect(card).to_contain_text(re.compile(r"network \d of 8 with"))
    expect(chart(page, "train-steps")).to_be_visible()
    card.get_by_role("button", name="Cancel").click()
    stopped = control(page, "stopped-train-run")
    expect(stopped).to_contain_text("The picture uses what was finished")
    settle(page)
    expect(chart(page, "train-steps")).to_be_visible()
    unfold_settings(page)
    slide_to(page, "T", "10")
    expect(stopped).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_for_axe_to_find(open_app, scheme):
    page = open_race(open_app, SMALL, color_scheme=scheme)
    found = Axe().run(page).response["violations"]
    assert not found, [(fault["id"], fault["nodes"][0]["html"][:200]) for fault in found]


def test_phone_stacks_the_pictures(open_app):
    page = open_race(open_app, SMALL, viewport=PHONE)
    assert sideways_scroll(page) == 0
    first, second = (control(page, key).bounding_box() for key in ("train-steps", "train-seconds"))
    assert second["y"] > first["y"] + first["height"] - 1
    assert first["width"] > 300
    page.locator(".pl .reset").click()
    expect(page.locator(".pl")).to_have_attribute("data-step", "0")


def test_width_of_the_network_is_the_sidebars(open_app):
    page = open_race(open_app)
    slide_to(page, "n", "16")
    wait_for_address(page, n="16")
    expect(chart(page, "train-steps")).to_be_visible()
