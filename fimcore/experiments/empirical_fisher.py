"""Empirical Fisher: what goes wrong where the labels of the data take the place of labels of the model?

At the optimum of seven data sets, by the eigenvalues of F^-1 F_empirical; as a flow in the plane; and as steps of one weight,
r <- r - eta r / (r^2 + s^2), with its bifurcation diagram.
Source: Kunstner, Balles, Hennig, Limitations of the empirical Fisher approximation, arXiv 1905.12558; the map is our own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fimcore.budget import Budget
from fimcore.experiments.cost import Cost, admit, machine_speed
from fimcore.experiments.empirical_fisher_spec import Spec
from fimcore.experiments.result import FEWEST_SEEDS, Result, Verdict, verdict
from fimcore.training import scalar_map
from fimcore.training.misspecified import DATA_SETS, Comparison, compare, limit
from fimcore.training.preconditioned_flows import FLOWS, STARTS, TIMES, directions, follow

__all__ = ["DATA_SETS", "FLOWS", "KINDS", "REACH", "SETTLE", "STARTS", "Spec", "cost", "kind_of", "run"]

Progress = Callable[..., object]
FloatArray = NDArray[np.float64]

REACH, FIELD_POINTS, FIELD_SET = (-1.0, 5.0), 15, 1
# eta / s^2 of the bifurcation diagram; the offset keeps off the edges 2 and 4, where nothing settles in finite time.
RATIOS = np.linspace(0.011, 9.007, 360)
SETTLE, KEPT, SHOWN_STEPS, START = 1500, 64, 60, 0.3
KINDS = ("optimum", "two-cycle", "unequal two-cycle", "longer cycle", "wanders", "on the edge")
EDGE, NEAR, SAME = 0.004, 1e-3, 1e-6


def cost(spec: Spec) -> Cost:
    """Operations of the view asked for, over this machine's speed."""
    work = {
        "sets": spec.seeds * len(DATA_SETS) * spec.samples * 60_000.0 + 2e8,
        "field": (len(STARTS) * 700 + 3 * FIELD_POINTS**2 + 12 * spec.seeds) * spec.samples * 3600.0 + 1e8,
        "map": (SETTLE + KEPT) * (len(RATIOS) + spec.seeds) * 3000.0 + 2e8,
    }[spec.view]
    return Cost(2, 8 * spec.samples * 8 * FIELD_POINTS**2, work / machine_speed())


def run(spec: Spec, progress: Progress | None = None, limits: Budget | None = None) -> Result:
    """The view that the Spec asks for.

    Tables of "sets": "eigenvalues" (a row per data set and seed); of "field": "alignment" (per flow, start and seed), "field",
    "flows" (first seed); of "map": "ends" (where every start ends), "kinds" (what happens at every eta / s^2),
    "orbits", "steps".

    Raises:
        BudgetError: the setting exceeds the limits.
    """
    start = time.perf_counter()
    asked = admit(spec, cost, limits)
    tables, verdicts = {"sets": _sets, "field": _field, "map": _map}[spec.view](spec, progress or _silent)
    return Result("empirical_fisher", spec, tables, {}, verdicts, time.perf_counter() - start, asked.bytes)


def _silent(*_: object) -> None:
    return None


@lru_cache(maxsize=1)
def limits_of_many_samples() -> dict[str, Comparison]:
    """Of every data set, by quadrature."""
    return {data.name: limit(data) for data in DATA_SETS}


def _sets(spec: Spec, progress: Progress) -> tuple[dict[str, pd.DataFrame], tuple[Verdict, ...]]:
    rows, verdicts = [], []
    for place, data in enumerate(DATA_SETS):
        expected = limits_of_many_samples()[data.name]
        for seed in range(spec.seed, spec.seed + spec.seeds):
            found = compare(data.model, *data.draw(seed, spec.samples))
            small, large = found.eigenvalues
            places = {"theta_1": found.optimum[0], "theta_2": found.optimum[1]}
            rows.append(
                {"data": data.name, "seed": seed, "small": small, "large": large, "apart": found.apart, **places}
                | {"predicted_small": expected.eigenvalues[0], "predicted_large": expected.eigenvalues[1]}
            )
        measured = np.array([row["large"] for row in rows[-spec.seeds :]])
        verdicts.append(verdict(f"{data.words}, larger eigenvalue", measured, float(expected.eigenvalues[1])))
        progress((place + 1) / len(DATA_SETS), data.words)
    return {"eigenvalues": pd.DataFrame(rows)}, tuple(verdicts)


