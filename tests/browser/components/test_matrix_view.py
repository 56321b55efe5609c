"""The matrix view under the hands of a visitor: pointer, keys, touch, zoom, sweep."""

from __future__ import annotations

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
AXE_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
# How many pixels of each overlay are drawn on.
DRAWN = """canvases => canvases.map(c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]
    .filter((value, i) => i % 4 === 3 && value > 200).length)"""


def view(page: Page):
    return page.locator(".mv")


def value(page: Page, name: str) -> str:
    return view(page).get_attribute(f"data-{name}") or ""


def cell_centre(page: Page, row: float, column: float, panel: int = 0) -> tuple[float, float]:
    """Page coordinates of a point given in fractions of the panel."""
    box = page.locator(".px").nth(panel).bounding_box()
    assert box
    return box["x"] + column * box["width"], box["y"] + row * box["height"]


def event(page: Page, text: str) -> None:
    expect(page.get_by_text(re.compile("^Event: " + text))).to_be_visible()


def test_cross_hair_is_linked_and_the_read_out_names_both_parameters(open_demo):
    page = open_demo()
    page.mouse.move(*cell_centre(page, 0.9, 0.3))
    expect(view(page)).to_have_attribute("data-crosshair", "true")
    expect(page.locator(".read")).to_have_text(
        re.compile(r"^w₃\[\d←\d\] with w₁\[\d←\d\]: full ≈ −?[\d.]+( × 10\S+)?, block-diagonal = 0$")
    )
    assert min(page.locator(".ov").evaluate_all(DRAWN)) > 300
    page.mouse.move(5, 5)
    expect(view(page)).to_have_attribute("data-crosshair", "false")


def test_read_out_on_the_diagonal(open_demo):
    page = open_demo()
    page.mouse.move(*cell_centre(page, 0.501, 0.501, panel=1))
    expect(page.locator(".read")).to_have_text(re.compile(r" with itself: full (≈|≥) \S+, block-diagonal (≈|≥) \S+$"))


def test_keys_move_the_cursor(open_demo):
    page = open_demo()
    page.locator(".px").first.focus()
    page.keyboard.press("ArrowDown")
    assert (value(page, "row"), value(page, "column")) == ("1", "0")
    page.keyboard.press("Shift+ArrowRight")
    assert (value(page, "row"), value(page, "column")) == ("1", "10")
    page.keyboard.press("End")
    assert (value(page, "row"), value(page, "column")) == ("1", "224")
    page.keyboard.press("PageDown")
    assert (value(page, "row"), value(page, "column")) == ("224", "224")
    for key in ("Home", "PageUp", "ArrowUp", "ArrowLeft"):
        page.keyboard.press(key)
    assert (value(page, "row"), value(page, "column")) == ("0", "0")
    expect(page.locator(".read")).to_contain_text("w₁[1←1] with itself")


def test_dive_and_rise_reach_python(open_demo):
    page = open_demo("?level=units")
    page.mouse.dblclick(*cell_centre(page, 0.3, 0.3))
    event(
        page,
        r"MatrixEvents\(dive=Cell\(row=7, column=7, tick='units-8-signed_sqrt-2', frame=None\), rise=None, pin=None",
    )
    expect(view(page)).to_have_attribute("data-tick", "parameters-8-signed_sqrt-2")
    expect(page.locator(".crumbs button")).to_have_text(["All", "layer 2", "unit 7"])
    page.locator(".px").first.focus()
    page.keyboard.press("Escape")
    event(page, r"MatrixEvents\(dive=None, rise=1,")
    expect(view(page)).to_have_attribute("data-tick", "units-8-signed_sqrt-2")
    page.get_by_role("button", name="All").click()
    expect(view(page)).to_have_attribute("data-tick", "layers-8-signed_sqrt-2")
    page.locator(".px").first.focus()
    page.keyboard.press("Enter")
    event(page, r"MatrixEvents\(dive=Cell\(row=")


