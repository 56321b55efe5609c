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
    """Runs of one estimator: path (T + 1, S, 2) and losses (T + 1, S); a run that overflows stays missing (nan)."""

    path: Array
    train: Array
    test: Array

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
    """All seeds side by side; the score-squared and the minus-Hessian runs of a seed draw the same inputs."""
    model, seeds = data.model, len(data.inputs)
    generator, label_generator = np.random.default_rng((seed, 1)), np.random.default_rng((seed, 2))
    here = np.tile(STARTS[model], (seeds, 1))
    path, train, test = [], [], []
    with np.errstate(over="ignore", invalid="ignore"):
        for step in range(steps + 1):
            path.append(here)
            train.append(_finite(models.loss(model, here, data.inputs, data.labels)))
            test.append(_finite(models.loss(model, here, data.test_inputs, data.test_labels)))
            if step == steps:
                break
            if estimator == "exact":
                matrix = models.fisher(model, here, data.inputs)
            elif estimator == "empirical":
                matrix = models.squared_scores(model, here, data.inputs, data.labels)
            else:
                chosen = generator.integers(0, TRAINED, (seeds, drawn))
                part = np.take_along_axis(data.inputs, chosen[..., None], axis=1)
                if estimator == "hessian":
                    matrix = models.fisher(model, here, part)
                else:
                    labels = models.model_labels(model, models.means(model, here, part), label_generator)
                    matrix = models.squared_scores(model, here, part, labels)
            slope = models.gradient(model, here, data.inputs, data.labels)
            here = here - rate * _solved(matrix + damping * np.eye(2), slope)
    return Descent(np.stack(path), np.stack(train), np.stack(test))


def _solved(matrices: Array, slopes: Array) -> Array:
    """Two equations a seed, by Cramer's rule; nan where a matrix has no inverse."""
    a, b, d = matrices[:, 0, 0], matrices[:, 0, 1], matrices[:, 1, 1]
    determinant = a * d - b * b
    determinant = np.where(determinant > 0, determinant, np.nan)
    first, second = slopes[:, 0], slopes[:, 1]
    return np.stack([d * first - b * second, a * second - b * first], axis=-1) / determinant[:, None]


def _finite(values: Array) -> Array:
    return np.asarray(np.where(np.isfinite(values), values, np.nan))
