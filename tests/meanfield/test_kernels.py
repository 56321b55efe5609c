"""Kernels against nested quadrature, Monte Carlo over random networks written here, and each other; the two-layer relu spectrum."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import eval_gegenbauer

from fimcore import meanfield as mf
from fimcore.architecture import ACTIVATION_NAMES, Architecture
from fimcore.meanfield.pair_arrays import pair_arrays

PAIRS = {
    "tanh": (np.tanh, lambda u: 1.0 / np.cosh(u) ** 2),
    "softplus": (lambda u: np.log1p(np.exp(u)), lambda u: 1.0 / (1.0 + np.exp(-u))),
    "sigmoid": (lambda u: 1.0 / (1.0 + np.exp(-u)), lambda u: 1.0 / (2.0 + 2.0 * np.cosh(u))),
    "elu": (lambda u: u if u > 0 else math.expm1(u), lambda u: 1.0 if u > 0 else math.exp(u)),
}


def two_dimensional(function, q1, q2, c):
    """E f(u) f(v) by nested adaptive quadrature, both integrals cut at the kinks."""
    s1, along = math.sqrt(q1), c / math.sqrt(q1)
    rest = math.sqrt(q2 - along * along)

    def density(z):
        return math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)

    def inner(z):
        cut = min(8.0, max(-8.0, -along * z / rest))
        parts = [
            quad(lambda y: function(along * z + rest * y) * density(y), low, high, epsabs=1e-14, epsrel=1e-13)[0]
            for low, high in ((-9.0, cut), (cut, 9.0))
        ]
        return sum(parts)

    ends = ((-9.0, 0.0), (0.0, 9.0))
    return sum(
        quad(lambda z: function(s1 * z) * inner(z) * density(z), *end, epsabs=1e-13, epsrel=1e-12)[0] for end in ends
    )


@pytest.mark.parametrize("activation", PAIRS)
def test_expectations_of_a_pair_against_nested_quadrature(activation):
    q1, q2, c = 1.7, 0.6, 0.8
    found = pair_arrays(activation, np.array([[q1, c], [c, q2]]))
    for got, function in zip(found, PAIRS[activation], strict=True):
        assert got[0, 1] == pytest.approx(two_dimensional(function, q1, q2, c), rel=1e-11)


@pytest.mark.parametrize("activation", ACTIVATION_NAMES)
@pytest.mark.parametrize("size", [1e-4, 1.0, 30.0, 3000.0])
def test_every_pair_against_the_one_pair_quadrature(activation, size):
    """Coinciding, opposite, nearly coinciding and rescaled inputs included."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(7, 5))
    a[1], a[2], a[3], a[4] = a[0], -a[0], a[0] + 1e-3 * a[3], 2.0 * a[0]
    covariance = size * (a @ a.T) / 5
    value, slope = pair_arrays(activation, covariance)
    for i, j in np.ndindex(7, 7):
        q1, q2, c = covariance[i, i], covariance[j, j], covariance[i, j]
        one = mf.moments(activation, q1, q2, c)
        assert value[i, j] == pytest.approx(one.phi_phi, abs=2e-12 * math.sqrt(value[i, i] * value[j, j]))
        # arccos costs half the digits of the kernels with a kink where inputs coincide up to rounding
        assert slope[i, j] == pytest.approx(one.dphi_dphi, abs=2e-8 * math.sqrt(slope[i, i] * slope[j, j]))


@settings(max_examples=25)
@given(
    activation=st.sampled_from(ACTIVATION_NAMES),
    seed=st.integers(0, 999),
    weight=st.floats(0.2, 4.0),
    bias=st.sampled_from([0.0, 0.3]),
    scale=st.sampled_from([0.3, 1.0, 4.0]),
)
def test_kernels_are_symmetric_and_positive_semidefinite(activation, seed, weight, bias, scale):
    rng = np.random.default_rng(seed)
    x = scale * rng.normal(size=(6, 4))
    x[1] = x[0]
    arch = Architecture((4, 20, 10, 2), activation, weight, bias)
    layers = mf.layer_kernels(arch, x)
    for kernel in (mf.nngp(arch, x), mf.ntk(arch, x), mf.ntk(arch, x, "ntk"), *layers):
        np.testing.assert_array_equal(kernel, kernel.T)
        values = np.linalg.eigvalsh(kernel)
        assert values[0] > -1e-10 * values[-1]
        np.testing.assert_allclose(kernel[0], kernel[1], rtol=1e-6)
    np.testing.assert_allclose(layers.sum(axis=0), mf.ntk(arch, x), rtol=1e-14)


