"""What is decided from the variances: input against label randomness, samples needed, negative values."""

import itertools
import math

import pytest
import torch
from label_enumeration import small_case, values_and_weights

import fimcore as fc


def one_input_gaussian(variance=1.0):
    network, x, _ = small_case("gaussian", samples=1)
    return fc.diagonal_variances(network, x, fc.Gaussian(variance))


# ------------------------------------------------------------------------------------------------- law of total variance


@pytest.mark.parametrize("labels", [1, 2])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_subsets_with_labels_one_by_one(count, labels):
    network, x, family = small_case("categorical", widths=(2, 3, 3), samples=4)
    est = fc.diagonal_variances(network, x, family)
    each = [values_and_weights(network, point, family) for point in x]
    for place, estimator in enumerate(("score", "hessian")):
        # a mean over `labels` labels at one input has the same mean and 1 / labels of the variance, by enumeration as well
        first, second = 0, 0
        subsets = list(itertools.combinations(range(4), count))
        for subset in subsets:
            means = [each[n][2] @ each[n][place] for n in subset]
            spread = [
                each[n][2] @ (each[n][place] - mean).square() / labels for n, mean in zip(subset, means, strict=True)
            ]
            mean = torch.stack(means).mean(0)
            first, second = (
                first + mean / len(subsets),
                second + (mean.square() + sum(spread) / count**2) / len(subsets),
            )
        split = est.total_variance(estimator, inputs=count, labels=labels, drawn="subset")
        torch.testing.assert_close(split.total, second - first.square(), rtol=1e-9, atol=1e-12)
        assert (count == 4) == bool((split.input == 0).all())


def test_independent_inputs_and_all_inputs():
    est = fc.diagonal_variances(*small_case("bernoulli"))
    split = est.total_variance("hessian", inputs=50, labels=3)
    torch.testing.assert_close(split.input, est.input_variance / 50)
    torch.testing.assert_close(split.label, est.var_hessian / 150)
    whole = est.total_variance("score", labels=2, drawn="all")
    torch.testing.assert_close(whole.total, est.var_score / 8)
    assert bool((est.total_variance("exact").label == 0).all())
    torch.testing.assert_close(est.total_variance("mixture").label, est.var_mixture / 4)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"estimator": "probe"}, "`estimator`"),
        ({"estimator": "score", "drawn": "some"}, "`drawn`"),
        ({"estimator": "score", "inputs": 0}, "`inputs` is 0"),
        ({"estimator": "score", "labels": 1.5}, "`labels` is 1.5"),
        ({"estimator": "score", "inputs": 5, "drawn": "subset"}, "at most 4"),
        ({"estimator": "score", "inputs": 3, "drawn": "all"}, "it is 4"),
    ],
)
def test_wrong_splits(arguments, named):
    with pytest.raises(ValueError, match=named):
        fc.diagonal_variances(*small_case("categorical")).total_variance(**arguments)


# -------------------------------------------------------------------------------------------------------- samples needed


@pytest.mark.parametrize(
    ("error", "delta", "chebyshev", "clt", "exact"),
    [(0.1, 0.05, 4000, 769, 768), (0.2, 0.05, 1000, 193, 191), (0.5, 0.1, 80, 22, 21)],
)
def test_samples_of_the_gaussian_score(error, delta, chebyshev, clt, exact):
    est = one_input_gaussian()
    for method, count in (("chebyshev", chebyshev), ("clt", clt), ("exact", exact)):
        needed = est.samples_needed(error, 1 - delta, method)
        assert set(needed.score.tolist()) == {count}


def test_samples_of_the_gaussian_hessian():
    est = one_input_gaussian(variance=0.5)
    clt, exact = est.samples_needed(), est.samples_needed(method="exact")
    torch.testing.assert_close(clt.hessian, exact.hessian)
    expected = torch.ceil(1.959963984540054**2 * est.var_hessian / (0.1 * est.fisher) ** 2).clamp(min=1)
    torch.testing.assert_close(clt.hessian, expected)
    assert bool((clt.hessian[est.layout.layer_slice(3)] == 1).all())
    assert bool((clt.mixture <= torch.minimum(clt.score, clt.hessian)).all())
    assert bool(torch.isnan(exact.mixture[est.var_mixture > 0]).all())


