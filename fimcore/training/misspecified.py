"""Seven data sets on which a linear or logistic model of two weights is right or wrong, with their limit of many samples.

Where the model is right, empirical and exact Fisher agree at the optimum in that limit; elsewhere they do not.
Source: settings of Kunstner, Balles, Hennig, Limitations of the empirical Fisher approximation, arXiv 1905.12558.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from fimcore.training import linear_models as models
from fimcore.training.linear_models import Array, Model

NODES = 60
SKEW = 0.75
CURVED = 1e-6  # smallest eigenvalue of F at what counts as an optimum
MIX = 1.5 * np.array([[1, -0.6], [-0.6, 1]])


@dataclass(frozen=True)
class Population:
    """Limit of many samples: inputs (Q, 2) with probabilities (Q,), and mean and variance of the label at each."""

    inputs: Array
    chance: Array
    means: Array
    variances: Array


@dataclass(frozen=True)
class DataSet:
    """draw(seed, count): inputs (count, 2) and labels; right: whether the model can be the truth."""

    name: str
    words: str
    model: Model
    right: bool
    draw: Callable[[int, int], tuple[Array, Array]]
    population: Callable[[], Population]


def _hermite() -> tuple[Array, Array]:
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    return nodes, weights / weights.sum()


def _line(noise: float, bend: float) -> tuple[Callable[[int, int], tuple[Array, Array]], Callable[[], Population]]:
    """y = x + 1 + bend x^2 + noise e, fitted by [x, 1] with unit noise."""

    def draw(seed: int, count: int) -> tuple[Array, Array]:
        random = np.random.RandomState(seed)
        x, e = random.randn(count), random.randn(count)
        return np.column_stack([x, np.ones(count)]), x + 1 + bend * x**2 + noise * e

    def population() -> Population:
        x, chance = _hermite()
        return Population(np.column_stack([x, np.ones(NODES)]), chance, x + 1 + bend * x**2, np.full(NODES, noise**2))

    return draw, population


def _skewed(seed: int, count: int) -> tuple[Array, Array]:
    """y = 2 + 2 x + e with log-normal x, fitted by [1, x]."""
    random = np.random.RandomState(seed)
    x = random.lognormal(0, SKEW, count)
    return np.column_stack([np.ones(count), x]), 2 + 2 * x + random.randn(count)


def _skewed_population() -> Population:
    nodes, chance = _hermite()
    x = np.exp(SKEW * nodes)
    return Population(np.column_stack([np.ones(NODES), x]), chance, 2 + 2 * x, np.ones(NODES))


def _classes(
    mean: float, first: Array, second: Array
) -> tuple[Callable[[int, int], tuple[Array, Array]], Callable[[], Population]]:
    """Two Gaussian classes at plus and minus `mean`, normals times `first` and `second`, fitted without a bias."""

    def draw(seed: int, count: int) -> tuple[Array, Array]:
        random, half = np.random.RandomState(seed), count // 2
        one = mean + random.randn(half, 2) @ first
        other = -mean + random.randn(count - half, 2) @ second
        return np.vstack([one, other]), np.repeat([0.0, 1.0], [half, count - half])

    def population() -> Population:
        nodes, weights = _hermite()
        normal = np.stack(np.meshgrid(nodes, nodes), -1).reshape(-1, 2)
        chance = np.outer(weights, weights).ravel() / 2
        labels = np.repeat([0.0, 1.0], len(normal))
        inputs = np.vstack([mean + normal @ first, -mean + normal @ second])
        return Population(inputs, np.tile(chance, 2), labels, np.zeros(len(labels)))

    return draw, population


_ONE = np.eye(2)
DATA_SETS = (
    DataSet("line", "A line", "linear", True, *_line(1, 0)),
    DataSet("skewed", "Skewed inputs", "linear", True, _skewed, _skewed_population),
    DataSet("noise", "Twice the noise", "linear", False, *_line(2, 0)),
    DataSet("curve", "A curve", "linear", False, *_line(1, 0.5)),
    DataSet("classes", "Two classes", "logistic", True, *_classes(1, 2 * _ONE, 2 * _ONE)),
    DataSet("spreads", "Unequal spreads", "logistic", False, *_classes(1.5, 3 * _ONE, _ONE)),
    DataSet("crossed", "Crossed classes", "logistic", False, *_classes(1, MIX, np.abs(MIX))),
)


@dataclass(frozen=True)
class Comparison:
    """At the optimum: its place, eigenvalues of F^-1 F_empirical (ascending), and 1 - cosine of both matrices."""

    optimum: Array
    eigenvalues: Array
    apart: float


def compare(model: Model, inputs: Array, labels: Array) -> Comparison:
    """Both matrices of a sample, at its own optimum; nan where it has none, as of classes that a line parts."""
    try:
        optimum = models.optimum(model, inputs, labels)
        fisher = models.fisher(model, optimum, inputs)
        if not np.linalg.eigvalsh(fisher)[0] > CURVED:
            raise np.linalg.LinAlgError
        return _compared(optimum, fisher, models.squared_scores(model, optimum, inputs, labels))
    except np.linalg.LinAlgError:
        return Comparison(np.full(2, np.nan), np.full(2, np.nan), float("nan"))


def limit(data: DataSet) -> Comparison:
    """Both matrices in the limit of many samples, by Newton steps and Gauss-Hermite quadrature."""
    made = data.population()
    inputs, chance, optimum = made.inputs, made.chance * len(made.inputs), np.zeros(2)
    for _ in range(60):
        means = models.means(data.model, optimum, inputs)
        fisher = models.weighted(inputs, chance * models.label_variances(data.model, means))
        step = np.linalg.solve(fisher, ((means - made.means) * chance) @ inputs / len(inputs))
        optimum = optimum - step
        if np.abs(step).max() < 1e-12:
            break
    means = models.means(data.model, optimum, inputs)
    fisher = models.weighted(inputs, chance * models.label_variances(data.model, means))
    empirical = models.weighted(inputs, chance * ((means - made.means) ** 2 + made.variances))
    return _compared(optimum, fisher, empirical)


def _compared(optimum: Array, fisher: Array, empirical: Array) -> Comparison:
    cosine = (fisher * empirical).sum() / (np.linalg.norm(fisher) * np.linalg.norm(empirical))
    return Comparison(optimum, np.asarray(eigh(empirical, fisher, eigvals_only=True)), float(1 - cosine))
