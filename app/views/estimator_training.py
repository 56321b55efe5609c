"""The page Through training: which estimator of the Fisher diagonal is better before, during and after training?"""

from __future__ import annotations

from functools import partial

import controls
import exports
import jobs
import lessons
import numpy as np
import page
import permalinks
import streamlit as st
import words
from figure_export import figure_png, figure_svg
from figures import estimator_training as figures
from figures import style
from player import Chart, player

from fimcore.experiments.estimator_training_spec import Spec
from fimcore.experiments.result import Result

QUESTION = "estimator_training"


def crossing_of(result: Result, layer: int) -> float:
    """Mean over seeds of the crossover's epoch; nan where any seed has none."""
    table = result.tables["crossover"]
    own = table[table["layer"] == layer]["epoch"]
    return float(own.mean()) if len(own) and own.notna().all() else float("nan")


def finding(result: Result) -> str:
    """When the better estimator changes, in every hidden layer, and how well the network does at the end."""
    layers, fits = result.tables["layers"], result.tables["training"]
    last = fits[fits["epoch"] == fits["epoch"].max()]
    said = []
    for layer in sorted(layers["layer"].unique())[:-1]:
        own, at = layers[layers["layer"] == layer], crossing_of(result, layer)
        if np.isfinite(at):
            said.append(f"layer {layer} at epoch **{words.number(at, 2)}**")
        elif not own["hessian"].any():
            said.append(f"layer {layer}: minus Hessian has no variance at all")
        else:
            said.append(f"layer {layer}: not in every run")
    return (
        f"Minus Hessian becomes the better estimator: {'; '.join(said)}. In the output layer it never varies. After epoch "
        f"{int(last['epoch'].iloc[0])} the networks classify {words.percent(float(last['accuracy'].mean()))} of their digits right."
    )


def pictures(result: Result) -> None:
    """One column a layer; also what is drawn while a run is going on."""
    layers, dark = result.tables["layers"], page.is_dark()
    if not len(layers):
        st.warning("Training diverged at the first update: lower the learning rate.")
        return
    text = finding(result)
    st.markdown(text)
    names = sorted(layers["layer"].unique())
    for first in range(0, len(names), 4):
        for place, layer in zip(st.columns(4), names[first : first + 4], strict=False):
            own = layers[layers["layer"] == layer]
            with place:
                st.header(f"Layer {layer}" + (", output" if layer == names[-1] else ""), anchor=False)
                for key, chart in (
                    ("values", figures.values(own, dark, crossing_of(result, layer))),
                    ("ratios", figures.ratios(own, dark)),
                ):
                    alt = f"{key} of layer {layer} against epochs. {text}".replace("**", "")
                    st.plotly_chart(chart, key=f"{key}-{layer}", theme=None, config=style.CHART_CONFIG, alt=alt)
    st.caption(
        "Above: Fisher diagonal and standard deviations of both estimators for one label, layer means; dashed: upper bounds. "
        f"Geometric mean over {words.count_of(int(layers['seed'].nunique()), 'seed')}. Dotted: the epoch at which the variance of "
        "minus Hessian falls below that of the squared score. Below: log₁₀ of bound over standard deviation; 0 is tight."
    )


def details(result: Result) -> None:
    """The playback, verdicts, files and the table."""
    layers, fits, dark = result.tables["layers"], result.tables["training"], page.is_dark()
    if not len(layers):
        return
    at, charts = figures.epochs(layers), []
    for layer in sorted(layers["layer"].unique()):
        own = layers[layers["layer"] == layer]
        for key, chart in (("values", figures.values(own, dark, np.nan)), ("ratios", figures.ratios(own, dark))):
            charts.append(Chart(f"{key}-{layer}", [at for _ in chart.data]))
    loss = fits.groupby("epoch")["loss"].mean().reindex(at).to_numpy()
    player(steps=at, charts=charts, values={"mean loss": loss}, key="epoch-player")
    for verdict in result.verdicts:
        st.markdown(f"- {verdict.sentence}")
    text = finding(result).replace("**", "")
    chart, title = (
        figures.values(layers[layers["layer"] == 1], dark, crossing_of(result, 1)),
        "Layer 1 through training",
    )
    captions = exports.caption_lines(result, permalinks.current_address(QUESTION), text)
    exports.export_menu(
        result,
        name="layers",
        table="layers",
        key="layers",
        label="Export layers",
        png=partial(figure_png, chart, title, captions, dark),
        svg=partial(figure_svg, chart, title, captions, dark),
    )
    page.as_table(QUESTION, layers)


spec = page.spec(QUESTION)
assert isinstance(spec, Spec)
page.heading("Which estimator is better as training goes on?")
page.link_notices()
controls.view_controls(QUESTION, "opt", "eta", "T")
found = jobs.compute(QUESTION, spec, draw=pictures)
if isinstance(found, Result) and (QUESTION, "run") not in jobs.session_jobs().watched:
    details(found)
with st.expander("Batches, digits looked at", key="more-settings"):
    controls.view_controls(QUESTION, "B", "M")
lessons.show(QUESTION)
page.chips(
    QUESTION,
    [("The paper's sigmoid", {"act": "sigmoid"}), ("tanh", {"act": "tanh"}), ("ReLU: no variance", {"act": "relu"})],
)
