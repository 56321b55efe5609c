"""Activations and Gaussian moments against mpmath at 20 digits, adaptive quadrature by quadrant, and Price's theorem."""

import math
from itertools import pairwise

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import dblquad

from fimcore.architecture import ACTIVATION_NAMES
from fimcore.gaussian_integrals import (
    d2phi,
    dphi,
    expectation,
    fourth_moments,
    pair_moments,
    pair_phi_phi,
    phi,
    single_moments,
    size_slopes,
)

mp.mp.dps = 20
EXACT = {
    "tanh": mp.tanh,
    "erf": mp.erf,
    "relu": lambda u: u if u > 0 else mp.mpf(0),
    "leaky_relu": lambda u: u if u > 0 else u / 100,
    "gelu": lambda u: u * mp.ncdf(u),
    "silu": lambda u: u / (1 + mp.exp(-u)),
    "softplus": lambda u: mp.log1p(mp.exp(u)) if u < 60 else u,
    "sigmoid": lambda u: 1 / (1 + mp.exp(-u)),
    "sin": mp.sin,
    "elu": lambda u: u if u > 0 else mp.expm1(u),
    "linear": lambda u: u,
}
SMOOTH = [name for name in ACTIVATION_NAMES if name not in ("relu", "leaky_relu", "elu")]


def exact_derivative(name, u, order):
    return mp.diff(EXACT[name], u, order, h=mp.mpf(10) ** -8)


def exact_expectation(function, variance, mean, power=0):
    """mpmath quadrature of E z^power f(sqrt(q) z + m), cut at the kink and where the activation bends."""
    scale, mean = mp.sqrt(variance), mp.mpf(mean)
    kink = -mean / scale
    cuts = {mp.mpf(-14), mp.mpf(14), kink, *(kink + bend / scale for bend in (-40, -12, -4, 4, 12, 40))}
    cuts |= {mp.mpf(cut) for cut in (-7, -3, 0, 3, 7)}
    inside = sorted(cut for cut in cuts if abs(cut) <= 14)
    pieces = [
        mp.quad(lambda z: z**power * function(scale * z + mean) * mp.npdf(z), piece) for piece in pairwise(inside)
    ]
    return float(mp.fsum(pieces))


@pytest.mark.parametrize("name", ACTIVATION_NAMES)
def test_activations_and_derivatives_match_high_precision(name):
    for u in (-31.0, -7.3, -2.1, -0.4, -1e-3, 1e-3, 0.6, 1.9, 5.5, 23.0):
        point = np.array([u])
        assert phi(name, point)[0] == pytest.approx(float(EXACT[name](mp.mpf(u))), rel=1e-11, abs=1e-300)
        assert dphi(name, point)[0] == pytest.approx(float(exact_derivative(name, mp.mpf(u), 1)), rel=1e-9, abs=1e-14)
        assert d2phi(name, point)[0] == pytest.approx(float(exact_derivative(name, mp.mpf(u), 2)), rel=1e-7, abs=1e-12)


@pytest.mark.parametrize("name", ACTIVATION_NAMES)
@pytest.mark.parametrize(("variance", "mean"), [(0.25, 0.0), (16.0, 0.0), (5.0, -2.5)])
def test_one_point_moments_match_high_precision_quadrature(name, variance, mean):
    got = single_moments(name, variance, mean)
    assert got.phi_phi == pytest.approx(exact_expectation(lambda u: EXACT[name](u) ** 2, variance, mean), rel=1e-11)
    value = exact_expectation(EXACT[name], variance, mean)
    assert got.phi == pytest.approx(value, rel=1e-11, abs=1e-14)
    # Stein's lemma gives E phi' without a derivative.
    slope = exact_expectation(EXACT[name], variance, mean, power=1) / math.sqrt(variance)
    assert got.dphi == pytest.approx(slope, rel=1e-11, abs=1e-14)
    # and d E phi^2 / d variance from the score of the normal density.
    bent = exact_expectation(lambda u: EXACT[name](u) ** 2, variance, mean, power=2)
    assert got.phi_phi_slope == pytest.approx((bent - got.phi_phi) / (2.0 * variance), rel=1e-9, abs=1e-13)


