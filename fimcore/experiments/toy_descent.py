"""Toy descent: which Fisher estimate can a natural gradient step in a plane be trusted with?

Linear and logistic regression of two weights, theta <- theta - eta (I_hat + lambda I)^-1 g with the exact gradient g and four
I_hat: score squared and minus Hessian from a few inputs, exact and empirical Fisher from all. What is counted is blow-ups.
Source: Soen, Sun, Trade-Offs of Diagonal Fisher Information Matrix Estimators, arXiv 2402.05379; the constants are our own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from fimcore.budget import Budget
from fimcore.experiments.cost import Cost, admit, machine_speed
from fimcore.experiments.result import Result, Verdict, verdict
from fimcore.experiments.toy_descent_spec import Spec
from fimcore.training import linear_models as models
from fimcore.training import plane_descent as plane
from fimcore.training.plane_descent import ESTIMATORS, STARTS, TESTED, TRAINED, TRUTHS, Descent, Estimator, Plane

__all__ = ["DAMPINGS", "ESTIMATORS", "RANGES", "STARTS", "TRUTHS", "Spec", "cost", "run"]

Progress = Callable[..., object]
FloatArray = NDArray[np.float64]

DAMPINGS = (0.001, 0.01, 0.03, 0.1, 1.0)
RANGES = {"linear": ((-4.0, 4.0), (-4.0, 4.0)), "logistic": ((-2.5, 3.5), (-1.5, 4.5))}
LOW, HIGH = 0.1, 0.9  # of the seeds, where a band ends
MAP_POINTS, NODES = 61, 80
# Of an input at a step, in units of what a matrix product does in that time.
ENTRY_COST = {"linear": 200.0, "logistic": 500.0}


def cost(spec: Spec) -> Cost:
    """Four runs a seed, with their test losses, and as many again for every damping of the sweep."""
    looks = spec.seeds * (spec.steps + 1) * 4 * ((1 + len(DAMPINGS)) * (TRAINED + spec.drawn) + TESTED)
    held = 8 * spec.seeds * (3 * (TRAINED + TESTED) + 4 * spec.steps * spec.drawn)
    return Cost(2, held, looks * ENTRY_COST[spec.model] / machine_speed())


def run(spec: Spec, progress: Progress | None = None, limits: Budget | None = None) -> Result:
    """Every seed with every preconditioner.

    Tables: "shares" (blow-ups with their 95 % intervals), "losses" (test loss a step, over seeds), "variances" (both estimators at
    the same places), "damping" (blow-ups against damping), "paths". Array: "loss" of the first seed over the plane.

    Raises:
        BudgetError: the setting exceeds the limits.
    """
    start = time.perf_counter()
    asked = admit(spec, cost, limits)
    data = _plane(spec.model, spec.seed, spec.seeds)
    runs: dict[Estimator, Descent] = {}
    for place, estimator in enumerate(ESTIMATORS):
        runs[estimator] = _descent(spec, data, estimator, spec.damping)
        if progress:
            progress((place + 1) / 8, "Runs")
    swept = _sweep(spec.model_copy(update={"damping": DAMPINGS[0]}), progress)
    tables = {
        "shares": pd.DataFrame([{"estimator": name, **_share(found.blown_up)} for name, found in runs.items()]),
        "losses": pd.concat([_losses(data, name, found) for name, found in runs.items()], ignore_index=True),
        "variances": _variances(spec, data, runs["exact"]),
        "damping": swept,
        "paths": pd.concat([_paths(spec, name, found) for name, found in runs.items()], ignore_index=True),
    }
    (first, last), (lowest, highest) = RANGES[spec.model]
    across, up = np.linspace(first, last, MAP_POINTS), np.linspace(lowest, highest, MAP_POINTS)
    points = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    surface = models.loss(spec.model, points, data.inputs[0], data.labels[0]).reshape(MAP_POINTS, MAP_POINTS)
    arrays = {"theta_1": across, "theta_2": up, "loss": surface}
    if progress:
        progress(1.0, "Done")
    return Result("toy_descent", spec, tables, arrays, (_ratio(spec, data),), time.perf_counter() - start, asked.bytes)


@lru_cache(maxsize=4)
def _plane(model: models.Model, seed: int, seeds: int) -> Plane:
    return plane.plane(model, seed, seeds)


def _descent(spec: Spec, data: Plane, estimator: Estimator, damping: float) -> Descent:
    return plane.descend(
        data, estimator, drawn=spec.drawn, steps=spec.steps, rate=spec.rate, damping=damping, seed=spec.seed
    )


_SWEPT: dict[Spec, pd.DataFrame] = {}


def _sweep(spec: Spec, progress: Progress | None) -> pd.DataFrame:
    """Blow-ups at every damping. They do not depend on the Spec's own, so moving that slider does not compute them again."""
    if spec in _SWEPT:
        return _SWEPT[spec]
    data, rows = _plane(spec.model, spec.seed, spec.seeds), []
    for place, damping in enumerate(DAMPINGS):
        for estimator in ESTIMATORS:
            shares = _share(_descent(spec, data, estimator, damping).blown_up)
            rows.append({"estimator": estimator, "damping": damping, **shares})
        if progress:
            progress(0.5 + 0.5 * (place + 1) / (len(DAMPINGS) + 1), "Runs at other dampings")
    if len(_SWEPT) >= 16:
        _SWEPT.clear()
    _SWEPT[spec] = pd.DataFrame(rows)
    return _SWEPT[spec]


