"""One unit of one network: its measured block, its closed form, their eigenvalues, inverses and natural gradients.

    F_ii = E S_i a~ a~^T   against   g A_0 K, g = E S_i / A_0;   (F_ii + lambda)^{-1} g_i   against   (g A_0 K + lambda)^{-1} g_i.
Source: Amari, Karakida, Oizumi, Fisher Information and Natural Gradient Learning of Random Deep Networks, arXiv 1808.07172.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fimcore import meanfield
from fimcore.experiments.setting import factors_of, inputs_of, labels_of, likelihood_of, network_of
from fimcore.experiments.unit_forms import COVARIANCE, ISOTROPIC, fitted
from fimcore.experiments.unit_measured import finite, halves_of
from fimcore.experiments.unit_spec import Spec
from fimcore.experiments.unit_tables import OVERFLOW, root
from fimcore.fisher import Factors, unit_blocks
from fimcore.meanfield import UnitFisher
from fimcore.training import mean_gradient

FloatArray = NDArray[np.float64]

KINDS = (ISOTROPIC, COVARIANCE)
MOST_CELLS = 129


@dataclass(frozen=True, eq=False)
class OneUnit:
    """The chosen unit of the first network.

    measured, first, second: its block over all inputs and over either half, (k, k). forms: `UnitFisher` of the unit on inputs of
    its layer's mean and covariance, over all inputs and from either half, by kind; the block it predicts is factor * dense().
    factors: E S_i / A_0 by kind, over all inputs and over either half. gradient: its part of the loss gradient, (k,).
    """

    measured: FloatArray
    first: FloatArray
    second: FloatArray
    forms: dict[str, tuple[UnitFisher, UnitFisher, UnitFisher]]
    factors: dict[str, tuple[float, float, float]]
    gradient: FloatArray

    @property
    def dead(self) -> bool:
        """Whether its block is zero."""
        return not self.measured[-1, -1] > 0

    def predicted(self, kind: str, place: int = 0) -> FloatArray:
        """The block in closed form; place: 0 all inputs, 1 and 2 the halves."""
        return self.factors[kind][place] * self.forms[kind][place].dense()


def one_unit(spec: Spec) -> OneUnit:
    """Measure the chosen unit, and predict it.

    Raises:
        ValueError: signals overflow.
    """
    made = factors_of(spec)
    if not finite(made):
        raise ValueError(f"{OVERFLOW} Lower the weight variance or the number of hidden layers.")
    layer, unit = spec.shown_layer, spec.shown_unit
    sets = (made, *halves_of(made))
    blocks = [unit_blocks(each, layer, slice(unit - 1, unit))[0].numpy() for each in sets]
    forms, factors = {}, {}
    for kind in KINDS:
        every = [_form(spec, each, layer, unit, kind) for each in sets]
        forms[kind] = (every[0], every[1], every[2])
        scale = [
            float(block[-1, -1]) / form.A0 if form.A0 > 0 else 0.0 for block, form in zip(blocks, every, strict=True)
        ]
        factors[kind] = (scale[0], scale[1], scale[2])
    gradient = mean_gradient(network_of(spec), inputs_of(spec), labels_of(spec), likelihood_of(spec))
    part = gradient[made.layout.unit_slice(layer, unit)].numpy()
    return OneUnit(blocks[0], blocks[1], blocks[2], forms, factors, part)


def _form(spec: Spec, made: Factors, layer: int, unit: int, kind: str) -> UnitFisher:
    """The unit alone, on Gaussian inputs with mean 0 and variance 1 where that is their law, else with what was measured."""
    network = made.network
    w, w0 = network.weights[layer - 1][unit - 1].numpy(), float(network.biases[layer - 1][unit - 1])
    if layer == 1 and spec.law_known:
        return meanfield.unit_fisher(network.activation, w, w0)
    found = fitted(made, kind == ISOTROPIC)
    mean, spread = found.means[layer - 1].numpy(), found.covariances[layer - 1].numpy()
    if spread.ndim == 0 and spread > 0:
        return meanfield.unit_fisher(network.activation, w, w0, mean, float(spread))
    whole = np.zeros((w.size, w.size)) if spread.ndim == 0 else spread
    return meanfield.unit_fisher(network.activation, w, w0, mean, covariance=whole)


def axes_along(weights: FloatArray) -> FloatArray:
    """An orthogonal (k, k) matrix whose rows are the unit's weight direction, its bias, and directions across, in this order."""
    size, length = weights.size, float(np.linalg.norm(weights))
    turned = np.zeros((size + 1, size + 1))
    mirror = np.eye(size)
    if length > 0:
        direction = weights / length
        sign = 1.0 if direction[0] >= 0 else -1.0
        apart = direction.copy()
        apart[0] += sign
        mirror = -sign * (np.eye(size) - 2 * np.outer(apart, apart) / (apart @ apart))
    turned[0, :-1] = mirror[0]
    turned[1, -1] = 1.0
    turned[2:, :-1] = mirror[1:]
    return turned


