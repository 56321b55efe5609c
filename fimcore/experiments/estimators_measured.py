"""What the question `estimators` takes from one network: layer means of exact variances and bounds, units, causes, and a check.

The check draws labels: squared scores s^2 and negative second derivatives h from the measured wing, whose squared distances
from F(x) must average to the exact variances. Two draws an input tell the error of that average at these inputs.
Source: Soen, Sun, Trade-Offs of Diagonal Fisher Information Matrix Estimators, arXiv 2402.05379.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from fimcore.estimators import DiagonalVariances, diagonal_variances
from fimcore.experiments.estimators_needed import Needed, needed_of, variances_of
from fimcore.experiments.estimators_spec import Spec
from fimcore.experiments.setting import LABEL_STREAM
from fimcore.fisher.factors import factors
from fimcore.likelihoods import LikelihoodWithMoments
from fimcore.networks import Network
from fimcore.parameters import ParameterLayout

# Quantities of a layer: names of columns, in the order of the tables.
BOUNDED = ("fisher", "score", "hessian")
QUANTITIES = (
    *("fisher", "score", "hessian", "mixture", "input"),
    *("fisher_lower", "fisher_upper", "score_lower", "score_upper", "hessian_lower", "hessian_upper"),
    *("fisher_tightness", "score_tightness", "hessian_tightness"),
    *("negative", "score_wins", "hessian_wins"),
)
# Matrices of n_l^2 numbers an input that the check of the Hessian estimator may hold.
CHECK_ENTRIES = 4_000_000
ROUNDING = 1e-9
# Where the score's square hardly varies, its variance is what rounding leaves of the difference of two numbers of size F(x)^2.
CANCELLED = 1e-13


@dataclass(frozen=True, eq=False)
class Measured:
    """Of one network. layers: name to (L,); units: name to L arrays (n_l,); causes: shares of V2, (L, L); forms: per bound.

    outside: per bounded quantity how many parameters lie outside their bounds; check: (L, 2, 3) of exact variance, drawn mean
    and its standard error, for the score and the Hessian estimator; checked: labels drawn for it; rarity: (L,) see `rarity_of`;
    needed: samples of every parameter, see `needed_of`.
    """

    layers: dict[str, np.ndarray]
    units: dict[str, list[np.ndarray]]
    causes: np.ndarray
    alone: np.ndarray
    forms: dict[tuple[str, str, str, str], np.ndarray]
    outside: dict[str, int]
    check: np.ndarray
    checked: int
    rarity: np.ndarray
    needed: Needed


def checked_inputs(layout: ParameterLayout, samples: int) -> int:
    """Inputs at which labels are drawn for the check: all that fit."""
    return max(1, min(samples, CHECK_ENTRIES // sum(n**2 for n in layout.units)))


def measure(spec: Spec, number: int) -> Measured:
    """`Measured` of network `number`."""
    known = variances_of(spec, number)
    bounds = known.bounds
    variances = {"score": known.var_score, "hessian": known.var_hessian}
    layers = {"fisher": _mean(known, known.fisher)}
    roots = variances | {"mixture": known.var_mixture, "input": known.input_variance}
    layers |= {name: np.sqrt(_mean(known, values)) for name, values in roots.items()}
    forms: dict[tuple[str, str, str, str], np.ndarray] = {}
    outside, squares = {}, known.input_variance + known.fisher.square()
    for name, bound in (("fisher", bounds.fisher), ("score", bounds.var_score), ("hessian", bounds.var_hessian)):
        value = known.fisher if name == "fisher" else variances[name]
        room = ROUNDING * bound.upper + (CANCELLED * squares if name == "score" else 0.0)
        outside[name] = int(((value > bound.upper + room) | (value < bound.lower - room)).sum())
        for side, limit in (("lower", bound.lower), ("upper", bound.upper)):
            mean = _mean(known, limit).clip(min=0)
            layers[f"{name}_{side}"] = mean if name == "fisher" else np.sqrt(mean)
        layers[f"{name}_tightness"] = _ratio(layers[name], layers[f"{name}_upper"])
        for form in bound.forms:
            mean = _mean(known, form.values).clip(min=0)
            forms[name, form.side, form.name, form.formula] = mean if name == "fisher" else np.sqrt(mean)
    negative = known.negative_share(seed=spec.seed + number + LABEL_STREAM)
    layers["negative"] = negative.layers.numpy()
    layers["score_wins"] = _mean(known, (known.var_score < known.var_hessian).to(known.fisher))
    layers["hessian_wins"] = _mean(known, (known.var_hessian < known.var_score).to(known.fisher))
    per_unit = {"fisher": known.fisher, "var_score": known.var_score, "var_hessian": known.var_hessian}
    units = {name: [unit.numpy() for unit in known.by_unit(values)] for name, values in per_unit.items()}
    units["negative"] = [unit.numpy() for unit in negative.units]
    causes, alone = known.later_layers.layer_share.numpy(), known.later_layers.layer_alone.numpy()
    checked = checked_inputs(known.layout, known.samples)
    check = check_against_labels(known, checked, spec.seed + number + LABEL_STREAM)
    return Measured(
        layers, units, causes, alone, forms, outside, check, 2 * checked, rarity_of(known), needed_of(spec, known)
    )


def check_against_labels(known: DiagonalVariances, count: int, seed: int) -> np.ndarray:
    """(L, 2, 3): mean exact variance, mean over drawn labels and its standard error, at the first `count` inputs."""
    network, x, family = known.network, known.x[:count], known.likelihood
    if count < known.samples:
        known = diagonal_variances(network, x, family)
    exact = factors(network, x, family)
    drawn = [_drawn(network, x, family, seed + place) for place in range(2)]
    found = np.zeros((len(network.weights), 2, 3))
    least = CANCELLED * _mean(known, known.input_variance + known.fisher.square())
    for layer in range(1, len(network.weights) + 1):
        fisher = exact.unit_strength(layer)
        fourth = exact.inputs[layer - 1].square().square().mean(dim=1)
        for place, variance in enumerate((known.var_score, known.var_hessian)):
            first, second = ((values[place][layer - 1] - fisher).square().mean(dim=1) * fourth for values in drawn)
            error = float((first - second).square().sum().sqrt()) / (2 * count)
            mean = float((first + second).mean()) / 2
            told = np.array([float(known.by_layer(variance)[layer - 1]), mean])
            found[layer - 1, place] = *np.where(told > least[layer - 1], told, 0.0), error
    return found


def rarity_of(known: DiagonalVariances) -> np.ndarray:
    """(L,) E s^4 / (E s^2)^2 of the scores: one label in so many carries the variance, and fewer than that do not see it."""
    square = known.input_variance + known.fisher.square()
    return 1 + _ratio(_mean(known, known.var_score), _mean(known, square))


def _drawn(network: Network, x: Tensor, family: LikelihoodWithMoments, seed: int) -> tuple[list[Tensor], list[Tensor]]:
    """Squared scores and negative second derivatives of every unit at one label an input: L tensors (N, n_l) each."""
    layers = range(1, len(network.weights) + 1)
    score, hessian = (factors(network, x, family, estimator, seed) for estimator in ("score", "hessian"))
    return [score.unit_strength(layer) for layer in layers], [hessian.unit_strength(layer) for layer in layers]


def z_of(check: np.ndarray) -> np.ndarray:
    """Distances between drawn and exact variances of several networks (S, L, 2, 3), in standard errors of their mean: (L, 2)."""
    distance = (check[..., 1] - check[..., 0]).mean(axis=0)
    error = np.sqrt((check[..., 2] ** 2).sum(axis=0)) / len(check)
    exact = check[..., 0].mean(axis=0)
    nothing = np.abs(distance) <= ROUNDING * np.maximum(exact, math.ulp(0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(nothing, 0.0, distance / error)


def _mean(known: DiagonalVariances, values: Tensor) -> np.ndarray:
    return np.asarray(known.by_layer(values).numpy(), dtype=np.float64)


def _ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """Their quotient, nan where there is nothing to compare."""
    there = under > 0
    return np.where(there, over / np.where(there, under, 1.0), np.nan)
