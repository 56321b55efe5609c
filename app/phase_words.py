"""What the page Phase says in words: what depth does at a setting, depth scales, and the critical line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import words

from fimcore.experiments.critical import critical_weight_variance
from fimcore.experiments.network_fields import ACTIVATIONS, NAMES
from fimcore.experiments.phase_spec import Spec
from fimcore.experiments.phase_theory import Diagram, fixed_point

# A depth scale this many times the depth at hand cannot be told from none.
BEYOND = 10
MEANINGS = {
    "length": (
        "Length ξ_q",
        "Layers in which the distance of the length from its fixed point shrinks by the factor e.",
    ),
    "correlation": ("Overlap ξ_c", "Layers in which the distance of the overlap from c* shrinks by the factor e."),
    "gradient": ("Gradient ξ_∇", "Layers in which the squared gradient shrinks, or grows, by the factor e."),
}


class Card(NamedTuple):
    """A number with a word below it."""

    label: str
    value: str
    below: str
    about: str


def layers(depth: float) -> str:
    """ "7.65 layers"."""
    return f"{words.number(abs(depth))} layers"


def what_depth_does(spec: Spec) -> str:
    """The answer in two or three sentences, from the fixed point that these inputs reach."""
    point, depth = fixed_point(spec), spec.hidden_layers
    scale = point.depth_gradient
    if point.phase == "divergent":
        return f"**Divergent.** {point.reason} {_backwards(scale)} Deep networks of this kind overflow sooner or later."
    if point.phase == "critical" and spec.activation == "linear":
        return "**Critical.** Length, overlap and gradient all keep their size: there is nothing to settle."
    if point.phase == "critical" and point.q == 0.0:
        return (
            "**Critical.** There is no depth scale: the length fades as a power of the depth (algebraic decay), and gradients "
            "with it."
        )
    if point.q == 0.0:
        pace = f", by the factor e every {layers(point.depth_q)}" if math.isfinite(point.depth_q) else ""
        return f"**Ordered.** The length fades to zero{pace}: without biases nothing holds it up. {_backwards(scale)}"
    if point.phase == "critical":
        return (
            "**Critical.** There is no depth scale: two inputs approach each other by a power of the depth only (algebraic decay), "
            "and gradients keep their size. This is where depth costs least."
        )
    beyond = ""
    if abs(scale) > BEYOND * depth:
        beyond = f" That is far beyond these {depth} layers, which cannot tell it from critical."
    if point.phase == "ordered":
        return (
            f"**Ordered.** Two inputs become ever more alike: the difference shrinks by the factor e every "
            f"**{layers(point.depth_c)}**, so {depth} layers are {words.number(depth / point.depth_c)} of these depths. "
            f"{_backwards(scale)}{beyond}"
        )
    return (
        f"**Chaotic.** Two inputs end at the overlap c* = {words.number(point.correlation)}, however alike they start; the "
        f"distance to it shrinks by the factor e every **{layers(point.depth_c)}**. {_backwards(scale)}{beyond}"
    )


def safely(spec: Spec) -> str:
    """The answer, or nothing where the settings have none; why is told in the picture's place."""
    try:
        return what_depth_does(spec)
    except (ValueError, OverflowError):
        return ""


def _backwards(scale: float) -> str:
    if not math.isfinite(scale):
        return "Gradients keep their size on the way back."
    change = "fade" if scale >= 0 else "grow"
    return f"Gradients {change} on the way back, by the factor e every {layers(scale)}."


def cards(spec: Spec, scales: pd.DataFrame) -> list[Card]:
    """The phase and the three depth scales."""
    point = fixed_point(spec)
    below = f"χ₁ = {words.number(point.chi, 4)}"
    made = [Card("Phase", point.phase, below, f"χ₁ = σ_w² E φ′² at the fixed point. {point.reason}".strip())]
    return made + [_scale(row) for row in scales.to_dict("records")]


def _scale(row: Mapping[Any, Any]) -> Card:
    label, about = MEANINGS[row["quantity"]]
    about = f"{about} {row['reason']}".strip()
    if row["law"] == "algebraic":
        power = {1: "l", 2: "l²"}.get(row["power"], f"l^{row['power']:g}")
        law = f"{words.number(row['prefactor'])} / {power}"
        distance = "1 − c" if row["quantity"] == "correlation" else "q"
        return Card(
            label, "no depth scale", f"algebraic, {law}", f"Algebraic decay: {distance} ≈ {law}. {row['reason']}"
        )
    if row["law"] == "none":
        return Card(label, "no depth scale", "no decay law here", about)
    limit = words.number(row["limit"]) if np.isfinite(row["limit"]) else ""
    letter = {"length": "q*", "correlation": "c*"}.get(row["quantity"], "")
    grows = row["depth"] < 0
    if row["quantity"] == "gradient":
        below = "grows towards the input" if grows else "fades towards the input"
    else:
        below = "grows" if grows else f"settles at {letter} = {limit}"
    return Card(label, layers(row["depth"]), below, about)


def activation_name(spec: Spec) -> str:
    """The activation as people write it."""
    return NAMES[ACTIVATIONS.index(spec.activation)]


def line_words(spec: Spec, found: Diagram) -> str:
    """What the diagram shows: where the line is, where it repels, or that there is none."""
    name, line = activation_name(spec), found.line
    weight, reason = critical_weight_variance(spec.activation, spec.bias_variance)
    inside = (line.weight_variances <= 5) & (line.bias_variances <= 2)
    if line.q.size == 1:
        where = words.number(float(line.weight_variances[0]), 4)
        text = f"For {name} the critical line is a single point: σ_w² = {where} without a bias."
    elif not inside.any():
        text = f"For {name} there is **no critical point** at these variances: {_ended(reason)}"
        return text.replace("no critical point: ", "", 1) if reason.startswith("no critical") else text
    elif (inside & ~line.attracts).any():
        text = (
            f"For {name} the fixed point on the dashed part of the critical line **repels**: lengths do not stay there, and "
            "where they go depends on the size of the input."
        )
    else:
        text = f"For {name} every fixed point on the critical line attracts."
    if weight is not None and line.q.size > 1:
        text += f" At this σ_b² it lies at σ_w² = {words.number(weight, 4)}."
    return text


def _ended(sentence: str) -> str:
    clause = sentence.removeprefix("no critical point: ").strip()
    return clause if clause.endswith(".") else f"{clause}."


def residual_words(rows: pd.DataFrame) -> str:
    """The largest residual of one quantity."""
    sizes = rows["residual"].abs()
    if not sizes.notna().any():
        return "no residual"
    worst = rows.iloc[int(np.nanargmax(sizes.to_numpy()))]
    return f"largest residual {words.percent(worst['residual'])}, in layer {worst['layer']}"
