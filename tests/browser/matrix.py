"""The matrix view of a page, as a test sees it."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.driver import settle

VIEW = ".st-key-matrix .mv"


def view(page: Page) -> Locator:
    return page.locator(f"{VIEW}[data-tick]")


def tick(page: Page) -> str:
    return view(page).get_attribute("data-tick") or ""


def expect_tick(page: Page, pattern: str) -> None:
    """Wait until a picture whose identity matches is painted, and the page is at rest."""
    expect(view(page)).to_have_attribute("data-tick", re.compile(pattern))
    settle(page)


def panel(page: Page, number: int = 0) -> Locator:
    return page.locator(f"{VIEW} .px").nth(number)


def at(page: Page, across: float, down: float, number: int = 0) -> tuple[float, float]:
    """Screen position of a point of a panel, given in shares of its width and height."""
    panel(page, number).scroll_into_view_if_needed()
    box = panel(page, number).bounding_box()
    assert box is not None
    return box["x"] + across * box["width"], box["y"] + down * box["height"]


def crosshair_pixels(page: Page) -> list[int]:
    """Opaque overlay pixels of each panel: a cross-hair draws hundreds."""
    return page.evaluate(
        """() => { const host = document.querySelector('.st-key-matrix');
        const find = root => [...root.querySelectorAll('*')].filter(e => e.shadowRoot)
        .flatMap(e => [e.shadowRoot, ...find(e.shadowRoot)]);
        const roots = [host, ...find(host)];
        return roots.flatMap(r => [...r.querySelectorAll('.ov')]).map(c => [...c.getContext('2d')
        .getImageData(0, 0, c.width, c.height).data].filter((v, i) => i % 4 === 3 && v > 180).length); }"""
    )
