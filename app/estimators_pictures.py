"""The pictures of the page Two estimators, view by view: heading, chart, what it says, the table behind it."""

from __future__ import annotations

import math
from typing import NamedTuple

import estimators_findings as findings
import estimators_words as said
import plotly.graph_objects as go
from figures import estimators as figures
from figures import estimators_parts as parts

from fimcore.experiments.estimators_spec import Spec
from fimcore.experiments.result import Result


class Picture(NamedTuple):
    """One chart: name of its files, heading, chart (None: there is nothing to draw), finding, caption, the table behind it."""

    key: str
    title: str
    chart: go.Figure | None
    text: str
    caption: str
    table: str


def pictures_of(result: Result, dark: bool) -> list[Picture]:
    """The charts of the view that the result's Spec asks for."""
    spec = said.spec_of(result)
    made = {
        "deviations": deviations,
        "bounds": bounds,
        "units": units,
        "causes": causes,
        "split": split,
        "samples": samples,
    }
    return made[spec.view](result, spec, dark)


def networks(result: Result) -> str:
    """ "mean over 4 networks"."""
    count = said.spec_of(result).seeds
    return f"{count} network{'s' if count > 1 else ''}"


def deviations(result: Result, spec: Spec, dark: bool) -> list[Picture]:
    chart = figures.deviations(result.tables["layers"], said.below_layers(result), dark)
    caption = (
        f"Points: Fisher diagonal, and standard deviation of either estimator for one label (root of the layer's mean variance), "
        f"exact, mean over {networks(result)}; thin line: smallest to largest network; wide bar: from lower to "
        "upper bound (no bar: both are attained); open "
        "triangle: exactly zero. The lower of the two deviations wins."
    )
    return [Picture("deviations", "Deviations by layer", chart, said.finding(result), caption, "layers")]


def bounds(result: Result, spec: Spec, dark: bool) -> list[Picture]:
    table, layer = result.tables["bounds"], spec.shown_layer
    text = findings.bounds_finding(result, spec.quantity, layer)
    forms, best = table[table["quantity"] == spec.quantity], findings.best_bounds(result, spec.quantity, layer)
    chart = None
    if math.isfinite(best["upper"]):
        chart = figures.bounds(forms, best, layer, dark, index_of(spec))
    caption = (
        f"Every known bound over what it bounds, layer means over {networks(result)}"
        f"{', of variances their roots' if spec.quantity != 'fisher' else ''}; "
        "dashed: the exact value, right of it upper bounds, left of it lower ones. Large: the chosen layer; faint: the others; "
        "best: for every parameter at every input the best form. Formulas: point at a mark, or see the table."
    )
    return [Picture("bounds", f"Bounds of {said.QUANTITY[spec.quantity]}", chart, text, caption, "bounds")]


def index_of(spec: Spec) -> int:
    return [name for name, *_ in figures.SHOWN].index(spec.quantity)


def units(result: Result, spec: Spec, dark: bool) -> list[Picture]:
    table, layer = result.tables["units"], spec.shown_layer
    text, share = findings.units_finding(result, layer), findings.negative_finding(result)
    chart = parts.histogram(table, layer, dark) if table["log_ratio"].notna().any() else None
    exact = spec.negative_exact
    return [
        Picture(
            "ratios",
            "Which estimator does a unit prefer?",
            chart,
            text,
            f"Units of {networks(result)} by log₁₀ V₂ / V₁; V₁, V₂: variances of squared score and minus Hessian, means over the "
            "unit's parameters. Filled: the chosen layer; outlines: the others; dashed: both vary alike.",
            "units",
        ),
        Picture(
            "negative",
            "How often is minus Hessian negative?",
            parts.negative(table, dark),
            share,
            f"Points: units of {networks(result)}, share of labels with a negative estimate, "
            f"{'exact' if exact else 'counted among drawn labels'}; bar: mean of the layer.",
            "units",
        ),
    ]


def causes(result: Result, spec: Spec, dark: bool) -> list[Picture]:
    table = result.tables["causes"]
    chart = parts.causes(table, dark) if table["measured"].notna().any() else None
    caption = (
        "V₂ of a parameter is a sum over the nonlinearities that follow it, its own layer's first. Bars: share of each, mean over "
        f"{networks(result)}; shares add up to 100 % and may be negative where two layers act against each other."
    )
    return [
        Picture(
            "causes",
            "Which nonlinearity causes the variance of minus Hessian?",
            chart,
            findings.causes_finding(result),
            caption,
            "causes",
        )
    ]


def split(result: Result, spec: Spec, dark: bool) -> list[Picture]:
    layer, table = spec.shown_layer, result.tables["split"]
    own = table[(table["layer"] == layer) & (table["part"] == spec.part)]
    fresh = own[own["drawn"] == "independent"].sort_values("labels")
    batch = own[(own["drawn"] == "subset") & (own["labels"] == spec.labels)].sort_values("inputs")
    text = findings.split_finding(result, fresh, spec.part, layer, spec.labels)
    drawn = bool(len(fresh) and len(batch) and float((fresh["input"] + fresh["label"]).max()) > 0)
    of = "variance of the average over b inputs, times b, over the square of the layer's mean F"
    return [
        Picture(
            "split-inputs",
            "Against inputs, out of these N",
            parts.split(batch, "inputs", -1.0, dark) if drawn else None,
            text,
            f"Areas, one on the other: {of}; over {networks(result)}, {spec.labels} "
            f"label{'s' if spec.labels > 1 else ''} per input. Without replacement: with all N inputs only labels are random.",
            "split",
        ),
        Picture(
            "split-labels",
            "Against labels, with fresh inputs",
            parts.split(fresh, "labels", float(spec.labels), dark) if drawn else None,
            text,
            "The same for inputs drawn afresh, whose part stays however many labels are drawn. Dotted: the labels chosen above.",
            "split",
        ),
    ]


def samples(result: Result, spec: Spec, dark: bool) -> list[Picture]:
    table = result.tables["needed"]
    law = {
        "clt": "by the central limit theorem, n = z² V / (ε F)²",
        "chebyshev": "by Chebyshev, n = V / ((1 − confidence) (ε F)²), safe for any law",
        "exact": "by the exact law of the average; known for regression at fixed inputs, and where nothing varies",
    }[spec.method]
    sample = "one label at one of these inputs" if spec.pairs == "fixed" else "a fresh input with one label"
    caption = (
        f"Points: samples that suffice for 95 % of a layer's parameters; line: from half of them to all, over "
        f"{networks(result)}; {law}. A sample is {sample}. Best mixture: of both estimates of the same label, with the best weight "
        "at every input, a limit for what mixing can do."
    )
    known = table["most"].notna().any()
    chart = parts.needed(table, dark) if known else None
    text = findings.needed_finding(result) if known else "No exact law is known here: choose another method."
    return [Picture("samples", "Samples needed", chart, text, caption, "needed")]
