"""A family of one's own: the example in the package's words runs, five methods are enough, what cannot be derived is said."""

import doctest

import pytest
import torch

import fimcore as fc
from fimcore import likelihoods


def test_the_example_runs():
    result = doctest.testmod(likelihoods)
    assert result.attempted >= 6
    assert result.failed == 0


class Laplace:
    """p(y|f) with unit scale: score sign(y - f), Q = I."""

    def log_likelihood(self, outputs, labels):
        return -(labels - outputs).abs().sum(dim=1)

    def sample(self, outputs, generator):
        uniform = torch.rand(outputs.shape, generator=generator, dtype=torch.float64) - 0.5
        return outputs - uniform.sign() * torch.log1p(-2 * uniform.abs())

    def score(self, outputs, labels):
        return torch.sign(labels - outputs)

    def output_fisher(self, outputs):
        return torch.eye(outputs.shape[1]).to(outputs).expand(len(outputs), -1, -1)

    output_fisher_root = output_fisher


def test_five_methods_are_enough():
    assert isinstance(Laplace(), fc.Likelihood)
    assert not isinstance(Laplace(), likelihoods.LikelihoodWithMoments)
    network, x = fc.sample_network(fc.Architecture((2, 3, 2))), fc.inputs.gaussian(5, 2)
    exact = fc.fisher(network, x, Laplace()).dense()
    torch.testing.assert_close(exact, fc.fisher(network, x, fc.Gaussian()).dense())


def test_second_derivatives_of_kinked_and_straight_log_likelihoods_are_zero():
    outputs = torch.randn(5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    class Straight(Laplace):
        def log_likelihood(self, outputs, labels):
            return (labels * outputs).sum(dim=1)

    for family in (Laplace(), Straight()):
        found = likelihoods.output_hessian(family, outputs, torch.ones_like(outputs))
        assert torch.equal(found, torch.zeros(5, 2, 2, dtype=torch.float64))


def test_what_torch_cannot_differentiate_is_said():
    class Detached(Laplace):
        def log_likelihood(self, outputs, labels):
            return super().log_likelihood(outputs.detach(), labels)

    outputs = torch.zeros(5, 2, dtype=torch.float64)
    with pytest.raises(
        ValueError, match="`likelihood` is Detached, whose log_likelihood torch cannot differentiate twice"
    ):
        likelihoods.output_hessian(Detached(), outputs, outputs)