def matrices(spec: Spec, one: OneUnit) -> dict[str, FloatArray]:
    """Measured block, closed form as chosen, and their difference, in the axes that were chosen."""
    kind = ISOTROPIC if spec.isotropic else COVARIANCE
    axes = axes_along(one.forms[kind][0].w) if spec.along else np.eye(len(one.measured))
    shown = {"measured": one.measured, "closed_form": one.predicted(kind)}
    turned = {name: axes @ matrix @ axes.T for name, matrix in shown.items()}
    return {**turned, "difference": turned["measured"] - turned["closed_form"]}


def forms_table(spec: Spec, one: OneUnit) -> pd.DataFrame:
    """Per kind of closed form: error, what of it is wrong and what is noise, factor, slope moments, inverse and direction."""
    size, whole = float((one.first * one.second).sum()), one.measured
    damping = spec.damping * float(np.trace(whole)) / len(whole)
    rows = []
    for kind in KINDS:
        left, right = (block - one.predicted(kind, place) for place, block in ((1, one.first), (2, one.second)))
        form, alive = one.forms[kind][0], size > 0
        rows.append(
            {
                "layer": spec.shown_layer,
                "unit": spec.shown_unit,
                "form": kind,
                "error": float(np.linalg.norm(whole - one.predicted(kind)) / np.linalg.norm(whole))
                if alive
                else math.nan,
                "wrong": root(float((left * right).sum() / size)) if alive else math.nan,
                "noise": float(np.linalg.norm(left - right)) / 2 / math.sqrt(size) if alive else math.nan,
                "factor": one.factors[kind][0],
                "scale": pre_activation(form)[0],
                "centre": pre_activation(form)[1],
                "variance": _variance(form),
                "A0": form.A0,
                "A1": form.A1,
                "A2": form.A2,
                **_directions(one, kind, damping),
            }
        )
    return pd.DataFrame(rows)


def pre_activation(form: UnitFisher) -> tuple[float, float]:
    """(s, c), standard deviation and mean of the pre-activation: |w| and w_0 for inputs of mean 0 and variance 1."""
    moved = form.variance * form.w if isinstance(form.variance, float) else form.variance @ form.w
    return math.sqrt(max(0.0, float(form.w @ moved))), form.w0 + float(form.w @ form.mean)


def _variance(form: UnitFisher) -> float:
    """The mean variance of the unit's inputs."""
    return form.variance if isinstance(form.variance, float) else float(np.trace(form.variance)) / len(form.variance)