def _field(spec: Spec, progress: Progress) -> tuple[dict[str, pd.DataFrame], tuple[Verdict, ...]]:
    data = DATA_SETS[FIELD_SET]
    inputs, labels = data.draw(spec.seed, spec.samples)
    axis = np.linspace(*REACH, FIELD_POINTS)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    best = compare(data.model, inputs, labels).optimum
    away = np.linalg.norm(best - grid, axis=1)
    arrows, flows, aligned = [], [], []
    for place, flow in enumerate(FLOWS):
        found = directions(flow, data.model, grid, inputs, labels)
        length = np.linalg.norm(found, axis=1)
        unit = found / np.where(length > 0, length, 1)[:, None]
        columns = {"theta_1": grid[:, 0], "theta_2": grid[:, 1], "along_1": unit[:, 0], "along_2": unit[:, 1]}
        cosines = (found * (best - grid)).sum(axis=1) / np.maximum(length * away, 1e-300)
        arrows.append(pd.DataFrame({"flow": flow, **columns, "length": length, "distance": away, "cosine": cosines}))
        followed = follow(flow, data.model, STARTS, inputs, labels)
        for number in range(len(STARTS)):
            points = {"theta_1": followed[:, number, 0], "theta_2": followed[:, number, 1]}
            flows.append(pd.DataFrame({"flow": flow, "start": number, "time": TIMES, **points}))
        progress((place + 1) / (len(FLOWS) + 1), flow)
    for seed in range(spec.seed, spec.seed + spec.seeds):
        aligned += _aligned(seed, spec.samples)
    progress(1.0, "Done")
    optimum = pd.DataFrame([{"theta_1": best[0], "theta_2": best[1]}])
    return {
        "alignment": pd.DataFrame(aligned),
        "field": pd.concat(arrows, ignore_index=True),
        "flows": pd.concat(flows, ignore_index=True),
        "optimum": optimum,
    }, ()


def _aligned(seed: int, samples: int) -> list[dict[str, object]]:
    """Cosine of every flow's first direction with the way to the optimum."""
    data = DATA_SETS[FIELD_SET]
    inputs, labels = data.draw(seed, samples)
    way = compare(data.model, inputs, labels).optimum - STARTS
    rows: list[dict[str, object]] = []
    for flow in FLOWS:
        found = directions(flow, data.model, STARTS, inputs, labels)
        length = np.linalg.norm(found, axis=1)
        cosines = (found * way).sum(axis=1) / np.maximum(length * np.linalg.norm(way, axis=1), 1e-300)
        for number, start in enumerate(STARTS):
            row = {"flow": flow, "seed": seed, "theta_1": start[0], "theta_2": start[1]}
            rows.append(row | {"cosine": cosines[number], "length": length[number]})
    return rows


def kind_of(period: int, growth: float, ratio: float) -> str:
    """What the map settles to, in words: one of `KINDS`."""
    if min(abs(ratio - 2), abs(ratio - 4)) < NEAR:
        return "on the edge"
    if period == 1:
        return "optimum"
    if period == 2:
        return "two-cycle" if ratio < 4 else "unequal two-cycle"
    if period:
        return "longer cycle"
    return "wanders" if growth > EDGE else "on the edge"


