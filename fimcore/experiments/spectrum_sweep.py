"""The four numbers of the spectrum against width, or against the number of inputs, with the line that theory draws where it may.

Source: Karakida, Akaho, Amari, arXiv 1806.01316.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fimcore.experiments import spectrum_theory
from fimcore.experiments.network_spec import NetworkSpec
from fimcore.experiments.result import Verdict, verdict
from fimcore.experiments.setting import sample_count
from fimcore.experiments.spectrum_measured import Eigenvalues
from fimcore.experiments.spectrum_spec import INPUT_COUNTS, Spec
from fimcore.experiments.spectrum_statistics import name_of, row_of
from fimcore.experiments.spectrum_theory import QUANTITIES

FloatArray = NDArray[np.float64]

LINE_POINTS = 33
FIELD = {"width": "width", "inputs": "samples"}


def places(spec: Spec) -> tuple[int, ...]:
    """Widths, or numbers of inputs, that are measured, ascending; never more inputs than a data set has rows."""
    if spec.view == "width":
        return spec.swept_widths
    most = sample_count(spec.at(samples=spec.most_inputs))
    return tuple(sorted({*(count for count in INPUT_COUNTS if count < most), most}))


def at(spec: Spec, place: int) -> NetworkSpec:
    """The network of one place of the sweep."""
    return spec.at(**{FIELD[spec.view]: place})


def tables(spec: Spec, points: list[tuple[int, Eigenvalues]]) -> dict[str, pd.DataFrame]:
    """Tables "sweep": measured beside predicted per place and quantity; "lines": predictions between the places; "points"."""
    field = FIELD[spec.view]
    rows = []
    for place in dict.fromkeys(place for place, _ in points):
        own = [point for where, point in points if where == place]
        theory = spectrum_theory.statistics(at(spec, place), outputs_of(own))
        numbers = [point.statistics() for point in own]
        rows += [
            {field: place} | row_of(name, np.array([each[name] for each in numbers]), theory[name])
            for name in (*QUANTITIES, "median")
        ]
    single = [
        {field: place, "seed": point.seed} | point.statistics() | {"zeros": point.zeros, "parameters": point.parameters}
        for place, point in points
    ]
    sweep = pd.DataFrame(rows)
    return {"sweep": sweep, "lines": _lines(spec, sweep), "points": pd.DataFrame(single)}


def outputs_of(found: list[Eigenvalues]) -> list[FloatArray]:
    """Outputs of the networks that have kept them."""
    return [each.outputs for each in found if each.outputs is not None]


def _lines(spec: Spec, sweep: pd.DataFrame) -> pd.DataFrame:
    """Predictions on a fine grid, and where each begins to hold; of softmax, which needs outputs, at the measured places."""
    field = FIELD[spec.view]
    if spec.likelihood == "softmax":
        return sweep.loc[sweep["quantity"] != "median", [field, "quantity", "predicted"]].reset_index(drop=True)
    low, high = places(spec)[0], places(spec)[-1]
    grid = {*np.geomspace(low, high, LINE_POINTS).round().astype(int).tolist(), *places(spec)}
    grid |= {begin for name in QUANTITIES if (begin := valid_from(spec, name)) is not None}
    rows = []
    for place in sorted(grid):
        theory = spectrum_theory.statistics(at(spec, place))
        rows += [{field: place, "quantity": name, "predicted": theory[name].value} for name in QUANTITIES]
    return pd.DataFrame(rows)


def valid_from(spec: Spec, quantity: str) -> int | None:
    """The smallest width, or number of inputs, of the sweep's range from which on a quantity is predicted; None: nowhere."""

    def holds(place: int) -> bool:
        return bool(np.isfinite(spectrum_theory.statistics(at(spec, place))[quantity].value))

    low, high = places(spec)[0], places(spec)[-1]
    if not holds(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return high


def verdicts(spec: Spec, points: list[tuple[int, Eigenvalues]]) -> tuple[Verdict, ...]:
    """Measured against predicted at the end of the sweep."""
    last = max(place for place, _ in points)
    own = [point for place, point in points if place == last]
    theory = spectrum_theory.statistics(at(spec, last), outputs_of(own))
    where = f"at width {last:,}" if spec.view == "width" else f"at N = {last:,}"
    return tuple(
        verdict(
            f"{name_of(spec, name)} {where}",
            np.array([point.statistics()[name] for point in own]),
            theory[name].value,
            theory[name].reason,
        )
        for name in QUANTITIES
    )
