"""The page Spectrum: how large is the largest eigenvalue? Six views of the eigenvalues of F, measured beside predicted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import controls
import exports
import jobs
import lessons
import page
import pandas as pd
import permalinks
import plotly.graph_objects as go
import settings
import spectrum_words
import streamlit as st
import words
from figure_export import figure_png, figure_svg
from figures import spectrum as figures
from figures import spectrum_views as views
from figures import style

from fimcore.experiments.result import Result
from fimcore.experiments.spectrum_measured import STEPS
from fimcore.experiments.spectrum_spec import Spec
from fimcore.experiments.spectrum_statistics import centring_applies
from fimcore.experiments.spectrum_theory import QUANTITIES

QUESTION = "spectrum"
CONTROLS = {
    "density": ("hkh", "res"),
    "blocks": ("res",),
    "width": ("wm", "res"),
    "inputs": ("Nm", "res"),
    "whitened": ("damp",),
    "step": ("gap",),
}


FIRST_TABLES = {"density": ("statistics",)}
TABLES = {
    "statistics": "Show the statistics as table",
    "density": "Show the density as table",
    "eigenvalues": "Show the eigenvalues as table",
    "outliers": "Show those that stand out as table",
    "layers": "Show the layers as table",
    "structures": "Show the blocks as table",
    "sweep": "Show as table",
    "whitened": "Show the whitened spectrum as table",
    "dampings": "Show the dampings as table",
    "descent": "Show the losses as table",
    "factors": "Show the factors as table",
}


class Picture(NamedTuple):
    """One chart of a view: name of its files, heading, chart, what it shows in words, the table behind it; a line below it."""

    key: str
    title: str
    chart: go.Figure
    text: str
    table: str
    below: str = ""


def residual_on() -> bool:
    return bool(settings.values(QUESTION)["res"])


def chosen_damping(result: Result) -> float:
    """The damping of the control, where the result has it: its key in the cache leaves the usual stops out."""
    wanted = float(settings.values(QUESTION)["damp"])
    known = result.tables["dampings"]["damping"]
    return wanted if (known == wanted).any() else float(spectrum_words.spec_of(result).damping)


def pictures_of(result: Result) -> list[Picture]:
    """The charts of the result's view."""
    view = spectrum_words.spec_of(result).view
    made = {
        "density": density_pictures,
        "blocks": block_pictures,
        "width": sweep_pictures,
        "inputs": sweep_pictures,
        "whitened": whitened_pictures,
        "step": step_pictures,
    }[view]
    return made(result, page.is_dark())


def density_pictures(result: Result, dark: bool) -> list[Picture]:
    spec, table = spectrum_words.spec_of(result), result.tables["statistics"]
    text = spectrum_words.finding(result).replace("**", "")
    found = []
    if residual_on():
        rows = table[table["quantity"] != "median"].reset_index(drop=True)
        names = [spectrum_words.SHORT[name] for name in rows["quantity"]]
        said = spectrum_words.residual_words(rows, names)
        found.append(Picture("residuals", "Residuals", figures.residuals(rows, names, dark), said, "statistics", said))
    else:
        kept = 1 if spec.likelihood == "softmax" else spec.outputs
        chart = figures.density(result.tables, len(result.tables["points"]), dark)
        found.append(Picture("density", "Density", chart, f"Density of the eigenvalues. {text}", "density"))
        chart = figures.ranks(result.tables, kept, dark)
        found.append(Picture("ranks", "Ranked", chart, f"Eigenvalues by rank. {text}", "eigenvalues"))
    places = result.tables["outliers"]
    if len(places) > 2:
        said = outliers_words(spec, places)
        found.append(
            Picture("outliers", "Those that stand out", figures.outliers(places, dark), said, "outliers", said)
        )
    return found


def outliers_words(spec: Spec, places: pd.DataFrame) -> str:
    """How many eigenvalues stand out, and how far the next one lies below."""
    last, after = places["measured"].iloc[-2], places["measured"].iloc[-1]
    count = len(places) - 1
    why = (
        "one fewer than classes, since probabilities add up to one; they differ"
        if spec.likelihood == "softmax"
        else "one an output, nearly equal in wide networks"
    )
    return (
        f"{count} eigenvalues are expected to stand out: {why}. The last of them is {words.number(float(last))}, the next one "
        f"{words.number(float(after))}."
    )


