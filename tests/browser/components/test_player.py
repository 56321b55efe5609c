"""Playback of training curves: everything happens in the page."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
# Right edge of each visible curve, in pixels from the left end of its own axis, and where the axis says it should be.
EDGES = """key => { const plot = document.querySelector(`.st-key-${key} .js-plotly-plot`);
  return plot._fullData.map(trace => { const group = plot.querySelector(`.scatterlayer .trace${trace.uid}`);
    const id = /url\\("?#([^")]+)/.exec(group.style.clipPath)?.[1];
    return id ? Number(plot.querySelector(`#${id} rect`).getAttribute('width')) - 52 : null; }) }"""
PLACE = "([key, x]) => document.querySelector(`.st-key-${key} .js-plotly-plot`)._fullLayout.xaxis.d2p(x)"


def open_player(open_demo) -> Page:
    page = open_demo("?level=layers&player=1")
    for key in ("by_step", "by_second"):
        page.locator(f".st-key-{key} .js-plotly-plot .scatterlayer .trace").first.wait_for(state="attached")
    return page


def test_starts_fully_revealed(open_demo):
    page = open_player(open_demo)
    expect(page.locator(".pl")).to_have_attribute("data-step", "100")
    assert page.evaluate(EDGES, "by_step") == [None, None]


def test_scrubbing_clips_each_curve_at_its_own_position(open_demo):
    page = open_player(open_demo)
    page.sent.clear()
    page.locator(".pl input[type=range]").fill("30")
    expect(page.locator(".pl")).to_have_attribute("data-step", "30")
    expect(page.locator(".pl .read")).to_have_text("plain descent: loss 0.417natural gradient: loss 0.0373")
    for key, ends in (("by_step", (30, 30)), ("by_second", (0.6, 2.7))):
        for edge, end in zip(page.evaluate(EDGES, key), ends, strict=True):
            assert edge == pytest.approx(page.evaluate(PLACE, [key, end]), abs=1)
    assert page.sent == []


def test_playing_from_the_start_to_the_end(open_demo):
    page = open_player(open_demo)
    page.sent.clear()
    page.locator(".pl .speed").select_option("4")
    page.locator(".pl .play").click()
    expect(page.locator(".pl")).to_have_attribute("data-playing", "true")
    page.wait_for_function(
        "() => { for (const e of document.querySelectorAll('*')) { const p = e.shadowRoot?.querySelector"
        "('.pl'); if (p) return p.dataset.step > 5 && p.dataset.step < 95; } }"
    )
    expect(page.locator(".pl")).to_have_attribute("data-playing", "false")
    expect(page.locator(".pl")).to_have_attribute("data-step", "100")
    assert page.evaluate(EDGES, "by_step") == [None, None]
    assert page.sent == []


def test_buttons_and_shortcuts(open_demo):
    page = open_player(open_demo)
    page.locator(".pl .reset").click()
    expect(page.locator(".pl")).to_have_attribute("data-step", "0")
    page.locator(".pl .forward").click()
    page.keyboard.press("s")
    expect(page.locator(".pl")).to_have_attribute("data-step", "2")
    page.locator(".pl .back").click()
    expect(page.locator(".pl")).to_have_attribute("data-step", "1")
    page.keyboard.press("t")
    expect(page.locator(".pl")).to_have_attribute("data-playing", "true")
    page.keyboard.press("t")
    expect(page.locator(".pl")).to_have_attribute("data-playing", "false")


def test_the_curtain_returns_after_the_chart_is_drawn_again(open_demo):
    page = open_player(open_demo)
    page.locator(".pl input[type=range]").fill("50")
    page.set_viewport_size({"width": 900, "height": 1100})
    page.wait_for_timeout(800)
    place = page.evaluate(PLACE, ["by_step", 50])
    assert page.evaluate(EDGES, "by_step")[0] == pytest.approx(place, abs=1)
    page.get_by_role("radio", name="linear").click()
    expect(page.locator(".mv")).to_have_attribute("data-tick", "layers-8-linear-2")
    page.wait_for_timeout(500)
    expect(page.locator(".pl")).to_have_attribute("data-step", "50")
    assert page.evaluate(EDGES, "by_step")[0] == pytest.approx(page.evaluate(PLACE, ["by_step", 50]), abs=1)
