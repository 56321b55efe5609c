"""The short lesson of a question, folded below its pictures."""

from __future__ import annotations

from functools import lru_cache

import streamlit as st

from fimcore.places import assets_folder


@lru_cache(maxsize=16)
def text(question: str) -> str:
    """The lesson of a question, Markdown with KaTeX formulas."""
    return (assets_folder() / "lessons" / f"{question}.md").read_text(encoding="utf-8")


def show(question: str, title: str = "What am I looking at?") -> None:
    """The lesson, folded."""
    with st.expander(title, key="lesson"):
        st.markdown(text(question))
