"""Every page opens on a phone: alive, at rest, with its question as the only top heading. Desktops: the accessibility tests."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.driver import PHONE, sideways_scroll

PAGES = {
    "/": "Fisher matrix",
    "/width": "",
    "/spectrum": "largest eigenvalue",
    "/phase": "signal",
    "/unit": "diagonal plus rank two",
    "/directions": "natural direction",
    "/train": "",
    "/plateau?S=1": "plateau",
    "/dynamics?n=4&N=10&S=1&T=20": "while a network learns",
    "/estimators?n=6&S=2&N=20": "should I trust",
    "/estimator_training?n=4&L=1&S=1&ep=5&N=50": "better as training goes on",
    "/toy_descent?S=4&T=20": "Fisher estimate",
    "/sampling?n=4&S=2&N=20&nd=100": "one draw",
    "/empirical_fisher?S=2": "stand in for the Fisher",
    "/report?n=64&S=4&N=50": "mean-field",
    "/about": "",
}


# In the dark, the accessibility tests open the other pages at this size.
@pytest.mark.parametrize(("path", "scheme"), [*((path, "light") for path in PAGES), ("/train", "dark")])
def test_opens_on_a_phone_without_sideways_scroll(open_app, path, scheme):
    page = open_app(path, viewport=PHONE, color_scheme=scheme)
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_count(1)
    expect(heading).to_contain_text(PAGES[path])
    assert sideways_scroll(page) == 0
