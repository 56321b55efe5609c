"""Estimators: which random estimator of the Fisher diagonal should be trusted, layer by layer?

Squared score (d l / d theta)^2 against minus the second derivative -d^2 l / d theta^2, labels drawn from the model: exact mean and
variances of both, their bounds, what randomness of inputs adds, and how many samples each needs. There is no mean-field prediction.
Source: Soen, Sun, Trade-Offs of Diagonal Fisher Information Matrix Estimators, arXiv 2402.05379.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pandas as pd

from fimcore.budget import Budget
from fimcore.estimators.output_derivatives import PART_BYTES, input_bytes
from fimcore.experiments.cost import ENTRY_FLOPS, Cost, admit, layout_for, machine_speed
from fimcore.experiments.estimators_measured import BOUNDED, Measured, checked_inputs, measure
from fimcore.experiments.estimators_needed import Needed, needed_of, samples_table, variances_of
from fimcore.experiments.estimators_spec import Spec
from fimcore.experiments.estimators_tables import all_tables
from fimcore.experiments.result import Result, Verdict
from fimcore.experiments.setting import input_dimension, sample_count

__all__ = ["Spec", "cost", "needed", "needed_seconds", "run"]

Progress = Callable[..., object]

NEEDED_SHARE = 0.2
EVERY = 0.3  # seconds between partial results, each of which costs the tables
VECTORS = 60  # of P numbers alive at once: values, both sides of their bounds and every form
WORDS = {"fisher": "Fisher diagonal", "score": "squared score", "hessian": "minus Hessian"}
# Distance of drawn labels from the exact variance, in standard errors, from which chance is no explanation; of many layers at once.
FAR = 3.5


def cost(spec: Spec) -> Cost:
    """Bytes of one network's derivatives and results, and estimated seconds of all networks."""
    layout = layout_for(input_dimension(spec), spec)
    samples, units = sample_count(spec), layout.units
    held = min(samples * input_bytes(layout, 8), PART_BYTES) + 8 * VECTORS * layout.parameters
    held += 8 * 8 * checked_inputs(layout, samples) * sum(n**2 for n in units)
    paths = sum(
        units[m] * units[m - 1] * units[low] for low in range(layout.layers) for m in range(low + 1, layout.layers)
    )
    # Small products and element-wise work, not the large products, are what takes time: coefficients fitted to 17 settings.
    later = sum((layout.layers - layer) * n for layer, n in enumerate(units))
    entries = spec.outputs * (17 * sum(units) + 12 * later) + 80 * sum(layout.unit_sizes)
    flops = ENTRY_FLOPS * (samples * entries + 8 * checked_inputs(layout, samples) * sum(n**2 for n in units))
    flops += 16.0 * samples * paths
    return Cost(layout.parameters, held, spec.seeds * (0.02 + flops / machine_speed()))


def run(spec: Spec, progress: Progress | None = None, limits: Budget | None = None) -> Result:
    """Exact variances of both estimators on every network of the Spec.

    Tables: "layers" (per layer and quantity, deviations as roots of layer means), "winners", "bounds", "causes", "split", "check"
    (against drawn labels), "units", "points" (per network), "needed" (where complete).
    `progress` receives (fraction, message) before every network, and now and then a partial result of those that are finished.

    Raises:
        BudgetError: the setting exceeds the limits; InputError: the data cannot be used; OverflowError: outputs overflow.
    """
    start = time.perf_counter()
    asked = admit(spec, cost, limits)
    found: list[Measured] = []
    told = start

    def result(complete: bool) -> Result:
        tables = all_tables(spec, found)
        if complete:
            tables["needed"] = samples_table(spec, [each.needed for each in found])
        verdicts = _verdicts(spec, found, tables["check"])
        return Result("estimators", spec, tables, {}, verdicts, time.perf_counter() - start, asked.bytes, complete)

    for number in range(spec.seeds):
        if progress:
            progress(number / spec.seeds, f"{number} of {spec.seeds} networks")
        found.append(measure(spec, number))
        if progress and number + 1 < spec.seeds and time.perf_counter() - told >= EVERY:
            told = time.perf_counter()
            progress((number + 1) / spec.seeds, f"{number + 1} of {spec.seeds} networks", result(complete=False))
    complete = result(complete=True)
    if progress:
        progress(1.0, f"{spec.seeds} of {spec.seeds} networks", complete)
    return complete


def needed(spec: Spec, progress: Progress | None = None) -> Result:
    """The calculator alone, table "needed": samples per layer and estimator for the Spec's error, confidence and method."""
    start = time.perf_counter()
    every: list[Needed] = []
    for number in range(spec.seeds):
        if progress:
            progress(number / spec.seeds, f"{number} of {spec.seeds} networks")
        every.append(needed_of(spec, variances_of(spec, number)))
    tables = {"needed": samples_table(spec, every)}
    return Result("estimators", spec, tables, seconds=time.perf_counter() - start, bytes=cost(spec).bytes)


def needed_seconds(spec: Spec) -> float:
    """Estimated time of `needed`: both variances, without bounds, causes and the check."""
    return NEEDED_SHARE * cost(spec).seconds


def _verdicts(spec: Spec, found: list[Measured], check: pd.DataFrame) -> tuple[Verdict, ...]:
    """Drawn labels against exact variances, and every parameter against its bounds."""
    made = [_drawn(check[check["estimator"] == name], name) for name in ("score", "hessian")]
    parameters = layout_for(input_dimension(spec), spec).parameters * len(found)
    for name in BOUNDED:
        outside = sum(each.outside[name] for each in found)
        what = f"Bounds of the {'variance, ' if name != 'fisher' else ''}{WORDS[name]}"
        if outside:
            said = f"{what}: {outside:,} of {parameters:,} parameters lie outside: disagrees."
        else:
            said = f"{what}: all {parameters:,} parameters lie inside: agrees."
        made.append(Verdict(what, "disagrees" if outside else "agrees", said))
    none = "There is no mean-field prediction for either variance; what is compared are exact sums, bounds and drawn labels."
    made.append(Verdict("Mean field", "no prediction", none))
    return tuple(made)


def _drawn(rows: pd.DataFrame, name: str) -> Verdict:
    """The layer in which drawn labels lie furthest from the exact variance."""
    what = f"Variance of the {WORDS[name]}"
    if not (rows["exact"].any() or rows["drawn"].any()):
        return Verdict(what, "agrees", f"{what}: exactly zero in every layer, and drawn labels do not vary: agrees.")
    told = rows[rows["distance"].notna()].to_dict("records")
    if not told:
        few = f"{int(rows['labels'].iloc[0]):,} drawn labels cannot tell: a few rare ones carry it."
        return Verdict(what, "no prediction", f"{what}: {few}")
    worst = max(told, key=lambda row: abs(float(row["distance"])))
    far = abs(float(worst["distance"]))
    close = worst["exact"] > 0 and abs(worst["drawn"] / worst["exact"] - 1) <= 0.1
    word = "agrees" if far <= FAR else "close" if close else "disagrees"
    said = (
        f"{what}: exact against {int(worst['labels']):,} drawn labels, at most {far:.1f} standard errors apart (layer "
        f"{int(worst['layer'])} of {len(rows)}): {word}."
    )
    return Verdict(what, word, said)