def test_exact_only_where_a_law_is_known():
    network, x, _ = small_case("gaussian", samples=3)
    est = fc.diagonal_variances(network, x, fc.Gaussian())
    needed = est.samples_needed(method="exact")
    # the read-out's biases have the same Fisher entry at every input
    known = [est.layout.unit_slice(3, unit).stop - 1 for unit in (1, 2)]
    assert set(needed.score[known].tolist()) == {768.0}
    assert int(torch.isfinite(needed.score).sum()) == 2
    assert bool(torch.isfinite(needed.hessian).all())
    other = fc.diagonal_variances(*small_case("categorical")).samples_needed(method="exact")
    assert bool(torch.isnan(other.score).all())
    assert bool((other.hessian[est.layout.layer_slice(3)] == 1).all())
    random = est.samples_needed(method="exact", inputs="random")
    assert bool(torch.isnan(random.score[: est.layout.layer_sizes[0]]).all())


def test_random_inputs_need_more():
    est = fc.diagonal_variances(*small_case("categorical"))
    fixed, random = est.samples_needed(), est.samples_needed(inputs="random")
    expected = torch.ceil(1.959963984540054**2 * (est.var_hessian + est.input_variance) / (0.1 * est.fisher) ** 2)
    torch.testing.assert_close(random.hessian, expected)
    assert bool((random.score >= fixed.score).all())


def test_nothing_and_everything_needed():
    # a dead rectifier: its incoming weights move nothing
    network = fc.Network(
        (torch.tensor([[1.0], [1.0]]).double(), torch.tensor([[1.0, 1.0]]).double()),
        (torch.tensor([-9.0, 1.0]).double(), torch.zeros(1).double()),
        "relu",
    )
    est = fc.diagonal_variances(network, torch.ones(2, 1).double())
    assert est.samples_needed().score[0] == 1
    # a read-out of zero: the score vanishes, the second derivative too
    network, x, _ = small_case("gaussian")
    silent = fc.Network((*network.weights[:-1], 0 * network.weights[-1]), network.biases)
    assert bool((fc.diagonal_variances(silent, x).samples_needed().hessian[: network.layout.layer_sizes[0]] == 1).all())
    # two opposite paths: the first derivative cancels and the second does not
    network = fc.Network(
        (torch.tensor([[1.0]]).double(), torch.tensor([[1.0], [1.0]]).double(), torch.tensor([[1.0, -1.0]]).double()),
        (torch.zeros(1).double(), torch.tensor([0.5, -0.5]).double(), torch.zeros(1).double()),
    )
    est = fc.diagonal_variances(network, torch.zeros(1, 1).double())
    assert est.fisher[1] == 0
    assert est.samples_needed().hessian[1] == math.inf


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"method": "guess"}, "`method`"),
        ({"inputs": "none"}, "`inputs`"),
        ({"relative_error": 0}, "`relative_error` is 0"),
        ({"confidence": 1.0}, "`confidence` is 1.0"),
    ],
)
def test_wrong_questions(arguments, named):
    with pytest.raises(ValueError, match=named):
        one_input_gaussian().samples_needed(**arguments)


# -------------------------------------------------------------------------------------------------------- negative values


@pytest.mark.parametrize("family", ["categorical", "bernoulli", "poisson"])
def test_share_of_negative_values(family):
    network, x, likelihood = small_case(family)
    est = fc.diagonal_variances(network, x, likelihood)
    expected = 0
    for point in x:
        _, seconds, weights = values_and_weights(network, point, likelihood)
        expected = expected + weights @ (seconds < -1e-13).double() / len(x)
    found = est.negative_share(draws=4000, seed=1)
    assert found.exact == (family == "categorical")
    for layer, (unit, brute) in enumerate(zip(found.units, est.by_unit(expected), strict=True), start=1):
        if found.exact:
            torch.testing.assert_close(unit, brute, rtol=1e-9, atol=1e-12)
        elif layer < 3:
            assert float((unit - brute).abs().max()) < 5 * 0.5 / (4000 * len(x)) ** 0.5
    assert found.layers.shape == (3,)


def test_share_of_negative_values_of_normal_labels():
    est = one_input_gaussian()
    f, v = est.fisher[0], est.var_hessian[0]
    expected = 0.5 * torch.erfc(f / (2 * v).sqrt())
    torch.testing.assert_close(est.negative_share().units[0][0], expected, rtol=1e-10, atol=0)
    assert float(est.negative_share().layers[-1]) == 0
