"""Descent with the empirical Fisher in one dimension: r <- r - eta r / (r^2 + s^2), where the true Fisher is 1.

Optimum stable below eta = 2 s^2; 2-cycle at r^2 = eta / 2 - s^2 with slope 3 - 8 s^2 / eta a step, stable below 4 s^2.
Source: our own derivation; the setting is that of Kunstner et al., arXiv 1905.12558.
"""

from __future__ import annotations

import numpy as np

from fimcore.training.linear_models import Array


def step(residual: Array, rate: Array, noise: float = 1.0) -> Array:
    """One step from residual r at rate eta, with s^2 = `noise` the variance of what the model cannot explain."""
    return np.asarray(residual - rate * residual / (residual**2 + noise))


def orbit(rates: Array, start: float, noise: float = 1.0, *, settle: int = 500, kept: int = 64) -> Array:
    """Residuals (kept, rates) after `settle` steps: a column of a bifurcation diagram for every rate."""
    residual = np.full(np.shape(rates), start, dtype=float)
    for _ in range(settle):
        residual = step(residual, rates, noise)
    held = []
    for _ in range(kept):
        residual = step(residual, rates, noise)
        held.append(residual)
    return np.stack(held)


def growth(orbits: Array, rate: Array, noise: float = 1.0) -> Array:
    """Lyapunov exponent of kept residuals (kept, rates): mean log slope a step; below zero neighbours come together."""
    slope = 1 - rate * (noise - orbits**2) / (orbits**2 + noise) ** 2
    return np.asarray(np.log(np.maximum(np.abs(slope), 1e-300)).mean(axis=0))


def period(residuals: Array, longest: int = 32, tolerance: float = 1e-6) -> int:
    """Smallest number of steps after which kept residuals repeat, 0 where they do not within `longest`."""
    for steps in range(1, longest + 1):
        if np.abs(residuals[steps:] - residuals[:-steps]).max() < tolerance * max(1.0, float(np.abs(residuals).max())):
            return steps
    return 0
