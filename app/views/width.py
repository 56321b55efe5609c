"""The page Width: does off-block decay with width? Six observables beside predictions, against width and outputs, and shares."""

from __future__ import annotations

import controls
import exports
import jobs
import lessons
import page
import plotly.graph_objects as go
import settings
import streamlit as st
import width_words
from chart import show_chart
from figures import width as figures
from picture_export import picture_menu

from fimcore.experiments.result import Result
from fimcore.experiments.width_observables import NAMES
from fimcore.experiments.width_spec import Spec
from fimcore.experiments.width_theory import caveats
from fimcore.experiments.width_verdicts import quantity

QUESTION = "width"
CONTROLS = {
    "width": (("view", "C", "res"), ("obs", "w0", "w1")),
    "outputs": (("view", "res"), ("obs",)),
    "shares": (("view", "C"), ("w0", "w1")),
}
SHARES = {"hidden layers": "Hidden layers", "all layers": "All layers, read-out included"}


def chosen(result: Result) -> tuple[str, bool]:
    """The observable to draw, and whether as residuals: only where something is predicted."""
    now = settings.values(QUESTION)
    name = str(now["obs"])
    if name not in width_words.listed(result):
        name = "ratio"
    return name, bool(now["res"] and width_words.rows_of(result, name)["predicted"].notna().any())


def of_view(result: Result, view: str) -> str:
    """What is drawn: shares need a sweep over widths, and the last result may still be one over outputs."""
    swept = width_words.spec_of(result).axis
    return "outputs" if swept == "outputs" else "shares" if view == "shares" else "width"


def draw(result: Result) -> None:
    """Sentence and first picture; also drawn from partial results while the sweep is running."""
    if of_view(result, settings.values(QUESTION)["view"]) == "shares":
        shares_pictures(result)
        return
    name, residual = chosen(result)
    text = width_words.finding(result, name)
    st.markdown(text)
    chart = main_chart(result, name, residual)
    show_chart(chart, "ratios", text)
    st.caption(width_words.caption(result, name, residual))


def main_chart(result: Result, name: str, residual: bool) -> go.Figure:
    axis = width_words.spec_of(result).axis
    return figures.observable(result.tables["observables"], name, axis, page.is_dark(), residual)


def shares_pictures(result: Result) -> None:
    text = width_words.shares_finding(result)
    st.markdown(text)
    for place, (layers, title) in zip(st.columns(2), SHARES.items(), strict=True):
        with place:
            st.header(title, anchor=False)
            chart = figures.shares(result.tables["mass"], layers, page.is_dark())
            key = f"shares-{layers.split()[0]}"
            show_chart(chart, key, text)
    st.caption(
        "Areas, one on top of the other: shares of the sum of squared entries, squares averaged over networks before dividing; "
        "dashed: predicted boundaries at these widths. With one output the read-out is one unit, and all of its block counts as "
        "inside: so the hidden layers are shown by themselves."
    )


def details(result: Result, view: str) -> None:
    """What stands below the first picture, from a sweep that is over or was stopped."""
    name, residual = ("mass", False) if view == "shares" else chosen(result)
    with st.container(horizontal=True, vertical_alignment="center"):
        if view == "shares":
            for layers in SHARES:
                key = f"mass-{layers.split()[0]}"
                chart = figures.shares(result.tables["mass"], layers, page.is_dark())
                text = width_words.shares_finding(result)
                picture_menu(result, "mass", key, f"Shares of ‖F‖²: {layers}", chart, text, f"Export {layers}")
            page.as_table("mass", result.tables["mass"])
        else:
            table = "ratios" if name == "ratio" else "observables"
            label = "Export ratios" if name == "ratio" else "Export picture"
            chart, text = main_chart(result, name, residual), width_words.finding(result, name)
            picture_menu(result, table, "ratios", figures.title_of(name), chart, text, label)
            shown = result.tables[table]
            page.as_table("ratios", shown if name == "ratio" else shown[shown["observable"] == name])
    for note in result.tables["notes"]["note"]:
        st.caption(f":material/warning: {note}")
    if width_words.rows_of(result, name)["predicted"].notna().any():
        for sentence in caveats(width_words.spec_of(result)):
            st.caption(f":material/info: {sentence}")
    parts = {quantity(name, part) for part in width_words.rows_of(result, name)["part"]}
    for verdict in result.verdicts:
        if verdict.quantity in parts:
            st.markdown(f"- {verdict.sentence}")


def every_observable(result: Result) -> None:
    """The heart of the page: the same networks, six questions, different answers."""
    axis, dark = width_words.spec_of(result).axis, page.is_dark()
    st.header(f"Does it decay with {width_words.axis_words(result)}? That depends on what is measured", anchor=False)
    st.markdown(
        "The same networks, asked in different ways. Lines: layers, or pairs of layers; dashed: predicted, where there is a "
        "prediction."
    )
    names = width_words.listed(result)
    for first in range(0, len(names), 3):
        for place, name in zip(st.columns(3), names[first : first + 3], strict=False):
            rows = width_words.rows_of(result, name)
            with place:
                st.markdown(f"{width_words.SHORT[name]}: {width_words.change_words(rows)}")
                line = width_words.slopes_line(rows)
                chart = figures.small(result.tables["observables"], name, axis, dark)
                alt = f"{NAMES[name]}: {width_words.change_words(rows)}. {line}"
                show_chart(chart, f"small-{name}", alt, bar=False)
                st.caption(line)
    with st.container(horizontal=True, vertical_alignment="center"):
        exports.export_menu(result, name="slopes", table="trends", key="slopes", label="Export slopes")
        page.as_table("trends", width_words.summary(result), label="Show slopes as table")
    with st.expander("All verdicts", key="width-verdicts"):
        for verdict in result.verdicts:
            st.markdown(f"- {verdict.sentence}")


spec = page.spec(QUESTION)
assert isinstance(spec, Spec)
page.heading("What does width change?")
page.link_notices()
for row in CONTROLS[spec.view]:
    controls.view_controls(QUESTION, *row, label=row[0] != "view")
found = jobs.compute(QUESTION, spec, draw=draw, ignore=spec.ignored)
running = (QUESTION, "run") in jobs.session_jobs().watched
if isinstance(found, Result) and not running:
    details(found, of_view(found, spec.view))
    every_observable(found)
lessons.show(QUESTION)
page.chips(
    QUESTION,
    [
        ("As many outputs as units", {"view": "width", "obs": "ratio", "C": "n"}),
        ("Ten outputs", {"view": "width", "obs": "ratio", "C": 10}),
        ("One output", {"view": "width", "obs": "ratio", "C": 1}),
        ("Divide by the diagonal", {"view": "width", "obs": "normalised"}),
        ("Against outputs", {"view": "outputs", "obs": "ratio"}),
    ],
)
st.page_link("views/train.py", label="Does the geometry help?", icon=":material/arrow_forward:")