@pytest.mark.parametrize(("variance", "mean"), [(1.0, 0.7), (4.0, -1.3), (0.3, 0.2)])
def test_shifted_kinks_are_exact_where_gauss_hermite_fails(variance, mean):
    """E phi'(s z + m)^2 of relu is the normal distribution function of m / s; a 50-node Hermite rule misses it by 1e-2."""
    exact = float(mp.ncdf(mp.mpf(mean) / mp.sqrt(variance)))
    assert single_moments("relu", variance, mean).dphi_dphi == pytest.approx(exact, rel=1e-13)
    assert expectation(lambda u: (u > 0.0).astype(float), variance, mean) == pytest.approx(exact, rel=1e-13)
    nodes, weights = np.polynomial.hermite_e.hermegauss(50)
    hermite = np.sum(weights * (math.sqrt(variance) * nodes + mean > 0.0)) / math.sqrt(2.0 * math.pi)
    assert abs(hermite - exact) > 1e-3


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize(("q1", "q2", "c"), [(1.0, 1.0, 0.3), (2.0, 0.5, -0.6), (3.0, 2.0, 2.2), (9.0, 9.0, 8.7)])
def test_pair_moments_match_a_two_dimensional_trapezoid(name, q1, q2, c):
    """The trapezoid rule converges geometrically for smooth integrands; it shares nothing with the rule under test."""
    z = np.linspace(-9.0, 9.0, 361)
    density = np.exp(-0.5 * z * z) * (z[1] - z[0]) / math.sqrt(2.0 * math.pi)
    u = math.sqrt(q1) * z
    v = c / math.sqrt(q1) * z[:, None] + math.sqrt(q2 - c * c / q1) * z[None, :]

    def reference(function):
        return density @ (function(u)[:, None] * function(v)) @ density

    second, fourth = pair_moments(name, q1, q2, c), fourth_moments(name, q1, q2, c)
    one = [single_moments(name, q) for q in (q1, q2)]

    def close(value, function, scale):
        assert value == pytest.approx(reference(function), rel=1e-10, abs=1e-11 * scale)

    close(second.phi_phi, lambda x: phi(name, x), math.sqrt(one[0].phi_phi * one[1].phi_phi))
    close(second.dphi_dphi, lambda x: dphi(name, x), math.sqrt(one[0].dphi_dphi * one[1].dphi_dphi))
    close(second.d2phi_d2phi, lambda x: d2phi(name, x), 1.0)
    close(fourth.phi2_phi2, lambda x: phi(name, x) ** 2, one[0].phi_phi * one[1].phi_phi)
    close(fourth.dphi2_dphi2, lambda x: dphi(name, x) ** 2, one[0].dphi_dphi * one[1].dphi_dphi)
    close(fourth.dphi2_dphi2_slope / 4.0, lambda x: dphi(name, x) * d2phi(name, x), 1.0)
    assert pair_phi_phi(name, q1, q2, c) == pytest.approx(second.phi_phi, rel=1e-14, abs=1e-15)


def by_quadrant(function_u, function_v, q1, q2, c):
    """Adaptive quadrature over the four quadrants, in whose inside kinked activations are smooth."""
    determinant = q1 * q2 - c * c
    norm = 2.0 * math.pi * math.sqrt(determinant)

    def integrand(v, u):
        return (
            function_u(u)
            * function_v(v)
            * math.exp(-(q2 * u * u - 2 * c * u * v + q1 * v * v) / (2 * determinant))
            / norm
        )

    total = 0.0
    for left, right in ((0.0, 9.0 * math.sqrt(q1)), (-9.0 * math.sqrt(q1), 0.0)):
        for low, high in ((0.0, 9.0 * math.sqrt(q2)), (-9.0 * math.sqrt(q2), 0.0)):
            total += dblquad(integrand, left, right, low, high, epsabs=1e-11, epsrel=1e-11)[0]
    return total


