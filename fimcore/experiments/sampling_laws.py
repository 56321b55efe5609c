"""Exact laws of one estimate: chi-square, normal, or finitely many values with their probabilities; else why there is none.

At one input of regression (J.s)^2 ~ F chi^2_1 and F - C.s ~ N(F, V2); averages of m labels are F chi^2_m / m and N(F, V2 / m).
Families with finitely many labels, and probes of random signs, have finitely many values: they are enumerated, and
averages of 2, 4, 8, ... by adding the law to itself. At random inputs the law is the mean over inputs of those.
Source: Soen, Sun, Trade-Offs of Diagonal Fisher Information Matrix Estimators, arXiv 2402.05379, for the estimators.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from math import comb

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import special

from fimcore.experiments.sampling_parameter import Parameter
from fimcore.likelihoods import Bernoulli, Categorical, Gaussian

FloatArray = NDArray[np.float64]

# Values in all, and pairs of values that are added up, that an enumeration may have.
MOST_VALUES, MOST_PAIRS = 300_000, 1_000_000
MOST_SIGNS = 12  # outputs of which all signs, or all sets of labels, are gone through


@dataclass(frozen=True, eq=False)
class Law:
    """Law of an estimate.

    Attributes:
        name: in words.
        shares: edges (b + 1,), ascending, to the probabilities of the bins between them (b,).
        negative: probability of a value below 0.
        fourth: fourth central moment.
        values: how many values it has; 0 for a law with a density.
    """

    name: str
    shares: Callable[[FloatArray], FloatArray]
    negative: float
    fourth: float
    values: int = 0


@dataclass(frozen=True)
class NoLaw:
    """Why no law can be told."""

    reason: str


def laws_of(parameter: Parameter, averaged: int = 1) -> dict[str, Law | NoLaw]:
    """Laws of "score", "hessian" and "probe" of an average over so many labels (probes), with the model's own labels."""
    found = {"probe": _of_atoms(_probe_atoms(parameter), averaged)}
    if isinstance(parameter.likelihood, Gaussian):
        return {**_gaussian(parameter, averaged), **found}
    score, hessian = _label_atoms(parameter)
    return {"score": _of_atoms(score, averaged), "hessian": _of_atoms(hessian, averaged), **found}


def fourth_moments(parameter: Parameter) -> dict[str, float]:
    """Fourth central moment of single draws of every estimator; nan where the law is not known."""
    if isinstance(parameter.likelihood, Gaussian):
        known = _gaussian(parameter, 1)
        found = {name: law.fourth for name, law in known.items() if isinstance(law, Law)}
        atoms = {"probe": _probe_atoms(parameter)}
    else:
        found, (score, hessian) = {}, _label_atoms(parameter)
        atoms = {"score": score, "hessian": hessian, "probe": _probe_atoms(parameter)}
    for name, each in atoms.items():
        found[name] = float("nan") if isinstance(each, NoLaw) else _fourth(*each)
    return found


def _fourth(values: FloatArray, weights: FloatArray) -> float:
    # squared twice: a power of four is ten times as slow
    return float(weights @ np.square(np.square(values - values @ weights)))


def _gaussian(parameter: Parameter, averaged: int) -> dict[str, Law | NoLaw]:
    fisher = parameter.fisher.numpy()
    spread = parameter.variances["hessian"].numpy()
    if averaged > 1 and len(fisher) > 1:
        why = NoLaw(
            f"an average over {averaged} random inputs mixes as many different laws as there are choices of them"
        )
        return {"score": why, "hessian": why}
    return {"score": chi_square(fisher, averaged), "hessian": normal(fisher, spread / averaged)}


def chi_square(fisher: FloatArray, degrees: int = 1) -> Law:
    """Mean over inputs of the laws of F chi^2_m / m."""
    there = fisher > 0

    def below(edges: FloatArray) -> FloatArray:
        scaled = degrees * edges[:, None].clip(min=0) / fisher[there]
        return np.asarray(special.chdtr(degrees, scaled).sum(axis=1) + (~there).sum() * (edges >= 0)) / len(fisher)

    mean = fisher.mean()
    raw = [np.mean(fisher**k) * np.prod(degrees + 2 * np.arange(k)) / degrees**k for k in range(1, 5)]
    fourth = raw[3] - 4 * raw[2] * mean + 6 * raw[1] * mean**2 - 3 * mean**4
    name = "χ² with 1 degree of freedom" if degrees == 1 else f"χ² with {degrees} degrees of freedom"
    if len(fisher) > 1:
        name = f"mean over {len(fisher):,} inputs of scaled χ² laws"
    return Law(name, lambda edges: np.diff(below(edges)), 0.0, float(fourth))


def normal(fisher: FloatArray, variance: FloatArray) -> Law:
    """Mean over inputs of N(F, V2); without variance the value F itself."""
    if not variance.any():
        return _discrete(fisher, np.full(len(fisher), 1 / len(fisher)))
    deviation = np.sqrt(variance)

    def below(edges: FloatArray) -> FloatArray:
        apart = edges[:, None] - fisher
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(deviation > 0, special.ndtr(apart / deviation), apart >= 0)
        return np.asarray(share.mean(axis=1))

    apart = fisher - fisher.mean()
    fourth = np.mean(apart**4 + 6 * apart**2 * variance + 3 * variance**2)
    name = "normal" if len(fisher) == 1 else f"mean over {len(fisher):,} inputs of normal laws"
    negative = float(below(np.array([-np.finfo(float).tiny]))[0])
    return Law(name, lambda edges: np.diff(below(edges)), negative, float(fourth))


