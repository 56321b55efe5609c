"""Fisher while learning: the matrix, its spectrum and its blocks along one run, with the edge of stability.

On a quadratic of curvature lambda, gradient descent with step eta multiplies the error by 1 - eta lambda: stable below lambda =
2 / eta. The sharpness (largest eigenvalue of the loss's Hessian, whose Gauss-Newton part is F) tends to rise until it is there.
Source: Cohen, Kaur, Li, Kolter, Talwalkar, arXiv 2103.00065; Lewkowycz et al., arXiv 2003.02218; LeCun, Bottou, Orr, Muller,
Efficient BackProp (1998).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from fimcore.budget import Budget
from fimcore.experiments.cost import (
    Cost,
    admit,
    eigenvalue_flops,
    gram_flops,
    layout_for,
    machine_speed,
    pass_flops,
)
from fimcore.experiments.dynamics_measured import CELLS, MOST_PARAMETERS, Camera, Start, start_of
from fimcore.experiments.dynamics_outcomes import BLOWN_UP, Run
from fimcore.experiments.dynamics_spec import Spec, snapshot_steps
from fimcore.experiments.dynamics_tables import predicted_top, tables, verdicts
from fimcore.experiments.result import Result
from fimcore.experiments.setting import input_dimension, sample_count
from fimcore.fisher import diagonal, factors
from fimcore.training import largest_stable_rate, train
from fimcore.training.stability import PRECONDITIONERS

__all__ = ["Spec", "cost", "run"]

Progress = Callable[..., object]

ADAM_UNIT = 0.01  # step size of Adam that counts as 1
SECONDS_BETWEEN_PARTIALS = 0.35
# Measured: what does not depend on the sizes, and products until an eigenvalue is found from the one before.
STEP_OVERHEAD, SNAPSHOT_OVERHEAD, PRODUCTS = 3.5e-4, 8e-3, 25.0
CHOLESKY_SLOWDOWN, PICTURE_SLOWDOWN = 3.0, 6.0


def cost(spec: Spec) -> Cost:
    """Largest arrays, and estimated seconds of all runs."""
    used = spec.effective()
    layout = layout_for(input_dimension(used), used)
    samples, rows = sample_count(used), used.outputs
    dual, side = samples * rows, min(samples * rows, layout.parameters)
    sizes = list(zip(layout.units, layout.unit_sizes, strict=True))
    numbers = samples * (rows * sum(layout.units) + sum(layout.unit_sizes) + sum(n * n for n in layout.units))
    held = numbers + 3 * side**2 + 6 * layout.parameters + used.snapshots * CELLS**2
    step = 2 * pass_flops(layout, samples, 1)
    if used.optimizer.startswith("ngd"):
        step += 2 * pass_flops(layout, samples, rows)
    if used.optimizer == "ngd_unit":
        step += sum(n * (4 * samples * k**2 + CHOLESKY_SLOWDOWN * k**3 / 3) for n, k in sizes)
        held += 3 * sum(n * k**2 for n, k in sizes)
    if used.optimizer == "ngd_exact":
        step += 2 * dual * layout.parameters * side + CHOLESKY_SLOWDOWN * side**3 / 3
    bend = PRODUCTS * 2 * pass_flops(layout, samples, rows)
    whole = 2 * bend + eigenvalue_flops(layout, samples, rows, "dense") + gram_flops(layout, samples, rows)
    if layout.parameters <= MOST_PARAMETERS:
        whole += PICTURE_SLOWDOWN * 2 * samples * layout.parameters**2
    speed, moments = machine_speed(), min(used.snapshots, used.steps + 1)
    seconds = used.seeds * (used.steps * (STEP_OVERHEAD + step / speed) + moments * (SNAPSHOT_OVERHEAD + bend / speed))
    return Cost(layout.parameters, 8 * held, seconds + moments * (SNAPSHOT_OVERHEAD + whole / speed))


def step_size(spec: Spec, start: Start) -> tuple[float, float]:
    """(eta, absolute damping) of a run: `share` times the largest stable step at its start, or times 0.01 for Adam."""
    made = factors(start.network, start.x, start.likelihood)
    damping = spec.damping * float(diagonal(made).mean())
    if spec.optimizer == "adam":
        return spec.share * ADAM_UNIT, damping
    known = spec.optimizer if spec.optimizer in PRECONDITIONERS else "sgd"
    limit = largest_stable_rate(made, known, damping) * (spec.line() / 2 if np.isfinite(spec.line()) else 1.0)
    # A matrix of zeros has no limit; no step moves anything then.
    return (spec.share * limit if np.isfinite(limit) else 1.0), damping


def _tick(progress: Progress, fraction: float, message: str, *_: object) -> None:
    """A sign of life within a snapshot, which itself does not know how far the run is."""
    progress(fraction, message)


def run(spec: Spec, progress: Progress | None = None, limits: Budget | None = None) -> Result:
    """Train and measure: everything along the first seed's run, losses and curvatures along the others.

    Tables: "snapshots" (step, loss, fisher_top, sharpness, line, trace, effective_rank, ...), "ratios", "eigenvalues", "losses",
    "outcomes" (one row a seed). Arrays: "frames" (S, cells, cells) of the Fisher matrix, "edges" first parameter of each cell.
    `progress` receives (fraction, message) at every step and (fraction, message, partial result) about every 0.35 s.

    Raises:
        BudgetError: the setting exceeds the limits. ValueError: a damping at which a matrix is singular at the start.
    """
    began = time.perf_counter()
    asked = admit(spec, cost, limits)
    used = spec.effective()
    moments = set(snapshot_steps(used.steps, used.snapshots))
    theory = predicted_top(used)
    runs: list[Run] = []
    edges = np.empty(0, dtype=np.int64)
    reported = time.perf_counter()
    # Snapshots with pictures take about this many steps' time.
    whole = (1.0 + 0.5 * (used.seeds - 1)) * used.steps

    def result(complete: bool) -> Result:
        made = tables(runs, theory)
        frames = [each.cells for each in runs[0].snapshots]
        arrays = {"frames": np.array(frames), "edges": edges} if frames else {}
        seconds = time.perf_counter() - began
        return Result("dynamics", spec, made, arrays, verdicts(used, runs, theory), seconds, asked.bytes, complete)

    for number in range(used.seeds):
        start = start_of(used, number)
        eta, damping = step_size(used, start)
        current = Run(used.seed + number, eta, used.line() / eta)
        runs.append(current)
        camera = Camera(start, used.values == "normalised", whole=number == 0)
        edges = camera.edges
        message = f"network {number + 1} of {used.seeds}"
        done = (1.0 + 0.5 * (number - 1) if number else 0.0) * used.steps
        settings = (used.optimizer, eta, damping, used.steps)
        for step in train(start.network, (start.x, start.labels), *settings, likelihood=start.likelihood):
            current.losses.append(step.loss)
            current.accuracies.append(step.accuracy)
            current.stopped = step.stopped
            done += 0.5 if number else 1.0
            if step.diverged or not step.loss <= BLOWN_UP * max(current.losses[0], 1e-300):
                current.diverged_at = step.number
                break
            if step.number in moments:
                tick = partial(_tick, progress, min(0.99, done / whole), message) if progress else None
                current.snapshots.append(camera.take(step.number, step.loss, step.network, tick))
            if progress:
                if current.snapshots and time.perf_counter() - reported > SECONDS_BETWEEN_PARTIALS:
                    progress(min(0.99, done / whole), message, result(complete=False))
                    reported = time.perf_counter()
                else:
                    progress(min(0.99, done / whole), message)
    final = result(complete=True)
    if progress:
        progress(1.0, f"{used.seeds} of {used.seeds} networks", final)
    return final
