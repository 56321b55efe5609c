"""Unit: is one unit's Fisher matrix diagonal plus rank two, alone and inside a network, and in which layers?

For inputs of mean 0 and variance 1 a unit y = phi(w.x + w_0) + noise has F = A_0 I + (A_2 - A_0) e e^T + A_1 (e e_0^T + e_0 e^T),
A_k = E v^k phi'(|w| v + w_0)^2: measured blocks of units of the Spec's networks beside it, with sampling noise told apart.
Source: Amari, Karakida, Oizumi, Fisher Information and Natural Gradient Learning of Random Deep Networks, arXiv 1808.07172.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from fimcore.budget import Budget
from fimcore.experiments import unit_moments, unit_one
from fimcore.experiments.cost import ENTRY_FLOPS, Cost, admit, layout_for, machine_speed, pass_flops, rows_per_input
from fimcore.experiments.result import Result
from fimcore.experiments.setting import input_dimension, sample_count
from fimcore.experiments.unit_forms import COVARIANCE, ISOTROPIC
from fimcore.experiments.unit_measured import CHUNK_ENTRIES, Measured, measure
from fimcore.experiments.unit_spec import Spec
from fimcore.experiments.unit_tables import summarise
from fimcore.inputs import InputError

__all__ = ["Spec", "cost", "layers", "moments", "one", "part_seconds", "run"]

Progress = Callable[..., object]

# Seconds that do not depend on the sizes: of the curves, and of the many small steps of one layer.
CURVE_SECONDS, LAYER_SECONDS = 0.08, 0.012
# Measured against large matrix products: these are many small ones, with sums between them.
SLOWER = 2.0
POINT_SECONDS = 1e-5  # of one input of the curves' units
FEWEST_INPUTS = 4


def cost(spec: Spec) -> Cost:
    """Bytes of the factors of one network with some unit blocks, and estimated seconds of all networks."""
    layout = layout_for(input_dimension(spec), spec)
    samples, rows = sample_count(spec), rows_per_input(spec)
    sizes = layout.unit_sizes[:-1]
    held = 3 * samples * (2 * sum(layout.unit_sizes) + (rows + 3) * sum(layout.units)) + 10 * layout.parameters
    held += 40 * max(min(spec.measured_units * k**2, max(CHUNK_ENTRIES, k**2)) for k in sizes)
    units = spec.measured_units
    work = pass_flops(layout, samples, rows + 2) + 2 * ENTRY_FLOPS * samples * rows * sum(layout.units)
    for k in sizes:
        work += (ENTRY_FLOPS + 12.0 + 4.0 * units) * samples * k**2 + units * (60.0 * k**2 + 40.0 * k**3)
    seconds = SLOWER * work / machine_speed() + LAYER_SECONDS * len(sizes)
    return Cost(layout.parameters, 8 * held, CURVE_SECONDS + spec.seeds * seconds)


def part_seconds(spec: Spec) -> dict[str, float]:
    """Estimated seconds of the parts that are about one unit: "one" and "moments"."""
    layout, samples = layout_for(input_dimension(spec), spec), sample_count(spec)
    work = pass_flops(layout, samples, rows_per_input(spec) + 2)
    work += sum(12.0 * samples * k**2 for k in layout.unit_sizes[:-1]) + 60.0 * max(layout.unit_sizes[:-1]) ** 3
    seconds = 2 * SLOWER * work / machine_speed() + LAYER_SECONDS * layout.layers
    points = spec.seeds * min(spec.samples, unit_moments.MOST_INPUTS) * POINT_SECONDS
    return {"one": seconds, "moments": seconds + CURVE_SECONDS + points}


def run(spec: Spec, progress: Progress | None = None, limits: Budget | None = None) -> Result:
    """Everything: every layer over networks, the chosen unit, and the curves of A_0, A_1, A_2.

    Tables: "layers" (error of every form in every layer, without noise, with its noise), "directions" (cosines of natural
    gradients), "inputs" (what a layer receives), "factors", "points" (per network), "forms", "entries" and "eigenvalues" of the
    chosen unit, "moments" and "curves". Arrays: measured, closed_form, difference.
    `progress` receives (fraction, message, partial result) after every network.

    Raises:
        BudgetError: the setting exceeds the limits. InputError: too few rows. ValueError: signals overflow.
    """
    start = time.perf_counter()
    chosen, curves = one(spec, limits=limits), moments(spec, limits=limits)
    more = {**chosen.tables, **curves.tables}

    def joined(found: Result) -> Result:
        return Result(
            "unit",
            spec,
            {**found.tables, **more},
            chosen.arrays,
            (*found.verdicts, *curves.verdicts),
            time.perf_counter() - start,
            found.bytes,
            found.complete,
        )

    def forward(fraction: float, message: str, partial: Result | None = None) -> None:
        assert progress is not None
        progress(fraction, message, *(() if partial is None else (joined(partial),)))

    return joined(layers(spec, forward if progress else None, limits))


def layers(spec: Spec, progress: Progress | None = None, limits: Budget | None = None) -> Result:
    """How well the closed form does in every hidden layer, over networks; see `run`. Does not depend on the chosen unit."""
    start = time.perf_counter()
    asked = _admitted(spec, limits)
    found: list[Measured] = []

    def result(complete: bool) -> Result:
        made, verdicts = summarise(spec, found)
        return Result("unit", spec, made, {}, verdicts, time.perf_counter() - start, asked.bytes, complete)

    for number in range(spec.seeds):
        message = f"{number} of {spec.seeds} networks"
        if progress:
            progress(number / spec.seeds, message)
        found.append(measure(spec, number, _ticks(progress, number, spec.seeds, message)))
        if progress and number + 1 < spec.seeds:
            progress((number + 1) / spec.seeds, f"{number + 1} of {spec.seeds} networks", result(complete=False))
    final = result(complete=True)
    if progress:
        progress(1.0, f"{spec.seeds} of {spec.seeds} networks", final)
    return final


def _ticks(progress: Progress | None, number: int, seeds: int, message: str) -> Callable[[float], None] | None:
    if progress is None:
        return None

    def tick(share: float) -> None:
        progress((number + share) / seeds, message)

    return tick


def one(spec: Spec, progress: Progress | None = None, limits: Budget | None = None) -> Result:
    """The chosen unit of the first network: matrices, eigenvalues, inverse and natural gradient; see `run`."""
    start = time.perf_counter()
    asked = _admitted(spec, limits)
    found = unit_one.one_unit(spec)
    tables = {
        "forms": unit_one.forms_table(spec, found),
        "entries": unit_one.entries_table(found),
        "eigenvalues": unit_one.eigenvalues_table(found),
    }
    if progress:
        progress(1.0, "1 of 1 units")
    arrays = unit_one.matrices(spec, found)
    return Result("unit", spec, tables, arrays, (), time.perf_counter() - start, asked.bytes)


def moments(spec: Spec, progress: Progress | None = None, limits: Budget | None = None) -> Result:
    """A_0, A_1 and A_2 through the chosen unit: real single units beside the prediction; see `run`."""
    start = time.perf_counter()
    asked = _admitted(spec, limits)
    form = unit_one.one_unit(spec).forms[ISOTROPIC if spec.isotropic else COVARIANCE][0]
    tables, verdicts = unit_moments.tables(spec, *unit_one.pre_activation(form))
    if progress:
        progress(1.0, "2 of 2 curves")
    return Result("unit", spec, tables, {}, verdicts, time.perf_counter() - start, asked.bytes)


def _admitted(spec: Spec, limits: Budget | None) -> Cost:
    asked = admit(spec, cost, limits)
    if sample_count(spec) < FEWEST_INPUTS:
        raise InputError(
            f"The table has {sample_count(spec)} rows; telling noise from error needs {FEWEST_INPUTS} or more."
        )
    return asked
