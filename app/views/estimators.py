"""The page Two estimators: which random estimator of the Fisher diagonal to trust, layer by layer, and at what cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import controls
import estimators_words
import jobs
import lessons
import page
import pandas as pd
import streamlit as st
from chart import show_chart
from estimators_pictures import Picture, pictures_of
from picture_export import picture_menu

from fimcore.experiments import estimators
from fimcore.experiments.estimators_spec import SHOWN, Spec
from fimcore.experiments.result import Result

QUESTION = "estimators"
CONTROLS = {
    "deviations": (),
    "bounds": ("bq", "ly"),
    "units": ("ly",),
    "causes": (),
    "split": ("of", "ly", "m"),
    "samples": ("eps", "conf", "meth", "smp"),
}
TABLES = {
    "layers": "Show as table",
    "bounds": "Show the bounds as table",
    "units": "Show the units as table",
    "causes": "Show as table",
    "split": "Show as table",
    "needed": "Show as table",
}


def of_view(result: Result) -> Result:
    """A result with what is looked at: it may be of an earlier network, where the present one is refused."""
    assert isinstance(result.spec, Spec)
    looked_at = {name: getattr(spec, name) for name in (*SHOWN, "labels")}
    return replace(result, spec=result.spec.model_copy(update=looked_at))


def draw(result: Result) -> None:
    """The pictures of the view, side by side where there are two; also drawn from partial results."""
    made = pictures_of(of_view(result), page.is_dark())
    if spec.view != "deviations":  # its finding stands under the title
        for text in dict.fromkeys(picture.text for picture in made):
            st.markdown(text)
    for place, picture in zip(st.columns(len(made)), made, strict=True):
        with place:
            if len(made) > 1:
                st.header(picture.title, anchor=False)
            if picture.chart is not None:
                show_chart(picture.chart, f"chart-{picture.key}", f"{picture.title}. {picture.text}")
                st.caption(picture.caption)


def export(result: Result, picture: Picture) -> None:
    """Files of one picture and of the table behind it."""
    label = f"Export {picture.key.replace('-', ', ')}"
    picture_menu(result, picture.table, picture.key, picture.title, picture.chart, picture.text, label)


def details(result: Result) -> None:
    """Below the pictures: files, tables, and what was checked."""
    shown = of_view(result)
    made: Sequence[Picture] = pictures_of(shown, page.is_dark())
    with st.container(horizontal=True, vertical_alignment="center"):
        for picture in made:
            export(shown, picture)
        for name in dict.fromkeys(picture.table for picture in made):
            page.as_table(f"estimators-{name}", shown_rows(shown, name), label=TABLES[name])
    if spec.view == "deviations":
        st.header("Who wins where", anchor=False)
        st.markdown(estimators_words.winner_table(result))
        st.caption(
            "Score: squared score; Hessian: minus Hessian. Varies less: by the layer's mean variance, in every network, else it "
            "depends. SD: geometric mean over the networks (smallest to largest). Better for: share of parameters."
        )
    if spec.view in ("deviations", "bounds"):
        with st.expander("What was checked", key="estimators-checks"):
            for verdict in result.verdicts:
                st.markdown(f"- {verdict.sentence}")


def calculator_seconds() -> float | None:
    """What the calculator takes, less than all of the page; None where the setting is refused, which is told there."""
    try:
        return estimators.needed_seconds(spec)
    except (ValueError, OverflowError):
        return None


def shown_rows(result: Result, name: str) -> pd.DataFrame:
    """The rows of a table that the picture shows."""
    table, now = result.tables[name], estimators_words.spec_of(result)
    if name == "bounds":
        return table[(table["quantity"] == now.quantity) & (table["layer"] == now.shown_layer)]
    if name == "split":
        rows = table[(table["layer"] == now.shown_layer) & (table["part"] == now.part)]
        return rows[(rows["drawn"] == "independent") | (rows["labels"] == now.labels)]
    return table


found_spec = page.spec(QUESTION)
assert isinstance(found_spec, Spec)
spec = found_spec
page.heading("Which estimator of the Fisher diagonal should I trust?")
answer = st.container(key="answer")
page.link_notices()
controls.view_controls(QUESTION, "view", label=False)
if CONTROLS[spec.view]:
    controls.view_controls(QUESTION, *CONTROLS[spec.view])
if spec.layer > spec.layers and "ly" in CONTROLS[spec.view]:
    st.caption(f":material/info: Layer {spec.layer} was asked for; the output layer, {spec.layers}, is the last one.")
found = jobs.compute(QUESTION, spec, draw=None if spec.view == "samples" else draw, ignore=spec.ignored)
running = (QUESTION, "run") in jobs.session_jobs().watched
if isinstance(found, Result):
    with answer:
        st.markdown(estimators_words.finding(found))
if spec.view == "samples":
    calculated = jobs.compute(
        QUESTION,
        spec,
        function="needed",
        draw=draw,
        ignore=(*SHOWN, "labels"),
        seconds=calculator_seconds(),
    )
    if isinstance(calculated, Result):
        details(calculated)
elif isinstance(found, Result) and not running:
    details(found)
lessons.show(QUESTION)
page.chips(
    QUESTION,
    [
        ("ReLU: minus Hessian is exact", {"act": "relu"}),
        ("Sharper predictions", {"act": "tanh", "sw2": 4.0}),
        ("Regression: nearly a draw", {"act": "tanh", "sw2": 1.5, "out": "regression"}),
        ("Handwritten digits", {"in": "digits", "out": "softmax", "k": 10}),
        ("How many samples?", {"view": "samples"}),
    ],
)
st.page_link("views/estimator_training.py", label="And as training goes on?", icon=":material/arrow_forward:")
