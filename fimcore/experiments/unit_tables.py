"""Tables and verdicts of the question `unit`: what is wrong with the closed form beyond noise, layer by layer, over networks.

Exact where inputs are Gaussian and isotropic (layer 1), and, up to one factor a unit, in the last hidden layer.
Source: Amari, Karakida, Oizumi, Fisher Information and Natural Gradient Learning of Random Deep Networks, arXiv 1808.07172.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from fimcore import meanfield
from fimcore.experiments.over_seeds import over_seeds
from fimcore.experiments.predicted import too_deep
from fimcore.experiments.result import FEWEST_SEEDS, Verdict, verdict
from fimcore.experiments.setting import architecture_of, input_moments
from fimcore.experiments.unit_forms import COVARIANCE, ISOTROPIC, OWN
from fimcore.experiments.unit_measured import ALONE, DIRECTIONS, NETWORK, PAIRS, LayerMeasured, Measured
from fimcore.experiments.unit_spec import Spec
from fimcore.number_words import count_of, percent

FloatArray = NDArray[np.float64]

CLOSE = 0.1
SURE = 0.99
OVERFLOW = "Signals overflow at this depth and weight variance."
DEAD = "No unit of this layer moves an output at these inputs: their blocks are zero."
MATRIX_WORDS = {ALONE: "the unit alone", NETWORK: "the unit in its network"}
FORM_WORDS = {ISOTROPIC: "isotropic form", COVARIANCE: "exact covariance", OWN: "factor times own matrix"}


def summarise(spec: Spec, found: list[Measured]) -> tuple[dict[str, pd.DataFrame], tuple[Verdict, ...]]:
    """All tables and verdicts of the networks measured so far."""
    kept = [each for each in found if each.layers]
    rows, verdicts = [], []
    for layer in range(1, spec.hidden_layers + 1):
        own = [each.layers[layer - 1] for each in kept]
        for matrix, form in PAIRS:
            row, judged = _compared(spec, layer, matrix, form, own)
            rows.append(row)
            verdicts.append(judged)
    factors, more = _factors(spec, kept)
    tables = {
        "layers": pd.DataFrame(rows),
        "directions": _directions(spec, kept),
        "inputs": _inputs(spec, kept),
        "factors": factors,
        "points": _points(kept),
    }
    return tables, (*verdicts, *more)


def why_not(spec: Spec, layer: int, matrix: str, form: str) -> str:
    """Why theory does not claim that a form is exact; empty where it does."""
    reasons, linear = [], spec.activation == "linear"
    if matrix == NETWORK:
        reason = outside(spec)
        if reason:
            return reason
        if layer < spec.hidden_layers and not linear:
            reasons.append("the signal that comes back from above differs from input to input")
    if form == OWN or (form == COVARIANCE and linear):
        return _sentence(reasons)
    if layer == 1 and spec.inputs == "gaussian":
        return _sentence(reasons)
    if layer == 1:
        laws = {"sphere": "inputs on a sphere are Gaussian only in many dimensions"}
        reasons.append(laws.get(spec.inputs, "the data are neither Gaussian nor isotropic"))
    elif form == COVARIANCE:
        reasons.append("activations are not Gaussian")
    else:
        reasons.append(f"activations are {'not' if linear else 'neither Gaussian nor'} isotropic")
    return _sentence(reasons)


def outside(spec: Spec) -> str:
    """Why nothing is claimed about blocks inside the network; empty where something is."""
    if spec.likelihood == "softmax":
        return "Softmax weighs inputs by how uncertain the outputs are: no factor does that."
    if spec.estimator == "empirical":
        return "The closed form is about the Fisher matrix; the empirical matrix is another one."
    return ""


def _sentence(reasons: list[str]) -> str:
    text = ", and ".join(reasons)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _compared(
    spec: Spec, layer: int, matrix: str, form: str, found: list[LayerMeasured]
) -> tuple[dict[str, object], Verdict]:
    pair = (matrix, form)
    wrong = np.array([each.wrong[pair] for each in found])
    noise = np.array([each.noise[pair] for each in found])
    there = np.isfinite(wrong)
    wrong, noise = wrong[there], noise[there]
    reason = why_not(spec, layer, matrix, form)
    if not len(wrong):
        reason = OVERFLOW if not found else DEAD
    judged = _verdict(spec, layer, matrix, form, wrong, noise)
    row: dict[str, object] = {
        "layer": layer,
        "matrix": matrix,
        "form": form,
        "error": root(_of(np.mean, wrong)),
        "low": root(_of(np.min, wrong)),
        "high": root(_of(np.max, wrong)),
        "noise": root(_of(np.mean, noise)),
        "visible": root(_chance(wrong)) if len(wrong) > 1 else math.nan,
        "seeds": len(wrong),
        "dead": sum(each.dead for each in found),
        "predicted": 0.0 if not reason else math.nan,
        "verdict": judged.word,
        "reason": reason,
    }
    return row, judged


def root(square: float) -> float:
    """The root of an estimated square; where noise has taken it below 0, nothing is left."""
    return math.sqrt(max(square, 0.0)) if math.isfinite(square) else math.nan


def _chance(wrong: FloatArray) -> float:
    """How far above 0 the mean of these values lies by chance in one of a hundred cases; they are few, hence Student's t."""
    quantile = float(student.ppf(SURE, len(wrong) - 1))
    return quantile * float(wrong.std(ddof=1)) / math.sqrt(len(wrong))