def test_pin_by_click_and_by_key(open_demo):
    page = open_demo()
    page.mouse.click(*cell_centre(page, 112.5 / 225, 56.5 / 225))
    event(page, r"MatrixEvents\(dive=None, rise=None, pin=Cell\(row=112, column=56,")
    expect(page.get_by_text("Pinned: F = −0.0213, the exact value")).to_be_visible()
    page.mouse.move(5, 5)
    assert min(page.locator(".ov").evaluate_all(DRAWN)) > 20, "the marker stays on every panel"
    page.locator(".px").nth(1).focus()
    page.keyboard.press("Home")
    page.keyboard.press("p")
    event(page, r"MatrixEvents\(dive=None, rise=None, pin=Cell\(row=112, column=0,")


def test_difference_by_key_and_by_switch(open_demo):
    page = open_demo()
    page.locator(".px").first.focus()
    page.keyboard.press("d")
    event(page, r".*difference=True\)")
    expect(page.locator(".px")).to_have_count(3)
    expect(page.locator(".px").first).to_be_focused()
    switch = page.get_by_role("button", name="Difference", exact=True)
    expect(switch).to_have_attribute("aria-pressed", "true")
    switch.click()
    expect(page.locator(".px")).to_have_count(2)


def test_cursor_and_zoom_survive_new_data_on_the_same_element(open_demo):
    page = open_demo()
    page.locator(".px").first.focus()
    for _ in range(3):
        page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("+")
    page.keyboard.press("+")
    assert value(page, "zoom") == "4"
    page.locator(".mv").evaluate("element => { element.mark = 'the same'; }")
    page.get_by_role("radio", name="signed_log").click()
    expect(view(page)).to_have_attribute("data-tick", "parameters-8-signed_log-2")
    assert (value(page, "zoom"), value(page, "row"), value(page, "column")) == ("4", "30", "0")
    page.locator(".st-key-width").get_by_role("slider").focus()
    page.keyboard.press("ArrowLeft")
    expect(view(page)).to_have_attribute("data-tick", "parameters-6-signed_log-2")
    assert value(page, "zoom") == "4"
    assert int(value(page, "row")) == int((30.5 / 225) * 133), "same place in a smaller matrix"
    assert page.locator(".mv").evaluate("element => element.mark") == "the same"
    assert int(value(page, "mounts")) >= 3
    page.get_by_role("button", name="Show the whole matrix").click()
    assert value(page, "zoom") == "1"


def test_dragging_a_zoomed_picture_moves_it_and_does_not_pin(open_demo):
    page = open_demo()
    page.get_by_role("button", name="Zoom in").click()
    page.mouse.move(*cell_centre(page, 0.5, 0.5))
    before = page.locator(".read").inner_text()
    page.mouse.down()
    page.mouse.move(*cell_centre(page, 0.3, 0.3), steps=4)
    page.mouse.up()
    page.wait_for_timeout(400)
    page.mouse.move(*cell_centre(page, 0.5, 0.5))
    assert page.locator(".read").inner_text() != before
    event(page, "nothing yet")


def test_touch_reads_first_and_pins_second(open_demo):
    page = open_demo(viewport=(390, 844), device_scale_factor=2, is_mobile=True, has_touch=True)
    canvas = page.locator(".px").first
    canvas.tap(position={"x": 100, "y": 120})
    expect(page.locator(".read")).to_contain_text("full ")
    page.wait_for_timeout(500)
    event(page, "nothing yet")
    canvas.tap(position={"x": 100, "y": 120})
    event(page, r"MatrixEvents\(dive=None, rise=None, pin=Cell")
    page.get_by_role("button", name="Look inside").tap()
    event(page, r"MatrixEvents\(dive=Cell")


