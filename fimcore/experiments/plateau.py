"""Plateau: why does gradient descent linger where two units are the same, and the natural gradient not?

f = tanh(p x_1 + q x_2) + tanh(q x_1 + p x_2): on p = q the Fisher matrix has rank one. Runs from several distances to the line,
beside the predicted number of steps that gradient descent needs for every factor e of distance, 1 / ln(1 + eta k).
Source: Saad, Solla (1995); Amari, Park, Ozeki, Singularities affect dynamics of learning in neuromanifolds (2006).
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from fimcore.budget import Budget
from fimcore.experiments.cost import Cost, admit, machine_speed
from fimcore.experiments.plateau_spec import Spec
from fimcore.experiments.result import Result, verdict
from fimcore.training.committee import TEACHER, Committee, Flow, natural_direction

__all__ = ["METHODS", "REACH", "TEACHER", "Spec", "cost", "run"]

Progress = Callable[..., object]
FloatArray = NDArray[np.float64]

METHODS = ("gradient", "natural")
# Distances to the line that the runs of the second picture begin at, and the loss they are to reach, as a share of the plateau's.
GAPS = np.logspace(-6, -0.5, 12)
GOAL = 0.05
# Below this distance a run still grows exponentially, so that the slope is that of the linearised flow.
SMALL_GAP = 0.05
FIELD_POINTS, MAP_POINTS, REACH = 13, 61, (-0.6, 2.0)
# Of a point and an input, in units of what a matrix product does in that time: two tanh and their products.
ENTRY_COST = 2500.0


def cost(spec: Spec) -> Cost:
    """Two methods from every distance, for every draw of the inputs, and the maps."""
    points = spec.seeds * 2 * (len(GAPS) + 2) * (spec.steps + 1) * 2 + MAP_POINTS**2 + FIELD_POINTS**2
    return Cost(
        2, 8 * spec.samples * 8 * max(MAP_POINTS**2, len(GAPS)), points * spec.samples * ENTRY_COST / machine_speed()
    )


def run(spec: Spec, progress: Progress | None = None, limits: Budget | None = None) -> Result:
    """Both methods from every distance to the line.

    Tables: "paths" (the Spec's start, first draw of the inputs), "leaving" (steps to the goal against the distance), "field"
    (directions of both), "slopes" (steps per factor e of distance). Array: "loss" over the plane, (61, 61).

    Raises:
        BudgetError: the setting exceeds the limits.
    """
    start = time.perf_counter()
    asked = admit(spec, cost, limits)
    committees = [_committee(spec, number) for number in range(spec.seeds)]
    found: list[pd.DataFrame] = []
    for number, committee in enumerate(committees):
        found.append(_leaving(spec, committee, number))
        if progress:
            progress((number + 1) / spec.seeds, f"{number + 1} of {spec.seeds} draws of the inputs")
    leaving = pd.concat(found, ignore_index=True)
    slopes = _slopes(spec, leaving, committees)
    tables = {
        "paths": _paths(spec, committees[0]),
        "leaving": leaving,
        "slopes": slopes,
        "field": _field(spec, committees[0]),
    }
    axis = np.linspace(*REACH, MAP_POINTS)
    plane = np.stack(np.meshgrid(axis, axis), axis=-1)
    arrays = {"axis": axis, "loss": np.array([committees[0].loss(row) for row in plane])}
    verdicts = (
        verdict(
            "Steps of gradient descent per factor e of distance",
            slopes["gradient"].to_numpy(dtype=float),
            float(slopes["predicted"].mean()),
            "The step size is beyond the stability limit, so gradient descent does not settle on the plateau.",
        ),
    )
    return Result("plateau", spec, tables, arrays, verdicts, time.perf_counter() - start, asked.bytes)


def _committee(spec: Spec, number: int) -> Committee:
    return Committee(np.random.default_rng(spec.seed + number).standard_normal((spec.samples, 2)))


def step_size(spec: Spec, committee: Committee) -> float:
    """Gradient descent's step: the Spec's share of 2 / lambda_max at the teacher or the saddle, whichever is the smaller."""
    saddle = committee.saddle()
    places = committee.fisher(np.array([TEACHER, (saddle, saddle)]))
    return spec.rate_gradient * 2 / float(np.linalg.eigvalsh(places).max())


def _runs(spec: Spec, committee: Committee, gaps: FloatArray) -> dict[str, Flow]:
    starts = spec.middle + np.column_stack([gaps, -gaps]) / 2
    return {
        "gradient": committee.descend(starts, step_size(spec, committee), spec.steps),
        "natural": committee.descend(starts, spec.rate_natural, spec.steps, spec.damping),
    }


def _paths(spec: Spec, committee: Committee) -> pd.DataFrame:
    """A row per method and step: p, q, loss, and the smaller eigenvalue of F there."""
    tables = []
    for method, flow in _runs(spec, committee, np.array([spec.gap])).items():
        points = flow.points[:, 0]
        # a run that diverged has no matrix at its end
        smallest = np.linalg.eigvalsh(np.nan_to_num(committee.fisher(points)))
        columns = {"step": np.arange(len(points)), "p": points[:, 0], "q": points[:, 1], "loss": flow.losses[:, 0]}
        tables.append(pd.DataFrame({"method": method, **columns, "smallest_eigenvalue": smallest[:, 0]}))
    table = pd.concat(tables, ignore_index=True)
    return table.replace([np.inf, -np.inf], np.nan)


def goal_loss(committee: Committee) -> float:
    """The loss that counts as having left: a share of the smallest one on the line."""
    saddle = committee.saddle()
    return GOAL * float(committee.loss(np.array([saddle, saddle])))


def _leaving(spec: Spec, committee: Committee, number: int) -> pd.DataFrame:
    goal = goal_loss(committee)
    # the Spec's own distance is one of them
    gaps = GAPS if np.isclose(GAPS, spec.gap, rtol=1e-3, atol=0).any() else np.sort(np.append(GAPS, spec.gap))
    tables = [
        pd.DataFrame({"method": method, "seed": spec.seed + number, "gap": gaps, "steps_to_leave": flow.arrivals(goal)})
        for method, flow in _runs(spec, committee, gaps).items()
    ]
    return pd.concat(tables, ignore_index=True)


def _slopes(spec: Spec, leaving: pd.DataFrame, committees: list[Committee]) -> pd.DataFrame:
    """Per draw of the inputs: fitted steps per factor e of distance of both methods, and the predicted one of gradient descent."""
    rows = []
    for number, committee in enumerate(committees):
        own = leaving[(leaving["seed"] == spec.seed + number) & leaving["gap"].isin(GAPS[GAPS <= SMALL_GAP])]
        row: dict[str, float] = {"seed": spec.seed + number}
        for method in METHODS:
            there = own[own["method"] == method].dropna()
            enough = there["gap"].nunique() > 2
            row[method] = -stats.linregress(np.log(there["gap"]), there["steps_to_leave"]).slope if enough else np.nan
        growth = step_size(spec, committee) * committee.escape_rate()
        stable = spec.rate_gradient < 1 and growth > 0
        row["goal"] = goal_loss(committee)
        rows.append(row | {"predicted": 1 / np.log1p(growth) if stable else np.nan})
    return pd.DataFrame(rows)


def _field(spec: Spec, committee: Committee) -> pd.DataFrame:
    """Directions of both methods over the plane, scaled to unit length."""
    axis = np.linspace(*REACH, FIELD_POINTS)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    gradient, fisher = committee.gradient_and_fisher(points)
    natural = natural_direction(fisher, gradient, spec.damping)
    tables = []
    for method, direction in (("gradient", -gradient), ("natural", -natural)):
        length = np.linalg.norm(direction, axis=1)
        unit = direction / np.where(length > 0, length, 1.0)[:, None]
        columns = {"p": points[:, 0], "q": points[:, 1], "along_p": unit[:, 0], "along_q": unit[:, 1], "length": length}
        tables.append(pd.DataFrame({"method": method, **columns}))
    return pd.concat(tables, ignore_index=True)
