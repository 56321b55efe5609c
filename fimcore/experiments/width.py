"""Width: do entries between units shrink relative to entries inside a unit as the network gets wider, and what of their mass?

R_l = RMS entry between different units of layer l / RMS entry inside a unit, from Gram matrices at any width, with slopes fitted on
log-log axes, beside the finite-width mean-field curve; and five further observables, since the answer depends on which is asked.
Source: Amari, Karakida, Oizumi, Fisher Information and Natural Gradient Learning of Random Deep Networks, arXiv 1808.07172.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from fimcore.budget import Budget
from fimcore.experiments import width_tables
from fimcore.experiments.cost import Cost, admit, layout_for, machine_speed
from fimcore.experiments.result import Result
from fimcore.experiments.setting import input_dimension
from fimcore.experiments.width_measure import Point, entries_held, flops, measure
from fimcore.experiments.width_spec import Spec
from fimcore.experiments.width_verdicts import verdicts

__all__ = ["Spec", "cost", "run"]

Progress = Callable[..., object]

# Of one network whatever its size, and of the predictions at one place of the sweep, in seconds; and what the operations of a
# whole network take, measured against those of matrix products.
NETWORK_SECONDS, THEORY_SECONDS, SLOWDOWN = 0.008, 0.01, 1.25


def cost(spec: Spec) -> Cost:
    """Bytes of the largest network's factors and estimated seconds of the whole sweep."""
    settings = spec.settings
    each = sum(SLOWDOWN * flops(setting) / machine_speed() + NETWORK_SECONDS for setting in settings)
    largest = max(settings, key=lambda setting: (setting.width, setting.outputs))
    parameters = layout_for(input_dimension(largest), largest).parameters
    held = 8 * max(entries_held(setting) for setting in settings)
    return Cost(parameters, held, spec.seeds * each + THEORY_SECONDS * len(settings))


def run(spec: Spec, progress: Progress | None = None, limits: Budget | None = None) -> Result:
    """Measure every network of the sweep, cheap ones first, and compare with the predicted curves.

    Tables: "ratios" (RMS ratio per place and hidden layer), "slopes" (of it), "observables" and "trends" (the same of every
    observable), "mass" (shares of |F|_F^2), "points" (per network), "notes" (what is missing, and why).
    `progress` receives (fraction, message, partial result) whenever a network is finished.

    Raises:
        BudgetError: the setting exceeds the limits.
    """
    start = time.perf_counter()
    asked = admit(spec, cost, limits)
    points: list[Point] = []
    settings = spec.settings
    total = len(settings) * spec.seeds
    shares = np.repeat([flops(setting) for setting in settings], spec.seeds)
    ends = np.concatenate([[0.0], np.cumsum(shares) / shares.sum()]).clip(0.0, 1.0)
    for setting in settings:
        for number in range(spec.seeds):
            place = len(points)
            points.append(measure(spec, setting, number, _inner(progress, ends[place : place + 2], place, total)))
            if progress and len(points) < total:
                partial = summarise(spec, points, time.perf_counter() - start, asked.bytes, complete=False)
                progress(float(ends[len(points)]), f"{len(points)} of {total} networks", partial)
    result = summarise(spec, points, time.perf_counter() - start, asked.bytes, complete=True)
    if progress:
        progress(1.0, f"{total} of {total} networks", result)
    return result


def _inner(progress: Progress | None, ends: np.ndarray, number: int, total: int) -> Progress | None:
    if progress is None:
        return None
    low, high = (float(end) for end in ends)
    return lambda fraction, message: progress(low + (high - low) * fraction, f"{number} of {total} networks")


def summarise(spec: Spec, points: list[Point], seconds: float, size: int, complete: bool) -> Result:
    """All tables of the networks measured so far."""
    observables = width_tables.observables(spec, points)
    trends = width_tables.trends(spec, points, observables)
    tables = {
        "ratios": width_tables.ratios(observables),
        "slopes": width_tables.slopes(trends),
        "mass": width_tables.mass(spec, points),
        "observables": observables,
        "trends": trends,
        "points": width_tables.networks(points),
        "notes": width_tables.notes(spec, points),
    }
    seeds = len({point.seed for point in points})
    return Result("width", spec, tables, {}, verdicts(trends, seeds), seconds, size, complete)
