"""Flows in the plane of two weights: gradient, natural gradient, and with the empirical Fisher in its place.

d theta / dt = -g / 3, -F^-1 g, -3 (F_empirical + lambda I)^-1 g; the factors are those of the source.
Source: Kunstner, Balles, Hennig, Limitations of the empirical Fisher approximation, arXiv 1905.12558, their vector fields.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.integrate import solve_ivp

from fimcore.training import linear_models as models
from fimcore.training.linear_models import Array, Model

Flow = Literal["gradient", "natural", "empirical"]
FLOWS: tuple[Flow, ...] = ("gradient", "natural", "empirical")
STARTS = np.array([[2.0, 4.5], [1.0, 0.0], [4.5, 3.0], [-0.5, 3.0]])
TIMES = np.concatenate([[0.0], np.logspace(-2, np.log10(50), 60)])


def directions(flow: Flow, model: Model, points: Array, inputs: Array, labels: Array, damping: float = 1e-8) -> Array:
    """d theta / dt at points (K, 2)."""
    slopes = models.gradient(model, points, inputs, labels)
    if flow == "gradient":
        return -slopes / 3
    if flow == "natural":
        matrices, scale = models.fisher(model, points, np.broadcast_to(inputs, (len(points), *inputs.shape))), 1.0
    else:
        matrices, scale = models.squared_scores(model, points, inputs, labels), 3.0
    return np.asarray(-scale * np.linalg.solve(matrices + damping * np.eye(2), slopes[..., None])[..., 0])


def follow(
    flow: Flow, model: Model, starts: Array, inputs: Array, labels: Array, times: Array = TIMES, damping: float = 1e-8
) -> Array:
    """Points (T, K, 2) of the flow from starts (K, 2) at the times given; nan after a time it cannot be followed to."""

    def speed(_: float, flat: Array) -> Array:
        return directions(flow, model, flat.reshape(-1, 2), inputs, labels, damping).ravel()

    found = solve_ivp(speed, (times[0], times[-1]), starts.ravel(), t_eval=times, rtol=1e-6, atol=1e-8, method="LSODA")
    points = np.full((len(times), starts.size), np.nan)
    points[: found.y.shape[1]] = found.y.T
    return points.reshape(len(times), -1, 2)
