"""Largest eigenvalues of the blocks: layer by layer and their sum, and of the block-diagonal approximations beside the full matrix.

lambda_max(F^ll) add up to lambda_max(F), because all blocks share the direction in which every output moves together.
Source: Karakida, Akaho, Amari, arXiv 1806.01316; the additivity is derived from the same order parameters.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fimcore.experiments import spectrum_theory
from fimcore.experiments.predicted import Prediction
from fimcore.experiments.result import Verdict, verdict
from fimcore.experiments.spectrum_measured import Blocks
from fimcore.experiments.spectrum_spec import Spec
from fimcore.experiments.spectrum_statistics import row_of

FloatArray = NDArray[np.float64]

STRUCTURES = {
    "full": "Full matrix",
    "layer_blocks": "Layer blocks",
    "unit_blocks": "Unit blocks",
    "hidden_units": "Unit blocks, hidden layers",
    "diagonal": "Diagonal",
}
NO_FORMULA = "There is no mean-field formula for this part of the matrix."


def structure_values(point: Blocks) -> dict[str, float]:
    """Largest eigenvalue of every approximation of one network."""
    return {
        "full": point.full,
        "layer_blocks": float(point.layers.max()),
        "unit_blocks": float(point.units.max()),
        "hidden_units": float(point.units[:-1].max()),
        "diagonal": point.diagonal,
    }


def tables(spec: Spec, points: list[Blocks]) -> dict[str, pd.DataFrame]:
    """Tables "layers" (with the sum over them and the full matrix), "structures", and "points"."""
    theory = spectrum_theory.layers(spec)
    full = _full(spec, theory)
    layers = np.array([point.layer_outliers for point in points])
    rows = [
        {"layer": str(place + 1)} | row_of("layer", layers[:, place], theory[place]) for place in range(layers.shape[1])
    ]
    rows.append({"layer": "sum"} | row_of("sum", layers.sum(axis=1), _sum(theory, full)))
    rows.append({"layer": "full"} | row_of("full", np.array([point.outlier for point in points]), full))
    whole = np.array([point.full for point in points])
    found = [structure_values(point) for point in points]
    kept = []
    for name in STRUCTURES:
        own = np.array([each[name] for each in found])
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(whole > 0, own / whole, np.nan)
        row = row_of(name, own, _structure(name, theory, full))
        row["structure"] = row.pop("quantity")
        kept.append(row | {"share": float(share.mean()), "share_spread": _spread(share)})
    single = []
    for point, each in zip(points, found, strict=True):
        parts = dict(each)
        parts |= {f"layer {place + 1}": value for place, value in enumerate(point.layers.tolist())}
        parts |= {f"units of layer {place + 1}": value for place, value in enumerate(point.units.tolist())}
        single += [{"seed": point.seed, "part": part, "largest": value} for part, value in parts.items()]
    first = ["structure", "measured", "share"]
    structures = pd.DataFrame(kept)
    structures = structures[[*first, *(name for name in structures.columns if name not in first)]]
    return {
        "layers": pd.DataFrame(rows).drop(columns="quantity"),
        "structures": structures,
        "points": pd.DataFrame(single),
    }


def _spread(values: FloatArray) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else np.nan


def _full(spec: Spec, theory: list[Prediction]) -> Prediction:
    """Prediction for the largest eigenvalue of the whole matrix."""
    if spec.likelihood == "softmax":
        return theory[0]
    return spectrum_theory.statistics(spec)["outlier"]


def _sum(theory: list[Prediction], full: Prediction) -> Prediction:
    """The sum is predicted wherever the full matrix is: layers without an outlier are a small part of it."""
    missing = [each for each in theory if not np.isfinite(each.value)]
    return full if missing else Prediction(sum(each.value for each in theory))


def _structure(name: str, theory: list[Prediction], full: Prediction) -> Prediction:
    if name == "full":
        return full
    if name != "layer_blocks":
        return Prediction(np.nan, NO_FORMULA)
    known = [each.value for each in theory if np.isfinite(each.value)]
    return Prediction(max(known)) if known else theory[0]


def verdicts(spec: Spec, points: list[Blocks]) -> tuple[Verdict, ...]:
    """The sum over the layers against the full matrix, and each layer's largest eigenvalue against its prediction."""
    theory = spectrum_theory.layers(spec)
    full = _full(spec, theory)
    layers = np.array([point.layer_outliers for point in points])
    whole = np.array([point.outlier for point in points])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(whole > 0, layers.sum(axis=1) / whole, np.nan)
    found = [verdict("Sum over the layers / full", ratio, np.nan if full.reason else 1.0, full.reason)]
    found += [
        verdict(f"Layer {place + 1}", layers[:, place], each.value, each.reason) for place, each in enumerate(theory)
    ]
    return tuple(found)