def _share(blown_up: NDArray[np.bool_]) -> dict[str, float]:
    """Blow-ups, their share and its 95 % interval (Wilson's score interval of a binomial share)."""
    count, seeds = int(blown_up.sum()), len(blown_up)
    interval = stats.binomtest(count, seeds).proportion_ci(method="wilson")
    return {"blown_up": count, "share": count / seeds, "low": interval.low, "high": interval.high}


def over_seeds(values: FloatArray) -> dict[str, FloatArray]:
    """Median and the band over seeds, the last axis: a lost run (nan) lies above all others, and nan stands for where it is."""
    counted = np.where(np.isnan(values), np.inf, values)
    parts = np.quantile(counted, (0.5, LOW, HIGH), axis=-1, method="nearest")
    middle, low, high = np.where(np.isfinite(parts), parts, np.nan)
    return {"median": middle, "low": low, "high": high}


def _losses(data: Plane, estimator: Estimator, found: Descent) -> pd.DataFrame:
    tested = plane.test_losses(data, found)
    columns = {"step": np.arange(len(tested)), **over_seeds(tested), "lost": np.isnan(tested).sum(axis=-1)}
    return pd.DataFrame({"estimator": estimator, **columns})


def _variances(spec: Spec, data: Plane, exact: Descent) -> pd.DataFrame:
    """Variances of both diagonal estimates, summed over the two entries, at the places the run with the exact Fisher visits."""
    with np.errstate(over="ignore", invalid="ignore"):
        pairs = [models.single_pair_variances(spec.model, here, data.inputs) for here in exact.path]
    tables = []
    for place, estimator in enumerate(ESTIMATORS[:2]):
        values = np.stack([pair[place].sum(axis=-1) for pair in pairs]) / spec.drawn
        tables.append(pd.DataFrame({"estimator": estimator, "step": np.arange(len(values)), **over_seeds(values)}))
    return pd.concat(tables, ignore_index=True)


def _paths(spec: Spec, estimator: Estimator, found: Descent) -> pd.DataFrame:
    steps, seeds = found.path.shape[:2]
    here = np.where(np.isfinite(found.path), found.path, np.nan).transpose(1, 0, 2).reshape(-1, 2)
    columns = {"seed": np.repeat(spec.seed + np.arange(seeds), steps), "step": np.tile(np.arange(steps), seeds)}
    return pd.DataFrame({"estimator": estimator, **columns, "theta_1": here[:, 0], "theta_2": here[:, 1]})


def predicted_ratio(model: models.Model) -> float:
    """Summed variance of score squared over that of minus Hessian at the true weights, for inputs x ~ N(0, diag(4, 1/4)).

    Linear regression: 8 F_ii^2 over 2 F_ii^2, so 4 for any Gaussian inputs; logistic: by Gauss-Hermite quadrature.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    inputs = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), -1).reshape(-1, 2) * plane.SCALES
    chance = np.outer(weights, weights).ravel() / weights.sum() ** 2
    score, hessian = models.single_pair_variances(model, TRUTHS[model], inputs, chance)
    return float(score.sum() / hessian.sum())


def _ratio(spec: Spec, data: Plane) -> Verdict:
    truth = np.tile(TRUTHS[spec.model], (len(data.inputs), 1))
    score, hessian = models.single_pair_variances(spec.model, truth, data.inputs)
    measured = score.sum(axis=-1) / hessian.sum(axis=-1)
    return verdict(
        "Variance of the squared score over that of minus Hessian, at the true weights",
        measured,
        predicted_ratio(spec.model),
    )
