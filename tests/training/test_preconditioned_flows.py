"""Flows in the plane: the exact Fisher on a straight way, the gradient's closed form, Euler steps with the empirical one."""

from __future__ import annotations

import numpy as np
import pytest

from fimcore.training.misspecified import DATA_SETS, compare
from fimcore.training.preconditioned_flows import STARTS, directions, follow

X, Y = DATA_SETS[1].draw(0, 1000)
BEST = compare("linear", X, Y).optimum
TIMES = np.array([0.0, 0.05, 0.2, 1.0])


def test_first_directions_against_the_way_to_the_optimum():
    way = BEST - STARTS
    for flow, expected in (
        ("gradient", (0.90, 1.00, 0.82, 0.76)),
        ("natural", (1, 1, 1, 1)),
        ("empirical", (-0.16, 0.33, 0.87, 0.99)),
    ):
        found = directions(flow, "linear", STARTS, X, Y)
        cosines = (found * way).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(way, axis=1)
        assert cosines == pytest.approx(expected, abs=6e-3)


def test_gradient_and_natural_flow_in_closed_form():
    values, vectors = np.linalg.eigh(X.T @ X / len(X))
    for place, time in enumerate(TIMES):
        decay = vectors @ np.diag(np.exp(-time * values / 3)) @ vectors.T
        gradient = BEST + (STARTS - BEST) @ decay
        np.testing.assert_allclose(follow("gradient", "linear", STARTS, X, Y, TIMES)[place], gradient, atol=1e-4)
        natural = BEST + (STARTS - BEST) * np.exp(-time)
        np.testing.assert_allclose(follow("natural", "linear", STARTS, X, Y, TIMES)[place], natural, atol=1e-4)


def test_empirical_flow_against_small_euler_steps():
    here, size = STARTS.copy(), 2e-4
    for _ in range(1000):
        residuals = here @ X.T - Y
        slopes = residuals @ X / len(X)
        matrices = np.einsum("kn,ni,nj->kij", residuals**2, X, X) / len(X)
        here = here - size * 3 * np.linalg.solve(matrices, slopes[..., None])[..., 0]
    np.testing.assert_allclose(follow("empirical", "linear", STARTS, X, Y, TIMES)[2], here, atol=2e-3)
