"""The spectrum at one setting: its statistics beside their predictions, the eigenvalues by rank, and their density.

Source: Karakida, Akaho, Amari, arXiv 1806.01316, 1910.05992, 1906.02926.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fimcore.experiments import spectrum_theory
from fimcore.experiments.over_seeds import over_seeds
from fimcore.experiments.predicted import Prediction
from fimcore.experiments.result import Verdict, verdict
from fimcore.experiments.spectrum_measured import Eigenvalues
from fimcore.experiments.spectrum_spec import Spec
from fimcore.experiments.spectrum_theory import QUANTITIES

FloatArray = NDArray[np.float64]

BINS_PER_DECADE, MOST_BINS = 12, 160
NAMES = {
    "outlier": "Largest eigenvalue",
    "bulk": "Bulk",
    "median": "Median of the bulk",
    "mean": "Mean eigenvalue",
    "second_moment": "Second moment",
    "centred_outlier": "Largest, outputs centred",
    "centred_bulk": "Bulk, outputs centred",
    "centred_mean": "Mean, outputs centred",
}


def row_of(name: str, own: FloatArray, theory: Prediction) -> dict[str, Any]:
    """One row: mean and spread over networks, the prediction, measured / predicted - 1, and the reason where there is none."""
    seen = over_seeds(own)
    return {
        "quantity": name,
        **seen,
        "predicted": theory.value,
        "residual": seen["measured"] / theory.value - 1 if theory.value else np.nan,
        "reason": theory.reason,
    }


def centred_numbers(point: Eigenvalues) -> dict[str, float]:
    """The same statistics with centred outputs; their bulk is the mean of all that is not zero."""
    assert point.centred is not None
    values = point.centred
    return {
        "centred_outlier": float(values[0]) if len(values) else 0.0,
        "centred_bulk": float(values.mean()) if len(values) else np.nan,
        "centred_mean": float(values.sum()) / point.parameters,
    }


def centring_applies(spec: Spec) -> bool:
    """Centring takes the mean output off, which is one row of the matrix per output in regression alone."""
    return spec.centred and spec.likelihood == "regression" and spec.estimator == "exact"


def tables(spec: Spec, points: list[Eigenvalues]) -> dict[str, pd.DataFrame]:
    """Tables "statistics", "eigenvalues" (by rank), "density" (log-binned), "outliers" (place by place) and "points"."""
    outputs = [point.outputs for point in points if point.outputs is not None]
    theory = spectrum_theory.statistics(spec, outputs)
    numbers = [point.statistics() for point in points]
    if centring_applies(spec):
        theory |= spectrum_theory.centred(spec)
        numbers = [each | centred_numbers(point) for each, point in zip(numbers, points, strict=True)]
    rows = [row_of(name, np.array([each[name] for each in numbers]), theory[name]) for name in numbers[0]]
    single = [
        {"seed": point.seed} | each | {"zeros": point.zeros, "parameters": point.parameters}
        for point, each in zip(points, numbers, strict=True)
    ]
    return {
        "statistics": pd.DataFrame(rows),
        "eigenvalues": _by_rank(points),
        "density": _density(points),
        "outliers": _outliers(spec, points),
        "points": pd.DataFrame(single),
    }


def padded(rows: list[FloatArray]) -> FloatArray:
    """Lists of different lengths as one array, missing (nan) at the end."""
    found = np.full((len(rows), max((len(row) for row in rows), default=0)), np.nan)
    for place, row in enumerate(rows):
        found[place, : len(row)] = row
    return found


def _by_rank(points: list[Eigenvalues]) -> pd.DataFrame:
    """Mean, smallest and largest over networks at every rank; centred ones beside them."""
    columns = {"eigenvalue": padded([point.values for point in points])}
    if points[0].centred is not None:
        columns["centred"] = padded([point.centred for point in points if point.centred is not None])
    size = max(values.shape[1] for values in columns.values())
    made: dict[str, Any] = {"rank": np.arange(1, size + 1)}
    for name, values in columns.items():
        full = np.pad(values, ((0, 0), (0, size - values.shape[1])), constant_values=np.nan)
        there = np.isfinite(full).any(axis=0)
        for column, function in ((name, np.nanmean), (f"{name}_low", np.nanmin), (f"{name}_high", np.nanmax)):
            made[column] = np.full(size, np.nan)
            made[column][there] = function(full[:, there], axis=0)
    return pd.DataFrame(made)


def _density(points: list[Eigenvalues]) -> pd.DataFrame:
    """Eigenvalues per network in bins of equal width in log10 lambda, over all networks."""
    every = {"count": np.concatenate([point.values for point in points])}
    if points[0].centred is not None:
        every["centred_count"] = np.concatenate([point.centred for point in points if point.centred is not None])
    positive = np.concatenate(list(every.values()))
    positive = positive[positive > 0]
    if not len(positive):
        return pd.DataFrame({"low": [], "high": [], **{name: [] for name in every}})
    first, last = np.log10(positive.min()), np.log10(positive.max())
    step = max(1 / BINS_PER_DECADE, (last - first) / MOST_BINS)
    edges = np.arange(np.floor(first / step), np.ceil(last / step) + 1) * step
    edges = edges if len(edges) > 1 else np.array([edges[0], edges[0] + step])
    counts = {
        name: np.histogram(np.log10(values[values > 0]), bins=edges)[0] / len(points) for name, values in every.items()
    }
    return pd.DataFrame({"low": 10.0 ** edges[:-1], "high": 10.0 ** edges[1:], **counts})


def _outliers(spec: Spec, points: list[Eigenvalues]) -> pd.DataFrame:
    """The eigenvalues that are expected to stand out, and the next one, place by place."""
    places = min(point.outliers for point in points)
    values = padded([point.values[: places + 1] for point in points])
    theory = spectrum_theory.outlier_places(spec, [p.outputs for p in points if p.outputs is not None], places)
    theory.append(Prediction(np.nan, "The first eigenvalue of the bulk."))
    rows = [
        {"place": place + 1} | row_of("outlier", values[:, place], theory[place]) for place in range(values.shape[1])
    ]
    columns = ["place", "measured", "spread", "low", "high", "seeds", "predicted", "residual", "reason"]
    return pd.DataFrame(rows, columns=columns)


def verdicts(spec: Spec, points: list[Eigenvalues]) -> tuple[Verdict, ...]:
    """Measured against predicted: mean, second moment, largest and bulk, and with centred outputs what theory says of them."""
    theory = spectrum_theory.statistics(spec, [point.outputs for point in points if point.outputs is not None])
    numbers = [point.statistics() for point in points]
    names = list(QUANTITIES)
    if centring_applies(spec):
        theory |= spectrum_theory.centred(spec)
        numbers = [each | centred_numbers(point) for each, point in zip(numbers, points, strict=True)]
        names += ["centred_mean", "centred_outlier"]
    return tuple(
        verdict(
            name_of(spec, name),
            np.array([each[name] for each in numbers]),
            theory[name].value,
            theory[name].reason,
        )
        for name in names
    )


def name_of(spec: Spec, quantity: str) -> str:
    """A quantity in words: with several outputs of regression the outlier is the mean of as many eigenvalues."""
    if quantity == "outlier" and spec.likelihood == "regression" and spec.outputs > 1:
        return f"Mean of the {spec.outputs} largest eigenvalues"
    return NAMES[quantity]
