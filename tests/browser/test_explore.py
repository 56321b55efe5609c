"""The page Explore in a real browser: the first view, every control, the linked matrices, links, exports, refusals."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import expect

from fimcore.experiments import explore
from tests.browser import matrix
from tests.browser.driver import (
    PHONE,
    address,
    choose,
    choose_in_menu,
    control,
    download,
    fill,
    press,
    press_button,
    select,
    settle,
    sideways_scroll,
    slide_to,
    unfold,
    wait_for_address,
)

DEFAULT = "^16-3-tanh-1.5-0.1-gaussian-0-1000-regression-1-exact-0-unit-parameters-raw-largest---"


def test_first_view_answers_the_question(open_app):
    page = open_app()
    matrix.expect_tick(page, DEFAULT)
    expect(page.get_by_role("heading", level=1)).to_have_text("Is the Fisher matrix block-diagonal?")
    expect(page.get_by_test_id("stMetric")).to_have_count(4)
    facts = explore.facts(explore.Spec())
    expect(page.get_by_text("833 parameters").first).to_be_visible()
    expect(page.get_by_text(f"{100 * facts['dropped_share']:.1f}\u00a0%").first).to_be_visible()
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    assert address(page) == {}, "a setting at its default stays out of the address"


@pytest.mark.parametrize(
    ("key", "strokes", "value", "pattern"),
    [
        ("n", "Home", "2", "^2-3-tanh"),
        ("L", "ArrowRight", "4", "^16-4-tanh"),
        ("sw2", "ArrowRight", "1.55", "^16-3-tanh-1.55-"),
        ("sb2", "Home", "0", "^16-3-tanh-1.5-0-"),
        ("S", "ArrowLeft", "7", DEFAULT),
    ],
)
def test_sliders_by_keyboard_change_picture_and_address(open_app, key, strokes, value, pattern):
    page = open_app()
    press(page, key, strokes)
    matrix.expect_tick(page, pattern)
    wait_for_address(page, **{key: value})
    if key == "S":
        expect(page.get_by_text("over 7 networks").first).to_be_visible()


def test_choices_change_picture_and_address(open_app):
    page = open_app("/?n=8&S=2")
    for name, key, value in (("ReLU", "act", "relu"), ("linear", "act", "linear")):
        choose(page, "act", name)
        matrix.expect_tick(page, f"^8-3-{value}-")
        wait_for_address(page, **{key: value})
    choose(page, "blk", "Layer")
    matrix.expect_tick(page, "-layer-parameters-raw")
    choose(page, "val", "Normalised")
    matrix.expect_tick(page, "-parameters-normalised")
    choose(page, "lv", "Units")
    matrix.expect_tick(page, "-units-normalised.*-25x25$")
    choose(page, "lv", "Layers")
    matrix.expect_tick(page, "-layers-normalised.*-4x4$")
    wait_for_address(page, blk="layer", val="normalised", lv="layers")


def test_input_output_and_estimator(open_app):
    page = open_app("/?n=8&S=2&L=1")
    unfold(page, "group-output")
    slide_to(page, "k", "10")
    choose(page, "out", "Softmax")
    matrix.expect_tick(page, "-softmax-10-exact")
    unfold(page, "group-estimator")
    choose(page, "est", "Monte Carlo")
    matrix.expect_tick(page, "-softmax-10-score")
    unfold(page, "group-input")
    select(page, "in", "Digits (real images)")
    matrix.expect_tick(page, "-digits-0-1000-softmax-10-score")
    choose(page, "est", "Empirical")
    matrix.expect_tick(page, "-digits-0-1000-softmax-10-empirical")
    wait_for_address(page, **{"in": "digits", "out": "softmax", "k": "10", "est": "empirical"})


def test_seed_box_and_new_seed(open_app):
    page = open_app("/?n=4&S=1")
    fill(page, "seed", "7")
    matrix.expect_tick(page, "-exact-7-unit")
    wait_for_address(page, seed="7")
    press_button(page, "new-seed")
    expect(matrix.view(page)).not_to_have_attribute("data-tick", re.compile("-exact-7-unit"))
    settle(page)
    assert address(page)["seed"] != "7"


def test_presets_and_reset(open_app):
    page = open_app()
    choose_in_menu(page, "preset", "Chaotic: signals explode")
    expect(matrix.view(page)).not_to_have_attribute("data-tick", re.compile(DEFAULT))
    settle(page)
    assert float(address(page)["sw2"]) > 2
    press_button(page, "reset")
    matrix.expect_tick(page, DEFAULT)
    assert address(page) == {}


def test_a_link_restores_everything(open_app):
    link = "/?n=8&L=2&act=relu&sw2=2&sb2=0&seed=5&S=3&blk=layer&val=normalised&z=2x1"
    page = open_app(link)
    matrix.expect_tick(
        page, "^8-2-relu-2-0-gaussian-0-1000-regression-1-exact-5-layer-parameters-normalised-largest-2x1-"
    )
    again = open_app("/?" + page.url.split("?")[1])
    assert matrix.tick(again) == matrix.tick(page)
    page.get_by_role("button", name="Learn").click()
    page.get_by_role("menuitem", name="About").click()
    expect(page.get_by_role("heading", level=1)).not_to_have_text(re.compile("block-diagonal"))
    settle(page)
    page.get_by_role("link", name="Explore").click()
    matrix.expect_tick(page, "^8-2-relu-2-0-gaussian-0-1000-regression-1-exact-5-layer")


# Several faults a link, so that few pages are opened: every faulty key leaves the address, S=3 stays.
HOSTILE = [
    ("n=9999999&sw2=-1&act=%3Cscript%3Ealert(1)%3C/script%3E&nonsense=1", "n sw2 act nonsense"),
    ("n=abc&sw2=NaN&sb2=1e999&seed=7.5&z=../../etc/passwd", "n sw2 sb2 seed z"),
    ("n=0&v=99&pin=1-999999999999&csv=../../etc/passwd&in=csv", "n v csv"),
    ("L=3&L=4&k=www.example.com&out=%2A%2Abold%2A%2A", "k out"),
]


@pytest.mark.parametrize(("link", "keys"), HOSTILE)
def test_hostile_links_get_one_sentence_and_keep_the_rest(open_app, link, keys):
    page = open_app(f"/?{link}&S=3")
    matrix.expect_tick(page, "^16-3-tanh-1.5-0.1-gaussian-0-")
    notice = control(page, "link-notices")
    expect(notice).to_contain_text("Everything else in the link is kept.")
    assert "<script>alert" not in page.content()
    expect(notice.locator("strong, a")).to_have_count(0)
    wait_for_address(page, S="3")
    assert not set(keys.split()) & set(address(page))
    press_button(page, "link-notices")
    expect(notice).to_have_count(0)


def test_crosshair_is_linked_and_names_are_read(open_app):
    page = open_app()
    page.mouse.move(*matrix.at(page, 0.3, 0.6))
    expect(page.locator(f"{matrix.VIEW} .read")).to_contain_text(re.compile(r"w.\[\d+←\d+\].* with .*full"))
    assert min(matrix.crosshair_pixels(page)) > 100
    matrix.panel(page).focus()
    for stroke in ("Home", "ArrowRight", "Shift+ArrowDown"):
        page.keyboard.press(stroke)
    expect(matrix.view(page)).to_have_attribute("data-column", "1")


def test_pinned_value_is_the_exact_entry(open_app):
    page = open_app("/?n=4&L=2&S=1")
    page.mouse.click(*matrix.at(page, 0.42, 0.12))
    expect(page.locator(f"{matrix.VIEW} .pinned")).to_contain_text("F_ij")
    settle(page)
    row, column = map(int, address(page)["pin"].split("-"))
    exact = explore.pinned_entry(explore.Spec(width=4, hidden_layers=2), row, column)
    text = page.locator(f"{matrix.VIEW} .pinned").inner_text()
    assert str(exact["row_symbol"]) in text
    found = re.search(r"∂ⱼf = (−?)([\d.]+)(?: × 10(⁻?[⁰¹²³⁴⁵⁶⁷⁸⁹]+))?", text)
    power = (found[3] or "⁰").translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-"))
    value = float(found[2]) * 10.0 ** int(power) * (-1 if found[1] else 1)
    assert value == pytest.approx(exact["value"], rel=1e-5)


def test_dive_and_rise(open_app):
    page = open_app("/?n=8&S=1")
    page.mouse.dblclick(*matrix.at(page, 0.1, 0.5))
    wait_for_address(page, z="2x1")
    matrix.expect_tick(page, "-2x1-")
    expect(page.locator(f"{matrix.VIEW} .crumbs")).to_contain_text("layer 2 × layer 1")
    matrix.panel(page).focus()
    page.keyboard.press("Enter")
    matrix.expect_tick(page, r"-2\.\d+x1\.\d+-.*9x9$")
    page.keyboard.press("Escape")
    matrix.expect_tick(page, "-2x1-")
    page.locator(f"{matrix.VIEW} .crumbs button").first.click()
    wait_for_address(page, z=None)


def test_difference_panel(open_app):
    page = open_app("/?n=8&S=1")
    page.locator(f"{matrix.VIEW} .difference").click()
    wait_for_address(page, dif="1")
    expect(page.locator(f"{matrix.VIEW} .px")).to_have_count(3)


def test_sweep_scrubs_without_the_server_and_then_sets_the_width(open_app):
    page = open_app("/?S=1")
    scrubber = page.locator(f"{matrix.VIEW} .sweep input[type=range]")
    expect(scrubber).to_be_visible()
    settle(page)
    page.evaluate(
        """() => { const send = WebSocket.prototype.send; window.__sent = 0;
        WebSocket.prototype.send = function (...a) { window.__sent += 1; return send.apply(this, a); }; }"""
    )
    before = matrix.tick(page)
    scrubber.focus()
    box = scrubber.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 2)
    page.mouse.down()
    for share in (0.6, 0.4, 0.1):
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] / 2, steps=3)
    expect(matrix.view(page)).not_to_have_attribute("data-tick", before)
    assert page.evaluate("window.__sent") == 0, "scrubbing sends nothing"
    page.mouse.up()
    expect(matrix.view(page)).to_have_attribute("data-tick", re.compile("^(2|4)-3-tanh"))
    settle(page)
    assert address(page)["n"] in ("2", "4")


def test_ten_fast_changes_end_on_the_last(open_app):
    page = open_app("/?n=8&S=1")
    press(page, "sw2", "ArrowRight", times=10)
    matrix.expect_tick(page, "^8-3-tanh-2-0.1-")
    wait_for_address(page, sw2="2")


def test_softmax_with_one_output_is_told_and_mended(open_app):
    page = open_app("/?out=softmax&n=8&S=1")
    expect(page.get_by_text("softmax needs 2 classes or more").first).to_be_visible()
    page.get_by_role("button", name="Use 2 classes").click()
    matrix.expect_tick(page, "-softmax-2-exact")
    wait_for_address(page, k="2", out="softmax")


def test_a_dead_network_is_answered_in_words(open_app):
    page = open_app("/?act=relu&sb2=0&L=12&n=2&S=2&seed=3")
    settle(page)
    expect(page.get_by_text(re.compile("never move the output|No parameter moves the output")).first).to_be_visible()


def test_csv_upload_good_and_bad(open_app, tmp_path):
    page = open_app("/?n=4&L=1&S=1")
    unfold(page, "group-input")
    select(page, "in", "Your CSV")
    for name, content, sentence in (
        ("empty.csv", "", "is empty"),
        ("text.csv", "a,b\n1,x\n2,y\n", "1 column with text"),
        ("wide.csv", ",".join("c" + str(i) for i in range(70)) + "\n" + (",".join("1" * 70) + "\n") * 3, "70 columns"),
    ):
        file = tmp_path / name
        file.write_text(content)
        control(page, "upload").locator("input[type=file]").set_input_files(file)
        expect(page.get_by_text(sentence).first).to_be_visible()
        settle(page)
    good = tmp_path / "good.csv"
    rows = np.random.default_rng(0).standard_normal((40, 3))
    pd.DataFrame(rows, columns=["a", "b", "c"]).to_csv(good, index=False)
    control(page, "upload").locator("input[type=file]").set_input_files(good)
    matrix.expect_tick(page, "-csv-0-.*-21x21$")
    assert re.fullmatch("[0-9a-f]{16}", address(page)["csv"])
    assert str(tmp_path) not in page.url


@pytest.fixture
def exported(open_app):
    """The page of one setting, and a way to get a file from its export menu."""
    page = open_app("/?n=4&L=2&S=2&val=normalised")

    def get(kind: str, menu: str = "export-explore"):
        press_button(page, menu)
        button = page.get_by_role("button", name=kind, exact=True)
        file = download(page, button.click)
        page.keyboard.press("Escape")
        return file

    return page, get


def test_every_export_opens_and_holds_the_numbers(exported):
    _, get = exported
    spec = explore.Spec(width=4, hidden_layers=2, seeds=2, values="normalised")
    result = explore.run(spec)
    picture = Image.open(BytesIO(Path(get("PNG").path()).read_bytes()))
    assert picture.width >= 1200
    root = ET.fromstring(Path(get("SVG").path()).read_text(encoding="utf-8"))
    assert root.tag.endswith("svg")
    assert "n=4" in ET.tostring(root, encoding="unicode")
    csv = Path(get("CSV").path())
    cells = pd.read_csv(csv, comment="#")
    np.testing.assert_allclose(cells["full"], result.arrays["full"].ravel(), rtol=1e-9)
    np.testing.assert_allclose(cells["block_diagonal"], result.arrays["block_diagonal"].ravel(), rtol=1e-9)
    with np.load(get("NPZ").path(), allow_pickle=False) as arrays:
        np.testing.assert_allclose(arrays["full"], result.arrays["full"], rtol=1e-9)
    document = json.loads(Path(get("JSON").path()).read_text(encoding="utf-8"))
    assert document["settings"]["width"] == 4
    assert document["seeds"] == [0, 1]
    assert "torch" in document["versions"]
    script = Path(get("Python").path()).read_text(encoding="utf-8")
    space: dict = {}
    exec(compile(script, "exported", "exec"), space)
    np.testing.assert_allclose(
        space["result"].table["largest_eigenvalue"], result.table["largest_eigenvalue"], rtol=1e-6
    )


def test_chart_exports(exported):
    _, get = exported
    assert Image.open(BytesIO(Path(get("PNG", "export-explore-eigenvalues").path()).read_bytes())).width > 800
    ET.fromstring(Path(get("SVG", "export-explore-eigenvalues").path()).read_text(encoding="utf-8"))
    table = pd.read_csv(get("CSV", "export-explore-eigenvalues").path(), comment="#")
    spec = explore.Spec(width=4, hidden_layers=2, seeds=2, values="normalised")
    np.testing.assert_allclose(table["eigenvalue"], explore.eigenvalues(spec)["eigenvalue"], rtol=1e-9)


def test_phone_stacks_the_panels(open_app):
    page = open_app("/?S=1", viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=2)
    assert sideways_scroll(page) == 0
    first, second = (matrix.panel(page, number).bounding_box() for number in (0, 1))
    assert second["y"] > first["y"] + first["height"]
    assert abs(first["width"] - first["height"]) < 2


def test_two_visitors_do_not_share_settings(open_app):
    first, second = open_app("/?n=4&S=1"), open_app("/?n=8&S=1")
    assert matrix.tick(first).startswith("4-")
    assert matrix.tick(second).startswith("8-")
    press(first, "L", "ArrowRight")
    matrix.expect_tick(first, "^4-4-")
    assert matrix.tick(second).startswith("8-3-")


def test_embedded_and_hidden_controls(open_app):
    page = open_app("/?embed=true&hide=est,blk&n=8&S=1")
    matrix.expect_tick(page, "^8-3-")
    expect(control(page, "blk")).to_have_count(0)
