"""Closed forms against every label, one by one: mean, both variances, covariance and mixture, scale included."""

import pytest
import torch
from label_enumeration import FAMILIES, PLAIN, moments, small_case

import fimcore as fc

NEAR = {"rtol": 1e-9, "atol": 1e-11}


def check(network, x, family):
    fisher, score, hessian, covariance = moments(network, x, family)
    est = fc.diagonal_variances(network, x, family)
    torch.testing.assert_close(est.fisher, fisher.mean(0), **NEAR)
    torch.testing.assert_close(est.var_score, score.mean(0), **NEAR)
    torch.testing.assert_close(est.var_hessian, hessian.mean(0), **NEAR)
    torch.testing.assert_close(est.covariance, covariance.mean(0), **NEAR)
    torch.testing.assert_close(est.input_variance, fisher.var(0, correction=0), **NEAR)
    per = est.per_sample
    torch.testing.assert_close(per.fisher, fisher, **NEAR)
    torch.testing.assert_close(per.var_score, score, **NEAR)
    torch.testing.assert_close(per.var_hessian, hessian, **NEAR)
    torch.testing.assert_close(per.covariance, covariance, **NEAR)
    return est, (fisher, score, hessian, covariance)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_likelihood(family):
    check(*small_case(family))


@pytest.mark.parametrize("activation", PLAIN)
def test_every_activation(activation):
    est, _ = check(*small_case("categorical", activation, widths=(2, 3, 3, 3), samples=3))
    if activation in ("relu", "leaky_relu", "linear"):
        assert bool((est.var_hessian == 0).all())
        assert bool((est.covariance == 0).all())
        assert bool((est.var_mixture == 0).all())
    else:
        assert bool((est.by_layer(est.var_hessian)[:-1] > 0).all())


@pytest.mark.parametrize("family", ["categorical", "gaussian with variance", "bernoulli"])
@pytest.mark.parametrize("widths", [(3, 2), (2, 3, 2), (2, 3, 2, 3, 2)])
def test_every_depth(family, widths):
    check(*small_case(family, widths=widths, samples=3))


def test_two_targets_with_learned_variance():
    check(*small_case("gaussian with variance", widths=(2, 2, 4), samples=2))


def test_last_layer_has_no_label_variance_only_where_outputs_are_natural():
    est = fc.diagonal_variances(*small_case("categorical"))
    assert float(est.by_layer(est.var_hessian)[-1]) == 0
    est = fc.diagonal_variances(*small_case("gaussian with variance", activation="relu"))
    assert bool((est.by_layer(est.var_hessian) > 0).all())


@pytest.mark.parametrize("family", FAMILIES)
def test_the_mixture_is_the_best_of_a_grid_of_weights(family):
    network, x, likelihood = small_case(family)
    est, (_, score, hessian, covariance) = check(network, x, likelihood)

    def mixed(weight, v1, v2, c):
        return weight**2 * v1 + (1 - weight) ** 2 * v2 + 2 * weight * (1 - weight) * c

    own = torch.where(
        score + hessian - 2 * covariance > 0, (hessian - covariance) / (score + hessian - 2 * covariance), 0.5
    )
    torch.testing.assert_close(est.var_mixture, mixed(own, score, hessian, covariance).mean(0), rtol=1e-7, atol=1e-12)
    means = est.var_score, est.var_hessian, est.covariance
    torch.testing.assert_close(est.var_common_mixture, mixed(est.mixture_weight, *means), rtol=1e-7, atol=1e-12)
    for weight in (-1.0, 0.0, 0.2, 0.5, 0.9, 1.0, 2.0):
        assert bool((est.var_common_mixture <= mixed(weight, *means) * (1 + 1e-9) + 1e-14).all())
    assert bool((est.var_mixture <= est.var_common_mixture * (1 + 1e-9) + 1e-14).all())


def test_one_score_is_all_there_is_where_both_are_the_same():
    # logistic regression at zero: every score is half the input up to its sign, and the second derivative is its square
    network = fc.Network((torch.zeros(1, 2, dtype=torch.float64),), (torch.zeros(1, dtype=torch.float64),))
    est = fc.diagonal_variances(network, fc.inputs.gaussian(5, 2, seed=0), fc.Bernoulli())
    assert bool((est.var_score < 1e-30).all())
    assert bool((est.var_mixture == 0).all())


@pytest.mark.parametrize(("family", "outputs"), [("bernoulli", 1), ("categorical", 2)])
def test_two_possible_labels_leave_no_variance_to_the_best_mixture(family, outputs):
    # both estimators are affine in one and the same two-valued number
    network, x, likelihood = small_case(family, widths=(3, 4, 3, outputs))
    est, (_, score, hessian, covariance) = check(network, x, likelihood)
    torch.testing.assert_close(covariance.square(), score * hessian, rtol=1e-9, atol=1e-15)
    assert bool((est.var_mixture <= 1e-13 * (est.var_score + est.var_hessian)).all())
    assert float(est.by_layer(est.var_hessian)[0]) > 1e-4
