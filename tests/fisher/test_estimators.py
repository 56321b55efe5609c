"""Estimators: unbiased, with the variance that their standard error states, and minus the second derivative exactly."""

from __future__ import annotations

import math
from functools import cache

import brute_force
import pytest
import torch

import fimcore as fc
from fimcore.fisher import STRUCTURES

FAMILIES = {
    "gaussian": fc.Gaussian(variance=0.6),
    "gaussian_with_variance": fc.GaussianWithVariance(),
    "categorical": fc.Categorical(),
    "bernoulli": fc.Bernoulli(),
    "poisson": fc.Poisson(),
}
SAMPLED = ("score", "hessian", "probe")
SEEDS = 300


@cache
def setting(family, dtype=torch.float64):
    outputs = 4 if family == "gaussian_with_variance" else 2
    network = fc.sample_network(fc.Architecture((2, 3, 2, outputs), "tanh", 1.3, 0.2), seed=8, dtype=torch.float32)
    network = fc.Network([w.to(dtype) for w in network.weights], [b.to(dtype) for b in network.biases], "tanh")
    return network, fc.inputs.gaussian(6, 2, seed=9, dtype=torch.float32).to(dtype)


@cache
def exact(family):
    network, x = setting(family)
    return brute_force.per_input(network, x, FAMILIES[family]).mean(dim=0)


@cache
def sampled(family, estimator, draws=1, first=0):
    """Dense matrices of many seeds, (S, P, P)."""
    network, x = setting(family)
    return torch.stack(
        [
            fc.fisher(network, x, FAMILIES[family], estimator=estimator, seed=seed, draws=draws).dense()
            for seed in range(first, first + SEEDS)
        ]
    )


def z_scores(values, spread_floor=1e-10):
    """Of means over the first axis being 0, where anything varies; what does not vary must be 0."""
    mean, spread = values.mean(dim=0), values.std(dim=0)
    still = spread <= spread_floor
    assert float(mean[still].abs().max()) < 1e-9 if bool(still.any()) else True
    return (mean / (spread / math.sqrt(len(values))))[~still].abs()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("estimator", SAMPLED)
def test_sampled_estimators_are_unbiased(family, estimator):
    network, x = setting(family)
    apart = sampled(family, estimator) - exact(family)
    diagonal = z_scores(apart.diagonal(dim1=1, dim2=2))
    assert len(diagonal) > 10
    assert float(diagonal.max()) < 4.5
    first, second = network.layout.layer_slice(1), network.layout.layer_slice(2)
    across = z_scores(apart[:, first, second].reshape(SEEDS, -1))
    assert len(across) > 30
    assert float(across.max()) < 4.5
    again = fc.fisher(network, x, FAMILIES[family], estimator=estimator, seed=7).dense()
    assert torch.equal(again, sampled(family, estimator)[7])
    assert not torch.equal(again, sampled(family, estimator)[8])


@pytest.mark.parametrize("family", ["gaussian", "categorical", "poisson"])
@pytest.mark.parametrize("estimator", SAMPLED)
def test_four_draws_have_a_quarter_of_the_variance(family, estimator):
    """The mean of (one draw)^2 - 4 (mean of four draws)^2, each minus the exact value, is 0."""
    one = (sampled(family, estimator, draws=1) - exact(family)).diagonal(dim1=1, dim2=2)
    four = (sampled(family, estimator, draws=4, first=SEEDS) - exact(family)).diagonal(dim1=1, dim2=2)
    for left, right in ((one, four), (one.sum(dim=1, keepdim=True), four.sum(dim=1, keepdim=True))):
        assert float(z_scores(left.square() - 4 * right.square()).max()) < 4.5
    # the test can tell 4 from 2 and from 8
    ratio = float(one.square().sum() / four.square().sum())
    assert 2.8 < ratio < 5.7


