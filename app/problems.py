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


def plain(sentence: str) -> str:
    """A sentence in which nothing but code spans is markup: it may carry the name of a column or a value of a visitor."""
    parts = sentence.split("`")
    if len(parts) % 2 == 0:  # an unpaired backtick
        parts = [sentence.replace("`", "'")]
    return "`".join(
        part if odd % 2 else _MARKUP.sub(r"\\\1", part).replace(":", "\\:") for odd, part in enumerate(parts)
    )


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
