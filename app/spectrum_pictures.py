"""The pictures of the page Spectrum, view by view: each with its heading, its words, and the table behind it."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go
import spectrum_captions
import spectrum_words
import words
from figures import spectrum as figures
from figures import spectrum_step as steps
from figures import spectrum_views as views

from fimcore.experiments.result import Result
from fimcore.experiments.spectrum_spec import Spec
from fimcore.experiments.spectrum_theory import QUANTITIES


class Picture(NamedTuple):
    """One chart of a view: name of its files, heading, chart, what it shows in words, the table behind it; a line below it."""

    key: str
    title: str
    chart: go.Figure
    text: str
    table: str
    below: str = ""


def pictures_of(result: Result, dark: bool, residual: bool, damping: float) -> list[Picture]:
    """The charts of the result's view; damping: the one chosen in the view Whitened."""
    view = spectrum_words.spec_of(result).view
    if view == "whitened":
        return whitened_pictures(result, dark, damping)
    if view == "step":
        return step_pictures(result, dark)
    made = {
        "density": density_pictures,
        "blocks": block_pictures,
        "width": sweep_pictures,
        "inputs": sweep_pictures,
    }[view]
    return made(result, dark, residual)


def density_pictures(result: Result, dark: bool, residual: bool) -> list[Picture]:
    spec, table = spectrum_words.spec_of(result), result.tables["statistics"]
    text = spectrum_words.finding(result)
    found = []
    if residual:
        rows = table[table["quantity"] != "median"].reset_index(drop=True)
        names = [spectrum_words.SHORT[name] for name in rows["quantity"]]
        said = spectrum_captions.residual_words(rows, names)
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


def block_pictures(result: Result, dark: bool, residual: bool) -> list[Picture]:
    layers, structures = result.tables["layers"], result.tables["structures"]
    text = spectrum_words.finding(result)
    if residual:
        names = [*layers["layer"].iloc[:-2], "Sum", "Full"]
        said = spectrum_captions.residual_words(layers, names)
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


def sweep_pictures(result: Result, dark: bool, residual: bool) -> list[Picture]:
    table, lines = result.tables["sweep"], result.tables["lines"]
    made = []
    for name in QUANTITIES:
        rows = table[table["quantity"] == name]
        names = [f"{value:,}" for value in rows[table.columns[0]]]
        last = rows.iloc[-1]
        said = f"{spectrum_words.SHORT[name]} at {names[-1]}: {spectrum_words.measured(last)}, {spectrum_words.theory(last)}."
        if residual:
            said = spectrum_captions.residual_words(rows, names)
        chart = views.sweep(table, lines, name, dark, residual)
        made.append(Picture(name.replace("_", "-"), spectrum_words.SHORT[name], chart, said, "sweep", said))
    return made


def whitened_pictures(result: Result, dark: bool, damping: float) -> list[Picture]:
    table = result.tables["dampings"]
    bins = result.tables["bins"]
    text = spectrum_words.finding(result, damping)
    limit = int(table["limit"].iloc[0])
    chart = views.whitened(bins[bins["damping"] == damping], limit, dark)
    other = views.dampings(table, damping, dark)
    said = f"The more damping, the further below L = {limit}: small eigenvalues leave first, the largest last."
    return [
        Picture("whitened", "Whitened spectrum", chart, text, "whitened"),
        Picture("dampings", "Against damping", other, said, "dampings", said),
    ]


def step_pictures(result: Result, dark: bool) -> list[Picture]:
    text = spectrum_words.finding(result)
    said = "The loss after a step over the loss before it crosses one at 2 / λ_max."
    return [
        Picture("descent", "Loss", steps.descent(result.tables["descent"], dark), text, "descent"),
        Picture("factor", "Factor per step", steps.factor(result.tables["factors"], dark), said, "factors", said),
    ]
