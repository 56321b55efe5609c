"""What goes wrong, in one sentence that says what works; a traceback is for the log, never for the page."""

from __future__ import annotations

import hashlib
import logging
import re
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import settings
import streamlit as st

LOG = logging.getLogger("fimcore.app")
# Characters that Markdown or Streamlit's own directives would read as markup.
_MARKUP = re.compile(r"([\\*_\[\]<>$~#|])")
# Words that Markdown makes a link of by itself, however they are escaped: hosts, addresses, mail. Numbers are none.
_WORD = re.compile(r"(?i:\S*(?:www\.|//)\S*)|[^\s.,;:!?()\[\]{}\"']\S*[^\s.,;:!?()\[\]{}\"']")
_LINK = re.compile(r"\.(?!\d)|(?<!\d)\.|@|//")


def plain(sentence: str) -> str:
    """A sentence in which nothing but code spans is markup: it may carry the name of a column or a value of a visitor."""
    parts = sentence.split("`")
    if len(parts) % 2 == 0:  # an unpaired backtick
        parts = [sentence.replace("`", "'")]
    last = len(parts) - 1
    return "".join(f"`{part}`" if odd % 2 else _plain_part(part, odd > 0, odd < last) for odd, part in enumerate(parts))


def _plain_part(part: str, before: bool, after: bool) -> str:
    """What stands outside of the code spans (is there one before, one after?); what could become a link is put in one."""
    made, at = "", 0
    for word in _WORD.finditer(part):
        if _LINK.search(word[0]):
            # Two code spans that touch would be read as one.
            left = " " if before and word.start() == 0 else ""
            right = " " if after and word.end() == len(part) else ""
            made += f"{_escaped(part[at : word.start()])}{left}`{word[0]}`{right}"
            at = word.end()
    return made + _escaped(part[at:])


def _escaped(text: str) -> str:
    return _MARKUP.sub(r"\\\1", text).replace(":", "\\:")


def show_problem(
    sentence: str,
    remedy: tuple[str, Mapping[str, Any]] | None = None,
    *,
    key: str = "problem",
    again: Callable[[], Any] | None = None,
) -> None:
    """One sentence beside the picture, with a one-click remedy (a label and values by address key) where there is one.

    again: what to do where the visitor wants to try the same once more.
    """
    with st.container(border=True, key=f"card-{key}"):
        st.markdown(f":material/error: {plain(sentence)}")
        if remedy is not None:
            label, changes = remedy
            st.button(label, key=f"remedy-{key}", on_click=settings.apply, args=(dict(changes),))
        if again is not None:
            st.button("Try again", key=f"again-{key}", on_click=again)


def show_broken(error: BaseException) -> None:
    """Something unexpected: a short code on the page, the traceback under the same code in the log."""
    trouble = "".join(traceback.format_exception(error))
    log(trouble)
    show_broken_text(trouble)


def log(trouble: str) -> None:
    """Write a traceback under its code."""
    LOG.error("code %s\n%s", code_of(trouble), trouble)


def show_broken_text(trouble: str) -> None:
    """The code of a traceback that is in the log."""
    st.error(
        "Something broke here, not with your settings. Your settings are in the address. "
        f"Report with code `{code_of(trouble)}`."
    )


def code_of(trouble: str) -> str:
    """Four characters that find a traceback in the log."""
    return hashlib.sha256(trouble.encode()).hexdigest()[:4]
