"""What the page Spectrum says in words: one finding a view, and why eigenvalues are zero."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import words

from fimcore.experiments.result import Result
from fimcore.experiments.setting import sample_count
from fimcore.experiments.spectrum_spec import Spec
from fimcore.experiments.spectrum_whitened import full_rank, layers_of

# An eigenvalue this many times the mean of the others stands out.
STANDS_OUT = 5.0
SHORT = {
    "outlier": "Largest",
    "bulk": "Bulk",
    "median": "Median",
    "mean": "Mean",
    "second_moment": "Second moment",
    "centred_outlier": "Largest, centred",
    "centred_bulk": "Bulk, centred",
    "centred_mean": "Mean, centred",
}


def spec_of(result: Result) -> Spec:
    """The result's Spec, whose type the page knows."""
    assert isinstance(result.spec, Spec)
    return result.spec


def row_of(table: pd.DataFrame, column: str, key: str) -> pd.Series:
    """The row of a table with this key."""
    return table[table[column] == key].iloc[0]


def measured(row: pd.Series | dict[str, Any]) -> str:
    """ "83.2 ± 3.1 (8 seeds)"."""
    return words.with_spread(float(row["measured"]), float(row["spread"]), int(row["seeds"]))


def theory(row: pd.Series) -> str:
    return f"predicted {words.number(float(row['predicted']))}" if np.isfinite(row["predicted"]) else "no prediction"


def finding(result: Result, damping: float | None = None) -> str:
    """The answer of the view, with live numbers; `damping`: the one chosen in the whitened view."""
    view = spec_of(result).view
    if view == "density":
        return density_finding(result)
    if view == "blocks":
        return blocks_finding(result)
    if view in ("width", "inputs"):
        return sweep_finding(result)
    if view == "whitened":
        return whitened_finding(result, spec_of(result).damping if damping is None else damping)
    return step_finding(result)


def density_finding(result: Result) -> str:
    """How large the largest eigenvalue is, against the others, against theory, and how many are zero."""
    spec, table = spec_of(result), result.tables["statistics"]
    top, bulk = row_of(table, "quantity", "outlier"), row_of(table, "quantity", "bulk")
    if not top["measured"] > 0:
        return "**All eigenvalues are zero:** these inputs do not move the outputs. Raise the bias variance, or change the seed."
    several = spec.likelihood == "regression" and spec.outputs > 1
    name = f"mean of the {spec.outputs} largest eigenvalues" if several else "largest eigenvalue"
    text = f"The {name} is **{measured(top)}**, {theory(top)}"
    if np.isfinite(bulk["measured"]) and bulk["measured"] > 0:
        ratio = float(top["measured"] / bulk["measured"])
        if ratio >= STANDS_OUT:
            text += f"; it stands out, {words.number(ratio)} times the mean of the other non-zero ones"
        else:
            text += f"; it does not stand out, {words.number(ratio)} times the mean of the other non-zero ones"
    text += f". {zeros_words(result)}"
    if spec.estimator == "exact":
        bound = float(np.nanmean(2 / result.arrays["eigenvalues"][:, 0]))
        text += f" Gradient descent needs steps below 2 / λ_max = {words.number(bound)}."
    if "centred_outlier" in set(table["quantity"]):
        centred = row_of(table, "quantity", "centred_outlier")
        text += (
            f" With centred outputs the largest is **{words.number(float(centred['measured']))}**, down from "
            f"{words.number(float(result.arrays['eigenvalues'][:, 0].mean()))}."
        )
    return text


def zeros_words(result: Result) -> str:
    """How many eigenvalues are zero, and why."""
    spec, points = spec_of(result), result.tables["points"]
    zeros, total = points["zeros"].astype(int), int(points["parameters"].iloc[0])
    if zeros.max() == 0:
        return f"None of its {words.count_of(total, 'eigenvalue')} is zero."
    counted = f"{zeros.min():,}" if zeros.min() == zeros.max() else f"{zeros.min():,} to {zeros.max():,}"
    text = f"**{counted} of {words.count_of(total, 'eigenvalue')} are zero**"
    rank, samples = total - int(zeros.max()), sample_count(spec)
    classes = spec.likelihood == "softmax" and spec.estimator == "exact"
    rows = samples * ((spec.outputs - 1) if classes else spec.outputs if spec.estimator == "exact" else 1)
    if zeros.min() == zeros.max() and rank == rows:
        count = "N (C − 1)" if classes else "N C" if spec.outputs > 1 and spec.estimator == "exact" else "N"
        text += f": {count} = {rows:,} gradients span no more than {rank:,} directions"
    return f"{text}."


