"""What one update of each optimizer costs: floating-point operations, Fisher-vector products, and estimated seconds.

One product F v = (1/N) J^T (J v) over all data takes two passes, 4 N R P operations with R rows an input. Operations count
matrix products and factorisations, so that work is the same on any machine; seconds are measured by the race itself.
"""

from __future__ import annotations

from fimcore.experiments.cost import Cost, layout_for, machine_speed, pass_flops
from fimcore.experiments.setting import input_dimension, sample_count
from fimcore.experiments.train_names import NAMED
from fimcore.experiments.train_rates import FINALISTS, GRID, TUNING_NETWORKS, first_steps
from fimcore.experiments.train_spec import Spec

STEP_OVERHEAD = 8e-4  # seconds of a step that do not depend on the sizes
# Against matrix products: a Cholesky factorisation, an eigendecomposition, an entry that is only multiplied once.
CHOLESKY_SLOWDOWN, EIGEN_SLOWDOWN = 3.0, 20.0
# A speed measured while the machine was busy must not refuse what runs in seconds: one core makes this many a second.
SLOWEST = 1e10


def cost(spec: Spec) -> Cost:
    """Largest matrix of any optimizer, and estimated seconds of everything the view runs."""
    used = spec.effective()
    layout = layout_for(input_dimension(used), used)
    samples, rows = sample_count(used), used.outputs
    held = samples * (rows * sum(layout.units) + sum(layout.unit_sizes)) + 6 * layout.parameters
    if {"ngd_unit", "mbf", "cwngd"} & set(used.optimizers):
        held += 3 * sum(n * k**2 for n, k in zip(layout.units, layout.unit_sizes, strict=True))
    if {"kfac", "ekfac"} & set(used.optimizers):
        held += 6 * sum(n**2 + k**2 for n, k in zip(layout.units, layout.unit_sizes, strict=True))
    if "ngd_exact" in used.optimizers:
        side = min(samples * rows, layout.parameters)
        held += 3 * side**2 + (samples * max(layout.layer_sizes) if side == layout.parameters else 0)
    if "ngd_layer" in used.optimizers:
        held += 3 * max(min(samples * rows, size) for size in layout.layer_sizes) ** 2
    if "ngd_tridiagonal" in used.optimizers:
        held += 4 * sum(size**2 for size in layout.layer_sizes)
    if "empirical_fisher" in used.optimizers:
        held += 3 * samples**2
    steps = dict.fromkeys(used.optimizers, used.seeds * used.steps)
    if used.view == "rates":
        steps = {optimizer: len(GRID) * count for optimizer, count in steps.items()}
    else:
        first = first_steps(used)
        searched = len(GRID) * first + FINALISTS * (TUNING_NETWORKS * used.steps - first)
        steps = {name: count + (0 if used.rate(name) else searched) for name, count in steps.items()}
    seconds = sum(count * step_seconds(used, optimizer) for optimizer, count in steps.items())
    return Cost(layout.parameters, 8 * held, seconds + used.seeds * 40 * step_seconds(used, "sgd"))


def product_flops(used: Spec) -> float:
    """Operations of one Fisher-vector product over all data."""
    return 4.0 * sample_count(used) * used.outputs * layout_for(input_dimension(used), used).parameters


def step_flops(used: Spec, optimizer: str) -> float:
    """Operations of one update, over its batch."""
    layout = layout_for(input_dimension(used), used)
    samples, rows = sample_count(used), used.outputs
    batch = min(used.batch_size or samples, samples)
    sizes = list(zip(layout.units, layout.unit_sizes, strict=True))
    parameters = layout.parameters
    needs_rows = bool(NAMED[optimizer].structure)
    flops = 1.5 * pass_flops(layout, batch, rows if needs_rows else 1)
    dual = batch * (rows if needs_rows else 1)
    if optimizer == "sophia":
        flops *= 1.1  # labels are drawn every tenth step
    elif optimizer in ("ngd_exact", "empirical_fisher"):
        if dual < parameters or optimizer == "empirical_fisher":
            flops += sum(2 * dual**2 * (n + 6) for n, _ in sizes) + CHOLESKY_SLOWDOWN * dual**3 / 3
        else:
            flops += 2 * dual * parameters**2 + CHOLESKY_SLOWDOWN * parameters**3 / 3
    elif optimizer == "ngd_layer":
        for n, k in sizes:
            side = min(dual, n * k)
            flops += 2 * side**2 * (n + k) * (1 if side == dual else n * k) / (1 if side == dual else n + k)
            flops += CHOLESKY_SLOWDOWN * side**3 / 3
    elif optimizer == "ngd_tridiagonal":
        flops += sum(6 * batch * (n * k) ** 2 + 6 * CHOLESKY_SLOWDOWN * (n * k) ** 3 / 3 for n, k in sizes)
    elif optimizer in ("ngd_unit", "mbf", "cwngd"):
        flops += sum(n * (4 * batch * k**2 + CHOLESKY_SLOWDOWN * k**3 / 3) for n, k in sizes)
    elif optimizer == "ngd_closed_form" and not used.isotropic:
        flops += sum(2 * batch * k**2 + CHOLESKY_SLOWDOWN * k**3 / 3 for _, k in sizes)
    elif optimizer in ("ngd_closed_form", "ngd_quasi_diagonal", "ngd_diagonal"):
        flops += sum(6.0 * batch * rows * n * k for n, k in sizes)
    elif optimizer in ("kfac", "ekfac"):
        slow = EIGEN_SLOWDOWN if optimizer == "ekfac" or used.form == "exact" else CHOLESKY_SLOWDOWN
        for n, k in sizes:
            flops += 2 * batch * (k**2 + rows * n**2) + slow * (k**3 + n**3) / 3 + 2 * n * k * (n + k)
            flops += 4 * batch * rows * n * k if optimizer == "ekfac" else 0
    return flops


def step_seconds(used: Spec, optimizer: str) -> float:
    """Estimated seconds of one step, with everything that is reported about it."""
    overhead = STEP_OVERHEAD * (1 if not NAMED[optimizer].damping > 0 else 4 if optimizer == "ngd_unit" else 2)
    return overhead + step_flops(used, optimizer) / max(machine_speed(), SLOWEST)
