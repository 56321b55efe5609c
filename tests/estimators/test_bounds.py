"""Bounds hold on random networks of every family, and their constants are the eigenvalues of enumerated matrices."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from label_enumeration import FAMILIES, WaitingTimeWithMoments, label_law, log_density, small_case

import fimcore as fc
from fimcore.architecture import ACTIVATION_NAMES
from fimcore.estimators.output_law import output_law, square_trace

QUANTITIES = ("fisher", "var_score", "var_hessian")


def check_order(est):
    for quantity in QUANTITIES:
        bound, value = getattr(est.bounds, quantity), getattr(est, quantity)
        slack = 1e-9 * (value + bound.upper * 1e-3) + 1e-300
        if quantity == "var_score":
            slack = slack + 1e-13 * est.per_sample.fisher.square().mean(0)
        assert bool((bound.lower <= value + slack).all()), quantity
        assert bool((value <= bound.upper + slack).all()), quantity
        for form in bound.forms:
            held = form.values <= bound.lower + slack if form.side == "lower" else form.values >= bound.upper - slack
            assert bool(held.all()), (quantity, form.name)


@settings(max_examples=150)
@given(
    family=st.sampled_from(sorted(FAMILIES)),
    activation=st.sampled_from(ACTIVATION_NAMES),
    hidden=st.lists(st.integers(1, 5), max_size=3),
    outputs=st.integers(1, 3),
    spread=st.sampled_from([0.01, 0.3, 1.0, 3.0]),
    seed=st.integers(0, 1000),
)
def test_lower_value_upper(family, activation, hidden, outputs, spread, seed):
    outputs = {"categorical": max(outputs, 2), "gaussian with variance": 2 * outputs}.get(family, outputs)
    widths = (2, *hidden, outputs)
    est = fc.diagonal_variances(*small_case(family, activation, widths, samples=3, seed=seed, spread=spread))
    check_order(est)
    product = (est.per_sample.var_score * est.per_sample.var_hessian).sqrt()
    assert bool((est.per_sample.covariance.abs() <= product * (1 + 1e-6) + 1e-7 * est.per_sample.fisher.square()).all())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("sharpness", [1.0, 8.0, 30.0])
def test_confident_classifiers(seed, sharpness):
    network, x, family = small_case("categorical", widths=(3, 5, 4, 6), samples=6, seed=seed)
    sharper = (*network.weights[:-1], sharpness * network.weights[-1])
    check_order(fc.diagonal_variances(fc.Network(sharper, network.biases, "tanh"), x, family))


def test_confident_classifiers_in_float32():
    network, x, family = small_case("categorical", widths=(3, 5, 4, 6), samples=6, dtype=torch.float32)
    sharper = (*network.weights[:-1], 200 * network.weights[-1])
    est = fc.diagonal_variances(fc.Network(sharper, network.biases, "tanh"), x, family)
    for quantity in QUANTITIES:
        bound, value = getattr(est.bounds, quantity), getattr(est, quantity)
        assert bool(torch.isfinite(torch.stack([bound.lower, bound.upper, value])).all())
        assert bool((bound.lower <= value * (1 + 1e-4) + 1e-30).all())
        assert bool((value <= bound.upper * (1 + 1e-4) + 1e-30).all())


@pytest.mark.parametrize("family", ["gaussian", "noisy gaussian"])
def test_eigenvalue_forms_are_equalities_of_the_isotropic_gaussian(family):
    est = fc.diagonal_variances(*small_case(family))
    for quantity in QUANTITIES:
        bound, value = getattr(est.bounds, quantity), getattr(est, quantity)
        torch.testing.assert_close(bound.lower, value, rtol=1e-12, atol=1e-15)
        torch.testing.assert_close(bound.upper, value, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("family", ["gaussian", "bernoulli", "poisson", "waiting time"])
def test_eigenvalue_forms_are_equalities_of_one_output(family):
    est = fc.diagonal_variances(*small_case(family, widths=(3, 4, 3, 1)))
    for quantity in QUANTITIES:
        bound, value = getattr(est.bounds, quantity), getattr(est, quantity)
        torch.testing.assert_close(bound.upper, value, rtol=1e-10, atol=1e-13)


def test_third_moment_bound_is_an_equality_of_two_atoms():
    for family, outputs in (("bernoulli", 1), ("categorical", 2)):
        est = fc.diagonal_variances(*small_case(family, widths=(3, 4, outputs)))
        torch.testing.assert_close(
            est.bounds.var_score.form("third moment", "lower"), est.var_score, rtol=1e-9, atol=1e-15
        )
        torch.testing.assert_close(est.bounds.var_score.form("two-sided range"), est.var_score, rtol=1e-9, atol=1e-15)


def test_forms_by_name():
    bounds = fc.diagonal_variances(*small_case("categorical")).bounds
    assert {form.name for form in bounds.var_score.forms} >= {
        "third moment", "largest eigenvalue", "trace", "twice the largest eigenvalue", "one quarter", "rarest class",
        "range", "two-sided range",
    }  # fmt: skip
    assert {form.name for form in bounds.fisher.forms} >= {"largest probability", "Gini index", "one half", "range"}
    with pytest.raises(KeyError, match="'range' \\(upper\\)"):
        bounds.fisher.form("no such form")


def enumerated(family, f):
    """Cov(s) and Cov(s s^T) on an orthonormal basis of the symmetric matrices, at one input."""
    labels, weights = label_law(family, f)
    scores = torch.func.vmap(torch.func.grad(lambda at, y: log_density(family, at, y)), (None, 0))(f, labels)
    metric = scores.T @ (weights[:, None] * scores)
    rows, columns = torch.triu_indices(len(f), len(f))
    atoms = scores[:, rows] * scores[:, columns] * (1 + (rows != columns).double()).sqrt()
    atoms = atoms - weights @ atoms
    return metric, atoms.T @ (weights[:, None] * atoms)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("count", [2, 4])
def test_constants_are_eigenvalues(name, count):
    family = FAMILIES[name]
    f = torch.randn(3, count, generator=torch.Generator().manual_seed(3), dtype=torch.float64) * 0.6
    if name == "poisson" and count == 4:
        f = f - 2.5
    law = output_law(family, f)
    for at in range(3):
        metric, square = enumerated(family, f[at])
        values, squares = torch.linalg.eigvalsh(metric), torch.linalg.eigvalsh(square)
        smallest = values[1] if name == "categorical" else values[0]
        near = {"rtol": 1e-8, "atol": 1e-9}
        torch.testing.assert_close(law.smallest[at], smallest, **near)
        torch.testing.assert_close(law.largest[at], values[-1], **near)
        if not isinstance(family, WaitingTimeWithMoments):
            torch.testing.assert_close(law.square_smallest[at], squares[0], **near)
            torch.testing.assert_close(law.square_largest[at], squares[-1], **near)
        trace = square_trace(family, f, family.output_fisher(f))[at]
        torch.testing.assert_close(trace, square.trace(), **near)
        if law.square_trace is not None:
            torch.testing.assert_close(law.square_trace[at], trace, **near)
