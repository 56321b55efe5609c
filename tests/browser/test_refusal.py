"""A computation beyond the limits: what is said, and the way out.

On a server whose limit is lower than usual: the largest width that fits it then is computed in seconds on any machine.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import matrix
from tests.browser.driver import AppServer, running_app


@pytest.fixture(scope="module")
def server(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIMCORE_SECONDS", "20")
        with running_app(tmp_path_factory.mktemp("server")) as app:
            yield app


def test_too_large_a_network_is_refused_with_what_fits(open_app):
    page = open_app("/?n=512&L=6&N=100")
    card = page.locator("[class*=st-key-card-refused-explore]")
    expect(card).to_contain_text("has 1.58 million parameters")
    expect(card).to_contain_text("Largest width that works")
    card.get_by_role("button").click()
    expect(card).to_have_count(0)
    expect(matrix.view(page)).to_be_visible()