def blocks_finding(result: Result) -> str:
    """Whether the layers add up, and what block-diagonal parts keep."""
    layers, table = result.tables["layers"], result.tables["structures"]
    own = layers[~layers["layer"].isin(["sum", "full"])]
    whole, total = row_of(layers, "layer", "full"), row_of(layers, "layer", "sum")
    if not whole["measured"] > 0:
        return "**All eigenvalues are zero:** these inputs do not move the outputs."
    shown = [words.number(float(value)) for value in own["measured"]]
    parts = " + ".join(shown) if len(shown) <= 5 else f"{shown[0]} + … + {shown[-1]}"
    ratio = float(total["measured"] / whole["measured"])
    about = "add up to that of the full matrix" if abs(ratio - 1) < 0.05 else "do not add up to that of the full matrix"
    text = (
        f"The layers' largest eigenvalues **{about}**: {parts} = {words.number(float(total['measured']))}, against "
        f"{words.number(float(whole['measured']))} (ratio {words.number(ratio, 4)})."
    )
    kept, units = row_of(table, "structure", "layer_blocks"), row_of(table, "structure", "hidden_units")
    return (
        f"{text} Dropping everything between layers leaves {words.percent(float(kept['share']))} of it; the unit blocks of the "
        f"hidden layers have at most {words.percent(float(units['share']))}."
    )


def sweep_finding(result: Result) -> str:
    """Both ends of the sweep, in the largest eigenvalue and in the bulk."""
    spec, table = spec_of(result), result.tables["sweep"]
    field = table.columns[0]
    top, bulk = (table[table["quantity"] == name] for name in ("outlier", "bulk"))
    first, last = top.iloc[0], top.iloc[-1]
    where = "width {:,}" if field == "width" else "N = {:,}"
    text = (
        f"The largest eigenvalue goes from {words.number(float(first['measured']))} at {where.format(int(first[field]))} to "
        f"**{words.number(float(last['measured']))}** at {where.format(int(last[field]))} ({theory(last)}), the mean of the bulk "
        f"from {words.number(float(bulk.iloc[0]['measured']))} to {words.number(float(bulk.iloc[-1]['measured']))}."
    )
    if spec.view == "inputs":
        return f"{text} More inputs thin the bulk as 1 / N; what stands out is shared by all inputs and stays."
    if len(top) > 1 and top.iloc[-2]["measured"] > 0:
        factor = float(last["measured"] / top.iloc[-2]["measured"])
        text += f" The last doubling of the width multiplied the largest eigenvalue by {words.number(factor)}"
        text += ", so that step sizes have to shrink with it." if factor > 1.3 else "."
    return text


def whitened_finding(result: Result, damping: float) -> str:
    """Between what the whitened spectrum lies at the chosen damping."""
    spec, table = spec_of(result), result.tables["dampings"]
    row = table.iloc[int(np.abs(np.log(table["damping"] / damping)).argmin())]
    limit = layers_of(spec)
    if not np.isfinite(row["largest"]):
        return "**All eigenvalues are zero:** there is nothing to whiten."
    text = (
        f"At λ = {damping:g} λ_max the non-zero eigenvalues of (F_layers + λ)⁻¹ F lie between "
        f"**{words.number(float(row['smallest_low']))} and {words.number(float(row['largest_high']), 4)}**, and none can exceed "
        f"the number of layers, L = {limit}."
    )
    if full_rank(spec):
        return f"{text} Without damping all of them are exactly L here: every layer can fit all the inputs by itself."
    return f"{text} Here some layers have fewer parameters than there are rows N C, so that not all reach L even without damping."


def step_finding(result: Result) -> str:
    """The bound, and what happened on both sides of it."""
    spec, table, points = spec_of(result), result.tables["factors"], result.tables["points"]
    bound = row_of(table, "side", "bound")
    if not np.isfinite(bound["measured"]):
        return "**All eigenvalues are zero:** no step size is too large, and none changes anything."
    said = []
    for side, went, word in (
        ("below", "fell", points["factor_below"] < 1),
        ("above", "rose", points["factor_above"] > 1),
    ):
        row = row_of(table, "side", side)
        said.append(
            f"{100 * spec.margin:g} % {side} it the loss {went} in {int(word.sum())} of {words.count_of(len(points), 'network')}, "
            f"by the factor {words.number(float(row['measured']))} a step"
        )
    return f"Gradient descent is stable up to **2 / λ_max = {measured(bound)}**, {theory(bound)}. Tried: {said[0]}; {said[1]}."
