"""The page Empirical: what goes wrong with the labels of the data in place of labels of the model?"""

from __future__ import annotations

import controls
import empirical_fisher_words as said
import jobs
import lessons
import page
import plotly.graph_objects as go
import streamlit as st
import words
from chart import show_chart
from figures import empirical_fisher as figures
from picture_export import picture_menu

from fimcore.experiments.empirical_fisher import FLOWS, Spec
from fimcore.experiments.result import Result

QUESTION = "empirical_fisher"
# Controls of each view, and the fields that it does not depend on.
CONTROLS = {"sets": ("N",), "field": ("N",), "map": ("eta", "rv")}
IGNORED = {"sets": ("rate", "noise"), "field": ("rate", "noise"), "map": ("samples",)}


def pictures(result: Result) -> None:
    """The view that was asked for."""
    assert isinstance(result.spec, Spec)
    text = said.finding(result)
    st.markdown(text)
    {"sets": sets, "field": field, "map": steps}[result.spec.view](result, text)


def verdicts(result: Result) -> None:
    """All of them in one list."""
    st.markdown("\n".join(f"- {verdict.sentence}" for verdict in result.verdicts))


def sets(result: Result, text: str) -> None:
    """Both eigenvalues of every data set."""
    chart = figures.eigenvalues(result.table, page.is_dark())
    one, other = st.columns([3, 2])
    with one:
        show_chart(chart, "eigenvalues", text, heading="Empirical over exact Fisher, at the optimum")
        st.caption(
            f"Points: {words.count_of(result.spec.seeds, 'draw')} of each data set. Strokes: the limit of many samples, computed "
            "without sampling. Dotted: both matrices are the same. In brackets: whether the model can be the truth."
        )
    with other:
        st.header("Larger eigenvalue", anchor=False)
        verdicts(result)
    buttons(result, [("eigenvalues", "eigenvalues", "Eigenvalues of empirical against exact Fisher", chart, text)])


def field(result: Result, text: str) -> None:
    """Three planes, and how long the steps are."""
    dark, tables = page.is_dark(), dict(result.tables)
    for column, flow in zip(st.columns(3), FLOWS, strict=True):
        with column:
            name = figures.NAMES[flow]
            show_chart(figures.plane(flow, tables, dark), f"plane-{flow}", f"{name}. {text}", heading=name)
    st.caption(
        "A line with its bias, fitted to log-normal inputs: the model is right, only the scales differ. Arrows: "
        f"directions, at equal length. Lines: the way from {said.starts()} to the optimum, the star, of the first seed."
    )
    chart = figures.lengths(tables["field"], dark)
    one, other = st.columns([3, 2], vertical_alignment="center")
    with one:
        show_chart(chart, "lengths", said.lengths(result), heading="Length of the steps")
    with other:
        st.markdown(said.lengths(result))
        st.caption(
            "Points: the arrows above. Speeds: −g / 3, −F⁻¹ g and −3 F̃⁻¹ g; the factors only stretch the picture. In F̃⁻¹ g the "
            "residuals stand squared below, and once above."
        )
    made = figures.planes(tables, dark)
    buttons(
        result,
        [
            ("flows", "planes", "Directions in the plane of two weights", made, text),
            ("field", "lengths", "Length of the steps", chart, said.lengths(result)),
        ],
    )


def steps(result: Result, text: str) -> None:
    """The bifurcation diagram, and steps at the setting."""
    spec, dark = result.spec, page.is_dark()
    assert isinstance(spec, Spec)
    one, other = st.columns([3, 2])
    ratio = spec.rate / spec.noise
    diagram, chart = figures.diagram(result.tables["orbits"], ratio, dark), figures.steps(result.tables["steps"], dark)
    with one:
        show_chart(diagram, "diagram", text, heading="Where the steps end")
        at = words.number(ratio)
        where = f"Dotted: this setting, η / s² = {at}." if ratio <= 9 else f"This setting, η / s² = {at}, lies outside."
        st.caption(
            "Points: the last 64 of 1,564 steps for every η / s², from r / s = 0.3 (from −0.3: mirrored). Dashed: derived, "
            f"0 and ±√(η / 2 s² − 1). {where}"
        )
    with other:
        show_chart(chart, "steps", text, heading="The first steps")
        st.caption(
            "From the start of the first seed. Exact Fisher: r is multiplied by 1 − η a step, whatever s² is, and diverges beyond "
            "η = 2. With the empirical Fisher nothing diverges: |r| stays below η / 2 s or where it began."
        )
        verdicts(result)
    buttons(
        result,
        [
            ("orbits", "diagram", "Where steps with the empirical Fisher end", diagram, text),
            ("steps", "steps", "Steps with the empirical and the exact Fisher", chart, text),
        ],
    )


def buttons(result: Result, entries: list[tuple[str, str, str, go.Figure, str]]) -> None:
    """Export menus of the pictures, and the main table."""
    with st.container(horizontal=True, vertical_alignment="center"):
        for table, key, title, chart, text in entries:
            picture_menu(result, table, key, title, chart, text)
        page.as_table("empirical-fisher", result.table)


spec = page.spec(QUESTION)
assert isinstance(spec, Spec)
page.heading("Can the empirical Fisher stand in for the Fisher?")
page.link_notices()
controls.view_controls(QUESTION, "view", *CONTROLS[spec.view])
jobs.compute(QUESTION, spec, draw=pictures, ignore=IGNORED[spec.view])
with st.expander("Seeds", key="more-settings"):
    controls.view_controls(QUESTION, "seed", "S")
lessons.show(QUESTION)
page.chips(
    QUESTION,
    [
        ("Directions in the plane", {"view": "field"}),
        ("A two-cycle", {"view": "map", "eta": 0.5, "rv": 0.15}),
        ("A good fit, and no rest", {"view": "map", "eta": 0.5, "rv": 0.05}),
        ("Where the exact Fisher diverges", {"view": "map", "eta": 2.5, "rv": 1.0}),
    ],
)
