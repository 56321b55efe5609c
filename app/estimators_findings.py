"""What each further view of the page Two estimators says: bounds, units, causes, inputs or labels, samples needed."""

from __future__ import annotations

import math

import pandas as pd
import words
from estimators_words import NAMES, QUANTITY, named, spec_of

from fimcore.experiments.result import Result


def best_bounds(result: Result, quantity: str, layer: int) -> dict[str, float]:
    """Both bounds with the best form of every parameter at every input, over the value; nan: the value is zero."""
    rows = result.tables["points"]
    rows = rows[(rows["layer"] == layer) & (rows[quantity] > 0)]
    if not len(rows):
        return {"lower": math.nan, "upper": math.nan}
    lower = float((rows[f"{quantity}_lower"] / rows[quantity]).mean())
    return {"lower": lower, "upper": 1 / float((rows[quantity] / rows[f"{quantity}_upper"]).mean())}


def bounds_finding(result: Result, quantity: str, layer: int) -> str:
    """How tight the bounds are in one layer."""
    where, what = named([layer], spec_of(result).layers), QUANTITY[quantity]
    best = best_bounds(result, quantity, layer)
    if not math.isfinite(best["upper"]):
        return f"In {where} {what} is exactly zero, and so is its upper bound: there is nothing to compare."
    if best["upper"] < 1 - 1e-6 or best["lower"] > 1 + 1e-6:
        return f"In {where} {what} is so small that rounding decides: bounds cannot be compared with it."
    if abs(best["upper"] - 1) < 1e-6 and abs(best["lower"] - 1) < 1e-6:
        return f"In {where} both bounds are attained: {what} **equals** them."
    lower = "nothing is known from below"
    if best["lower"] > 0:
        lower = f"at least **{words.number(best['lower'], 2)}** times it is certain from below"
    forms = result.tables["bounds"]
    own = forms[(forms["quantity"] == quantity) & (forms["layer"] == layer) & (forms["side"] == "upper")]
    tight = own.sort_values("tightness", ascending=False).iloc[0]
    return (
        f"In {where} the best upper bound is **{words.number(best['upper'])}** times {what}; {lower}. Tightest single form: "
        f"{tight['form']}, {words.number(1 / tight['tightness'])} times."
    )


def units_finding(result: Result, layer: int) -> str:
    """How many units prefer which estimator, and how large the typical ratio is."""
    spec, table = spec_of(result), result.tables["units"]
    own = table[table["layer"] == layer]
    where, told = named([layer], spec.layers), own[own["log_ratio"].notna()]
    if not len(told):
        zero = own[own["var_hessian"] == 0]
        why = (
            "minus Hessian has no variance in any unit"
            if len(zero) == len(own)
            else "no unit has both variances above zero"
        )
        return f"In {where} there is no ratio to draw: {why}."
    below = int((told["log_ratio"] < 0).sum())
    median = 10 ** float(told["log_ratio"].median())
    return (
        f"In {where} minus Hessian varies less in **{below:,} of {words.count_of(len(told), 'unit')}** "
        f"({words.count_of(spec.seeds, 'network')}); the median unit has V₂ = **{words.number(median, 2)} V₁**."
    )


def negative_finding(result: Result) -> str:
    """How often minus Hessian is negative."""
    rows = result.tables["layers"]
    shares = rows[rows["quantity"] == "negative"].set_index("layer")["measured"]
    if not shares.max() > 0:
        return "Minus Hessian is never negative here."
    said = [words.percent(float(share)) for share in shares[shares > 0]]
    listed = words.joined(said) if len(said) <= 4 else f"{min(said, key=_first)} to {max(said, key=_first)}"
    where = named([int(layer) for layer in shares.index[shares > 0]], spec_of(result).layers)
    return f"Minus Hessian is **negative** for {listed} of the labels in {where}, although its mean, the Fisher diagonal, never is."


def _first(text: str) -> float:
    return float(text.split()[0])


def causes_finding(result: Result) -> str:
    """Which later nonlinearity drives the variance of minus Hessian."""
    table, last = result.tables["causes"], spec_of(result).layers
    told = table[table["measured"].notna()]
    if not len(told):
        return "Minus Hessian does not vary in any layer, so no layer causes its variance."
    tops = told.loc[told.groupby("layer")["measured"].idxmax()]
    if (tops["layer"] == tops["cause"]).all():
        low, high = words.percent(tops["measured"].min()), words.percent(tops["measured"].max())
        if tops["measured"].min() > 1 - 1e-9:
            return "**All** of the variance of minus Hessian comes from the bend of the parameter's own layer."
        much = low if low == high else f"{low} to {high}"
        whose = "The variance of minus Hessian comes from the bend of the parameter's **own layer**"
        return f"{whose}: {much} of it, layer by layer. Later layers add the rest."
    said = [
        f"in layer {int(row['layer'])} the bend of {named([int(row['cause'])], last)} ({words.percent(row['measured'])})"
        for row in tops.to_dict("records")
    ]
    return f"The largest part of the variance of minus Hessian comes, {'; '.join(said)}."


def split_finding(result: Result, rows: pd.DataFrame, part: str, layer: int, labels: int) -> str:
    """How much of an estimate's variance comes from labels; rows: "independent" rows of the layer and estimator."""
    where = named([layer], spec_of(result).layers)
    if labels not in set(rows["labels"]):
        return f"In {where} the Fisher diagonal is zero: there is no relative variance."
    one = rows[rows["labels"] == labels].iloc[0]
    whole = float(one["input"] + one["label"])
    if not whole > 0:
        return f"In {where} an estimate by {NAMES[part]} does not vary at all."
    share, ratio = (
        float(one["label"]) / whole,
        float(one["label"] * labels) / float(one["input"]) if one["input"] > 0 else math.inf,
    )
    if share == 0:
        which = f"the {NAMES[part]}".replace("the minus", "minus")
        return f"In {where} labels play no part: {which} varies with the inputs alone."
    text = (
        f"In {where}, with {words.count_of(labels, 'label')} per fresh input, **{words.percent(share)}** of the variance of the "
        f"{NAMES[part]} comes from the labels and the rest from the inputs."
    ).replace("the minus Hessian", "minus Hessian")
    if math.isfinite(ratio) and ratio >= 1:
        return (
            f"{text} Both are equal at about **{words.number(ratio, 2)}** labels per input; beyond that, draw inputs."
        )
    return f"{text} More inputs help more than more labels." if math.isfinite(ratio) else f"{text} Inputs play no part."


def needed_finding(result: Result) -> str:
    """Samples for 95 % of all parameters."""
    spec, table = spec_of(result), result.tables["needed"]
    own = table[table["layer"] == 0].set_index("estimator")["most"]
    said = []
    for name in ("score", "hessian", "mixture"):
        count = own[name]
        said.append(
            f"{NAMES[name]} **{words.number(int(count))}**" if math.isfinite(count) else f"{NAMES[name]} no number"
        )
    unit = "labels" if spec.pairs == "fixed" else "pairs of input and label"
    return (
        f"For 95 % of all parameters within {spec.relative_error * 100:g} % of F, each with {spec.confidence * 100:g} % "
        f"confidence, {unit} needed: {', '.join(said)}."
    )
