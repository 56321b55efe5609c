"""The estimators themselves, drawn with many seeds, have the mean, variances and covariance that the closed forms say."""

import pytest
import torch
from label_enumeration import FAMILIES, small_case, values_and_weights

import fimcore as fc

SEEDS = 500


def drawn(network, x, family, estimator, draws=1):
    """(SEEDS, P): one estimate of the diagonal a seed."""
    return torch.stack(
        [
            fc.fisher(network, x, family, structure="diagonal", estimator=estimator, seed=seed, draws=draws).diagonal()
            for seed in range(SEEDS)
        ]
    )


def fourth_moments(network, x, likelihood, draws):
    """E (I - F)^4 of both estimates, (P,) each, by enumeration: that of a mean of independent values from those of each.

    An estimate's own sample of squares would not do: with a learned variance the squared score is of degree 4 in a normal
    number, and a sample variance of it far below the true one is the rule.
    """
    count, found = len(x) * draws, []
    for place in (0, 1):
        own, squares, variances = 0, 0, 0
        for point in x:
            every = values_and_weights(network, point, likelihood, nodes=10)
            values, weights = every[place], every[2]
            apart = (values - weights @ values).square()
            variance = weights @ apart
            own, squares, variances = own + weights @ apart.square(), squares + variance.square(), variances + variance
        found.append((draws * own + 3 * ((draws * variances).square() - draws * squares)) / count**4)
    return found


def worst(values, expected, variance):
    """The largest z-score of the mean of (SEEDS, P) values, where they vary at all."""
    varies = variance > 1e-20
    scores = (values.mean(0) - expected)[varies] / (variance[varies] / SEEDS).sqrt()
    return float(scores.abs().max()) if scores.numel() else 0.0


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("draws", [1, 3])
def test_means_variances_and_covariance(family, draws):
    network, x, likelihood = small_case(family, widths=(2, 3, 2), samples=4)
    est = fc.diagonal_variances(network, x, likelihood)
    score, hessian = (drawn(network, x, likelihood, name, draws) for name in ("score", "hessian"))
    apart, other = score - est.fisher, hessian - est.fisher
    count = len(x) * draws
    first, second, both = est.var_score / count, est.var_hessian / count, est.covariance / count
    fourth, other_fourth = fourth_moments(network, x, likelihood, draws)
    # some twenty parameters each
    assert worst(score, est.fisher, first) < 4
    assert worst(hessian, est.fisher, second) < 4
    assert worst(apart.square(), first, fourth - first.square()) < 4
    assert worst(other.square(), second, other_fourth - second.square()) < 4
    # one seed draws the same labels for both; the product's variance is at most this (Cauchy and Schwarz)
    assert worst(apart * other, both, (fourth * other_fourth).sqrt()) < 4
    torch.testing.assert_close(est.total_variance("score", labels=draws, drawn="all").total, first)


def test_probe_has_the_variance_told():
    network, x, likelihood = small_case("categorical", widths=(2, 3, 3), samples=4)
    est = fc.diagonal_variances(network, x, likelihood)
    squares = (drawn(network, x, likelihood, "probe") - est.fisher).square()
    assert worst(squares, est.batch.probe, squares.var(0)) < 4


def test_fisher_is_that_of_the_measured_wing():
    for name in FAMILIES:
        network, x, family = small_case(name)
        expected = fc.fisher(network, x, family, structure="diagonal").diagonal()
        torch.testing.assert_close(fc.diagonal_variances(network, x, family).fisher, expected, rtol=1e-12, atol=1e-15)