def _map(spec: Spec, progress: Progress) -> tuple[dict[str, pd.DataFrame], tuple[Verdict, ...]]:
    orbits = scalar_map.orbit(RATIOS, START, settle=SETTLE, kept=KEPT)
    growth = scalar_map.growth(orbits, RATIOS)
    progress(0.5, "Bifurcation diagram")
    ratio = spec.rate / spec.noise
    periods = [scalar_map.period(column) for column in orbits.T]
    kinds = [kind_of(*found) for found in zip(periods, growth, RATIOS, strict=True)]
    seen = {tuple(pair) for pair in np.column_stack([np.tile(RATIOS, KEPT), orbits.ravel().round(4)]).tolist()}
    starts = np.array(
        [np.random.default_rng(seed).standard_normal() for seed in range(spec.seed, spec.seed + spec.seeds)]
    )
    rates = np.full(spec.seeds, spec.rate)
    ends = _kept(rates, starts, spec.noise)
    own = [scalar_map.period(column) for column in ends.T]
    own_growth = scalar_map.growth(ends, rates, spec.noise)
    found = [kind_of(*one) for one in zip(own, own_growth, np.full(spec.seeds, ratio), strict=True)]
    steps = [starts]
    for _ in range(SHOWN_STEPS):
        steps.append(scalar_map.step(steps[-1], rates, spec.noise))
    exact = starts * (1 - spec.rate) ** np.arange(SHOWN_STEPS + 1)[:, None]
    seeds = np.tile(spec.seed + np.arange(spec.seeds), SHOWN_STEPS + 1)
    columns = {"seed": seeds, "step": np.repeat(np.arange(SHOWN_STEPS + 1), spec.seeds)}
    tables = {
        "ends": pd.DataFrame(
            {
                "seed": spec.seed + np.arange(spec.seeds),
                "start": starts,
                "kind": found,
                "period": own,
                "growth": own_growth,
                "residual": np.abs(ends).mean(axis=0),
            }
        ),
        "kinds": pd.DataFrame({"ratio": RATIOS, "kind": kinds, "period": periods, "growth": growth}),
        "orbits": pd.DataFrame(sorted(seen), columns=["ratio", "residual"]),
        "steps": pd.DataFrame({**columns, "empirical": np.concatenate(steps), "exact": exact.ravel()}),
    }
    progress(1.0, "Done")
    return tables, (_cycle(spec, tables["ends"]),)


def _kept(rates: FloatArray, starts: FloatArray, noise: float) -> FloatArray:
    """Residuals (KEPT, starts) after SETTLE steps from starts of their own."""
    residual, held = starts, []
    for number in range(SETTLE + KEPT):
        residual = scalar_map.step(residual, rates, noise)
        if number >= SETTLE:
            held.append(residual)
    return np.stack(held)


def _cycle(spec: Spec, ends: pd.DataFrame) -> Verdict:
    """Distance at which the map ends against the derived one: 0 below eta = 2 s^2, then sqrt(eta / 2 - s^2) up to 4 s^2."""
    quantity, ratio = "Distance from the optimum at the end", spec.rate / spec.noise
    if ratio >= 4:
        return Verdict(
            quantity, "no prediction", f"{quantity}: no prediction here. From η = 4 s² on the two-cycle is not stable."
        )
    # Small steps follow dr/dt = -eta r / (r^2 + s^2), so that r^2 / 2 + s^2 log r falls by eta a step.
    farthest = float(ends["start"].abs().max())
    asked = (farthest**2 / 2 + spec.noise * max(np.log(farthest / SAME), 0)) / spec.rate
    if ratio < 1 and asked > SETTLE:
        slow = f"no prediction here. Steps this small need about {asked:,.0f} of them, and {SETTLE:,} were made."
        return Verdict(quantity, "no prediction", f"{quantity}: {slow}")
    expected = float(np.sqrt(max(spec.rate / 2 - spec.noise, 0)))
    apart = float(np.abs(ends["residual"] - expected).max())
    facts = f"{quantity}: measured {ends['residual'].mean():.4f} ({spec.seeds} starts), predicted {expected:.4f}"
    if spec.seeds < FEWEST_SEEDS:
        word = "too few seeds to say"
    else:
        word = "agrees" if apart < SAME else "close" if apart < max(0.1 * expected, 0.03) else "disagrees"
    return Verdict(quantity, word, f"{facts}: {word}.")