SCALARS = {
    "relu": (lambda u: max(u, 0.0), lambda u: float(u > 0)),
    "leaky_relu": (lambda u: u if u > 0 else 0.01 * u, lambda u: 1.0 if u > 0 else 0.01),
    "elu": (lambda u: u if u > 0 else math.expm1(u), lambda u: 1.0 if u > 0 else math.exp(u)),
}


@pytest.mark.parametrize("name", list(SCALARS))
@pytest.mark.parametrize(("q1", "q2", "c"), [(1.2, 0.7, -0.3), (2.0, 2.0, 1.5)])
def test_kinked_pair_moments_match_quadrature_by_quadrant(name, q1, q2, c):
    value, slope = SCALARS[name]
    second, fourth = pair_moments(name, q1, q2, c), fourth_moments(name, q1, q2, c)
    assert second.phi_phi == pytest.approx(by_quadrant(value, value, q1, q2, c), rel=1e-9, abs=1e-10)
    assert second.dphi_dphi == pytest.approx(by_quadrant(slope, slope, q1, q2, c), rel=1e-9)
    squares = by_quadrant(lambda u: value(u) ** 2, lambda u: value(u) ** 2, q1, q2, c)
    assert fourth.phi2_phi2 == pytest.approx(squares, rel=1e-9)
    squares = by_quadrant(lambda u: slope(u) ** 2, lambda u: slope(u) ** 2, q1, q2, c)
    assert fourth.dphi2_dphi2 == pytest.approx(squares, rel=1e-9)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    name=st.sampled_from(ACTIVATION_NAMES),
    q1=st.floats(0.05, 12.0),
    q2=st.floats(0.05, 12.0),
    rho=st.floats(-0.97, 0.97),
)
def test_price_theorem_links_the_moments(name, q1, q2, rho):
    """d/dc E f(u) f(v) = E f'(u) f'(v), for f = phi, phi' and phi'^2: closed forms and quadrature check each other."""
    c, step = rho * math.sqrt(q1 * q2), 1e-4 * math.sqrt(q1 * q2)
    up, down = (pair_moments(name, q1, q2, c + sign * step) for sign in (1, -1))
    here, one = pair_moments(name, q1, q2, c), single_moments(name, q1)
    assert (up.phi_phi - down.phi_phi) / (2 * step) == pytest.approx(here.dphi_dphi, rel=2e-5, abs=2e-6 * one.dphi_dphi)
    scale = max(abs(here.d2phi_d2phi), 1e-3)
    assert (up.dphi_dphi - down.dphi_dphi) / (2 * step) == pytest.approx(here.d2phi_d2phi, abs=1e-3 * scale)
    up, down = (fourth_moments(name, q1, q2, c + sign * step) for sign in (1, -1))
    slope = fourth_moments(name, q1, q2, c).dphi2_dphi2_slope
    assert (up.dphi2_dphi2 - down.dphi2_dphi2) / (2 * step) == pytest.approx(slope, abs=1e-3 * max(abs(slope), 1e-3))


