"""Through training: Fisher diagonal, deviations of both of its estimators and their bounds, layer by layer, epoch by epoch.

Mini-batch training of a classifier of the digits; at every epoch the exact F, V1, V2 and upper bounds, means over a layer's
parameters and over some of the digits. The crossover is the first epoch from which V2 < V1, V1 <= V2 having held before.
Source: Soen, Sun, Trade-Offs of Diagonal Fisher Information Matrix Estimators, arXiv 2402.05379.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from torch import Tensor

from fimcore.budget import Budget
from fimcore.estimators import diagonal_variances
from fimcore.experiments.cost import Cost, admit, layout_for, machine_speed, pass_flops
from fimcore.experiments.estimator_training_spec import Spec
from fimcore.experiments.result import Result, Verdict
from fimcore.experiments.setting import input_dimension, inputs_of, labels_of, likelihood_of, network_of
from fimcore.training import train
from fimcore.training.step import Step

__all__ = ["Spec", "cost", "run"]

Progress = Callable[..., object]
Row = dict[str, float]

OVERHEAD = 8e-4  # seconds of a step that do not depend on the sizes
PASSES = 150  # of one backward pass with every output: variances and bounds at one epoch


def updates(spec: Spec) -> int:
    """Updates in an epoch."""
    return math.ceil(spec.samples / min(spec.batch, spec.samples))


def cost(spec: Spec) -> Cost:
    """Bytes of the derivatives at the digits looked at, and estimated seconds of all runs."""
    layout = layout_for(input_dimension(spec), spec)
    step = 2 * pass_flops(layout, spec.samples, 1)
    look = PASSES * pass_flops(layout, min(spec.looked_at, spec.samples), spec.outputs)
    seconds = spec.epochs * (updates(spec) * (OVERHEAD + step / machine_speed()) + 0.02 + look / machine_speed())
    held = 8 * (60 * layout.parameters + min(spec.looked_at, spec.samples) * spec.outputs * sum(layout.units) * 8)
    return Cost(layout.parameters, held, spec.seeds * seconds)


def run(spec: Spec, progress: Progress | None = None, limits: Budget | None = None) -> Result:
    """Train every network and look at both estimators after every epoch.

    Tables: "layers" (per seed, epoch and layer), "training" (loss and accuracy), "crossover" (per seed and layer).
    `progress` receives (fraction, message, partial result) after every epoch; cancelling keeps the epochs that are over.

    Raises:
        BudgetError: the setting exceeds the limits; OverflowError: outputs overflow.
    """
    start = time.perf_counter()
    asked = admit(spec, cost, limits)
    rows: list[Row] = []
    fits: list[Row] = []

    def result(complete: bool) -> Result:
        layers = pd.DataFrame(rows)
        tables = {"layers": layers, "training": pd.DataFrame(fits), "crossover": crossovers(layers)}
        spent = time.perf_counter() - start
        return Result("estimator_training", spec, tables, {}, _verdicts(layers), spent, asked.bytes, complete)

    total = spec.seeds * (spec.epochs + 1)
    for number in range(spec.seeds):
        x = inputs_of(spec, number)
        for step in _epochs(spec, number, x):
            epoch, seed = step.number // updates(spec), spec.seed + number
            fits.append({"seed": seed, "epoch": epoch, "loss": step.loss, "accuracy": step.accuracy})
            if step.diverged:
                break
            rows.extend({"seed": seed, "epoch": epoch} | row for row in _look(spec, step, x))
            if progress and len(fits) < total:
                progress(len(fits) / total, f"seed {seed}, epoch {epoch} of {spec.epochs}", result(complete=False))
    complete = result(complete=True)
    if progress:
        progress(1.0, f"{spec.seeds} of {spec.seeds} networks", complete)
    return complete


def _epochs(spec: Spec, number: int, x: Tensor) -> Iterator[Step]:
    """The steps at the ends of epochs, the start included, and one that diverged."""
    steps = train(
        network_of(spec, number), (x, labels_of(spec, number)), spec.optimizer, spec.rate, steps=spec.epochs * updates(spec),
        seed=spec.seed + number, likelihood=likelihood_of(spec), batch_size=min(spec.batch, spec.samples),
    )  # fmt: skip
    for step in steps:
        if step.number % updates(spec) == 0 or step.diverged:
            yield step


def _look(spec: Spec, step: Step, x: Tensor) -> list[Row]:
    """One row a layer: Fisher, deviations as roots of layer means of variances, and the roots of their upper bounds."""
    known = diagonal_variances(step.network, x[: spec.looked_at], likelihood_of(spec))
    bounds = known.bounds
    values = {
        "fisher": known.by_layer(known.fisher),
        "fisher_lower": known.by_layer(bounds.fisher.lower),
        "fisher_upper": known.by_layer(bounds.fisher.upper),
        "score": known.by_layer(known.var_score).sqrt(),
        "score_upper": known.by_layer(bounds.var_score.upper).sqrt(),
        "hessian": known.by_layer(known.var_hessian).sqrt(),
        "hessian_upper": known.by_layer(bounds.var_hessian.upper).sqrt(),
    }
    wins = known.by_layer((known.var_score < known.var_hessian).to(known.fisher.dtype))
    columns = {name: each.tolist() for name, each in values.items()} | {"score_wins": wins.tolist()}
    return [
        {"layer": layer + 1} | {name: each[layer] for name, each in columns.items()}
        for layer in range(len(wins.tolist()))
    ]


def crossovers(layers: pd.DataFrame) -> pd.DataFrame:
    """Per seed and layer, the first epoch at which V2 < V1 after V1 <= V2; missing where there is none."""
    rows = []
    groups = layers.groupby(["seed", "layer"]) if len(layers) else ()
    for (seed, layer), own in groups:
        below = (own["hessian"] < own["score"]).to_numpy()
        crossed = np.flatnonzero(~below[:-1] & below[1:]) + 1
        epoch = float(own["epoch"].iloc[crossed[0]]) if len(crossed) else np.nan
        rows.append({"seed": seed, "layer": layer, "epoch": epoch, "hessian_first": bool(below[0])})
    return pd.DataFrame(rows, columns=["seed", "layer", "epoch", "hessian_first"])


def _verdicts(layers: pd.DataFrame) -> tuple[Verdict, ...]:
    """Every layer mean against its upper bound."""
    what, slack = "Upper bounds of both variances", 1 + 1e-9
    outside = sum(int((layers[name] > layers[f"{name}_upper"] * slack).sum()) for name in ("score", "hessian"))
    total = 2 * len(layers)
    if outside:
        said = f"{what}: {outside:,} of {total:,} layer means lie above: disagrees."
    else:
        said = f"{what}: all {total:,} layer means over training lie below: agrees."
    return (Verdict(what, "disagrees" if outside else "agrees", said),)
