"""Train: does the geometry help? Gradient descent, Adam, exact and unit-wise natural gradient from the same networks.

theta <- theta - eta (G + lambda I)^{-1} grad loss, full batch; loss = mean negative log-likelihood, (1/2N) sum |f - y|^2 / variance
in regression. Steps and seconds are counted until the loss has fallen to a share of its start.
Source: Amari, Natural gradient works efficiently in learning (1998); Amari, Karakida, Oizumi, arXiv 1808.07172.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore.budget import Budget
from fimcore.experiments.cost import Cost, admit, layout_for, machine_speed, pass_flops
from fimcore.experiments.result import Result
from fimcore.experiments.setting import (
    LABEL_STREAM,
    TEACHER_STREAM,
    architecture_of,
    input_dimension,
    inputs_of,
    labels_of,
    likelihood_of,
    network_of,
    sample_count,
)
from fimcore.experiments.train_spec import OPTIMIZERS, WORDS, Spec
from fimcore.experiments.train_tables import Run, summarise
from fimcore.fisher import diagonal, factors
from fimcore.likelihoods import Gaussian
from fimcore.networks import sample_network
from fimcore.training import largest_stable_rate, train
from fimcore.training.stability import PRECONDITIONERS

__all__ = ["OPTIMIZERS", "Spec", "cost", "run"]

Progress = Callable[..., object]

# Share of the stability limit that an automatic step size takes, and Adam's, which has no such limit. Chosen by measurement
# on both tasks: each is within a factor of two of the best of a grid in steps to the goal, and none diverges.
AUTOMATIC_SHARE = {"sgd": 0.75, "ngd_exact": 0.25, "ngd_unit": 0.75}
AUTOMATIC_ADAM = 0.03

SECONDS_BETWEEN_PARTIALS = 0.2
STEP_OVERHEAD = 8e-4  # seconds of a step that do not depend on the sizes
CHOLESKY_SLOWDOWN = 3.0
# A speed measured while the machine was busy must not refuse what runs in seconds: one core makes this many a second.
SLOWEST = 1e10


@dataclass(frozen=True)
class Rates:
    """What one network says about step sizes: lambda_max(F); absolute damping and largest stable rate per optimizer."""

    lambda_max: float
    damping: dict[str, float]
    limits: dict[str, float]


def task_labels(spec: Spec, number: int, x: Tensor) -> Tensor:
    """Labels of network `number`: the digits' own; or f of a teacher network of the same law, without noise in regression."""
    if spec.task == "digits":
        return labels_of(spec, number)
    teacher = sample_network(architecture_of(spec), spec.seed + number + TEACHER_STREAM)
    likelihood = likelihood_of(spec)
    if isinstance(likelihood, Gaussian):
        return teacher(x)
    return likelihood.sample(teacher(x), torch.Generator().manual_seed(spec.seed + number + LABEL_STREAM))


def cost(spec: Spec) -> Cost:
    """Largest matrix of any optimizer, and estimated seconds of all runs."""
    used = spec.effective()
    layout = layout_for(input_dimension(used), used)
    samples, rows = sample_count(used), used.outputs
    held = samples * (rows * sum(layout.units) + sum(layout.unit_sizes)) + 6 * layout.parameters
    per_run = [step_seconds(used, optimizer) * used.steps for optimizer in used.optimizers]
    if "ngd_unit" in used.optimizers:
        held += 3 * sum(n * k**2 for n, k in zip(layout.units, layout.unit_sizes, strict=True))
    if "ngd_exact" in used.optimizers:
        side = min(samples * rows, layout.parameters)
        held += 3 * side**2 + (samples * max(layout.layer_sizes) if side == layout.parameters else 0)
    return Cost(layout.parameters, 8 * held, used.seeds * (sum(per_run) + 40 * step_seconds(used, "sgd")))


def step_seconds(used: Spec, optimizer: str) -> float:
    """Estimated seconds of one step, with everything that is reported about it."""
    layout = layout_for(input_dimension(used), used)
    samples, rows = sample_count(used), used.outputs
    flops = 2 * pass_flops(layout, samples, 1)
    sizes = list(zip(layout.units, layout.unit_sizes, strict=True))
    if optimizer.startswith("ngd"):
        flops += 2 * pass_flops(layout, samples, rows)
    if optimizer == "ngd_unit":
        flops += sum(n * (4 * samples * k**2 + CHOLESKY_SLOWDOWN * k**3 / 3) for n, k in sizes)
    if optimizer == "ngd_exact":
        dual = samples * rows
        if dual < layout.parameters:
            flops += sum(2 * dual**2 * (n + 6) for n, _ in sizes) + CHOLESKY_SLOWDOWN * dual**3 / 3
        else:
            flops += 2 * samples * layout.parameters**2 + CHOLESKY_SLOWDOWN * layout.parameters**3 / 3
    return STEP_OVERHEAD * (4 if optimizer == "ngd_unit" else 1) + flops / max(machine_speed(), SLOWEST)