def _of(average: Callable[[FloatArray], np.floating], values: FloatArray) -> float:
    return float(average(values)) if len(values) else math.nan


def _verdict(spec: Spec, layer: int, matrix: str, form: str, wrong: FloatArray, noise: FloatArray) -> Verdict:
    """agrees: what is left without noise may be chance (99 %); close: at most 10 %; else disagrees."""
    quantity = f"Layer {layer}, {MATRIX_WORDS[matrix]}, {FORM_WORDS[form]}"
    if matrix == NETWORK and outside(spec):
        return Verdict(quantity, "no prediction", f"{quantity}: no prediction here. {outside(spec)}")
    if not len(wrong):
        return Verdict(quantity, "too few seeds to say", f"{quantity}: nothing was measured.")
    left, count = root(float(wrong.mean())), count_of(len(wrong), "network")
    facts = f"{percent(left)} of the matrix is wrong, beside {percent(root(float(noise.mean())))} of noise ({count})"
    if len(wrong) < FEWEST_SEEDS:
        word = "too few seeds to say"
    # a hundredth of a per cent is rounding, not a finding
    elif wrong.mean() <= max(_chance(wrong), 1e-8):
        word = "agrees"
    else:
        word = "close" if left <= CLOSE else "disagrees"
    return Verdict(quantity, word, f"{quantity}: {facts}: {word}.")


def _directions(spec: Spec, kept: list[Measured]) -> pd.DataFrame:
    rows = []
    for layer in range(1, spec.hidden_layers + 1):
        for kind in DIRECTIONS:
            seen = over_seeds(np.array([each.layers[layer - 1].cosines[kind] for each in kept]))
            ends = {name: seen[name] for name in ("low", "high", "spread", "seeds")}
            rows.append({"layer": layer, "form": kind, "cosine": seen["measured"], **ends})
    return pd.DataFrame(rows)


def _inputs(spec: Spec, kept: list[Measured]) -> pd.DataFrame:
    rows = []
    for layer in range(1, spec.hidden_layers + 1):
        own = [each.layers[layer - 1] for each in kept]
        share, flat, kurtosis = (
            np.array([getattr(each, name) for each in own]) for name in ("mean_share", "anisotropy", "kurtosis")
        )
        rows.append(
            {
                "layer": layer,
                "mean_share": max(0.0, _finite_mean(share)) if np.isfinite(share).any() else math.nan,
                "anisotropy": root(_finite_mean(flat)),
                "kurtosis": _finite_mean(kurtosis),
                "seeds": len(own),
            }
        )
    return pd.DataFrame(rows)


def _finite_mean(values: FloatArray) -> float:
    return _of(np.mean, values[np.isfinite(values)])


def _factors(spec: Spec, kept: list[Measured]) -> tuple[pd.DataFrame, list[Verdict]]:
    """E S_i / A_0: mean over units beside s_w C g_1 / n with g_1 the gradient of the layer above, and the spread over units."""
    reason, rows, verdicts = outside(spec) or too_deep(spec), [], []
    mean, between = [math.nan] * spec.hidden_layers, [math.nan] * spec.hidden_layers
    if not reason:
        moments = input_moments(spec)
        found = meanfield.propagate(architecture_of(spec), moments.length, min(moments.overlap, moments.length))
        scale = spec.weight_variance * spec.outputs / spec.noise_variance / spec.width
        mean = [scale * float(value) for value in found.gradient[1:]]
        shares = found.gradient_overlap[1:] / np.where(found.gradient[1:] > 0, found.gradient[1:], np.nan)
        between = [math.sqrt(2 / spec.outputs) * float(value) for value in shares]
    for layer in range(1, spec.hidden_layers + 1):
        units = [each.layers[layer - 1].factors for each in kept]
        means = np.array([_finite_mean(each) for each in units])
        spreads = np.array([_relative_spread(each) for each in units])
        expected = mean[layer - 1] if math.isfinite(mean[layer - 1]) else math.nan
        seen = over_seeds(means)
        rows.append(
            {
                "layer": layer,
                **{name: seen[name] for name in ("measured", "spread", "seeds")},
                "predicted": expected,
                "between_units": _finite_mean(spreads),
                "between_units_predicted": between[layer - 1] if math.isfinite(between[layer - 1]) else math.nan,
                "reason": reason or ("" if math.isfinite(expected) else OVERFLOW),
            }
        )
        verdicts.append(verdict(f"Factor of layer {layer}", means, expected, reason or OVERFLOW))
    return pd.DataFrame(rows), verdicts


def _relative_spread(values: FloatArray) -> float:
    values = values[np.isfinite(values)]
    return float(values.std(ddof=1) / values.mean()) if len(values) > 1 and values.mean() > 0 else math.nan


def _points(kept: list[Measured]) -> pd.DataFrame:
    rows = [
        {
            "seed": each.seed,
            "layer": layer,
            "matrix": matrix,
            "form": form,
            "wrong": own.wrong[matrix, form],
            "noise": own.noise[matrix, form],
        }
        for each in kept
        for layer, own in enumerate(each.layers, start=1)
        for matrix, form in PAIRS
    ]
    return pd.DataFrame(rows, columns=["seed", "layer", "matrix", "form", "wrong", "noise"])
