"""The page While learning in a real browser: the heat map plays, and the charts follow it without the server."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.driver import control, settle

CURSOR = "key => Number(document.querySelector(`.st-key-${key} .film-cursor`)?.getAttribute('x1'))"
FRONT = """() => [...document.querySelectorAll('.st-key-dynamics-spectra .scatterlayer .js-line')]
  .findIndex(path => path.style.strokeWidth === '3px')"""


def test_charts_follow_the_frames_of_the_heat_map(open_app):
    page = open_app("/dynamics?n=4&N=12&S=1&T=20&snap=10")
    expect(page.get_by_text("edge of stability").first).to_be_visible()
    settle(page)
    film, view = control(page, "dynamics-film"), page.locator(".film")
    expect(view).to_have_attribute("data-frame", "9")
    expect(film.locator(".acts")).to_be_hidden()
    asked: list[str] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda _: asked.append("sent")))
    places = [page.evaluate(CURSOR, "dynamics-curvature")]
    fronts = [page.evaluate(FRONT)]
    for _ in range(2):
        film.get_by_role("button", name="Step back").click()
        places.append(page.evaluate(CURSOR, "dynamics-curvature"))
        fronts.append(page.evaluate(FRONT))
    assert places[0] > places[1] > places[2] > 0
    assert fronts == [9, 8, 7]
    expect(view).to_contain_text("of the line")
    film.get_by_role("button", name="Play").click()
    expect(view).to_have_attribute("data-frame", "9")
    assert not asked
