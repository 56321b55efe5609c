"""axe-core finds nothing on any page, light and dark, desktop and phone; every picture says its finding."""

from __future__ import annotations

import json

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.driver import PHONE, settle, sideways_scroll

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}


def violations(page) -> list:
    found = Axe().run(page, options=RULES).response["violations"]
    return [(rule["id"], [node["target"] for node in rule["nodes"]]) for rule in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "path",
    [
        "/?S=1&n=8",
        "/width?S=2&N=50&w0=8&w1=16",
        "/spectrum?n=16&S=2&N=20",
        "/phase?n=16&S=2&N=20&D=4",
        "/unit?n=8&S=2&N=100&l=2",
        "/directions?n=8&S=2&N=100",
        "/plateau?S=1",
        "/dynamics?n=4&N=10&S=1&T=20",
        "/estimators?n=6&S=2&N=20",
        "/estimator_training?n=4&L=1&S=1&ep=5&N=50&M=10",
        "/toy_descent?S=4&T=20",
        "/sampling?n=4&S=2&N=20&nd=100",
        "/empirical_fisher?S=2",
        "/report?n=16&S=4&N=20",
        "/about",
        "/?out=softmax&n=9999",
    ],
)
def test_no_violations(open_app, path, scheme):
    page = open_app(path, color_scheme=scheme)
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    assert sideways_scroll(page) == 0
    found = violations(page)
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    settle(page)
    assert sideways_scroll(page) == 0
    found += violations(page)
    assert not found, json.dumps(found, indent=1)


def test_pictures_say_their_finding(open_app):
    page = open_app("/width?S=2&N=50&w0=8&w1=16")
    names = page.locator('[role="figure"]').evaluate_all("all => all.map(e => e.getAttribute('aria-label'))")
    assert len(names) == 7
    assert "slopes" in names[0]
    for name, start in zip(
        names[1:], ("RMS ratio", "Diagonal-norm", "Diagonal-norm", "In-unit", "Spectral", "Layer-pair"), strict=True
    ):
        assert name.startswith(start)