def test_dragging_the_sweep_sends_nothing_and_paints_within_a_frame(open_demo):
    page = open_demo("?sweep=1")
    assert value(page, "tick") == "parameters-8-signed_sqrt-2"
    slider = page.locator(".sweep input[type=range]")
    box = slider.bounding_box()
    y = box["y"] + box["height"] / 2
    page.sent.clear()
    page.mouse.move(box["x"] + box["width"] / 2, y)
    page.mouse.down()
    seen = set()
    for step in range(11):
        page.mouse.move(box["x"] + box["width"] * (0.02 + 0.096 * step), y)
        seen.add(value(page, "tick"))
    page.mouse.up()
    assert len(seen) == 5, seen
    assert value(page, "frame") == "4"
    expect(page.locator(".caption")).to_have_text("Width 16 · A frame of the sweep; the settings say Width 8.")
    page.wait_for_timeout(500)
    assert page.sent == []
    milliseconds = slider.evaluate(
        """slider => { const root = slider.closest('.mv'), start = performance.now(); slider.value = '1';
        slider.dispatchEvent(new Event('input')); return [root.dataset.tick, performance.now() - start]; }"""
    )
    assert milliseconds[0] == "parameters-8-signed_sqrt-2#1"
    assert milliseconds[1] < 100


def test_sweep_plays_to_the_end_and_sends_nothing(open_demo):
    page = open_demo("?sweep=1&trigger=1")
    page.sent.clear()
    page.locator(".sweep .speed").select_option("8")
    page.get_by_role("button", name="Play").click()
    expect(view(page)).to_have_attribute("data-frame", "4")
    expect(view(page)).to_have_attribute("data-playing", "false")
    page.wait_for_timeout(400)
    assert page.sent == []


def test_choosing_a_frame_sets_the_width_in_python(open_demo):
    page = open_demo("?sweep=1&trigger=1")
    page.get_by_role("button", name="Step forward").click()
    event(page, r".*sweep=3")
    expect(view(page)).to_have_attribute("data-tick", "parameters-12-signed_sqrt-2")
    assert value(page, "frame") == "3"
    expect(page.locator(".caption")).to_have_text("Width 12")
    page.locator(".sweep input[type=range]").focus()
    page.keyboard.press("ArrowLeft")
    event(page, r".*sweep=2")


@pytest.mark.parametrize("variant", ["nan", "zero", "dead", "tall", "own", "magnitude"])
def test_unusual_matrices_are_drawn(open_demo, variant):
    page = open_demo(f"?variant={variant}")
    page.mouse.move(*cell_centre(page, 0.025, 0.07))
    expect(page.locator(".read")).to_contain_text("full ")
    if variant == "nan":
        expect(page.locator(".read")).to_contain_text("no value")
    if variant == "tall":
        box = page.locator(".px").first.bounding_box()
        assert box["height"] <= 561
        assert box["width"] < box["height"]
    if variant == "own":
        expect(page.locator(".panel .ramp")).to_have_count(2)
        expect(page.locator(".bars .ramp")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [(1280, 1100), (390, 844)])
def test_no_accessibility_violations_and_no_sideways_scroll(open_demo, scheme, viewport):
    phone = {"device_scale_factor": 2, "is_mobile": True, "has_touch": True} if viewport[0] < 600 else {}
    page = open_demo("?sweep=1&panels=3&player=1", viewport=viewport, color_scheme=scheme, **phone)
    page.locator(".px").first.focus()
    page.keyboard.press("p")
    event(page, r"MatrixEvents\(dive=None, rise=None, pin=Cell")
    page.locator(".js-plotly-plot .main-svg").first.wait_for()
    found = Axe().run(page, options=AXE_RULES).response["violations"]
    assert not found, json.dumps([(rule["id"], [node["target"] for node in rule["nodes"]]) for rule in found], indent=1)
    overflow = page.evaluate(
        """() => { const main = document.querySelector('[data-testid=stMain]');
        return [main.scrollWidth - main.clientWidth, document.documentElement.scrollWidth - innerWidth]; }"""
    )
    assert max(overflow) <= 0, overflow
    small = page.locator(
        ".own-controls button, .own-controls input, .own-controls select, .own-controls summary"
    ).evaluate_all(
        """all => all.filter(e => e.offsetParent).map(e => [e.className || e.tagName, e.getBoundingClientRect()])
        .filter(([name, box]) => name !== 'loop' && Math.min(box.width, box.height) < 24).map(([name]) => name)"""
    )
    assert small == []
