"""Amari's unit blocks: the formula entry by entry, its exact inverse, and the networks in which it is the Fisher matrix."""

from __future__ import annotations

import pytest
import torch

import fimcore as fc
from fimcore.activations import activation as torch_activation
from fimcore.fisher.blocks import unit_blocks
from fimcore.fisher.factors import factors
from fimcore.fisher.parts import factor_parts
from fimcore.fisher.structures import Origin
from fimcore.fisher.unit_closed_form import unit_closed_form
from fimcore.unit_integrals import slope_moments

WIDTHS = (4, 6, 5, 3)
FORMS = [False, True]


def setting(inputs=60, activation="tanh", widths=WIDTHS, dtype=torch.float64):
    network = fc.sample_network(fc.Architecture(widths, activation, 1.5, 0.3), seed=1, dtype=torch.float32)
    network = fc.Network(
        tuple(w.to(dtype) for w in network.weights), tuple(b.to(dtype) for b in network.biases), activation
    )
    return network, fc.inputs.gaussian(inputs, widths[0], seed=2, dtype=torch.float32).to(dtype)


def built(made, isotropic=False):
    return unit_closed_form(made, Origin(made.estimator, "", made.samples), isotropic=isotropic)


def apart(found, expected):
    return float((found.double() - expected.double()).norm() / expected.double().norm())


def moments_of(a, isotropic):
    mean = a.mean(dim=0)
    covariance = (a - mean).T @ (a - mean) / len(a)
    if isotropic:
        covariance = torch.eye(len(mean), dtype=a.dtype) * covariance.trace() / len(mean)
    return mean, covariance


def formula(made, network, isotropic):
    """g_i G_i written out entry by entry, unit by unit."""
    blocks = []
    for layer in range(1, len(network.weights) + 1):
        m, sigma = moments_of(made.inputs[layer - 1][:, :-1], isotropic)
        strength = made.unit_strength(layer).mean(dim=0)
        for i, (w, bias) in enumerate(zip(network.weights[layer - 1], network.biases[layer - 1], strict=True)):
            s = float(w @ sigma @ w) ** 0.5
            name = network.activation if layer < len(network.weights) else "linear"
            a0, a1, a2 = (float(value) for value in slope_moments(name, s, float(bias + w @ m)))
            v = sigma @ w / s
            block = torch.zeros(len(m) + 1, len(m) + 1, dtype=torch.float64)
            block[:-1, :-1] = a0 * (sigma + torch.outer(m, m)) + (a2 - a0) * torch.outer(v, v)
            block[:-1, :-1] += a1 * (torch.outer(v, m) + torch.outer(m, v))
            block[-1, :-1] = block[:-1, -1] = a1 * v + a0 * m
            block[-1, -1] = a0
            blocks.append(block * float(strength[i]) / a0)
    return torch.block_diag(*blocks)