Atoms = tuple[FloatArray, FloatArray]


def _label_atoms(parameter: Parameter) -> tuple[Atoms | NoLaw, Atoms | NoLaw]:
    """Values of (J.s)^2 and F - C.s for every input and label, with their probabilities."""
    family, outputs = parameter.likelihood, parameter.outputs
    assert isinstance(family, Categorical | Bernoulli)
    inputs, classes = outputs.shape
    if isinstance(family, Bernoulli) and (classes > MOST_SIGNS or inputs * 2**classes > MOST_VALUES):
        why = NoLaw(f"{inputs:,} inputs with 2^{classes} sets of labels each are too many to go through")
        return why, why
    if inputs * classes > MOST_VALUES:
        why = NoLaw(f"{inputs:,} inputs with {classes:,} classes each are too many to go through")
        return why, why
    if isinstance(family, Categorical):
        slopes, bends = parameter.centred(parameter.first), parameter.centred(parameter.second)
        chances = torch.softmax(outputs, dim=1)
    else:
        sets = torch.tensor(list(product((0.0, 1.0), repeat=classes)), dtype=outputs.dtype).T
        there, absent = torch.sigmoid(outputs), torch.sigmoid(-outputs)
        slopes, bends = (
            (each * absent) @ sets - (each * there) @ (1 - sets) for each in (parameter.first, parameter.second)
        )
        chances = (there.log() @ sets + absent.log() @ (1 - sets)).exp()
    weights = (chances / inputs).numpy().reshape(-1)
    bent = parameter.fisher[:, None] - bends
    return (slopes.square().numpy().reshape(-1), weights), (bent.numpy().reshape(-1), weights)


def _probe_atoms(parameter: Parameter) -> Atoms | NoLaw:
    """Values of (sum_r e_r m_r)^2 for every input and half of all signs e: the other half has the same squares."""
    probes = parameter.probes
    inputs, rows = probes.shape
    if rows > MOST_SIGNS or inputs * 2 ** (rows - 1) > MOST_VALUES:
        return NoLaw(f"{inputs:,} inputs with 2^{rows - 1} patterns of signs each are too many to go through")
    signs = torch.tensor(list(product((1.0, -1.0), repeat=rows - 1)), dtype=probes.dtype).reshape(
        2 ** (rows - 1), rows - 1
    )
    values = (probes[:, :1] + probes[:, 1:] @ signs.T).square().numpy().reshape(-1)
    return values, np.full(len(values), 1 / len(values))


def _of_atoms(atoms: Atoms | NoLaw, averaged: int) -> Law | NoLaw:
    """The law of an average: the law is added to itself by doubling, and terms of the average that remain are added."""
    if isinstance(atoms, NoLaw):
        return atoms
    power = _merged(*atoms)
    combined = comb(averaged + len(power[0]) - 1, averaged)
    total: Atoms | None = None
    left = averaged
    while left:
        if left % 2:
            pairs = 0 if total is None else len(total[0]) * len(power[0])
            total = power if total is None else _added(total, power) if pairs <= MOST_PAIRS else None
            if total is None:
                return _too_many(averaged, combined)
        left //= 2
        if left:
            if len(power[0]) ** 2 > MOST_PAIRS:
                return _too_many(averaged, combined)
            power = _added(power, power)
    assert total is not None
    return _enumerated(total[0] / averaged, total[1])


def _too_many(averaged: int, combined: int) -> NoLaw:
    size = f"{combined:,}" if combined < 10**9 else "far too many"
    return NoLaw(f"averages of {averaged} labels have {size} possible outcomes, too many to go through")


def _added(one: Atoms, other: Atoms) -> Atoms:
    return _merged(np.add.outer(one[0], other[0]).reshape(-1), np.multiply.outer(one[1], other[1]).reshape(-1))


def _merged(values: FloatArray, weights: FloatArray) -> Atoms:
    """Values that are the same to rounding, of their own size or of the mean size, become one.

    Beside the largest value, which may be rare and huge, all others would be the same. Values of different sign stay apart:
    where predictions are certain, most are next to zero, and their sign is counted.
    """
    order = np.argsort(values, kind="stable")
    values, weights = values[order], weights[order]
    size = np.abs(values)
    scale = np.maximum(float(weights @ size), np.maximum(size[1:], size[:-1]))
    apart = (np.diff(values) > 1e-11 * scale) | ((values[:-1] < 0) & (values[1:] >= 0))
    first = np.concatenate([[True], apart])
    return values[first], np.add.reduceat(weights, np.flatnonzero(first))


def _discrete(values: FloatArray, weights: FloatArray) -> Law:
    return _enumerated(*_merged(values, weights))


def _enumerated(values: FloatArray, weights: FloatArray) -> Law:
    """Of ascending, different values."""
    count = len(values)
    name = "one value" if count == 1 else f"enumerated, {count:,} values"
    return Law(
        name,
        lambda edges: np.histogram(values, edges, weights=weights)[0],
        float(weights[values < 0].sum()),
        _fourth(values, weights),
        count,
    )
