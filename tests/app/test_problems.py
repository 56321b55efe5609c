from __future__ import annotations

import re

import problems
import pytest
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("Width 512 has 1.58 million parameters.", "Width 512 has 1.58 million parameters."),
        ("Column www.host.tld holds text.", "Column `www.host.tld` holds text."),
        ("(see www.host.tld).", "(see `www.host.tld).`"),
        ("Ask a@b.org, or https://host/x", "Ask `a@b.org`, or `https://host/x`"),
        ("`n` is -0.5: use 0.1, 2.5e-3 or 1.", "`n` is -0.5\\: use 0.1, 2.5e-3 or 1."),
        ("`a`host.tld`b`", "`a` `host.tld` `b`"),
        ("a*b_c `d*e` [f](g)", r"a\*b\_c `d*e` \[f\](g)"),
    ],
)
def test_markup_and_links_of_visitors_are_inert(sentence: str, shown: str) -> None:
    assert problems.plain(sentence) == shown


# What the Markdown of the dashboard links by itself, after escapes are resolved.
LINKS = re.compile(r"(https?://|www(?=\.))[-.\w]+|[-.\w+]+@[-\w]+(\.[-\w]+)+", re.IGNORECASE)
PIECES = ["www.", "host.tld", "https://", "a@b.c", "`", ".", " ", "0.5", "(", ",", "*", "x"]


@given(st.lists(st.sampled_from(PIECES), max_size=8))
def test_no_link_is_left_outside_of_a_code_span(pieces: list[str]) -> None:
    shown = problems.plain("".join(pieces))
    assert shown.count("`") % 2 == 0
    for text in shown.split("`")[::2]:
        assert not LINKS.search(text.replace("\\", "")), shown