def block_pictures(result: Result, dark: bool) -> list[Picture]:
    layers, structures = result.tables["layers"], result.tables["structures"]
    text = spectrum_words.finding(result).replace("**", "")
    if residual_on():
        names = [*layers["layer"].iloc[:-2], "Sum", "Full"]
        said = spectrum_words.residual_words(layers, names)
        first = Picture("layers", "Residuals by layer", figures.residuals(layers, names, dark), said, "layers", said)
    else:
        first = Picture("layers", "Layer by layer", views.staircase(layers, dark), text, "layers")
    shares = [
        f"{views.LABELS[name].lower()} {words.percent(float(share))}"
        for name, share in zip(structures["structure"], structures["share"], strict=True)
        if name != "full"
    ]
    said = f"Share of the largest eigenvalue of the full matrix: {words.joined(shares)}."
    return [
        first,
        Picture("structures", "What blocks keep", views.structures(structures, dark), said, "structures", said),
    ]


def sweep_pictures(result: Result, dark: bool) -> list[Picture]:
    table, lines, residual = result.tables["sweep"], result.tables["lines"], residual_on()
    made = []
    for name in QUANTITIES:
        rows = table[table["quantity"] == name]
        names = [f"{value:,}" for value in rows[table.columns[0]]]
        last = rows.iloc[-1]
        said = f"{spectrum_words.SHORT[name]} at {names[-1]}: {spectrum_words.measured(last)}, {spectrum_words.theory(last)}."
        if residual:
            said = spectrum_words.residual_words(rows, names)
        chart = views.sweep(table, lines, name, dark, residual)
        made.append(Picture(name.replace("_", "-"), spectrum_words.SHORT[name], chart, said, "sweep", said))
    return made


def whitened_pictures(result: Result, dark: bool) -> list[Picture]:
    damping, table = chosen_damping(result), result.tables["dampings"]
    bins = result.tables["bins"]
    text = spectrum_words.finding(result, damping).replace("**", "")
    limit = int(table["limit"].iloc[0])
    chart = views.whitened(bins[bins["damping"] == damping], limit, dark)
    other = views.dampings(table, damping, dark)
    said = f"The more damping, the further below L = {limit}: small eigenvalues leave first, the largest last."
    return [
        Picture("whitened", "Whitened spectrum", chart, text, "whitened"),
        Picture("dampings", "Against damping", other, said, "dampings", said),
    ]


def step_pictures(result: Result, dark: bool) -> list[Picture]:
    text = spectrum_words.finding(result).replace("**", "")
    said = "The loss after a step over the loss before it crosses one at 2 / λ_max."
    return [
        Picture("descent", "Loss", views.descent(result.tables["descent"], dark), text, "descent"),
        Picture("factor", "Factor per step", views.factor(result.tables["factors"], dark), said, "factors", said),
    ]


def draw(result: Result) -> None:
    """Sentence and pictures, two side by side; also drawn from partial results while networks are being measured."""
    damping = chosen_damping(result) if "dampings" in result.tables else None
    st.markdown(spectrum_words.finding(result, damping))
    made = pictures_of(result)
    for row in range(0, len(made), 2):
        pair: Sequence[Picture] = made[row : row + 2]
        for place, picture in zip(st.columns(2), pair, strict=False):
            with place:
                st.header(picture.title, anchor=False)
                st.plotly_chart(
                    picture.chart,
                    key=f"spectrum-{picture.key}",
                    theme=None,
                    config=style.CHART_CONFIG,
                    alt=picture.text,
                )
                if picture.below:
                    st.caption(picture.below)


