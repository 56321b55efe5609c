"""Through training: Fisher diagonal, deviations of both of its estimators and their bounds, layer by layer, epoch by epoch.

Mini-batch training of a classifier of images; at every epoch the exact F, V1, V2 and their bounds, means over a layer's
parameters and over some of the images.
Source: Soen, Sun, Trade-Offs of Diagonal Fisher Information Matrix Estimators, arXiv 2402.05379 (its experiment on MNIST).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from torch import Tensor

from fimcore.architecture import Architecture
from fimcore.budget import Budget
from fimcore.estimators import diagonal_variances
from fimcore.experiments.cost import Cost, admit, layout_for, machine_speed, pass_flops
from fimcore.experiments.estimator_training_spec import Spec
from fimcore.experiments.labelled_images import draw_images, images
from fimcore.experiments.result import Result, Verdict
from fimcore.experiments.winner_changes import winner_changes
from fimcore.likelihoods import Categorical
from fimcore.networks import Network, sample_network
from fimcore.training.epochs import Epoch, train_epochs

__all__ = ["Spec", "cost", "run"]

Progress = Callable[..., object]
Row = dict[str, float]

# Seconds that do not depend on the sizes: of an update, and of a look at one layer.
UPDATE_SECONDS, LAYER_SECONDS = 8e-4, 4e-3
PASSES = 40  # of one backward pass with every output: variances and bounds at one epoch
QUANTITIES = ("fisher", "score", "hessian")
FITS = ["seed", "epoch", "loss", "accuracy"]
NAMES = [f"{name}{side}" for name in QUANTITIES for side in ("", "_lower", "_upper")]
COLUMNS = ["seed", "epoch", "layer", *NAMES, "score_wins"]


def image_count(spec: Spec) -> int:
    """N: as set, but never more than there are images."""
    return min(spec.samples, images(spec.file).count)


def updates(spec: Spec) -> int:
    """Updates in an epoch."""
    count = image_count(spec)
    return math.ceil(count / min(spec.batch, count))


def cost(spec: Spec) -> Cost:
    """Bytes of the derivatives at the images looked at, and estimated seconds of all runs."""
    layout, count = layout_for(images(spec.file).dimension, spec), image_count(spec)
    looked_at = min(spec.looked_at, count)
    batch = min(spec.batch, count)
    step = pass_flops(layout, batch, 2)
    look = PASSES * pass_flops(layout, looked_at, spec.outputs)
    epoch = updates(spec) * (UPDATE_SECONDS + step / machine_speed()) + look / machine_speed()
    seconds = spec.seeds * (spec.epochs + 1) * (epoch + LAYER_SECONDS * layout.layers)
    derivatives = 8 * looked_at * spec.outputs * sum(layout.units) * 8
    return Cost(layout.parameters, 8 * 60 * layout.parameters + derivatives + 16 * count * layout.widths[0], seconds)


def run(spec: Spec, progress: Progress | None = None, limits: Budget | None = None) -> Result:
    """Train every network and look at both estimators after every epoch.

    Tables: "layers" (per seed, epoch and layer), "crossover" (every change of the better estimator), "training" (loss and
    accuracy; a run that diverged ends with a missing loss). `progress` receives (fraction, message, partial result) after
    every epoch; cancelling keeps the epochs that are over.

    Raises:
        InputError: no images with labels in the file; BudgetError: the setting exceeds the limits.
    """
    start = time.perf_counter()
    asked = admit(spec, cost, limits)
    rows: list[Row] = []
    fits: list[Row] = []

    def result(complete: bool) -> Result:
        layers = pd.DataFrame(rows, columns=COLUMNS)
        training = pd.DataFrame(fits, columns=FITS)
        tables = {"layers": layers, "crossover": winner_changes(layers), "training": training}
        spent = time.perf_counter() - start
        return Result("estimator_training", spec, tables, {}, _verdicts(layers), spent, asked.bytes, complete)

    total, done = spec.seeds * (spec.epochs + 1), 0
    for number in range(spec.seeds):
        seed = spec.seed + number
        x, y = draw_images(spec.file, spec.samples, seed)
        for at in _epochs(spec, seed, x, y):
            epoch, done = at.number, done + 1
            fits.append({"seed": seed, "epoch": epoch, "loss": at.loss, "accuracy": at.accuracy})
            if at.diverged:
                break
            rows.extend({"seed": seed, "epoch": epoch} | row for row in _look(spec, at.network, x))
            if progress and done < total:
                progress(done / total, f"seed {seed}, epoch {epoch} of {spec.epochs}", result(complete=False))
    complete = result(complete=True)
    if progress:
        progress(1.0, f"{spec.seeds} of {spec.seeds} networks", complete)
    return complete


def _epochs(spec: Spec, seed: int, x: Tensor, y: Tensor) -> Iterator[Epoch]:
    """The network as drawn, and after every epoch."""
    widths = (x.shape[1], *[spec.width] * spec.hidden_layers, spec.outputs)
    network = sample_network(Architecture(widths, spec.activation, spec.weight_variance, spec.bias_variance), seed)
    size = min(spec.batch, len(x))
    return train_epochs(network, x, y, Categorical(), spec.optimizer, spec.rate, spec.epochs, size, seed)


def _look(spec: Spec, network: Network, x: Tensor) -> list[Row]:
    """One row a layer: means over its parameters of F and its bounds, and roots of those of both variances and theirs."""
    known = diagonal_variances(network, x[: spec.looked_at], Categorical())
    bounds = known.bounds
    columns: dict[str, list[float]] = {}
    for name, value, bound in (
        ("fisher", known.fisher, bounds.fisher),
        ("score", known.var_score, bounds.var_score),
        ("hessian", known.var_hessian, bounds.var_hessian),
    ):
        for side, each in (("", value), ("_lower", bound.lower), ("_upper", bound.upper)):
            mean = known.by_layer(each)
            columns[name + side] = (mean if name == "fisher" else mean.clamp(min=0).sqrt()).tolist()
    columns["score_wins"] = known.by_layer((known.var_score < known.var_hessian).to(known.fisher.dtype)).tolist()
    return [
        {"layer": layer + 1}
        | {name: each[layer] if math.isfinite(each[layer]) else math.nan for name, each in columns.items()}
        for layer in range(known.layout.layers)
    ]


def _verdicts(layers: pd.DataFrame) -> tuple[Verdict, ...]:
    """Every layer mean against both of its bounds."""
    what, slack = "Bounds of F and of both deviations", 1 + 1e-9
    outside = sum(
        int(
            (layers[name] > layers[f"{name}_upper"] * slack).sum()
            + (layers[name] * slack < layers[f"{name}_lower"]).sum()
        )
        for name in QUANTITIES
    )
    known = int(np.isfinite(layers[list(QUANTITIES)].to_numpy(np.float64)).sum())
    if not known:
        return ()
    if outside:
        said = f"{what}: {outside:,} of {known:,} layer means lie outside: disagrees."
    else:
        said = f"{what}: all {known:,} layer means over training lie between them: agrees."
    return (Verdict(what, "disagrees" if outside else "agrees", said),)
