"""What the page Units says in words: layers where the closed form holds, the chosen unit, noise, and why deeper layers differ."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd
import words

from fimcore.experiments.result import Result, signed
from fimcore.experiments.unit_spec import Spec
from fimcore.experiments.unit_tables import why_not

GOOD = ("agrees", "close")


class Card(NamedTuple):
    """A number with a word below it."""

    label: str
    value: str
    below: str
    about: str


def _pick(table: pd.DataFrame, matrix: str, form: str) -> pd.DataFrame:
    return table[(table["matrix"] == matrix) & (table["form"] == form) & table["error"].notna()]


def in_layers(rows: pd.DataFrame) -> str:
    """ "58.6 % in layer 2 and 52.8 % in layer 3", or the range of many."""
    if len(rows) > 3:
        low, high = rows["error"].min(), rows["error"].max()
        first, last = rows["layer"].min(), rows["layer"].max()
        return f"{words.percent(low)} to {words.percent(high)} in layers {first} to {last}"
    return words.joined([f"{words.percent(row['error'])} in layer {row['layer']}" for _, row in rows.iterrows()])


def layer_names(rows: pd.DataFrame) -> str:
    """ "layer 1", "layers 2 and 3", "layers 2 to 12"."""
    names = [str(layer) for layer in rows["layer"]]
    if len(names) > 3 and rows["layer"].max() - rows["layer"].min() == len(names) - 1:
        return f"layers {names[0]} to {names[-1]}"
    return f"layer{'s' if len(names) > 1 else ''} {words.joined(names)}"


def finding(result: Result) -> str:
    """The answer over networks: a unit alone, and the same unit in its network."""
    table = result.tables["layers"]
    flat = _pick(table, "alone", "isotropic")
    if not len(flat):
        reasons = [reason for reason in table["reason"] if reason]
        return reasons[0] if reasons else "Nothing could be measured here."
    few = " (a verdict needs 4 networks)" if (table["verdict"] == "too few seeds to say").any() else ""
    good = flat[flat["verdict"] == "agrees"] if not few else flat[flat["error"] < 0.1]
    bad = flat[~flat.index.isin(good.index)]
    said = []
    if len(good):
        beyond = "nothing of a unit's own matrix is wrong beyond noise" if not few else "little is wrong beyond noise"
        said.append(f"**In {layer_names(good)}, yes**: {beyond}{few}.")
    if len(bad):
        said.append(
            f"**In {layer_names(bad)}, no**: of a unit's own matrix, A₀ I plus rank two misses {in_layers(bad)}"
            f"{few if not len(good) else ''}. {_with_covariance(table, bad)}"
        )
    return " ".join([*said, _in_network(table)]).replace("  ", " ").strip()


def _with_covariance(table: pd.DataFrame, bad: pd.DataFrame) -> str:
    full = _pick(table, "alone", "covariance")
    full = full[full["layer"].isin(bad["layer"])]
    if not len(full) or float(full["error"].max()) > 0.5 * float(bad["error"].max()):
        return ""
    if len(full) > 3:
        return f"With the exact mean and covariance of the inputs it is {in_layers(full)}."
    shares = [words.percent(error) for error in full["error"]]
    return f"With the exact mean and covariance of the inputs it is {words.joined(shares)}."


def _in_network(table: pd.DataFrame) -> str:
    own = _pick(table, "network", "own inputs")
    if not len(own):
        return ""
    exact, rough = own[own["error"] < 1e-6], own[own["error"] >= 1e-6]
    text = "Inside the network the block is a factor times that matrix"
    if not len(rough):
        return f"{text}, exactly."
    if len(exact):
        return f"{text}: exactly in {layer_names(exact)}, and up to an error of {in_layers(rough)}."
    return f"{text}, up to an error of {in_layers(rough)}."


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


def why_deeper(table: pd.DataFrame) -> list[str]:
    """What each layer receives, in a sentence: mean, covariance, shape."""
    said = []
    for _, row in table.iterrows():
        if not math.isfinite(row["anisotropy"]):
            continue
        shape = f"excess kurtosis {signed(row['kurtosis'])}" if math.isfinite(row["kurtosis"]) else "constant"
        said.append(
            f"Inputs of layer {row['layer']:.0f}: the mean carries {words.percent(row['mean_share'])} of their squared length, "
            f"{words.percent(row['anisotropy'])} of the covariance is not a multiple of I, {shape} (Gaussian: 0)."
        )
    return said


COLUMNS = {
    ("alone", "isotropic"): "Alone: isotropic",
    ("alone", "covariance"): "Alone: exact covariance",
    ("network", "isotropic"): "In the network: isotropic",
    ("network", "covariance"): "In the network: exact covariance",
    ("network", "own inputs"): "In the network: factor × own matrix",
}


def verdict_table(table: pd.DataFrame) -> str:
    """A Markdown table: what is wrong beyond noise, and the verdict, per layer and form."""
    head = ["Layer", *COLUMNS.values()]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for layer, rows in table.groupby("layer"):
        cells = [str(layer)]
        for matrix, form in COLUMNS:
            row = rows[(rows["matrix"] == matrix) & (rows["form"] == form)].iloc[0]
            error = words.percent(row["error"]) if math.isfinite(row["error"]) else "—"
            cells.append(f"{error} · {row['verdict']}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def error_finding(table: pd.DataFrame, matrix: str) -> str:
    """The finding of one chart of errors, for those who do not see it."""
    forms = {
        "isotropic": "isotropic form",
        "covariance": "exact mean and covariance",
        "own inputs": "factor times own matrix",
    }
    said = []
    for form, name in forms.items():
        rows = _pick(table, matrix, form)
        if len(rows):
            said.append(f"{name} {in_layers(rows)}")
    what = "the unit alone" if matrix == "alone" else "the unit in its network"
    return f"Relative error beyond noise of {what}: {'; '.join(said)}." if said else f"Nothing was measured of {what}."


def direction_finding(table: pd.DataFrame) -> str:
    """The finding of the chart of cosines."""
    said = []
    for form, name in (
        ("isotropic", "isotropic form"),
        ("covariance", "exact covariance"),
        ("gradient", "plain gradient"),
    ):
        values = table[(table["form"] == form) & table["cosine"].notna()]
        if len(values):
            said.append(f"{name} {values['cosine'].min():.2f} to {values['cosine'].max():.2f}")
    return (
        f"Cosine with the exact natural gradient of a unit: {', '.join(said)}."
        if said
        else "There is no direction here."
    )


def moment_finding(result: Result) -> str:
    """A_0, A_1, A_2 of the chosen unit alone, measured beside predicted."""
    return " ".join(verdict.sentence for verdict in result.verdicts)
