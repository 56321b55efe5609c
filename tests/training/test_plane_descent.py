"""Descent in a plane: every seed at once against plain numpy, blow-up shares, and the exact Fisher on a straight way."""

import numpy as np
import pytest

from fimcore.training import linear_models as models
from fimcore.training import plane_descent as plane

SETTING = {"steps": 40, "rate": 0.5, "damping": 0.01, "seed": 0}


@pytest.mark.parametrize("estimator", ["exact", "empirical"])
@pytest.mark.parametrize("model", ["linear", "logistic"])
def test_a_step_against_dense_numpy(model, estimator):
    data = plane.plane(model, 5, 3)
    found = plane.descend(data, estimator, drawn=8, steps=1, rate=0.5, damping=0.01, seed=0)
    start = plane.STARTS[model]
    for seed in range(3):
        x, y = data.inputs[seed], data.labels[seed]
        mean = x @ start if model == "linear" else 1 / (1 + np.exp(-x @ start))
        weight = (
            (y - mean) ** 2 if estimator == "empirical" else (mean * (1 - mean) if model == "logistic" else 1 + 0 * y)
        )
        matrix = (x * weight[:, None]).T @ x / len(x) + 0.01 * np.eye(2)
        step = np.linalg.solve(matrix, x.T @ (mean - y) / len(x))
        np.testing.assert_allclose(found.path[1, seed], start - 0.5 * step, rtol=1e-10)


def test_exact_fisher_reaches_the_optimum():
    data = plane.plane("linear", 0, 4)
    found = plane.descend(data, "exact", drawn=8, **SETTING)
    for seed in range(4):
        best = models.optimum("linear", data.inputs[seed], data.labels[seed])
        np.testing.assert_allclose(found.path[-1, seed], best, atol=1e-6)
    assert not found.blown_up.any()


@pytest.mark.parametrize(
    ("model", "drawn", "score", "hessian"),
    [("linear", 8, 0.60, 0.05), ("linear", 16, 0.07, 0.0), ("logistic", 8, 0.82, 0.25), ("logistic", 64, 0.35, 0.12)],
)
def test_share_of_runs_that_blow_up(model, drawn, score, hessian):
    """Against shares counted over 40 seeds elsewhere, within three standard errors of the difference of two counts."""
    data = plane.plane(model, 0, 80)
    shares = []
    for estimator, expected in (("score", score), ("hessian", hessian)):
        shares.append(plane.descend(data, estimator, drawn=drawn, **SETTING).blown_up.mean())
        chance = max(expected, 1 / 40)
        assert shares[-1] == pytest.approx(expected, abs=3 * np.sqrt(chance * (1 - chance) * (1 / 40 + 1 / 80)))
    assert shares[0] > shares[1]
