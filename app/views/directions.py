"""The page Directions: which approximation keeps the natural direction? Cosines beside Frobenius errors, over seeds."""

from __future__ import annotations

import controls
import direction_words
import jobs
import lessons
import page
import streamlit as st
import words
from chart import show_chart
from figures import directions as figures
from picture_export import picture_menu

from fimcore.experiments.directions_spec import Spec
from fimcore.experiments.result import Result

QUESTION = "directions"
METRIC = "u·v = uᵀ F v"


def pictures(result: Result) -> None:
    """Both plots; also drawn from partial results while networks are being measured."""
    table, dark = result.tables["structures"], page.is_dark()
    text = direction_words.finding(result)
    st.markdown(text)
    if not len(figures.measured(table)):
        return
    one, other = st.columns(2)
    for place, key, title, chart in (
        (one, "cosines", "Direction", figures.cosines(table, dark)),
        (other, "errors", "Entries", figures.errors(table, dark)),
    ):
        with place:
            show_chart(chart, key, direction_words.alt_text(table, key), heading=title)
    damping = direction_words.damping_words(result.spec.damping)  # type: ignore[attr-defined]
    st.caption(
        f"The direction of a structure A is (A + λ)⁻¹ g with the gradient g of the loss, λ = {damping} "
        f"of F's mean diagonal. Cosine with (F + λ)⁻¹ g: in the metric of F, {METRIC}, and Euclidean. Error: ‖F − A‖ / ‖F‖. "
        f"Points: averages over {words.count_of(int(table['seeds'].max()), 'network')}; lines: smallest to largest; dashed: "
        "mean-field prediction for all inputs of their law, where there is one. What keeps more numbers stands higher."
    )
    for _, row in table[(table["note"] != "") & table["cosine"].isna()].iterrows():
        st.caption(
            f"{direction_words.said(row['structure'], first=True)}: not shown, {row['note']}.".replace("..", ".")
        )


def details(result: Result) -> None:
    """What stands below the first pictures, from networks that are measured or were stopped."""
    table, dark, text = result.tables["structures"], page.is_dark(), direction_words.finding(result)
    with st.container(horizontal=True, vertical_alignment="center"):
        title = "Cosine with the exact damped natural gradient, metric of F and Euclidean"
        picture_menu(result, "structures", "cosines", title, figures.cosines(table, dark), text)
        picture_menu(result, "structures", "errors", "Relative Frobenius error", figures.errors(table, dark), text)
        page.as_table("directions", table)
    st.header("Do both measures rank alike?", anchor=False)
    text = direction_words.rank_finding(result)
    st.markdown(text)
    chart = figures.ranks(table, dark)
    show_chart(chart, "ranks", text)
    with st.container(horizontal=True, vertical_alignment="center"):
        picture_menu(result, "structures", "ranks", "Places by direction and by Frobenius error", chart, text)
        page.as_table("pairs", result.tables["pairs"], label="Show the pairs")
    st.header("Does damping help?", anchor=False)
    text = direction_words.damping_finding(result)
    st.markdown(text)
    chart = figures.sweep(result.tables["sweep"], result.spec.damping, dark)  # type: ignore[attr-defined]
    show_chart(chart, "sweep", text)
    st.caption("Cosine in the metric of F, averaged over the networks. The exact direction changes with λ too.")
    with st.container(horizontal=True, vertical_alignment="center"):
        picture_menu(result, "sweep", "damping", "Cosine against damping", chart, text)
        page.as_table("sweep", result.tables["sweep"])
    st.header("What does each cost?", anchor=False)
    st.dataframe(
        direction_words.costs(table),
        hide_index=True,
        width="stretch",
        alt="Numbers kept, and milliseconds, per structure",
    )
    st.caption(
        f"The exact matrix has {words.number(_parameters(result) ** 2)} entries. Milliseconds: median over the networks, "
        "measured here; a solve includes its factorisation."
    )
    st.header("Measured and predicted", anchor=False)
    for verdict in result.verdicts:
        st.markdown(f"- {verdict.sentence}")


def _parameters(result: Result) -> int:
    table = result.tables["structures"]
    return int(table.loc[table["structure"] == "diagonal", "numbers"].iloc[0])


spec = page.spec(QUESTION)
assert isinstance(spec, Spec)
page.heading("Which approximation keeps the natural direction?")
page.link_notices()
controls.view_controls(QUESTION, "lam")
found = jobs.compute(QUESTION, spec, draw=pictures)
running = (QUESTION, "run") in jobs.session_jobs().watched
if isinstance(found, Result) and not running and len(figures.measured(found.tables["structures"])):
    details(found)
lessons.show(QUESTION)
page.chips(
    QUESTION,
    [
        ("ReLU, two layers", {"act": "relu", "sw2": 2.0, "sb2": 0.0, "L": 2}),
        ("Ten outputs, fewer inputs", {"k": 10, "N": 100}),
        ("Strong damping", {"lam": 1.0}),
    ],
)
st.page_link("views/train.py", label="Does the geometry help?", icon=":material/arrow_forward:")
