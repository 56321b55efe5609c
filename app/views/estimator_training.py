"""The page Through training: which estimator of the Fisher diagonal is better before, during and after training?"""

from __future__ import annotations

from dataclasses import replace

import controls
import estimator_training_words
import jobs
import lessons
import numpy as np
import page
import pandas as pd
import plotly.graph_objects as go
import problems
import streamlit as st
from chart import show_chart
from figures import estimator_training as figures
from picture_export import picture_menu
from player import player

from fimcore.experiments.estimator_training_spec import Spec
from fimcore.experiments.result import Result

QUESTION = "estimator_training"
COLUMNS = 2


def finished(result: Result) -> Result:
    """Only runs that are over, once there are any: means over seeds that reached different epochs have steps in them."""
    fits = result.tables["training"]
    over = fits[(fits["epoch"] == spec.epochs) | fits["loss"].isna()]["seed"]
    if result.complete or over.empty:
        return result
    return replace(result, tables={name: each[each["seed"].isin(over)] for name, each in result.tables.items()})


def layers_of(result: Result) -> list[int]:
    return [int(layer) for layer in sorted(result.tables["layers"]["layer"].unique())]


def name_of(result: Result, layer: int) -> str:
    return f"Layer {layer}" + (", the output layer" if layer == layers_of(result)[-1] else "")


def charts(result: Result, layer: int) -> tuple[go.Figure, go.Figure]:
    """Values and ratios of one layer."""
    layers, changes, fits = (result.tables[name] for name in ("layers", "crossover", "training"))
    own, dark = layers[layers["layer"] == layer], page.is_dark()
    diverged = fits[fits["loss"].isna()]["seed"]
    ended = own[own["seed"].isin(diverged)].groupby("seed")["epoch"].max()
    crossings = changes[changes["layer"] == layer]["epoch"]
    every = spec.all_bounds
    values = figures.values(own, crossings, ended, figures.span(layers, every), every, dark)
    return values, figures.ratios(own, figures.ratio_span(layers, every), every, dark)


def pictures(result: Result) -> None:
    """The finding, and one part for every layer; also what is drawn while runs are going on."""
    result = finished(result)
    if not len(result.tables["layers"]):
        return
    text = estimator_training_words.finding(result)
    st.markdown(text)
    bar = st.container(key="epoch-bar")
    shown = []
    layers = layers_of(result)
    for first in range(0, len(layers), COLUMNS):
        for place, layer in zip(st.columns(COLUMNS), layers[first : first + COLUMNS], strict=False):
            with place:
                st.header(name_of(result, layer), anchor=False)
                for kind, chart in zip(("values", "ratios"), charts(result, layer), strict=True):
                    key = f"{kind}-{layer}"
                    shown.append((key, chart))
                    show_chart(chart, key, f"{name_of(result, layer)}: {kind} against epochs. {text}")
    st.caption(estimator_training_words.caption(result, spec.all_bounds))
    if (QUESTION, "run") not in jobs.session_jobs().watched:
        with bar:
            playback(result, shown)


def playback(result: Result, shown: list[tuple[str, go.Figure]]) -> None:
    """The bar that plays the epochs in the browser, with the ratio of both deviations in every hidden layer."""
    layers = result.tables["layers"]
    at = figures.epochs(layers)
    values = {}
    for layer in layers_of(result)[:-1]:
        own = layers[layers["layer"] == layer]
        middle = [figures.over_seeds(own, column)["middle"].to_numpy() for column in (figures.HESSIAN, figures.SCORE)]
        if np.isfinite(middle[0]).any():
            values[f"Layer {layer}"] = middle[0] / middle[1]
    player(
        steps=at,
        charts=[figures.curtain(key, chart, at) for key, chart in shown],
        values=values,
        quantity="√V₂ / √V₁",
        unit="Epoch",
        key="epoch-player",
    )


def details(result: Result) -> None:
    """Below the pictures: what went wrong, verdicts, files and tables."""
    result = finished(result)
    for number, (sentence, remedy) in enumerate(estimator_training_words.troubles(result)):
        problems.show_problem(sentence, remedy, key=f"estimators-{number}")
    if not len(result.tables["layers"]):
        return
    for verdict in result.verdicts:
        st.markdown(f"- {verdict.sentence}")
    with st.container(horizontal=True, vertical_alignment="center"):
        layers = layers_of(result)
        layer = st.selectbox(
            "Layer in files", layers, format_func=lambda number: f"Layer {number}", key="file-layer", width=140,
            label_visibility="collapsed",
        )  # fmt: skip
        layer = layer if layer in layers else layers[0]
        said = estimator_training_words.finding(result)
        for kind, title, chart in zip(
            ("values", "ratios"),
            ("Fisher diagonal and deviations of its estimators", "Tightness of the bounds"),
            charts(result, layer),
            strict=True,
        ):
            picture_menu(result, "layers", kind, f"{name_of(result, layer)}: {title}", chart, said)
    page.as_table(QUESTION, shown_table(result))
    page.as_table(f"{QUESTION}-crossover", result.tables["crossover"], label="Show the crossovers as table")


def shown_table(result: Result) -> pd.DataFrame:
    """Layers beside loss and accuracy."""
    return result.tables["layers"].merge(result.tables["training"], on=["seed", "epoch"])


found = page.spec(QUESTION)
assert isinstance(found, Spec)
spec = found
page.heading("Which estimator is better as training goes on?")
page.link_notices()
controls.view_controls(QUESTION, "upd", "eta", "all")
result = jobs.compute(QUESTION, spec, draw=pictures, ignore=("all_bounds",))
if isinstance(result, Result) and (QUESTION, "run") not in jobs.session_jobs().watched:
    details(result)
with st.expander("Epochs, batches, images looked at", key="more-settings"):
    controls.view_controls(QUESTION, "ep", "B", "M")
lessons.show(QUESTION)
page.chips(
    QUESTION,
    [
        ("The paper's sigmoid", {"act": "sigmoid"}),
        ("tanh: late or never", {"act": "tanh"}),
        ("ReLU: no variance", {"act": "relu"}),
        ("Longer", {"ep": 40}),
    ],
)
