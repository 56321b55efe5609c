"""Directions: which approximation of the Fisher matrix keeps the direction of the exact damped natural gradient?

d* = (F + lambda)^{-1} g against d = (A + lambda)^{-1} g of every structure A, by the cosine in the metric of F (u^T F v) and by
the Euclidean one, beside the relative Frobenius error |F - A| / |F|; g is the gradient of the loss, lambda a multiple of F's
mean diagonal.
Source: Amari, Karakida, Oizumi, Fisher Information and Natural Gradient Learning of Random Deep Networks, arXiv 1808.07172;
Martens, Grosse, arXiv 1503.05671 (K-FAC); Ollivier, arXiv 1303.0818 (quasi-diagonal).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fimcore.budget import Budget
from fimcore.experiments.cost import Cost, admit, layout_for, machine_speed, pass_flops, rows_per_input
from fimcore.experiments.directions_spec import DAMPINGS, FACTORISING, KINDS, Spec, flops, held_bytes, left_out
from fimcore.experiments.directions_tables import Measured, population_error, summarise
from fimcore.experiments.result import Result
from fimcore.experiments.setting import (
    factors_of,
    input_dimension,
    inputs_of,
    labels_of,
    likelihood_of,
    network_of,
    sample_count,
)
from fimcore.fisher import Factors, Origin, block_norms_from_factors, from_factors
from fimcore.fisher.approximation_error import identity_error, relative_error
from fimcore.fisher.direction_cosines import cosines
from fimcore.fisher.exact_inverse import ExactInverse, exact_inverse
from fimcore.fisher.unit_closed_form import unit_closed_form
from fimcore.norms import BlockNorms
from fimcore.parameters import ParameterLayout
from fimcore.training import mean_gradient

__all__ = ["DAMPINGS", "KINDS", "Spec", "cost", "run"]

Progress = Callable[..., object]
Solve = Callable[[Tensor, float], Tensor]

SOLVE_OVERHEAD = 1e-3  # seconds of one solve and its cosines that do not depend on the sizes
DEAD = "The Fisher matrix is zero: no parameter moves an output at these inputs."
OVERFLOW = "Signals overflow at this depth and weight variance."
NO_GRADIENT = "The gradient of the loss is zero here: there is no direction to keep."


def omitted(spec: Spec) -> dict[str, str]:
    """Structures that are too large for this setting, and why."""
    layout, count, rows = _sizes(spec)
    found = {
        kind: left_out(layout, count, rows, kind, len(spec.swept), spec.seeds) for kind in KINDS if kind != "gradient"
    }
    return {kind: reason for kind, reason in found.items() if reason}


def cost(spec: Spec) -> Cost:
    """Bytes of the exact matrix on its smaller side beside the largest structure, and estimated seconds of everything."""
    layout, count, rows = _sizes(spec)
    side, left = min(layout.parameters, count * rows), omitted(spec)
    kept = [kind for kind in KINDS if kind not in left]
    held = count * (2 * rows * sum(layout.units) + 3 * sum(layout.unit_sizes) + 10 * rows) + 3 * side**2
    held = 8 * (held + 20 * layout.parameters) + max(held_bytes(layout, kind, count * rows) for kind in kept)
    work = _exact_flops(spec) + sum(flops(layout, count, rows, kind, len(spec.swept)) for kind in kept)
    seconds = work / machine_speed() + SOLVE_OVERHEAD * len(kept) * len(spec.swept)
    return Cost(layout.parameters, held, spec.seeds * seconds)


def _sizes(spec: Spec) -> tuple[ParameterLayout, int, int]:
    """Layout, inputs N, rows R per input."""
    return layout_for(input_dimension(spec), spec), sample_count(spec), rows_per_input(spec)


def _exact_flops(spec: Spec) -> float:
    layout, count, rows = _sizes(spec)
    dual = count * rows
    if layout.parameters <= dual:
        made = 1.5 * count * layout.parameters**2
    else:
        made = 2.0 * dual**2 * (sum(layout.units) + sum(layout.unit_sizes) + 4 * layout.layers)
    side = min(layout.parameters, dual)
    return pass_flops(layout, count, rows + 1) + made + len(spec.swept) * FACTORISING * side**3 / 3


def run(spec: Spec, progress: Progress | None = None, limits: Budget | None = None) -> Result:
    """Measure every structure on every network.

    Tables: "structures" (per structure, over seeds: cosines, error, ranks, storage, seconds), "pairs" (pairs that the two measures
    put in opposite orders), "sweep" (cosines per damping), "points" (per network).
    `progress` receives (fraction, message, partial result) whenever a network is finished.

    Raises:
        BudgetError: the setting exceeds the limits.
    """
    start = time.perf_counter()
    asked, left = admit(spec, cost, limits), omitted(spec)
    measured: list[Measured] = []

    def result(complete: bool) -> Result:
        tables, verdicts = summarise(spec, measured, left)
        return Result("directions", spec, tables, {}, verdicts, time.perf_counter() - start, asked.bytes, complete)

    for number in range(spec.seeds):
        message = f"{number} of {spec.seeds} networks"
        for share, found in _network(spec, number, left):
            if found is not None:
                measured.append(found)
            if progress:
                progress((number + share) / spec.seeds, message)
        if progress and number + 1 < spec.seeds:
            progress((number + 1) / spec.seeds, f"{number + 1} of {spec.seeds} networks", result(complete=False))
    final = result(complete=True)
    if progress:
        progress(1.0, f"{spec.seeds} of {spec.seeds} networks", final)
    return final


def _network(spec: Spec, number: int, left: dict[str, str]) -> Iterator[tuple[float, Measured | None]]:
    """One network: (share of its work that is done, a structure that is finished, or None between two solves)."""
    layout, count, rows = _sizes(spec)
    kinds = [kind for kind in KINDS if kind not in left]
    work = {kind: flops(layout, count, rows, kind, len(spec.swept)) for kind in kinds}
    whole = _exact_flops(spec) + sum(work.values())
    made = factors_of(spec, number)
    gradient = mean_gradient(
        network_of(spec, number), inputs_of(spec, number), labels_of(spec, number), likelihood_of(spec)
    )
    yield 0.0, None
    exact = exact_inverse(made)
    trace, norm = exact.trace(), exact.frobenius_norm()
    reason = _trouble(trace, norm, gradient)
    if reason:
        for kind in kinds:
            yield 1.0, Measured.nothing(kind, spec.seed + number, len(spec.swept), reason)
        return
    unit = trace / layout.parameters
    wanted = []
    for place, damping in enumerate(spec.swept, start=1):
        wanted.append(exact.solve(gradient, damping * unit))
        yield _exact_flops(spec) * place / len(spec.swept) / whole, None
    directions = torch.stack(wanted, dim=1)
    norms = block_norms_from_factors(made, unbiased=True) if made.samples > 1 else None
    aim = _Aim(made, gradient, directions, made.jacobian_product(directions), unit, norms)
    done = _exact_flops(spec)
    for kind in kinds:
        for share, found in aim.measure(spec, kind, number, exact, norm):
            yield (done + work[kind] * share) / whole, found
        done += work[kind]


def _trouble(trace: float, norm: float, gradient: Tensor) -> str:
    """Why nothing can be measured at a network; empty where it can."""
    if not (np.isfinite(trace) and np.isfinite(norm) and bool(gradient.isfinite().all())):
        return OVERFLOW
    if trace <= 0:
        return DEAD
    return "" if bool(gradient.any()) else NO_GRADIENT


@dataclass(frozen=True, eq=False)
class _Aim:
    """What directions are compared with: the exact ones, one a damping, and what they change in the outputs."""

    made: Factors
    gradient: Tensor
    directions: Tensor
    outputs: Tensor
    unit: float
    norms: BlockNorms | None

    def measure(
        self, spec: Spec, kind: str, number: int, exact: ExactInverse, norm: float
    ) -> Iterator[tuple[float, Measured | None]]:
        """Solve with one structure at every damping: (share that is done, and at the end the measurement)."""
        began = time.perf_counter()
        solve, error = _structure(self.made, kind, exact, norm)
        build, seconds, reason = time.perf_counter() - began, float("nan"), ""
        solved = []
        own_error = error()
        for place, damping in enumerate(spec.swept, start=1):
            began = time.perf_counter()
            try:
                solved.append(solve(self.gradient, damping * self.unit))
            except ValueError as trouble:
                reason = str(trouble)
                solved.append(torch.full_like(self.gradient, torch.nan))
            if place == 1:  # later ones may use what the first has factorised
                seconds = time.perf_counter() - began
            yield place / len(spec.swept), None
        found = torch.stack(solved, dim=1)
        in_metric = cosines(self.made.jacobian_product(found), self.outputs)
        euclidean = cosines(found, self.directions)
        values = (_array(in_metric), _array(euclidean))
        of_all = float("nan") if self.norms is None else population_error(kind, self.norms)
        yield 1.0, Measured(kind, spec.seed + number, *values, own_error, build, seconds, reason, of_all)


def _array(values: Tensor) -> NDArray[np.float64]:
    return values.double().cpu().numpy()


def _structure(made: Factors, kind: str, exact: ExactInverse, norm: float) -> tuple[Solve, Callable[[], float]]:
    """How a structure solves, and its relative Frobenius error."""
    if kind == "gradient":
        return lambda vector, _: vector, lambda: identity_error(made, exact.trace(), norm)
    if kind == "layer_blocks":
        inverses = [exact_inverse(made, layer) for layer in range(1, made.layout.layers + 1)]
        kept = sum(inverse.frobenius_norm() ** 2 for inverse in inverses)
        error = max(1 - kept / norm**2, 0.0) ** 0.5
        return lambda vector, damping: torch.stack([i.solve(vector, damping) for i in inverses]).sum(
            dim=0
        ), lambda: error
    if kind == "unit_closed_form_isotropic":
        structure = unit_closed_form(made, Origin(made.estimator, "", made.samples), isotropic=True)
        return structure.solve, lambda: relative_error(made, structure, norm)
    built = from_factors(made, kind)
    return built.solve, lambda: relative_error(made, built, norm)
