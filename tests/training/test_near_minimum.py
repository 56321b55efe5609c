"""Descent near a minimum: the same losses as autograd's, and the factor (1 - eta lambda)^2 along an eigenvector."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import fimcore as fc
from fimcore.fisher import factors, top_eigenvalues_from_factors
from fimcore.training.near_minimum import descend_near_minimum

SETTINGS = [("tanh", fc.Gaussian(0.5), 2), ("relu", fc.Gaussian(), 1), ("gelu", fc.Categorical(), 3)]


def case(activation, outputs):
    network = fc.sample_network(fc.Architecture((4, 6, 5, outputs), activation, 1.5, 0.1), 2)
    x = torch.randn(7, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return network, x


def loss_of(likelihood, outputs, target):
    """KL divergence as the textbooks have it."""
    if isinstance(likelihood, fc.Gaussian):
        return ((outputs - target) ** 2).sum(dim=1).mean() / (2 * likelihood.variance)
    wanted, own = torch.log_softmax(target, dim=1), torch.log_softmax(outputs, dim=1)
    return (wanted.exp() * (wanted - own)).sum(dim=1).mean()


@pytest.mark.parametrize(("activation", "likelihood", "outputs"), SETTINGS, ids=str)
def test_losses_are_those_of_autograd(activation, likelihood, outputs):
    network, x = case(activation, outputs)
    direction = torch.randn(network.layout.parameters, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    target = network.with_parameters(network.parameter_vector() + 0.1 * direction)(x)
    weights = [w.clone().requires_grad_() for w in network.weights]
    biases = [b.clone().requires_grad_() for b in network.biases]
    phi = {"tanh": torch.tanh, "relu": torch.relu, "gelu": torch.nn.functional.gelu}[activation]
    expected = []
    for _ in range(5):
        a = x
        for number, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            a = a @ weight.T + bias
            a = phi(a) if number < len(weights) - 1 else a
        loss = loss_of(likelihood, a, target)
        expected.append(float(loss.detach()))
        gradients = torch.autograd.grad(loss, [*weights, *biases])
        with torch.no_grad():
            for parameter, gradient in zip([*weights, *biases], gradients, strict=True):
                parameter -= 0.05 * gradient
    found = descend_near_minimum(network, x, likelihood, direction, 0.1, 0.05, 4)
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("share", [0.8, 0.95, 1.05, 1.2])
@pytest.mark.parametrize(("activation", "likelihood", "outputs"), SETTINGS, ids=str)
def test_the_loss_changes_by_the_factor_that_the_eigenvalue_says(activation, likelihood, outputs, share):
    network, x = case(activation, outputs)
    top = top_eigenvalues_from_factors(factors(network, x, likelihood), 1)
    largest = float(top.values[0])
    losses = descend_near_minimum(
        network, x, likelihood, top.vectors[:, 0], 1e-6 / largest**0.5, share * 2 / largest, 6
    )
    assert losses[0] == pytest.approx(0.5e-12, rel=1e-4)
    np.testing.assert_allclose(losses[1:] / losses[:-1], (1 - 2 * share) ** 2, rtol=1e-3)


def test_a_rate_that_is_no_step_is_refused():
    network, x = case("tanh", 1)
    with pytest.raises(ValueError, match="`rate`"):
        descend_near_minimum(network, x, fc.Gaussian(), network.parameter_vector(), 0.1, 0.0, 2)
