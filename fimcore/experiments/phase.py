"""Phase: what does a signal do on its way? Length, overlap of two inputs and gradient, layer by layer, measured and predicted.

q^l = |u^l|^2 / n, c^l = u^l.u'^l / (|u^l| |u'^l|) forwards and |df/du^l|^2 backwards, over networks of the Spec, beside
q^{l+1} = s_w E phi(u)^2 + s_b, its correlation map, and the product of chi = s_w E phi'(u)^2.
Source: Poole et al., arXiv 1606.05340; Schoenholz et al., Deep Information Propagation, arXiv 1611.01232.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from torch import Tensor

from fimcore import inputs
from fimcore.budget import Budget
from fimcore.experiments import phase_theory
from fimcore.experiments.cost import ENTRY_FLOPS, Cost, admit, layout_for, machine_speed, pass_flops
from fimcore.experiments.over_seeds import over_seeds
from fimcore.experiments.phase_spec import Spec
from fimcore.experiments.phase_theory import QUANTITIES
from fimcore.experiments.result import Result, Verdict, verdict
from fimcore.experiments.setting import INPUT_STREAM, input_dimension, inputs_of, network_of, sample_count
from fimcore.fisher.signals import HELD_ENTRIES, Signals, signals

__all__ = ["Spec", "cost", "run"]

Progress = Callable[..., object]

THEORY_SECONDS = 0.15  # maps, fixed points and the diagram, where none of them is at hand
NO_LENGTH = "Signals overflow, or fade to nothing, at this depth and weight variance."


def pairs_of(spec: Spec, number: int) -> tuple[Tensor, Tensor]:
    """The N/2 pairs of network `number`: random inputs with the Spec's overlap, or rows of the data as they come.

    On the sphere every pair has exactly that overlap; Gaussian ones, x' = c x + sqrt(1 - c^2) y, have it on average.

    Raises:
        InputError: a data set of a single row, or a pair on a sphere of one dimension.
    """
    count = sample_count(spec) // 2
    if count < 1:
        raise inputs.InputError("The table has a single row; an overlap needs two inputs or more.")
    if spec.inputs == "sphere":
        return inputs.correlated_pair(count, input_dimension(spec), spec.overlap, spec.seed + number + INPUT_STREAM)
    every = inputs_of(spec, number)
    first, second = every[:count], every[count : 2 * count]
    if spec.from_data:
        return first, second
    return first, spec.overlap * first + math.sqrt((1 - spec.overlap) * (1 + spec.overlap)) * second


def cost(spec: Spec) -> Cost:
    """Bytes of one network with its inputs and signals, and estimated seconds of all networks."""
    layout = layout_for(input_dimension(spec), spec)
    samples, rows = sample_count(spec), spec.outputs
    part = min(samples, 2 * max(1, HELD_ENTRIES // (2 * rows * max(layout.units))))
    entries = layout.parameters + 2 * samples * input_dimension(spec)
    entries += part * (2 * sum(layout.units) + 3 * rows * max(layout.units))
    flops = pass_flops(layout, samples, rows)
    flops += ENTRY_FLOPS * (layout.parameters + samples * (1 + rows) * sum(layout.units))
    return Cost(layout.parameters, 8 * entries, THEORY_SECONDS + spec.seeds * flops / machine_speed())


def run(spec: Spec, progress: Progress | None = None, limits: Budget | None = None) -> Result:
    """Follow signals through every network of the Spec, and compare with the predicted layers.

    Tables: "signal" (per layer and quantity), "points" (per layer and network), "depth_scales", "fixed_points", "length_map",
    "correlation_map". Arrays: the phase diagram. `progress` receives (fraction, message, partial result) after every network.

    Raises:
        BudgetError: the setting exceeds the limits; InputError: the data cannot be used.
    """
    start = time.perf_counter()
    asked = admit(spec, cost, limits)
    found: list[Signals] = []

    def result(complete: bool) -> Result:
        return summarise(spec, found, time.perf_counter() - start, asked.bytes, complete)

    for number in range(spec.seeds):
        message = f"{number} of {spec.seeds} networks"
        if progress:
            progress(number / spec.seeds, message)
        network = network_of(spec, number)
        found.append(signals(network, *pairs_of(spec, number), progress=_inner(progress, number, spec.seeds, message)))
        if progress and number + 1 < spec.seeds:
            progress((number + 1) / spec.seeds, f"{number + 1} of {spec.seeds} networks", result(complete=False))
    complete = result(complete=True)
    if progress:
        progress(1.0, f"{spec.seeds} of {spec.seeds} networks", complete)
    return complete


def _inner(progress: Progress | None, number: int, seeds: int, message: str) -> Progress | None:
    if progress is None:
        return None
    return lambda fraction, _: progress((number + fraction) / seeds, message)


def summarise(spec: Spec, found: list[Signals], seconds: float, size: int, complete: bool) -> Result:
    """All tables of the networks measured so far."""
    measured = {
        "length": np.array([each.lengths for each in found]),
        "correlation": np.array([each.correlations for each in found]),
        "gradient": np.array([each.gradients for each in found]),
    }
    theory = phase_theory.layers(spec)
    reason = " ".join(phase_theory.caveats(spec))
    tables = {
        "signal": _signal(measured, theory, reason),
        "points": _points(spec, measured),
        "depth_scales": phase_theory.depth_scales(spec),
        "fixed_points": phase_theory.fixed_points(spec),
        "length_map": phase_theory.length_map(spec),
        "correlation_map": phase_theory.correlation_map(spec)[0],
    }
    cells = phase_theory.diagram_of(spec).cells
    arrays = {
        "diagram_weight_variance": cells.weight_variances,
        "diagram_bias_variance": cells.bias_variances,
        "diagram_chi": cells.chi,
        "diagram_length": cells.q,
    }
    return Result("phase", spec, tables, arrays, _verdicts(spec, measured, theory), seconds, size, complete)


def _signal(measured: dict[str, np.ndarray], theory: dict[str, np.ndarray], reason: str) -> pd.DataFrame:
    """Mean and spread over networks beside the prediction, per quantity and layer; residual = measured / predicted - 1."""
    rows = []
    for quantity in QUANTITIES:
        for place, expected in enumerate(theory[quantity]):
            seen = over_seeds(measured[quantity][:, place])
            rows.append(
                {
                    "quantity": quantity,
                    "layer": place + 1,
                    **seen,
                    "predicted": expected,
                    "residual": seen["measured"] / expected - 1 if expected else np.nan,
                    "reason": reason if np.isfinite(expected) else NO_LENGTH,
                }
            )
    return pd.DataFrame(rows)


def _points(spec: Spec, measured: dict[str, np.ndarray]) -> pd.DataFrame:
    rows = [
        {"seed": spec.seed + number, "layer": layer + 1} | {name: measured[name][number, layer] for name in QUANTITIES}
        for number in range(len(measured["length"]))
        for layer in range(spec.hidden_layers)
    ]
    return pd.DataFrame(rows)


def _verdicts(spec: Spec, measured: dict[str, np.ndarray], theory: dict[str, np.ndarray]) -> tuple[Verdict, ...]:
    """Where the way ends: length and overlap in the last hidden layer, the gradient in the first."""
    last = spec.hidden_layers
    places = (("length", "Length", last), ("correlation", "Overlap", last), ("gradient", "Gradient", 1))
    return tuple(
        verdict(f"{words} in layer {layer}", measured[name][:, layer - 1], float(theory[name][layer - 1]), NO_LENGTH)
        for name, words, layer in places
    )