@pytest.mark.parametrize("family", ["gaussian", "gaussian_with_variance", "categorical", "poisson"])
@pytest.mark.parametrize("estimator", SAMPLED)
@pytest.mark.parametrize("draws", [1, 3])
def test_standard_error_is_the_spread_over_seeds(family, estimator, draws):
    network, x = setting(family)
    truth = exact(family).diagonal()
    rows = []
    for seed in range(SEEDS // 2):
        made = fc.fisher(network, x, FAMILIES[family], "diagonal", estimator, seed=seed, draws=draws)
        error = made.standard_error()
        apart = torch.cat([made.diagonal() - truth, torch.tensor([made.trace() - float(truth.sum())])])
        stated = torch.cat([error.diagonal, torch.tensor([error.trace])])
        rows.append(torch.stack([stated.square(), apart.square()]))
    stated, measured = torch.stack(rows).unbind(dim=1)
    assert float(z_scores(stated - measured, spread_floor=1e-14).max()) < 4.5
    assert 0.75 < float(stated.sum() / measured.sum()) < 1.35


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=lambda dtype: str(dtype).removeprefix("torch."))
def test_standard_error_belongs_to_every_structure(structure, dtype):
    network, x = setting("categorical", dtype)
    expected = fc.fisher(network, x, fc.Categorical(), "dense", "score", seed=3).standard_error()
    found = fc.fisher(network, x, fc.Categorical(), structure, "score", seed=3).standard_error()
    assert found.diagonal.dtype is dtype
    assert torch.equal(found.diagonal, expected.diagonal)
    assert found.trace == expected.trace > 0
    labels = torch.tensor([0, 1, 1, 0, 0, 1])
    for given in ({}, {"estimator": "empirical", "labels": labels}):
        none = fc.fisher(network, x, fc.Categorical(), structure, **given).standard_error()
        assert none.diagonal.shape == (network.layout.parameters,)
        assert none.diagonal.dtype is dtype
        assert not bool(none.diagonal.any())
        assert none.trace == 0


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("draws", [1, 3])
def test_hessian_is_minus_the_second_derivative_of_the_mean_log_likelihood(family, draws):
    network, x = setting(family)
    likelihood = FAMILIES[family]
    generator = torch.Generator().manual_seed(21)
    outputs = brute_force.plain_outputs(network, x)
    drawn = [likelihood.sample(outputs, generator) for _ in range(draws)]

    def mean_log_likelihood(vector):
        values = [
            brute_force.log_density(likelihood, brute_force.outputs_of(vector, network.widths, "tanh", point), y)
            for labels in drawn
            for point, y in zip(x, labels, strict=True)
        ]
        return torch.stack(values).mean()

    expected = -torch.func.hessian(mean_log_likelihood)(brute_force.parameter_vector(network))
    made = fc.fisher(network, x, likelihood, estimator="hessian", seed=21, draws=draws)
    torch.testing.assert_close(made.dense(), expected, rtol=1e-11, atol=1e-13)
    assert not made.positive


class StudentT:
    """An own family with heavy tails, 5 degrees of freedom: its output Hessian depends on the label and may be negative."""

    def log_likelihood(self, outputs, labels):
        return -3 * torch.log1p((labels - outputs).square() / 5).sum(dim=1)

    def sample(self, outputs, generator):
        normal = torch.randn((6, *outputs.shape), generator=generator, dtype=torch.float64)
        return (outputs.double() + normal[0] / (normal[1:].square().mean(dim=0)).sqrt()).to(outputs)

    def score(self, outputs, labels):
        apart = labels - outputs
        return 6 * apart / (5 + apart.square())

    def output_fisher(self, outputs):
        return torch.diag_embed(torch.full_like(outputs, 6 / 8))

    def output_fisher_root(self, outputs):
        return torch.diag_embed(torch.full_like(outputs, (6 / 8) ** 0.5))


def test_own_family_in_every_estimator():
    network, x = setting("poisson")
    family, jacobian = StudentT(), brute_force.jacobians(network, x)
    expected = torch.einsum("ncp,ncq->pq", jacobian, jacobian) * 0.75 / len(x)
    torch.testing.assert_close(fc.fisher(network, x, family).dense(), expected, rtol=1e-12, atol=1e-14)
    labels = family.sample(network(x), torch.Generator().manual_seed(4))

    def mean_log_likelihood(vector):
        outputs = [brute_force.outputs_of(vector, network.widths, "tanh", point) for point in x]
        return family.log_likelihood(torch.stack(outputs), labels).mean()

    second = -torch.func.hessian(mean_log_likelihood)(brute_force.parameter_vector(network))
    found = fc.fisher(network, x, family, estimator="hessian", seed=4).dense()
    torch.testing.assert_close(found, second, rtol=1e-11, atol=1e-13)
    drawn = torch.stack([fc.fisher(network, x, family, estimator="hessian", seed=s).dense() for s in range(SEEDS)])
    assert float(z_scores((drawn - expected).reshape(SEEDS, -1)).max()) < 5


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"estimator": "mc"}, "`estimator` is 'mc'; choose one of exact"),
        ({"estimator": "score"}, "`seed` is None.*needs a whole number"),
        ({"estimator": "hessian"}, "`seed` is None"),
        ({"estimator": "probe"}, "`seed` is None"),
        ({"seed": 1}, "`seed` is 1.*must be left out"),
        ({"estimator": "empirical"}, "`labels` is None"),
        ({"estimator": "empirical", "labels": torch.zeros(6), "seed": 1}, "`seed` is 1"),
        ({"estimator": "score", "seed": 1, "labels": torch.zeros(6)}, "`labels` is given"),
        ({"estimator": "score", "seed": 1, "draws": 0}, "`draws` is 0"),
        ({"draws": 2}, "`draws` is 2"),
        ({"estimator": "empirical", "labels": torch.zeros(5)}, r"`labels` has shape \(5,\)"),
        ({"estimator": "empirical", "labels": torch.full((6,), 2)}, r"`labels` runs from 2 to 2"),
        ({"estimator": "empirical", "labels": torch.full((6,), 0.5)}, r"`labels`.*whole numbers"),
    ],
)
def test_what_an_estimator_lacks_or_does_not_take_is_named(given, message):
    network, x = setting("categorical")
    for run in (fc.fisher, fc.factors, fc.spectrum, fc.block_norms, fc.top_eigenvalues):
        with pytest.raises(ValueError, match=message):
            run(network, x, fc.Categorical(), **given)


def test_seed_nought_is_a_seed():
    network, x = setting("categorical")
    made = [fc.fisher(network, x, fc.Categorical(), "diagonal", "score", seed=seed).values for seed in (0, 1)]
    assert not torch.equal(*made)