@pytest.mark.parametrize("isotropic", FORMS)
@pytest.mark.parametrize("estimator", ["exact", "hessian", "probe"])
@pytest.mark.parametrize("activation", ["tanh", "leaky_relu", "gelu"])
def test_every_method_equals_the_formula_written_out(isotropic, estimator, activation):
    network, x = setting(activation=activation)
    made = factors(network, x, fc.Categorical(), estimator, **({} if estimator == "exact" else {"seed": 3}))
    structure, expected = built(made, isotropic), formula(made, network, isotropic)
    assert structure.isotropic is isotropic
    assert apart(structure.dense(), expected) < 1e-13
    assert apart(structure.diagonal(), expected.diagonal()) < 1e-13
    assert structure.trace() == pytest.approx(float(expected.trace()), rel=1e-11)
    assert structure.frobenius_norm() == pytest.approx(float(expected.norm()), rel=1e-12)
    assert apart(structure.eigenvalues(), torch.linalg.eigvalsh(expected).flip(0)) < 1e-13
    vectors = torch.randn(len(expected), 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert apart(structure.matvec(vectors), expected @ vectors) < 1e-13
    assert apart(structure.matvec(vectors[:, 0]), expected @ vectors[:, 0]) < 1e-13
    layer, unit = made.layout.layer_slice(2), made.layout.unit_slice(2, 4)
    assert apart(structure.block(2), expected[layer, layer]) < 1e-13
    assert apart(structure.block(2, 4), expected[unit, unit]) < 1e-13


@pytest.mark.parametrize("isotropic", FORMS)
@pytest.mark.parametrize("activation", ["tanh", "leaky_relu", "sin"])
@pytest.mark.parametrize("relative", [0.0, 1e-13, 1e-6, 1.0, 1e6])
def test_solutions_equal_a_dense_solve(isotropic, activation, relative):
    made = factors(*setting(activation=activation), fc.Categorical())
    structure = built(made, isotropic)
    dense = structure.dense()
    damping = relative * float(dense.diagonal().mean())
    vectors = torch.randn(len(dense), 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    damped = dense + damping * torch.eye(len(dense), dtype=torch.float64)
    found = structure.solve(vectors, damping)
    assert apart(found, torch.linalg.solve(damped, vectors)) < 1e-10
    assert apart(structure.solve(vectors[:, 1], damping), found[:, 1]) < 1e-13
    assert apart(damped @ found, vectors) < 1e-11


def test_a_large_mean_does_not_spoil_a_small_damping():
    """Inputs a thousand deviations from the origin: the mean is never squared where the covariance is inverted."""
    network, x = setting()
    network.biases[0].sub_(1000 * network.weights[0].sum(dim=1))
    made = factors(network, x + 1000, fc.Gaussian())
    structure = built(made)
    ones = torch.ones(made.layout.parameters, dtype=torch.float64)
    for damping in (0.0, 1e-9, 1e-3):
        # the right-hand side is rounded at 1e-16 times its size, 1e6, and a bias sees the weights' error times the mean
        assert apart(structure.solve(structure.matvec(ones) + damping * ones, damping), ones) < 1e-5


def test_without_damping_it_is_the_explicit_inverse_and_natural_gradient():
    """One unit with isotropic inputs: the inverse in closed form, and the natural gradient in O(n)."""
    network, x = setting(widths=(4, 3, 1))
    made = factors(network, x, fc.Gaussian())
    structure = built(made, isotropic=True)
    m, sigma = moments_of(x, isotropic=True)
    sx = float(sigma[0, 0]) ** 0.5
    gradient = torch.randn(made.layout.parameters, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    solved = structure.solve(gradient, 0.0)
    for unit in (1, 2, 3):
        w = network.weights[0][unit - 1]
        e = w / w.norm()
        moments = slope_moments("tanh", sx * float(w.norm()), float(network.biases[0][unit - 1] + w @ m))
        a0, a1, a2 = (float(value) for value in moments)
        d = a0 * a2 - a1**2
        g = float(made.unit_strength(1)[:, unit - 1].mean()) / a0
        inverse = torch.zeros(5, 5, dtype=torch.float64)
        inverse[:-1, :-1] = (torch.eye(4, dtype=torch.float64) / a0 + (a0 / d - 1 / a0) * torch.outer(e, e)) / sx**2
        inverse[-1, :-1] = inverse[:-1, -1] = -a1 / (sx * d) * e - inverse[:-1, :-1] @ m
        inverse[-1, -1] = a2 / d + 2 * a1 / (sx * d) * e @ m + m @ inverse[:-1, :-1] @ m
        assert apart(g * inverse.inverse(), structure.block(1, unit)) < 1e-12
        part = made.layout.unit_slice(1, unit)
        gw, g0 = gradient[part][:-1], gradient[part][-1]
        h = (gw - g0 * m) / sx
        p = e @ h
        dw = (h / a0 + ((a0 / d - 1 / a0) * p - a1 / d * g0) * e) / sx
        step = torch.cat([dw, ((a2 * g0 - a1 * p) / d - m @ dw)[None]]) / g
        assert apart(solved[part], step) < 1e-12
        assert apart(solved[part], inverse @ gradient[part] / g) < 1e-12


@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
def test_it_converges_to_the_fisher_matrix_of_a_hidden_layer_with_gaussian_inputs(activation):
    """One hidden layer: F_ii = sum_c W_ci^2 E[phi'^2 a~ a~^T] exactly, and Gaussian inputs make the expectation Amari's."""
    inputs = 40_000
    network, x = setting(inputs=inputs, activation=activation, widths=(4, 3, 2))
    made = factors(network, x, fc.Gaussian())
    a = made.inputs[0]
    slope = torch_activation(activation).first(a[:, :-1] @ network.weights[0].T + network.biases[0])
    outgoing = network.weights[1].square().sum(dim=0)
    measured = unit_blocks(made, 1)
    for unit in range(3):
        exact = outgoing[unit] * (a.T * slope[:, unit].square()) @ a / inputs
        assert apart(measured[unit], exact) < 1e-12
        for isotropic in FORMS:
            assert apart(built(made, isotropic).block(1, unit + 1), measured[unit]) < 8 * inputs**-0.5


def test_correlated_inputs_need_their_covariance():
    network, x = setting(inputs=40_000, widths=(4, 3, 2))
    mixed = x @ torch.randn(4, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64) + 0.5
    made = factors(network, mixed, fc.Gaussian())
    measured = torch.block_diag(*unit_blocks(made, 1))
    assert apart(built(made).block(1), measured) < 0.03
    assert apart(built(made, isotropic=True).block(1), measured) > 0.3


def test_the_read_out_and_the_bias_entries_are_exact():
    """A linear unit is Gaussian statistics of its inputs alone where its signals do not depend on the input."""
    made = factors(*setting(), fc.Gaussian())
    structure = built(made)
    assert apart(structure.block(3), torch.block_diag(*unit_blocks(made, 3))) < 1e-13
    for layer in (1, 2, 3):
        for unit in (1, 3):
            expected = float(made.unit_strength(layer)[:, unit - 1].mean())
            assert float(structure.block(layer, unit)[-1, -1]) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("isotropic", FORMS)
def test_parts_of_the_inputs_give_the_same(isotropic):
    network, x = setting(inputs=7)
    x += 30.0  # far from the origin: raw second moments would lose three digits
    whole = factors(network, x, fc.Categorical())
    parts = factor_parts(network, x, fc.Categorical(), size=2)
    assert apart(built(parts, isotropic).dense(), built(whole, isotropic).dense()) < 1e-12
    for found, expected in zip(built(parts, isotropic).covariances, built(whole, isotropic).covariances, strict=True):
        assert apart(found, expected) < 1e-13


@pytest.mark.parametrize("isotropic", FORMS)
def test_degenerate_units(isotropic):
    """A unit without weights, a dead one, and one input: blocks as their limits, solved with any damping."""
    network, x = setting(activation="relu")
    network.weights[0][1] = 0.0
    network.biases[0][1] = 0.5
    network.biases[0][2] = -100.0
    made = factors(network, x, fc.Gaussian())
    structure = built(made, isotropic)
    mean, covariance = moments_of(x, isotropic)
    whole = torch.cat([mean, torch.ones(1, dtype=torch.float64)])
    expected = torch.outer(whole, whole)
    expected[:-1, :-1] += covariance
    assert apart(structure.block(1, 2), made.unit_strength(1)[:, 1].mean() * expected) < 1e-13
    assert not bool(structure.block(1, 3).any())
    vector = torch.randn(made.layout.parameters, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    damped = structure.dense() + 0.01 * torch.eye(len(vector), dtype=torch.float64)
    assert apart(structure.solve(vector, 0.01), torch.linalg.solve(damped, vector)) < 1e-11
    with pytest.raises(ValueError, match="singular to rounding; give about"):
        structure.solve(vector, 0.0)
    alone = factors(network, x[:1], fc.Gaussian())
    single = built(alone, isotropic)
    assert not bool(single.covariances[0].any())
    damped = single.dense() + 0.01 * torch.eye(len(vector), dtype=torch.float64)
    assert apart(single.solve(vector, 0.01), torch.linalg.solve(damped, vector)) < 1e-11


def test_an_indefinite_estimate_is_solved_beyond_its_negative_eigenvalues_and_between_them():
    network, x = setting(inputs=8)
    made = factors(network, x, fc.Categorical(), "hessian", seed=3)
    for isotropic in FORMS:
        structure = built(made, isotropic)
        dense, eigenvalues = structure.dense(), structure.eigenvalues()
        assert float(eigenvalues[-1]) < 0
        vector = torch.ones(len(dense), dtype=torch.float64)
        negative = eigenvalues[eigenvalues < 0]
        for damping in (-2 * float(negative[-1]), -0.5 * float(negative[-1] + negative[-2])):
            expected = torch.linalg.solve(dense + damping * torch.eye(len(dense), dtype=torch.float64), vector)
            assert apart(structure.solve(vector, damping), expected) < 1e-9


@pytest.mark.parametrize("isotropic", FORMS)
def test_single_precision(isotropic):
    exact, narrow = (factors(*setting(dtype=dtype), fc.Categorical()) for dtype in (torch.float64, torch.float32))
    wide, structure = built(exact, isotropic), built(narrow, isotropic)
    vector = torch.randn(exact.layout.parameters, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    damping = 1e-3 * float(wide.diagonal().mean())
    for found, expected in (
        (structure.dense(), wide.dense()),
        (structure.matvec(vector.float()), wide.matvec(vector)),
        (structure.solve(vector.float(), damping), wide.solve(vector, damping)),
        (structure.eigenvalues(), wide.eigenvalues()),
    ):
        assert found.dtype == torch.float32
        assert apart(found, expected) < 2e-5


def test_refusals_say_what_to_do():
    # 3 inputs in 4 dimensions: their covariance is singular, and no damping makes up for it
    made = factors(*setting(inputs=3), fc.Categorical())
    structure = built(made)
    vector = torch.ones(made.layout.parameters, dtype=torch.float64)
    for damping in (0.0, 1e-20):
        with pytest.raises(ValueError, match="singular to rounding; give about") as refusal:
            structure.solve(vector, damping)
        advised = float(str(refusal.value).split("give about ")[1].split(" ")[0])
        assert bool(torch.isfinite(structure.solve(vector, advised)).all())
    assert bool(torch.isfinite(built(made, isotropic=True).solve(vector, 0.0)).all())
    with pytest.raises(ValueError, match="`damping` is -1"):
        structure.solve(vector, -1)
    with pytest.raises(ValueError, match=r"`vector` has shape \(3,\)"):
        structure.matvec(vector[:3])
    with pytest.raises(IndexError, match="`unit` is 9"):
        structure.block(2, 9)
