"""The frame of a page: header, question and sentence, notices, cards, tables beside pictures, chips."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import menu_lists
import permalinks
import problems
import settings
import specs
import streamlit as st
from copy_link import copy_link

from fimcore.experiments import SpecError, load
from fimcore.experiments.question_spec import QuestionSpec
from fimcore.inputs import InputError
from fimcore.places import assets_folder

MEANWHILE = "Until then the picture shows the last settings that work."
_FAULTS = "_settings_that_do_not_fit"
TAGLINE = "Fisher geometry of random deep networks"


def header() -> None:
    """Name and line of the house, and the link to what is on screen."""
    st.html(f"<style>{style()}</style>")
    st.logo(str(assets_folder() / "logo.svg"), size="large")
    if st.context.is_embedded:
        return
    with st.container(horizontal=True, vertical_alignment="center", wrap=False, key="page-header"):
        st.markdown(f"**fimcore** &nbsp; {TAGLINE}", width="stretch")
        copy_link()
        menu_lists.mend()


@lru_cache(maxsize=1)
def style() -> str:
    """The little that the theme cannot say."""
    return (assets_folder() / "style.css").read_text(encoding="utf-8")


def run(chosen: Any) -> None:
    """Run a page's file; what it does not expect becomes a short code."""
    try:
        chosen.run()
    except Exception as error:
        problems.show_broken(error)


def heading(title: str, sentence: str = "") -> None:
    """The question as title, and one sentence with live numbers."""
    st.title(title, anchor=False)
    if sentence:
        st.markdown(sentence)


def link_notices() -> None:
    """Below the title: what of a link could not be used, until it is dismissed, and settings that do not fit together."""
    # Always there, so that what follows keeps its place and its state in the browser.
    with st.container(key="notices"):
        _link_card()
        for number, (sentence, remedy) in enumerate(st.session_state.get(_FAULTS, ())):
            problems.show_problem(f"{sentence} {MEANWHILE}", remedy, key=f"fault-{number}")


def _link_card() -> None:
    found = permalinks.notices()
    if not found:
        return
    kept = "Everything else in the link is kept."
    text = f"{found[0]} {kept}" if len(found) == 1 else "\n".join(f"- {notice}" for notice in (*found, kept))
    with st.container(border=True, horizontal=True, vertical_alignment="center", wrap=False, key="link-notices"):
        st.markdown(text, width="stretch")
        st.button("Dismiss", key="dismiss-notices", on_click=permalinks.dismiss)


def spec(question: str) -> QuestionSpec:
    """The Spec to show: of the present settings, or the last that worked; `link_notices` then says what is wrong."""
    memory = f"_last_spec_{question}"
    st.session_state[_FAULTS] = ()
    try:
        found = st.session_state[memory] = specs.read_spec(question)
    except SpecError as error:
        st.session_state[_FAULTS] = [
            (sentence, specs.remedy(question, field)) for field, sentence in error.faults.items()
        ]
    except InputError as error:
        st.session_state[_FAULTS] = [(str(error), None)]
    else:
        return found
    kept: QuestionSpec | None = st.session_state.get(memory)
    return kept if kept is not None else load(question).Spec()


def as_table(key: str, table: Any, *, label: str = "Show as table") -> bool:
    """A switch below a picture, and the same numbers as a table when it is on; a function is called only then."""
    on = st.toggle(label, key=f"table-{key}", persist_state="session")
    if on:
        st.dataframe(
            table() if callable(table) else table,
            hide_index=True,
            width="stretch",
            alt=f"The numbers of the picture: {key}",
        )
    return bool(on)


def chips(question: str, choices: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """Short next steps under a picture: a label, and values by address key to apply."""
    with st.container(horizontal=True, key="chips"):
        for number, (label, changes) in enumerate(choices):
            st.button(label, key=f"chip-{question}-{number}", on_click=settings.apply, args=(changes,), type="tertiary")


def is_dark() -> bool:
    """Whether the visitor sees the dark theme."""
    return bool(st.context.theme.type == "dark")
