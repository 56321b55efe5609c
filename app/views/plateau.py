"""The page Plateau: why does gradient descent linger where two units are the same, and the natural gradient not?"""

from __future__ import annotations

import controls
import jobs
import lessons
import numpy as np
import page
import streamlit as st
import words
from chart import show_chart
from figures import plateau as figures
from picture_export import picture_menu

from fimcore.experiments.plateau_spec import Spec
from fimcore.experiments.result import Result

QUESTION = "plateau"


def steps_of(result: Result, method: str) -> float:
    """Steps to leave from the Spec's distance, averaged over draws of the inputs."""
    assert isinstance(result.spec, Spec)
    table = result.tables["leaving"]
    gaps = table["gap"].unique()
    nearest = gaps[np.abs(np.log(gaps / result.spec.gap)).argmin()]
    own = table[(table["method"] == method) & (table["gap"] == nearest)]["steps_to_leave"]
    return float(own.mean()) if own.notna().all() else float("nan")


def finding(result: Result) -> str:
    """Both numbers of steps, and what a distance ten times smaller costs."""
    assert isinstance(result.spec, Spec)
    gradient, natural = steps_of(result, "gradient"), steps_of(result, "natural")
    within = f"more than {result.spec.steps}"
    text = (
        f"From a distance of about {words.number(result.spec.gap, 1)}, gradient descent needs "
        f"**{words.number(gradient, 2) if np.isfinite(gradient) else within} steps** to leave the plateau, the natural gradient "
        f"**{words.number(natural, 2) if np.isfinite(natural) else within}**."
    )
    slopes = result.tables["slopes"].mean(numeric_only=True)
    if np.isfinite(slopes["gradient"]) and np.isfinite(slopes["natural"]):
        tenth = np.log(10)
        text += (
            f" Ten times nearer to the line costs gradient descent {words.number(tenth * slopes['gradient'], 2)} steps more, the "
            f"natural gradient {words.number(tenth * slopes['natural'], 2)}."
        )
    return text


def pictures(result: Result) -> None:
    """The plane, and beside it losses and steps to leave."""
    assert isinstance(result.spec, Spec)
    dark, paths, text = page.is_dark(), result.tables["paths"], finding(result)
    st.markdown(text)
    field = result.tables["field"]
    chart = figures.plane(
        result.arrays["loss"], result.arrays["axis"], paths, field[field["method"] == result.spec.strokes], dark
    )
    goal = float(result.tables["slopes"]["goal"].iloc[0])
    slope = float(result.tables["slopes"]["predicted"].mean())
    one, other = st.columns([3, 2])
    with one:
        show_chart(chart, "plane", text, heading="The plane of p and q")
    loss_chart, leaving_chart = (
        figures.losses(paths, goal, dark),
        figures.leaving(result.tables["leaving"], slope, dark),
    )
    with other:
        show_chart(loss_chart, "losses", text, heading="Loss")
        said = result.verdicts[0].sentence
        show_chart(leaving_chart, "leaving", said, heading="Steps to leave")
    st.caption(
        "f = tanh(p x₁ + q x₂) + tanh(q x₁ + p x₂). Dashed in the plane: both units are the same, and F is singular; circle: "
        "start; stars: teacher, and the same with its units swapped. Strokes: "
        f"directions, at equal length. Points: the average over {words.count_of(result.spec.seeds, 'draw')} of the inputs; bands: "
        "smallest to largest; dashed: predicted slope, 1 / ln(1 + η k) steps per factor e, with the curvature k of the loss "
        "across the line. A run has left once its loss is below 5 % of the plateau's."
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        picture_menu(result, "field", "plane", "Loss over p and q, and both ways through it", chart, text)
        picture_menu(result, "paths", "loss", "Loss against steps", loss_chart, text)
        picture_menu(result, "leaving", "leaving", "Steps to leave the plateau", leaving_chart, said)
        page.as_table("plateau", paths)
    for verdict in result.verdicts:
        st.markdown(f"- {verdict.sentence}")


spec = page.spec(QUESTION)
assert isinstance(spec, Spec)
page.heading("Why does gradient descent linger on a plateau?")
page.link_notices()
controls.view_controls(QUESTION, "m", "gap", "dir")
jobs.compute(QUESTION, spec, draw=pictures)
with st.expander("Step sizes, damping, inputs", key="more-settings"):
    controls.view_controls(QUESTION, "eta_gd", "eta_ng", "lam")
    controls.view_controls(QUESTION, "T", "N", "seed", "S")
lessons.show(QUESTION)
page.chips(
    QUESTION,
    [
        ("Almost the same unit", {"gap": 1e-6}),
        ("Far from the line", {"gap": 1.0}),
        ("Strong damping", {"lam": 0.1}),
        ("Directions of the natural gradient", {"dir": "natural"}),
    ],
)
st.page_link("views/train.py", label="Does the geometry help in a whole network?", icon=":material/arrow_forward:")