@pytest.mark.parametrize("name", ACTIVATION_NAMES)
@pytest.mark.parametrize("c", [0.0, 0.6, 1.5])
def test_size_slopes_are_derivatives_at_fixed_correlation(name, c):
    q, step = 1.7, 1e-4
    up, down = (pair_moments(name, q * (1 + h), q * (1 + h), c * (1 + h)) for h in (step, -step))
    fourth_up, fourth_down = (fourth_moments(name, q * (1 + h), q * (1 + h), c * (1 + h)) for h in (step, -step))
    got = size_slopes(name, q, c)
    width = 2 * step * q
    assert got[0] == pytest.approx((up.phi_phi - down.phi_phi) / width, rel=1e-6, abs=1e-9)
    assert got[1] == pytest.approx((up.dphi_dphi - down.dphi_dphi) / width, rel=1e-6, abs=1e-9)
    assert got[2] == pytest.approx((fourth_up.dphi2_dphi2 - fourth_down.dphi2_dphi2) / width, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", ACTIVATION_NAMES)
def test_third_moments_match_a_sample_of_a_million_pairs(name):
    rng = np.random.default_rng(3)
    u, z = rng.normal(size=(2, 1_000_000))
    v = 0.6 * u + 0.8 * z
    products = phi(name, u) ** 3 * phi(name, v)
    error = products.std() / 1000.0
    assert abs(products.mean() - fourth_moments(name, 1.0, 1.0, 0.6).phi3_phi) < 4.0 * error


@pytest.mark.parametrize("name", ACTIVATION_NAMES)
def test_the_diagonal_is_the_one_point_value_and_is_reached_continuously(name):
    one, q = single_moments(name, 1.7), 1.7
    same = pair_moments(name, q, q, q)
    assert (same.phi_phi, same.dphi_dphi) == (one.phi_phi, one.dphi_dphi)
    rounded = pair_moments(name, q, q, q * (1.0 - 2e-16))
    assert rounded.dphi_dphi == one.dphi_dphi
    near = pair_moments(name, q, q, q * (1.0 - 1e-12))
    assert near.phi_phi == pytest.approx(one.phi_phi, rel=1e-11)
    # The angle between the inputs is sqrt(2e-12); relu's slope moments are linear in it.
    assert near.dphi_dphi == pytest.approx(one.dphi_dphi, rel=2e-6 if name in ("relu", "leaky_relu") else 1e-10)
    parallel = pair_moments(name, 1.0, 4.0, 2.0).phi_phi
    z = np.linspace(-10, 10, 200001)
    density = np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    assert parallel == pytest.approx(np.sum(density * phi(name, z) * phi(name, 2 * z)), rel=1e-8)


def test_elu_stays_accurate_when_two_inputs_nearly_agree():
    """The outer integrand then turns within sqrt(1 - rho^2) of its kink; panels that ignore it would be blind to it."""
    c = mp.mpf("0.9995")
    spread = mp.sqrt(1 - c * c)

    def integrand(u):
        # E phi'(v) given u, v ~ N(c u, 1 - c^2): the part above the kink and the exponential below it.
        mean = c * u
        inner = mp.ncdf(mean / spread) + mp.exp(mean + spread**2 / 2) * mp.ncdf(-mean / spread - spread)
        return (1 if u > 0 else mp.exp(u)) * inner * mp.npdf(u)

    exact = float(mp.quad(integrand, [-12, -3, -0.5, -0.1, 0, 0.1, 0.5, 3, 12]))
    assert pair_moments("elu", 1.0, 1.0, float(c)).dphi_dphi == pytest.approx(exact, rel=1e-11)


def test_zero_variance_is_the_value_at_zero():
    assert single_moments("softplus", 0.0).phi_phi == pytest.approx(math.log(2.0) ** 2, rel=1e-14)
    assert pair_moments("tanh", 0.0, 0.0, 0.0).dphi_dphi == pytest.approx(1.0, rel=1e-14)
    assert pair_moments("relu", 0.0, 0.0, 0.0).dphi_dphi == 0.5


def test_odd_activations_have_exactly_no_mean_and_no_overlap_without_covariance():
    for name in ("tanh", "erf", "sin", "linear"):
        assert single_moments(name, 2.0).phi == 0.0
        assert pair_moments(name, 2.0, 2.0, 0.0).phi_phi == 0.0


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: single_moments("swish", 1.0), "activation"),
        (lambda: phi("swish", np.zeros(1)), "activation"),
        (lambda: single_moments("tanh", -1.0), "variance"),
        (lambda: single_moments("tanh", math.nan), "variance"),
        (lambda: single_moments("tanh", 1.0, math.inf), "mean"),
        (lambda: pair_moments("tanh", 1.0, -2.0, 0.0), "q2"),
        (lambda: pair_moments("tanh", math.inf, 1.0, 0.0), "q1"),
        (lambda: pair_moments("tanh", 1.0, 1.0, 1.1), "c"),
        (lambda: pair_moments("tanh", 1.0, 1.0, math.nan), "c"),
        (lambda: expectation(np.tanh, -1.0), "variance"),
        (lambda: expectation(np.tanh, 1.0, math.nan), "mean"),
    ],
)
def test_bad_arguments_are_named(call, field):
    with pytest.raises(ValueError, match=f"`{field}`"):
        call()
