"""A soft committee machine with two parameters: f = tanh(p x_1 + q x_2) + tanh(q x_1 + p x_2), and a teacher of the same kind.

On the line p = q both units are the same one. There df/dp = df/dq, so the Fisher matrix has rank one, and the gradient across
the line vanishes as the distance d = p - q, while the Fisher matrix vanishes as d^2: gradient descent leaves the line like
exp(eta k t), natural gradient in a time that hardly depends on where it starts.
Source: Saad, Solla, On-line learning in soft committee machines (1995); Amari, Park, Ozeki, Singularities affect dynamics of
learning in neuromanifolds (2006).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

from fimcore.fisher.structures import singular_below

__all__ = ["TEACHER", "Committee", "Flow", "natural_direction"]

FloatArray = NDArray[np.float64]

# The teacher's p and q: two different units.
TEACHER = (1.5, 0.0)
# Points worked with at a time, times inputs.
HELD_ENTRIES = 2_000_000
STEP = 1e-4


def natural_direction(fisher: FloatArray, gradient: FloatArray, damping: float) -> FloatArray:
    """(F + damping I)^{-1} gradient at every point: (..., 2, 2), (..., 2) -> (..., 2).

    Raises:
        ValueError: a matrix that is singular to rounding at this damping; the sentence gives one that works.
    """
    try:
        return np.asarray(np.linalg.solve(fisher + damping * np.eye(2), gradient[..., None])[..., 0])
    except np.linalg.LinAlgError:
        useful = 100 * float(np.finfo(np.float64).eps) * float(np.nan_to_num(fisher).max())
        raise singular_below(useful, damping) from None


@dataclass(frozen=True, eq=False)
class Flow:
    """A run from many starts: points (T + 1, S, 2) and losses (T + 1, S)."""

    points: FloatArray
    losses: FloatArray

    def arrivals(self, goal: float) -> FloatArray:
        """First step at which each start's loss is `goal` or less; nan where it never is."""
        there = self.losses <= goal
        return np.where(there.any(axis=0), there.argmax(axis=0), np.nan)


@dataclass(frozen=True, eq=False)
class Committee:
    """Two units on inputs x (N, 2), labels of the teacher; points are arrays (..., 2) of p and q."""

    x: FloatArray
    teacher: tuple[float, float] = TEACHER

    def outputs(self, points: ArrayLike) -> FloatArray:
        """f at every point and input, (..., N)."""
        return np.asarray(np.tanh(self._fields(points)).sum(axis=-1))

    def loss(self, points: ArrayLike) -> FloatArray:
        """(1 / 2N) sum_x (f - y)^2, (...)."""
        return np.asarray(0.5 * ((self.outputs(points) - self._labels) ** 2).mean(axis=-1))

    def gradient(self, points: ArrayLike) -> FloatArray:
        """Gradient of the loss, (..., 2)."""
        return self.gradient_and_fisher(points)[0]

    def fisher(self, points: ArrayLike) -> FloatArray:
        """F = (1/N) sum_x grad f grad f^T, (..., 2, 2)."""
        return self.gradient_and_fisher(points)[1]

    def gradient_and_fisher(self, points: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Both, from one pass."""
        values = np.tanh(self._fields(points))
        slopes = 1.0 - values**2
        swapped = self.x[:, ::-1]
        # d/dp moves the first unit along x_1 and the second along x_2, d/dq the other way round
        rows = slopes[..., 0, None] * self.x + slopes[..., 1, None] * swapped
        off = values.sum(axis=-1) - self._labels
        count = self.x.shape[0]
        return np.einsum("...n,...ni->...i", off, rows) / count, np.einsum("...ni,...nj->...ij", rows, rows) / count

    def descend(self, starts: ArrayLike, rate: float, steps: int, damping: float | None = None) -> Flow:
        """Gradient descent, or with a damping (F + damping I)^{-1} gradient, from every start at once.

        Raises:
            ValueError: a matrix that is singular to rounding at this damping.
        """
        points: FloatArray = np.array(starts, dtype=np.float64)
        path, losses = [points], [self.loss(points)]
        for _ in range(steps):
            gradient, fisher = self.gradient_and_fisher(points)
            if damping is not None:
                gradient = natural_direction(fisher, gradient, damping)
            with np.errstate(over="ignore", invalid="ignore"):
                points = points - rate * gradient
            path.append(points)
            losses.append(self.loss(points))
        return Flow(np.array(path), np.array(losses))

    def saddle(self) -> float:
        """s of the point (s, s) with the smallest loss on the line p = q, where gradient descent arrives first."""
        found = minimize_scalar(lambda s: float(self.loss(np.array([s, s]))), bounds=(0.0, 3.0), method="bounded")
        return float(found.x)

    def escape_rate(self) -> float:
        """k = -d^2 loss / dd^2 / 2 across the line at its saddle, in coordinates p, q = s +- d / 2 scaled to unit length.

        Gradient descent with step eta multiplies a small distance by 1 + eta k a step.
        """
        s = self.saddle()
        across = np.array([1.0, -1.0]) / np.sqrt(2.0)
        line = np.array([[s, s] + step * across for step in (-STEP, 0.0, STEP)])
        before, here, after = self.loss(line)
        return float(-(before - 2.0 * here + after) / STEP**2)

    @property
    def _labels(self) -> FloatArray:
        p, q = self.teacher
        first, second = self.x[:, 0], self.x[:, 1]
        return np.asarray(np.tanh(p * first + q * second) + np.tanh(q * first + p * second))

    def _fields(self, points: ArrayLike) -> FloatArray:
        """Pre-activations of both units, (..., N, 2)."""
        p, q = np.moveaxis(np.asarray(points, dtype=np.float64), -1, 0)
        first, second = self.x[:, 0], self.x[:, 1]
        one = p[..., None] * first + q[..., None] * second
        other = q[..., None] * first + p[..., None] * second
        return np.stack([one, other], axis=-1)
