"""Linear and logistic regression against autograd, brute-force labels and Gauss-Hermite integrals."""

import numpy as np
import pytest
import torch

from fimcore.training import linear_models as models


@pytest.mark.parametrize("model", ["linear", "logistic"])
def test_loss_gradient_and_fisher_against_autograd(model):
    random = np.random.default_rng(3)
    inputs, parameters = random.standard_normal((30, 2)), np.array([0.7, -1.2])
    labels = (random.random(30) < 0.5).astype(float)

    def loss(theta):
        natural = torch.tensor(inputs) @ theta
        if model == "linear":
            return ((torch.tensor(labels) - natural) ** 2).mean() / 2
        return torch.nn.functional.binary_cross_entropy_with_logits(natural, torch.tensor(labels))

    theta = torch.tensor(parameters, requires_grad=True)
    assert models.loss(model, parameters, inputs, labels) == pytest.approx(loss(theta).item(), rel=1e-12)
    slope = torch.autograd.grad(loss(theta), theta)[0].numpy()
    np.testing.assert_allclose(models.gradient(model, parameters, inputs, labels), slope, atol=1e-13)
    hessian = torch.autograd.functional.hessian(loss, theta.detach()).numpy()
    np.testing.assert_allclose(models.fisher(model, parameters, inputs), hessian, atol=1e-13)


def test_logistic_variances_against_every_label():
    random = np.random.default_rng(1)
    inputs, parameters = random.standard_normal((9, 2)), np.array([0.4, 1.5])
    mean = models.means("logistic", parameters, inputs)
    draws = np.concatenate([mean[:, None] ** 2 * inputs**2, (1 - mean)[:, None] ** 2 * inputs**2])
    chance = np.concatenate([1 - mean, mean])[:, None] / 9
    expected = (chance * draws**2).sum(0) - (chance * draws).sum(0) ** 2
    np.testing.assert_allclose(models.single_pair_variances("logistic", parameters, inputs)[0], expected, rtol=1e-12)


def test_many_seeds_at_once_agree_with_one_at_a_time():
    random = np.random.default_rng(2)
    inputs, parameters = random.standard_normal((5, 8, 2)), random.standard_normal((5, 2))
    together = models.fisher("logistic", parameters, inputs)
    for seed in range(5):
        np.testing.assert_allclose(
            together[seed], models.fisher("logistic", parameters[seed], inputs[seed]), atol=1e-14
        )


def _gaussian_ratio(model, parameters):
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    weights = weights / weights.sum()
    grid = np.stack(np.meshgrid(2 * nodes, nodes / 2, indexing="ij"), -1).reshape(-1, 2)
    chance = np.outer(weights, weights).reshape(-1, 1)
    mean = models.means(model, parameters, grid)
    variance = models.label_variances(model, mean)[:, None]
    fourth = 3.0 if model == "linear" else variance * (1 - 3 * variance)
    squares = (chance * variance * grid**2).sum(0) ** 2
    score = (chance * fourth * grid**4).sum(0) - squares
    return score / ((chance * variance**2 * grid**4).sum(0) - squares)


def test_ratio_of_total_variances_over_gaussian_inputs():
    np.testing.assert_allclose(_gaussian_ratio("linear", np.array([1.0, -2.0])), 4, rtol=1e-9)
    for r, ratio in ((0, 1), (0.5, 7.2), (1, 11.7), (2, 7.6)):
        assert _gaussian_ratio("logistic", r * np.array([1.0, 2.0]))[0] == pytest.approx(ratio, abs=0.06)
    drawn = np.random.default_rng(0).standard_normal((400_000, 2)) * [2, 0.5]
    score, hessian = models.single_pair_variances("linear", np.array([1.0, -2.0]), drawn)
    np.testing.assert_allclose(score / hessian, 4, rtol=0.03)