def pooled(matrix: FloatArray, cells: int = MOST_CELLS) -> FloatArray:
    """A matrix as a picture of at most `cells` rows: the entry of largest magnitude in every cell, sign kept."""
    step = -(-len(matrix) // cells)
    if step == 1:
        return matrix
    starts = np.arange(0, len(matrix), step)
    high, low = (
        operation.reduceat(operation.reduceat(matrix, starts, axis=0), starts, axis=1)
        for operation in (np.maximum, np.minimum)
    )
    return np.where(high > -low, high, low)


def _directions(one: OneUnit, kind: str, damping: float) -> dict[str, float]:
    """Cosine of the natural gradients in the metric of the block, that of the plain gradient and of two halves, inverse error."""
    names = ("cosine", "gradient_cosine", "halves_cosine", "inverse_error")
    factor = one.factors[kind][0]
    if one.dead or factor <= 0 or not one.gradient.any():
        return dict.fromkeys(names, math.nan)
    identity = np.eye(len(one.measured))
    exact = np.linalg.inv(one.measured + damping * identity)
    # (g U + lambda)^-1 v = (U + lambda / g)^-1 v / g: the closed form in O(n) where it is isotropic
    closed = one.forms[kind][0].natural_gradient(one.gradient, damping / factor) / factor
    first, second = (np.linalg.inv(block + damping * identity) @ one.gradient for block in (one.first, one.second))
    inverse = np.linalg.inv(one.predicted(kind) + damping * identity)
    wanted = exact @ one.gradient
    return {
        "cosine": cosine(one.measured, closed, wanted),
        "gradient_cosine": cosine(one.measured, one.gradient, wanted),
        "halves_cosine": cosine(one.measured, first, second),
        "inverse_error": float(np.linalg.norm(inverse - exact) / np.linalg.norm(exact)),
    }


def cosine(metric: FloatArray, left: FloatArray, right: FloatArray) -> float:
    """u^T F v / sqrt(u^T F u v^T F v); nan where one of them changes nothing."""
    size = float(left @ metric @ left) * float(right @ metric @ right)
    return float(np.clip(left @ metric @ right / math.sqrt(size), -1, 1)) if size > 0 else math.nan


def eigenvalues_table(one: OneUnit) -> pd.DataFrame:
    """By rank: eigenvalues of the measured block and of both closed forms, and of the measured block without noise.

    Without noise: directions from one half of the inputs, sizes along them from the other, both ways round.
    """
    columns = {"measured": np.linalg.eigvalsh(one.measured)[::-1]}
    cross = []
    for left, right in ((one.first, one.second), (one.second, one.first)):
        vectors = np.linalg.eigh(left)[1][:, ::-1]
        cross.append(np.einsum("ij,ik,kj->j", vectors, right, vectors))
    columns["without_noise"] = (cross[0] + cross[1]) / 2
    for kind in KINDS:
        columns[kind] = one.factors[kind][0] * one.forms[kind][0].eigenvalues()
    return pd.DataFrame({"rank": np.arange(1, len(one.measured) + 1), **columns})


def entries_table(one: OneUnit) -> pd.DataFrame:
    """What the block is along the unit's weights, towards its bias and across, measured and in both closed forms."""
    axes = axes_along(one.forms[ISOTROPIC][0].w)
    found = {"measured": axes @ one.measured @ axes.T}
    found |= {kind: axes @ one.predicted(kind) @ axes.T for kind in KINDS}
    across = slice(2, None)

    def off(matrix: FloatArray) -> float:
        part = matrix[across, across]
        rest = part.size - len(part)
        return float(np.linalg.norm(part - np.diag(np.diag(part)))) / math.sqrt(rest) if rest else math.nan

    def mean(matrix: FloatArray) -> float:
        part = np.diag(matrix)[across]
        return float(part.mean()) if len(part) else math.nan

    rows = {
        "bias with bias": {name: float(matrix[1, 1]) for name, matrix in found.items()},
        "along w with itself": {name: float(matrix[0, 0]) for name, matrix in found.items()},
        "along w with bias": {name: float(matrix[0, 1]) for name, matrix in found.items()},
        "across with itself (mean)": {name: mean(matrix) for name, matrix in found.items()},
        "across with across (RMS)": {name: off(matrix) for name, matrix in found.items()},
    }
    return pd.DataFrame([{"entry": entry, **values} for entry, values in rows.items()])
