"""Natural gradient in a plane with four preconditioners, every seed at once: linear and logistic regression of two weights.

theta <- theta - eta (I_hat + lambda I)^-1 g with the exact training gradient g; I_hat from N training inputs with one model
label each (score squared, minus Hessian), or from all of them (exact, empirical).
Source: Soen & Sun, Trade-Offs of Diagonal Fisher Information Matrix Estimators, Figure 1; the constants here are our own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from fimcore.training import linear_models as models
from fimcore.training.linear_models import Array, Model

Estimator = Literal["score", "hessian", "exact", "empirical"]
ESTIMATORS: tuple[Estimator, ...] = ("score", "hessian", "exact", "empirical")
TRAINED, TESTED = 500, 2000
SCALES = np.array([2.0, 0.5])
TRUTHS = {"linear": np.array([1.0, -2.0]), "logistic": np.array([1.0, 2.0])}
STARTS = {"linear": np.array([-2.0, 2.0]), "logistic": np.array([-1.5, 0.0])}
BLOWN_UP = 1.5


@dataclass(frozen=True)
class Plane:
    """Data of every seed: inputs (S, N, 2) and labels (S, N), for training and for testing."""

    model: Model
    inputs: Array
    labels: Array
    test_inputs: Array
    test_labels: Array


@dataclass(frozen=True)
class Descent:
    """Runs of one estimator: path (T + 1, S, 2) and training losses (T + 1, S); a run that overflows stays missing (nan)."""

    path: Array
    train: Array

    @property
    def blown_up(self) -> Array:
        """Per seed: the training loss ever exceeded 1.5 times its start, or was lost."""
        return np.asarray((~(self.train <= BLOWN_UP * self.train[0])).any(axis=0))


def plane(model: Model, seed: int, seeds: int) -> Plane:
    """Training and test data with x ~ N(0, diag(4, 1/4)), of `seed` and the seeds after it."""
    parts = []
    for number in range(seeds):
        generator = np.random.default_rng(seed + number)
        inputs = generator.standard_normal((TRAINED + TESTED, 2)) * SCALES
        parts.append((inputs, models.model_labels(model, models.means(model, TRUTHS[model], inputs), generator)))
    x, y = np.stack([part[0] for part in parts]), np.stack([part[1] for part in parts])
    return Plane(model, x[:, :TRAINED], y[:, :TRAINED], x[:, TRAINED:], y[:, TRAINED:])


def descend(
    data: Plane, estimator: Estimator, *, drawn: int, steps: int, rate: float, damping: float, seed: int
) -> Descent:
    """All seeds side by side, each with a generator of its own: a seed's run does not depend on how many others there are.

    The score-squared and the minus-Hessian runs of a seed draw the same inputs, whatever the damping.
    """
    model, seeds = data.model, len(data.inputs)
    parts, chances = (
        _draws(data, drawn, steps, seed) if estimator in ("score", "hessian") else (np.empty(0), np.empty(0))
    )
    columns = data.inputs[..., 0], data.inputs[..., 1]
    one, two = columns
    products = one * one, one * two, two * two
    here = np.tile(STARTS[model], (seeds, 1))
    path, train = [here], []
    matrix = _weighted(products, np.ones_like(one))  # of the linear model at every step
    with np.errstate(over="ignore", invalid="ignore"):
        for step in range(steps + 1):
            value, residuals, weights = _looked_at(model, here, columns, data.labels)
            train.append(_finite(value))
            if step == steps:
                break
            if estimator == "exact":
                matrix = matrix if model == "linear" else _weighted(products, weights)
            elif estimator == "empirical":
                matrix = _weighted(products, residuals**2)
            else:
                part = parts[:, step]
                if estimator == "hessian":
                    matrix = models.fisher(model, here, part)
                else:
                    mean = models.means(model, here, part)
                    noise = chances[:, step]
                    labels = mean + noise if model == "linear" else (noise < mean).astype(float)
                    matrix = models.weighted(part, (labels - mean) ** 2)
            slope = np.stack([np.einsum("sn,sn->s", residuals, column) for column in columns], axis=-1)
            here = here - rate * _solved(matrix + damping * np.eye(2), slope / residuals.shape[1])
            path.append(here)
    return Descent(np.stack(path), np.stack(train))


def test_losses(data: Plane, descent: Descent) -> Array:
    """Mean negative log-likelihood on the test inputs at every step, (T + 1, S); nan where a run is lost."""
    columns = data.test_inputs[..., 0], data.test_inputs[..., 1]
    with np.errstate(over="ignore", invalid="ignore"):
        found = [_looked_at(data.model, here, columns, data.test_labels)[0] for here in descent.path]
    return _finite(np.stack(found))


def _draws(data: Plane, drawn: int, steps: int, seed: int) -> tuple[Array, Array]:
    """Inputs (S, T, N, 2) of every step, and what makes a label of each: a normal or a uniform number."""
    parts, chances = [], []
    for number, inputs in enumerate(data.inputs):
        generator = np.random.default_rng((seed + number, 1))
        parts.append(inputs[generator.integers(0, TRAINED, (steps, drawn))])
        size = (steps, drawn)
        chances.append(generator.standard_normal(size) if data.model == "linear" else generator.random(size))
    return np.stack(parts), np.stack(chances)


def _looked_at(model: Model, here: Array, columns: tuple[Array, Array], labels: Array) -> tuple[Array, Array, Array]:
    """Loss (S,), residuals mu - y and weights w, both (S, N): `linear_models`, with what they share computed once."""
    natural = here[:, :1] * columns[0] + here[:, 1:] * columns[1]
    if model == "linear":
        residuals = natural - labels
        return np.einsum("sn,sn->s", residuals, residuals) / (2 * labels.shape[1]), residuals, np.ones_like(natural)
    small = np.exp(-np.abs(natural))
    mean = np.where(natural >= 0, 1.0, small) / (1 + small)
    value = (np.maximum(natural, 0) + np.log1p(small) - labels * natural).mean(axis=1)
    return value, mean - labels, small / (1 + small) ** 2


def _weighted(products: tuple[Array, Array, Array], weights: Array) -> Array:
    """E weight x x^T, (S, 2, 2), from the three products of the two coordinates."""
    a, b, d = (np.einsum("sn,sn->s", weights, product) for product in products)
    return np.stack([np.stack([a, b], -1), np.stack([b, d], -1)], -2) / weights.shape[1]


def _solved(matrices: Array, slopes: Array) -> Array:
    """Two equations a seed, by Cramer's rule; nan where a matrix has no inverse."""
    a, b, d = matrices[:, 0, 0], matrices[:, 0, 1], matrices[:, 1, 1]
    determinant = a * d - b * b
    determinant = np.where(determinant > 0, determinant, np.nan)
    first, second = slopes[:, 0], slopes[:, 1]
    return np.stack([d * first - b * second, a * second - b * first], axis=-1) / determinant[:, None]


def _finite(values: Array) -> Array:
    return np.asarray(np.where(np.isfinite(values), values, np.nan))
