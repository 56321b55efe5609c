"""One unit y = phi(w . x + w0) + noise with Gaussian input x ~ N(m, Sigma): its Fisher matrix is explicit, and so is its inverse.

With s^2 = w^T Sigma w, v = Sigma w / s, c = w0 + w . m and A_k = E z^k phi'(s z + c)^2, weights first and the bias last,
    F_ww = A_0 (Sigma + m m^T) + (A_2 - A_0) v v^T + A_1 (v m^T + m v^T),  F_w0 = A_1 v + A_0 m,  F_00 = A_0.
Source: Amari, Karakida, Oizumi, Fisher Information and Natural Gradient Learning of Random Deep Networks, arXiv 1808.07172;
the form for a mean and a general Sigma follows by the same integration by parts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_factor, cho_solve

from fimcore.unit_integrals import slope_moments

__all__ = ["UnitFisher", "unit_fisher"]

FloatArray = NDArray[np.float64]

# D / (A_0 A_2) below this is rounding of the slope moments: the two directions that phi'^2 sees have become one.
SINGULAR = 1e-12


@dataclass(frozen=True, eq=False, repr=False)
class UnitFisher:
    """Fisher matrix of one unit, F = E phi'(w . x + w0)^2 (x, 1)(x, 1)^T, noise variance 1; made by `unit_fisher`.

    A0, A1, A2: slope moments. activation, w (n,), w0: the unit. mean (n,), variance: the input; variance is a number
    (isotropic) or the covariance (n, n). Vectors over the parameters are (n + 1,), the weights first and then the bias.
    """

    activation: str
    w: FloatArray
    w0: float
    mean: FloatArray
    variance: float | FloatArray
    A0: float
    A1: float
    A2: float

    @property
    def determinant(self) -> float:
        """D = A_0 A_2 - A_1^2, 0 or more; with A_0 it decides whether F can be inverted."""
        return max(0.0, self.A0 * self.A2 - self.A1**2)

    @cached_property
    def _spread(self) -> float:
        """s, the standard deviation of the pre-activation."""
        return math.sqrt(max(0.0, float(self.w @ self._times_covariance(self.w))))

    @cached_property
    def _along(self) -> FloatArray:
        """v = Sigma w / s, the covariance of x with the standardised pre-activation; 0 where it does not vary."""
        return self._times_covariance(self.w) / self._spread if self._spread > 0.0 else np.zeros_like(self.w)

    def _times_covariance(self, vector: FloatArray) -> FloatArray:
        return self.variance * vector if isinstance(self.variance, float) else self.variance @ vector

    def dense(self) -> FloatArray:
        """F, (n + 1, n + 1)."""
        size, v, m = self.w.size, self._along, self.mean
        covariance = self.variance * np.eye(size) if isinstance(self.variance, float) else self.variance
        cross = self.A1 * np.outer(v, m)
        weights = self.A0 * (covariance + np.outer(m, m)) + (self.A2 - self.A0) * np.outer(v, v) + cross + cross.T
        edge = self.A1 * v + self.A0 * m
        return np.block([[weights, edge[:, None]], [edge[None, :], np.array([[self.A0]])]])

    def eigenvalues(self) -> FloatArray:
        """All n + 1 eigenvalues, largest first. O(n) for isotropic inputs: variance A_0 outside span{w, m, bias}."""
        if not isinstance(self.variance, float):
            return np.asarray(np.linalg.eigvalsh(self.dense())[::-1], dtype=np.float64)
        basis, inner = self._plane
        rest = np.full(self.w.size + 1 - basis.shape[1], self.variance * self.A0)
        return np.sort(np.concatenate([np.linalg.eigvalsh(inner), rest]))[::-1]

    @property
    def condition_number(self) -> float:
        """Largest over smallest eigenvalue; inf where F is singular or zero."""
        values = self.eigenvalues()
        return float(values[0] / values[-1]) if values[-1] > 0.0 and not self._why_singular else math.inf

    def inverse(self) -> FloatArray:
        """F^-1, (n + 1, n + 1), from the explicit formula; ValueError where F is singular (a dead or saturated unit).

        With h = w / s: ww: Sigma^-1 / A_0 + (A_0 / D - 1 / A_0) h h^T =: I_ww; w0: -A_1 / D h - I_ww m;
        00: A_2 / D + 2 A_1 / D h . m + m^T I_ww m.
        """
        self._check_invertible()
        h, lift, tilt = self._inverse_terms()
        weights = self._solve_covariance(np.eye(self.w.size)) / self.A0 + lift * np.outer(h, h)
        moved = weights @ self.mean
        edge = -tilt * h - moved
        corner = self.A2 / self.determinant + 2.0 * tilt * (h @ self.mean) + self.mean @ moved
        return np.block([[weights, edge[:, None]], [edge[None, :], np.array([[corner]])]])

    def natural_gradient(self, gradient: ArrayLike, damping: float = 0.0) -> FloatArray:
        """(F + damping I)^-1 g for a gradient g (n + 1,), weights first.

        O(n) for isotropic inputs. With a covariance O(n^2) after one Cholesky factor; damped, one dense solve, O(n^3).
        Raises ValueError for a wrong shape, a damping below 0, or a singular F without damping.
        """
        g = np.asarray(gradient, dtype=np.float64)
        if g.shape != (self.w.size + 1,):
            raise ValueError(
                f"`gradient` has shape {g.shape}; give ({self.w.size + 1},), the weights and then the bias."
            )
        if not (math.isfinite(damping) and damping >= 0.0):
            raise ValueError(f"`damping` is {damping!r}; give a finite number, 0 or more.")
        if damping > 0.0 and isinstance(self.variance, float):
            basis, inner = self._plane
            shadow = basis.T @ g
            inside = np.linalg.solve(inner + damping * np.eye(inner.shape[0]), shadow)
            return (g - basis @ shadow) / (self.variance * self.A0 + damping) + basis @ inside
        if damping > 0.0:
            damped = self.dense() + damping * np.eye(g.size)
            return np.asarray(np.linalg.solve(damped, g), dtype=np.float64)
        self._check_invertible()
        h, lift, tilt = self._inverse_terms()
        centred = g[:-1] - g[-1] * self.mean
        p = float(h @ centred)
        step = self._solve_covariance(centred) / self.A0 + (lift * p - tilt * g[-1]) * h
        bias = (self.A2 * g[-1] - self.A1 * p) / self.determinant - self.mean @ step
        return np.append(step, bias)

    def _inverse_terms(self) -> tuple[FloatArray, float, float]:
        """h = w / s, A_0 / D - 1 / A_0 and A_1 / D; h = 0 where the pre-activation does not vary."""
        h = self.w / self._spread if self._spread > 0.0 else np.zeros_like(self.w)
        return h, self.A0 / self.determinant - 1.0 / self.A0, self.A1 / self.determinant

    @cached_property
    def _plane(self) -> tuple[FloatArray, FloatArray]:
        """Isotropic inputs: orthonormal basis of span{w, m, bias}, (n + 1, <= 3), and F inside it."""
        assert isinstance(self.variance, float)
        size = self.w.size
        columns: list[FloatArray] = []
        for vector in (self.w, self.mean):
            length = np.linalg.norm(vector)
            left = vector / length if length > 0.0 else vector
            for _ in range(2):  # once more, for what rounding left
                left = left - sum((column * (column @ left) for column in columns), np.zeros(size))
            if np.linalg.norm(left) > 1e-12:
                columns.append(left / np.linalg.norm(left))
        basis = np.zeros((size + 1, len(columns) + 1))
        for place, column in enumerate(columns):
            basis[:-1, place] = column
        basis[-1, -1] = 1.0
        v, m = basis[:-1].T @ self._along, basis.T @ np.append(self.mean, 1.0)
        inner = self.variance * self.A0 * np.diag(np.append(np.ones(len(columns)), 0.0)) + self.A0 * np.outer(m, m)
        inner += (self.A2 - self.A0) * np.outer(v, v) + self.A1 * (np.outer(v, m) + np.outer(m, v))
        return basis, inner

    @cached_property
    def _factor(self) -> tuple[FloatArray, bool] | None:
        """Cholesky factor of the covariance; None where it has none."""
        assert not isinstance(self.variance, float)
        try:
            factor, lower = cho_factor(self.variance, lower=True)
        except np.linalg.LinAlgError:
            return None
        diagonal = np.abs(np.diagonal(factor))
        return (factor, lower) if diagonal.min() > 1e-8 * diagonal.max() else None

    def _solve_covariance(self, right: FloatArray) -> FloatArray:
        if isinstance(self.variance, float):
            return right / self.variance
        assert self._factor is not None
        return cho_solve(self._factor, right)

    @cached_property
    def _why_singular(self) -> str:
        if not self.A0 > 0.0:
            return "the unit is dead or wholly saturated, its slope vanishes on all inputs (A_0 = 0)"
        if not self.determinant > SINGULAR * self.A0 * self.A2:
            return "the slope is felt at one pre-activation only (D = A_0 A_2 - A_1^2 vanishes to rounding)"
        if not isinstance(self.variance, float) and self._factor is None:
            return "`covariance` is singular to rounding"
        return ""

    def _check_invertible(self) -> None:
        if self._why_singular:
            raise ValueError(
                f"This unit's Fisher matrix is singular: {self._why_singular}. Give natural_gradient a `damping` above 0, or "
                "take a pseudo-inverse of dense()."
            )

    def __repr__(self) -> str:
        return (
            f"UnitFisher({self.activation}, {self.w.size} weights, A0={self.A0:.6g}, A1={self.A1:.6g}, A2={self.A2:.6g}, "
            "F = E phi'^2 (x, 1)(x, 1)^T)"
        )


def unit_fisher(
    activation: str,
    w: ArrayLike,
    w0: float,
    mean: ArrayLike | None = None,
    variance: float = 1.0,
    covariance: ArrayLike | None = None,
) -> UnitFisher:
    """Fisher matrix of a unit y = phi(w . x + w0) + noise of variance 1, for x ~ N(mean, variance I) or N(mean, covariance).

    For centred isotropic inputs F = A_0 I + (A_2 - A_0) e e^T + A_1 (e e_0^T + e_0 e^T), e = w / |w|, e_0 the bias (variance 1).

    Args:
        activation: one of `ACTIVATION_NAMES`.
        w: weights (n,), n at least 1; all zero is allowed (then F = phi'(w0)^2 E (x, 1)(x, 1)^T). w0: the bias.
        mean: E x, (n,); zero by default. variance: of every input, above 0; ignored where ``covariance`` (n, n) is given.

    Returns:
        `UnitFisher`.

    Raises:
        ValueError: naming the field, the value received and what works.

    Source: arXiv 1808.07172. In a network it is exact for the last hidden layer up to the factor sum_c W_ci^2; in deeper
    layers inputs are not Gaussian with this covariance, and the isotropic form holds for the first layer only.
    """
    weights = np.array(w, dtype=np.float64)
    if weights.ndim != 1 or weights.size == 0 or not np.isfinite(weights).all():
        raise ValueError(f"`w` has shape {weights.shape}; give a vector of finite weights, at least one.")
    centre = np.zeros_like(weights) if mean is None else np.array(mean, dtype=np.float64)
    if centre.shape != weights.shape or not np.isfinite(centre).all():
        raise ValueError(f"`mean` has shape {centre.shape}; give {weights.shape} finite numbers, one for each weight.")
    spread = _checked_variance(weights.size, variance, covariance)
    moved = spread * weights if isinstance(spread, float) else spread @ weights
    scale = math.sqrt(max(0.0, float(weights @ moved)))
    moments = slope_moments(activation, scale, float(w0) + float(weights @ centre))
    return UnitFisher(activation, weights, float(w0), centre, spread, *(float(value) for value in moments))


def _checked_variance(size: int, variance: float, covariance: ArrayLike | None) -> float | FloatArray:
    if covariance is None:
        if not (math.isfinite(variance) and variance > 0.0):
            raise ValueError(f"`variance` is {variance!r}; give a finite number above 0.")
        return float(variance)
    matrix = np.array(covariance, dtype=np.float64)
    if matrix.shape != (size, size) or not np.isfinite(matrix).all():
        raise ValueError(f"`covariance` has shape {matrix.shape}; give ({size}, {size}) finite numbers.")
    if np.abs(matrix - matrix.T).max() > 1e-10 * np.abs(matrix).max():
        raise ValueError("`covariance` is not symmetric; give E (x - mean)(x - mean)^T.")
    if np.linalg.eigvalsh(matrix)[0] < -1e-10 * np.abs(matrix).max() * size:
        raise ValueError("`covariance` has a negative eigenvalue; give E (x - mean)(x - mean)^T.")
    return 0.5 * (matrix + matrix.T)