def measure_rates(spec: Spec, number: int, progress: Progress | None = None) -> Rates:
    """lambda_max, damping and stability limits at the start of network `number`."""
    network, x = network_of(spec, number), inputs_of(spec, number)
    made = factors(network, x, likelihood_of(spec))
    mean = float(diagonal(made).mean())
    damping: dict[str, float] = {
        optimizer: spec.relative_damping(optimizer) * mean for optimizer in ("sgd", *spec.optimizers)
    }
    limits = {
        optimizer: largest_stable_rate(made, optimizer, damping[optimizer], progress)
        for optimizer in ("sgd", *PRECONDITIONERS[1:])
        if optimizer == "sgd" or optimizer in spec.optimizers
    }
    return Rates(2 / limits["sgd"], damping, limits)


def chosen_rate(spec: Spec, optimizer: str, rates: list[Rates]) -> float:
    """The step size of all seeds: as set, or automatic from the seed with the smallest limit, cut to two digits."""
    if spec.rate(optimizer):
        return spec.rate(optimizer)
    if optimizer == "adam":
        return AUTOMATIC_ADAM
    smallest = min(each.limits[optimizer] for each in rates)
    # A matrix of zeros has no limit; no step moves anything then.
    return two_digits(AUTOMATIC_SHARE[optimizer] * smallest) if smallest < float("inf") else 1.0


def two_digits(value: float) -> float:
    """Rounded down to two significant digits, so that the page can say the number it used."""
    exponent = int(f"{value:e}".split("e")[1]) - 1
    whole = int(float(f"{value:.6e}") / 10.0**exponent + 1e-9)
    return float(f"{whole}e{exponent}")


def run(spec: Spec, progress: Progress | None = None, limits: Budget | None = None) -> Result:
    """Race the optimizers on every seed.

    Tables: "curves" (optimizer, seed, step, seconds, loss, accuracy, residual, ...), "summary" (per optimizer: final loss over
    seeds, steps and seconds to the goal, seconds per step, diverged seeds), "stability" (step size against its limit per
    optimizer and seed).
    `progress` receives (fraction, message) at every step and (fraction, message, partial result) about every 0.2 s.

    Raises:
        BudgetError: the setting exceeds the limits. ValueError: a damping at which a matrix is singular at the start.
    """
    start = time.perf_counter()
    asked = admit(spec, cost, limits)
    used = spec.effective()
    waiting = (lambda *_: progress(0.0, "the largest stable step sizes")) if progress else None
    rates = [measure_rates(used, number, waiting) for number in range(used.seeds)]
    chosen: dict[str, float] = {optimizer: chosen_rate(used, optimizer, rates) for optimizer in used.optimizers}
    weights: dict[str, float] = {optimizer: step_seconds(used, optimizer) for optimizer in used.optimizers}
    whole = used.seeds * sum(weights.values())
    runs: list[Run] = []
    done, reported = 0.0, time.perf_counter()

    def result(complete: bool) -> Result:
        tables = summarise(used, runs, rates, chosen)
        seconds = time.perf_counter() - start
        return Result("train", spec, tables.tables, {}, tables.verdicts, seconds, asked.bytes, complete)

    for number in range(used.seeds):
        network, x = network_of(used, number), inputs_of(used, number)
        labels, likelihood = task_labels(used, number, x), likelihood_of(used)
        for optimizer in used.optimizers:
            message = f"network {number + 1} of {used.seeds} with {WORDS[optimizer]}"
            if number == 0:
                # The first update of a process pays for imports and workspaces: make one that is not counted.
                for _ in train(
                    network, (x, labels), optimizer, chosen[optimizer], rates[0].damping[optimizer], 1, 0, likelihood
                ):
                    if progress:
                        progress(min(1.0, done / whole), message)
            current = Run(optimizer, used.seed + number)
            runs.append(current)
            settings = (optimizer, chosen[optimizer], rates[number].damping[optimizer], used.steps)
            for step in train(network, (x, labels), *settings, likelihood=likelihood):
                current.take(step)
                if progress:
                    fraction = min(1.0, (done + weights[optimizer] * step.number / used.steps) / whole)
                    now = time.perf_counter()
                    if now - reported > SECONDS_BETWEEN_PARTIALS:
                        progress(fraction, message, result(complete=False))
                        reported = time.perf_counter()
                    else:
                        progress(fraction, message)
            done += weights[optimizer]
    final = result(complete=True)
    if progress:
        progress(1.0, f"{len(runs)} of {len(runs)} runs", final)
    return final
