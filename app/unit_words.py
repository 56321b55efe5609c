"""What the page Units says of the chosen unit, in words: error and noise, what is special about it, its eigenvalues."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd
import words

from fimcore.experiments.result import Result
from fimcore.experiments.unit_spec import Spec
from fimcore.experiments.unit_tables import why_not


class Card(NamedTuple):
    """A number with a word below it."""

    label: str
    value: str
    below: str
    about: str


def unit_finding(spec: Spec, row: Mapping[Any, Any], size: int, samples: int) -> str:
    """The chosen unit: how far measured and closed form are apart, and how much of that is noise."""
    name = f"**Unit {spec.shown_unit} of layer {spec.shown_layer}**"
    if not math.isfinite(row["error"]):
        return (
            f"{name} is off for all {samples:,} inputs: its block is zero, and so is the closed form times its factor 0; there "
            "is no direction to compare. Choose another unit, or raise the bias variance."
        )
    form = "isotropic closed form" if spec.isotropic else "closed form with exact mean and covariance"
    text = (
        f"{name}: the {form} differs from the measured block by **{words.percent(row['error'])}** of its size. Noise of "
        f"{samples:,} inputs makes {words.percent(row['noise'])}"
    )
    if row["wrong"] == 0:
        return f"{text}, and beyond it nothing is left."
    text += f", the form itself **{words.percent(row['wrong'])}** (squares add up)."
    reason = why_not(spec, spec.shown_layer, "network", "isotropic" if spec.isotropic else "covariance")
    return f"{text} Why: {reason[0].lower()}{reason[1:]}" if reason and row["wrong"] > 0.03 else text


def remarks(spec: Spec, row: Mapping[Any, Any], size: int, samples: int) -> list[str]:
    """What is special here, one sentence each."""
    said = []
    if spec.layer > spec.hidden_layers:
        said.append(
            f"Layer {spec.layer} was asked for; this network has {words.count_of(spec.hidden_layers, 'hidden layer')}, so "
            f"layer {spec.shown_layer} is shown."
        )
    if spec.unit > spec.width:
        said.append(
            f"Unit {spec.unit} was asked for; this layer has {words.count_of(spec.width, 'unit')}, so unit {spec.shown_unit} is "
            "shown."
        )
    if size == 2:
        said.append("A unit with one input has a 2 × 2 matrix: rank two is all of it, so its shape says nothing.")
    if spec.activation == "linear":
        said.append("A linear unit has slope 1 everywhere: A₀ = A₂ = 1 and A₁ = 0, and no part of rank two is left.")
    elif row["scale"] == 0:
        said.append(
            "This unit's pre-activation does not vary: A₂ = A₀ and A₁ = 0, so that no part of rank two is left, as for w = 0."
        )
    if samples < size:
        said.append(
            f"Fewer inputs ({samples}) than parameters of the unit ({size}): the measured block has rank {samples} at most, "
            "whatever the unit does."
        )
    return said


def cards(spec: Spec, row: Mapping[Any, Any]) -> list[Card]:
    """Four numbers of the chosen unit."""
    noise = f"noise {words.percent(row['noise'])}"
    damping = f"{spec.damping:g} of the block's mean diagonal"
    return [
        Card(
            "Difference",
            words.percent(row["error"]),
            noise,
            "‖F − G‖ / ‖F‖ with F the measured block and G the closed form.",
        ),
        Card(
            "Beyond noise",
            words.percent(row["wrong"]),
            "wrong for any inputs N",
            "From two halves of the inputs, whose noise is independent: √(⟨D₁, D₂⟩ / ⟨F₁, F₂⟩).",
        ),
        Card(
            "Direction, cosine",
            words.number(row["cosine"]),
            f"gradient {words.number(row['gradient_cosine'])}",
            f"Natural gradients of closed form and exact block, in the metric of the block; damping {damping}. Between the "
            f"exact blocks of two halves of the inputs it is {words.number(row['halves_cosine'])}.",
        ),
        Card(
            "Inverse, error",
            words.percent(row["inverse_error"]),
            f"damping {spec.damping:g}",
            "Frobenius norm of the difference of both damped inverses over that of the exact one.",
        ),
    ]


def eigenvalue_finding(table: pd.DataFrame, kind: str, factor: float, zeroth: float, variance: float) -> str:
    """How many eigenvalues of the closed form are equal, and which are not."""
    values = table[kind].to_numpy()
    if not values.max() > 0:
        return "All eigenvalues are zero."
    level = factor * zeroth * variance
    same = abs(values - level) <= 1e-8 * max(level, 1e-300)
    equal, others = int(same.sum()), values[~same]
    if kind != "isotropic" or equal < 2:
        spread = f"{words.number(float(values.min()))} to {words.number(float(values.max()))}"
        return f"The closed form with the exact covariance has no two equal eigenvalues: they run from {spread}."
    text = f"The closed form has **{equal} equal** eigenvalues, {words.number(level)}"
    if not len(others):
        return f"{text}, and no others."
    listed = words.joined([words.number(float(value)) for value in others])
    text += f", and {words.count_of(len(others), 'other')}: {listed}"
    if len(others) > 2:
        return f"{text}; the third comes from the mean of the inputs, which is not zero here."
    return f"{text}."


def moment_finding(result: Result) -> str:
    """A_0, A_1, A_2 of the chosen unit alone, measured beside predicted."""
    return " ".join(verdict.sentence for verdict in result.verdicts)