def random_network_kernels(arch, x, seed):
    """NNGP draw, standard and NTK-parametrisation tangent kernels of one network, gradients by hand."""
    rng = np.random.default_rng(seed)
    value, slope = {
        "tanh": (np.tanh, lambda u: 1 / np.cosh(u) ** 2),
        "relu": (lambda u: np.maximum(u, 0), lambda u: (u > 0).astype(float)),
        "elu": (lambda u: np.where(u > 0, u, np.expm1(np.minimum(u, 0))), lambda u: np.exp(np.minimum(u, 0))),
    }[arch.activation]
    weight, bias = arch.weight_variance, arch.bias_variance
    activity, pre, weights = [x], [], []
    for below, width in zip(arch.widths[:-1], arch.widths[1:], strict=True):
        weights.append(rng.normal(size=(width, below)) * math.sqrt(weight / below))
        pre.append(activity[-1] @ weights[-1].T + rng.normal(size=width) * math.sqrt(bias))
        activity.append(value(pre[-1]))
    signal, standard, scaled = np.ones((len(x), 1)), 0.0, 0.0
    for layer in range(arch.layers - 1, -1, -1):
        overlap, below = activity[layer] @ activity[layer].T, arch.widths[layer]
        standard = standard + (signal @ signal.T) * (overlap + 1.0)
        scaled = scaled + (signal @ signal.T) * (weight * overlap / below + bias)
        if layer:
            signal = slope(pre[layer - 1]) * (signal @ weights[layer])
    return pre[-1][:, 0], standard, scaled


@pytest.mark.parametrize("activation", ["tanh", "relu", "elu"])
def test_kernels_are_means_over_random_networks(activation):
    arch = Architecture((6, 400, 250, 1), activation, 1.7, 0.2)
    x = np.random.default_rng(1).normal(size=(3, 6)) * np.array([[0.5], [1.0], [1.5]])
    runs = [random_network_kernels(arch, x, seed) for seed in range(250)]
    for place, expected in ((1, mf.ntk(arch, x)), (2, mf.ntk(arch, x, "ntk"))):
        draws = np.array([run[place] for run in runs])
        error = draws.std(axis=0, ddof=1) / math.sqrt(len(runs))
        # the mean over networks differs from the limit by 1 / width
        np.testing.assert_array_less(np.abs(draws.mean(axis=0) - expected), 4.0 * error + 0.01 * expected.max())
        assert np.linalg.norm(draws.mean(axis=0) - expected) < 0.06 * np.linalg.norm(expected)
    outputs = np.array([run[0] for run in runs])
    z = (outputs.T @ outputs / len(runs) - mf.nngp(arch, x)) / (
        mf.nngp(arch, x).diagonal()[:, None] * math.sqrt(2.0 / len(runs))
    )
    assert np.abs(z).max() < 5.0


def test_the_two_parametrisations_are_not_proportional():
    arch = Architecture((5, 300, 30, 1), "tanh", 1.5, 0.3)
    x = np.random.default_rng(0).normal(size=(4, 5))
    ratio = np.diagonal(mf.ntk(arch, x)) / np.diagonal(mf.ntk(arch, x, "ntk"))
    assert ratio.max() / ratio.min() > 1.05


def test_a_linear_model_and_zero_inputs_by_hand():
    x = np.array([[1.0, 2.0], [0.0, 0.0], [3.0, -1.0]])
    arch = Architecture((2, 1), "tanh", 1.5, 0.25)
    np.testing.assert_allclose(mf.ntk(arch, x), x @ x.T + 1.0)
    np.testing.assert_allclose(mf.nngp(arch, x), 1.5 * x @ x.T / 2 + 0.25)
    for activation in ACTIVATION_NAMES:
        assert np.isfinite(mf.ntk(Architecture((2, 5, 5, 1), activation, 1.5, 0.0), x)).all()