def caption(result: Result) -> str:
    """What the points, the bands and the lines of the view are."""
    spec = spectrum_words.spec_of(result)
    networks = words.count_of(len(set(result.tables["points"]["seed"])), "network")
    dashed = "dashed and dotted lines: mean-field prediction, only where it is valid"
    if residual_on() and spec.view in ("density", "blocks"):
        return (
            f"Points: mean over {networks} of measured / predicted − 1; vertical lines: smallest to largest network. What has no "
            f"point is not predicted. {spectrum_words.bulk_words(result) if spec.view == 'density' else ''}".strip()
        )
    if spec.view == "density":
        return (
            f"Spectrum of F over {networks}, both axes logarithmic; band: smallest to largest network at every rank; {dashed}. "
            f"{spectrum_words.bulk_words(result)} The mean and the second moment are over all P eigenvalues, zeros included, "
            "which is why they lie so low; the second moment is drawn as its root."
        )
    if spec.view == "blocks":
        several = (
            f" With {spec.outputs} outputs a layer's number is the mean of its {spec.outputs} largest."
            if spec.likelihood == "regression" and spec.outputs > 1
            else ""
        )
        return (
            f"Every step: the largest eigenvalue of a layer's own block, mean over {networks}, standing on the layers before; "
            f"vertical lines: smallest to largest network; dashed: mean-field prediction of the step, where there is one.{several} "
            "With one output the read-out layer is one unit, so that its unit block is its layer block."
        )
    if spec.view in ("width", "inputs"):
        return (
            f"Points: mean over {networks}; band: smallest to largest; dashed: mean-field prediction, only where it is valid. The "
            "second moment includes what fluctuating overlaps add."
        )
    if spec.view == "whitened":
        return (
            f"Over {networks}; band: smallest to largest. F_layers keeps every layer's block and drops what lies between layers; "
            "λ is added to its diagonal, in units of each network's own largest eigenvalue. Dashed: the bound L, which is exact."
        )
    loss = (
        "(1/2N) Σ ‖f − f*‖² / σ²"
        if spec.likelihood == "regression"
        else "the divergence of softmax(f) from softmax(f*)"
    )
    return (
        f"{STEPS} steps of full-batch gradient descent on {loss} in {networks}, all layers moving. The target f* is what the same "
        "network says after a tiny step along F's leading eigenvector, so that a minimum is close and the residuals are small: "
        "there F is the curvature, and the loss changes by (1 − η λ_max)² a step (dashed). Far from a minimum a network may "
        "survive a larger step by moving somewhere flatter."
    )


def details(result: Result) -> None:
    """Below the pictures: what they mean, validity, verdicts, files and tables."""
    st.caption(caption(result))
    spec = spectrum_words.spec_of(result)
    if spec.view in ("width", "inputs"):
        for sentence in spectrum_words.validity(result):
            st.caption(f":material/info: {sentence}")
    if spec.view == "density" and spec.centred and not centring_applies(spec):
        st.caption(":material/info: Centring is about regression with the exact estimator; it is not shown here.")
    if spec.view == "step" and spec.estimator != "exact":
        st.caption(
            ":material/info: Descent follows the exact matrix, whatever the estimator; λ_max here is that of the exact one."
        )
    for sentence in spectrum_words.verdict_lines(result.verdicts):
        st.markdown(f"- {sentence}")
    made = pictures_of(result)
    with st.container(horizontal=True, vertical_alignment="center"):
        for picture in made:
            export(result, picture)
    for name in dict.fromkeys([*FIRST_TABLES.get(spec.view, ()), *(picture.table for picture in made)]):
        page.as_table(f"spectrum-{name}", result.tables[name], label=TABLES[name])


def export(result: Result, picture: Picture) -> None:
    """Files of one picture and of the table behind it."""
    dark = page.is_dark()
    captions = exports.caption_lines(result, permalinks.current_address(QUESTION), picture.text)
    exports.export_menu(
        result,
        name=picture.key,
        table=picture.table,
        key=picture.key,
        label=f"Export {picture.title[0].lower()}{picture.title[1:]}",
        png=partial(figure_png, picture.chart, picture.title, captions, dark),
        svg=partial(figure_svg, picture.chart, picture.title, captions, dark),
    )


spec = page.spec(QUESTION)
assert isinstance(spec, Spec)
page.heading("How large is the largest eigenvalue?")
page.link_notices()
controls.view_controls(QUESTION, "view", label=False)
controls.view_controls(QUESTION, *CONTROLS[spec.view])
found = jobs.compute(QUESTION, spec, draw=draw, ignore=spec.ignored)
running = (QUESTION, "run") in jobs.session_jobs().watched
if isinstance(found, Result) and not running:
    details(found)
lessons.show(QUESTION)
page.chips(
    QUESTION,
    [
        ("No bias: nothing stands out", {"view": "density", "act": "tanh", "sb2": 0.0}),
        ("Five classes: four stand out", {"view": "density", "out": "softmax", "k": 5}),
        ("Centre the outputs", {"view": "density", "out": "regression", "hkh": True}),
        ("How large a step?", {"view": "step"}),
    ],
)
st.page_link("views/train.py", label="Does the geometry help?", icon=":material/arrow_forward:")
