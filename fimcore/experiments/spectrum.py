"""Spectrum: how large is the largest eigenvalue? The eigenvalues of F measured, beside mean, second moment, outliers and bulk.

Views: the spectrum itself, its blocks, against width, against N, whitened by layers, and the bound 2 / lambda_max on step sizes.
Source: Karakida, Akaho, Amari, Universal Statistics of Fisher Information in Deep Neural Networks, arXiv 1806.01316.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from fimcore.budget import Budget
from fimcore.experiments import (
    spectrum_blocks,
    spectrum_measured,
    spectrum_statistics,
    spectrum_step,
    spectrum_sweep,
    spectrum_whitened,
)
from fimcore.experiments.cost import (
    ENTRY_FLOPS,
    Cost,
    admit,
    eigenvalue_flops,
    layout_for,
    machine_speed,
    pass_flops,
    rows_per_input,
)
from fimcore.experiments.network_spec import NetworkSpec
from fimcore.experiments.result import Result
from fimcore.experiments.setting import input_dimension, sample_count
from fimcore.experiments.spectrum_spec import Spec
from fimcore.parameters import ParameterLayout

__all__ = ["Spec", "cost", "run"]

Progress = Callable[..., object]

TABLES: dict[str, Any] = {
    "density": spectrum_statistics,
    "blocks": spectrum_blocks,
    "width": spectrum_sweep,
    "inputs": spectrum_sweep,
    "whitened": spectrum_whitened,
    "step": spectrum_step,
}
MEASURES: dict[str, Callable[..., Any]] = {
    "blocks": spectrum_measured.blocks,
    "whitened": spectrum_measured.whitened,
    "step": spectrum_measured.descent,
}
# Drawing a parameter costs as much as this many operations of a matrix product.
DRAWING = 400.0


def cost(spec: Spec) -> Cost:
    """Bytes of the largest network with its factors and dual matrices, and estimated seconds of the view."""
    if spec.view in ("width", "inputs"):
        settings = [spectrum_sweep.at(spec, place) for place in spectrum_sweep.places(spec)]
    else:
        settings = [spec.at()]
    flops, held, parameters = 0.0, 0, 0
    for setting in settings:
        layout = layout_for(input_dimension(setting), setting)
        samples, rows = sample_count(setting), rows_per_input(setting)
        side = min(samples * rows, layout.parameters)
        flops += spec.seeds * _flops(spec, layout, samples, rows)
        entries = 2 * layout.parameters + samples * (2 * rows * sum(layout.units) + 2 * sum(layout.unit_sizes))
        entries += (2 + (layout.layers if spec.view == "whitened" else 1)) * side**2
        held, parameters = max(held, 8 * entries), max(parameters, layout.parameters)
    return Cost(parameters, held, flops / machine_speed())


def _flops(spec: Spec, layout: ParameterLayout, samples: int, rows: int) -> float:
    """Operations of one network of the view."""
    drawn = DRAWING * layout.parameters + pass_flops(layout, samples, rows)
    drawn += ENTRY_FLOPS * samples * (1 + rows) * sum(layout.units)
    full = _eigenvalues(layout, samples, rows, "dense")
    by_layer = _eigenvalues(layout, samples, rows, "layer_blocks")
    if spec.view == "blocks":
        pairs = sum(n * min(samples, k) for n, k in zip(layout.units, layout.unit_sizes, strict=True))
        return drawn + full + by_layer + 150.0 * samples * pairs
    if spec.view == "whitened":
        return drawn + 3 * by_layer + (1 + len(spec.swept_dampings)) * full
    if spec.view == "step":
        once = 2 * pass_flops(layout, samples, 1) + ENTRY_FLOPS * (
            layout.parameters / 4 + 2 * samples * sum(layout.units)
        )
        return 2 * drawn + full + 2 * (spectrum_measured.STEPS + 1) * once
    return drawn + full * (2 if spec.view == "density" and spec.centred else 1)


def _eigenvalues(layout: ParameterLayout, samples: int, rows: int, structure: str) -> float:
    """With the dual matrices that they are taken from."""
    made = (samples * rows) ** 2 * (2.0 * sum(layout.units) + ENTRY_FLOPS) + 2.0 * samples**2 * sum(layout.unit_sizes)
    return made + eigenvalue_flops(layout, samples, rows, structure)


def run(spec: Spec, progress: Progress | None = None, limits: Budget | None = None) -> Result:
    """Measure what the Spec's view asks for, network by network, and compare with mean-field theory.

    Tables of the views: "statistics", "eigenvalues", "density", "outliers" (density); "layers", "structures" (blocks); "sweep",
    "lines" (width, inputs); "whitened", "bins", "dampings" (whitened); "descent", "factors" (step); always "points", by network.
    `progress` receives (fraction, message, partial result) after every network.

    Raises:
        BudgetError: the setting exceeds the limits. InputError: the data cannot be used. OverflowError: signals overflow.
    """
    start = time.perf_counter()
    asked = admit(spec, cost, limits)
    points: list[Any] = []
    asks = _order(spec)
    shares = _shares(spec, asks)

    def result(complete: bool) -> Result:
        return summarise(spec, points, time.perf_counter() - start, asked.bytes, complete)

    for place, number in asks:
        done, message = sum(shares[: len(points)]), f"{len(points)} of {len(asks)} networks"
        inner = _inner(progress, done, shares[len(points)], message)
        points.append(_measure(spec, place, number, inner))
        if progress and len(points) < len(asks):
            progress(sum(shares[: len(points)]), f"{len(points)} of {len(asks)} networks", result(complete=False))
    complete = result(complete=True)
    if progress:
        progress(1.0, f"{len(asks)} of {len(asks)} networks", complete)
    return complete


def _order(spec: Spec) -> list[tuple[int, int]]:
    """(place, number) of every network: against width or N the small ones first."""
    places = spectrum_sweep.places(spec) if spec.view in ("width", "inputs") else (0,)
    return [(place, number) for place in places for number in range(spec.seeds)]


def _shares(spec: Spec, asks: list[tuple[int, int]]) -> list[float]:
    """How much of the work each network is."""
    work = [float(place) ** 2 or 1.0 for place, _ in asks]
    return [each / sum(work) for each in work]


def _inner(progress: Progress | None, done: float, share: float, message: str) -> Progress | None:
    if progress is None:
        return None
    return lambda fraction, _: progress(done + share * fraction, message)


def _measure(spec: Spec, place: int, number: int, progress: Progress | None) -> Any:
    if spec.view in MEASURES:
        setting: NetworkSpec = spec if spec.view in ("whitened", "step") else spec.at()
        return MEASURES[spec.view](setting, number, progress=progress)
    if spec.view == "density":
        centred = spectrum_statistics.centring_applies(spec)
        return spectrum_measured.eigenvalues(spec.at(), number, centred, progress)
    return place, spectrum_measured.eigenvalues(spectrum_sweep.at(spec, place), number, progress=progress)


def summarise(spec: Spec, points: list[Any], seconds: float, size: int, complete: bool) -> Result:
    """All tables of the networks measured so far."""
    module = TABLES[spec.view]
    arrays = {}
    if spec.view == "density":
        arrays["eigenvalues"] = spectrum_statistics.padded([point.values for point in points])
    return Result(
        "spectrum",
        spec,
        module.tables(spec, points),
        arrays,
        module.verdicts(spec, points),
        seconds,
        size,
        complete,
    )