def test_signals_without_bound_leave_no_numbers():
    arch = Architecture((2, *(4,) * 40, 1), "relu", 1e5, 0.0)
    assert np.isnan(mf.ntk(arch, np.ones((2, 2)))).all()
    assert np.isnan(mf.nngp(arch, np.ones((2, 2)))).all()


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda arch: mf.ntk(arch, np.ones((3, 4))), "x"),
        (lambda arch: mf.ntk(arch, [[math.nan, 1.0]]), "x"),
        (lambda arch: mf.nngp(arch, np.ones((0, 2))), "x"),
        (lambda arch: mf.ntk(arch, np.ones((3, 2)), "pytorch"), "parametrisation"),
        (lambda _: mf.two_layer_relu_spectrum(0), "dim"),
        (lambda _: mf.two_layer_relu_spectrum(3, degrees=0), "degrees"),
        (lambda _: mf.two_layer_relu_spectrum(3, width=2.5), "width"),
    ],
)
def test_bad_arguments_are_named(call, field):
    with pytest.raises(ValueError, match=f"`{field}`"):
        call(Architecture((2, 3, 1)))


def funk_hecke(d, k):
    """(d / 2 pi) times the mean over the sphere of g(t) P_k(t), g(t) = sqrt(1 - t^2) + (pi - arccos t) t, at t = cos(angle)."""
    order = 0.5 * (d - 2)

    def integrand(angle):
        kernel = math.sin(angle) + (math.pi - angle) * math.cos(angle)
        polynomial = eval_gegenbauer(k, order, math.cos(angle)) / eval_gegenbauer(k, order, 1.0)
        return kernel * polynomial * math.sin(angle) ** (d - 2)

    area = quad(lambda angle: math.sin(angle) ** (d - 2), 0.0, math.pi, epsabs=1e-14)[0]
    return quad(integrand, 0.0, math.pi, epsabs=1e-13)[0] / area * d / (2.0 * math.pi)


@pytest.mark.parametrize("dim", [3, 6, 10])
def test_two_layer_relu_eigenvalues_are_funk_hecke_integrals(dim):
    found = mf.two_layer_relu_spectrum(dim, degrees=8)
    expected = [funk_hecke(dim, k) for k in range(8)]
    np.testing.assert_allclose(found.eigenvalues, expected, rtol=1e-9, atol=1e-9)


@given(dim=st.integers(1, 60), degrees=st.integers(1, 12))
def test_two_layer_relu_groups_fill_the_trace(dim, degrees):
    found = mf.two_layer_relu_spectrum(dim, degrees)
    total = math.comb(dim + degrees - 2, degrees - 1) + (
        math.comb(dim + degrees - 3, degrees - 2) if degrees > 1 else 0
    )
    assert found.multiplicities.sum() == total  # all polynomials of this degree on the sphere
    assert found.shares.sum() + found.remainder == pytest.approx(1.0, abs=1e-12)
    assert (found.eigenvalues[3::2] == 0.0).all()
    if degrees >= 3:
        assert found.shares[:3].sum() >= 0.977


def test_two_layer_relu_reference_numbers_and_a_random_layer():
    assert [mf.two_layer_relu_spectrum(d).eigenvalues[0] for d in (5, 10, 20)] == pytest.approx(
        [0.8789, 1.6730, 3.2636], abs=6e-5
    )
    found = mf.two_layer_relu_spectrum(4, width=1500)
    assert found.eigenvalues[1] == 0.25
    w = np.random.default_rng(0).normal(size=(4, 1500)) / math.sqrt(1500)
    norm = np.linalg.norm(w, axis=0)
    cosine = np.clip(w.T @ w / np.outer(norm, norm), -1.0, 1.0)
    matrix = np.outer(norm, norm) / (2 * np.pi) * (np.sqrt(1 - cosine**2) + (np.pi - np.arccos(cosine)) * cosine)
    values = np.linalg.eigvalsh(matrix)[::-1]
    for group, (start, stop) in enumerate(((0, 1), (1, 5), (5, 14))):
        assert values[start:stop].mean() == pytest.approx(found.eigenvalues[group], rel=0.06)
    assert found.valid[:3].all()
    assert not found.valid[-1]
    assert "hidden units" in found.reason


def test_relu_coefficients_by_plain_quadrature():
    """b_k of relu on the circle, d = 2: (1/2 pi) int relu(cos t) cos k t dt."""
    found = mf.two_layer_relu_spectrum(2, degrees=7).eigenvalues
    for k in range(7):
        coefficient = quad(lambda t, k=k: math.cos(t) * math.cos(k * t), -math.pi / 2, math.pi / 2)[0] / (2 * math.pi)
        assert found[k] == pytest.approx(4.0 * coefficient**2, abs=1e-14)
