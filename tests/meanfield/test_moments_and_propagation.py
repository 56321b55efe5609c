"""moments, propagate and the wall between the wings."""

import math
import subprocess
import sys

import numpy as np
import pytest

from fimcore import meanfield as mf
from fimcore.architecture import Architecture


def test_moments_of_one_and_of_two_inputs_against_textbook_values():
    one = mf.moments("relu", 3.0)
    assert (one.phi_phi, one.dphi_dphi, one.d2phi_d2phi) == (pytest.approx(1.5), 0.5, math.inf)
    # Two inputs at 60 degrees, of sizes 2 and 3.
    pair = mf.moments("relu", 4.0, 9.0, 3.0)
    angle = math.pi / 3
    assert pair.phi_phi == pytest.approx(6.0 / (2 * math.pi) * (math.sin(angle) + (math.pi - angle) / 2), rel=1e-14)
    assert pair.dphi_dphi == pytest.approx(1.0 / 3.0, rel=1e-14)
    assert mf.moments("erf", 0.7).phi_phi == pytest.approx(2 / math.pi * math.asin(1.4 / 2.4), rel=1e-14)
    assert mf.moments("sin", 0.7).dphi_dphi == pytest.approx((1 + math.exp(-1.4)) / 2, rel=1e-14)
    assert mf.moments("linear", 2.0, 3.0, -0.5).phi_phi == -0.5


def test_moments_need_both_or_neither_of_the_pair_arguments():
    with pytest.raises(ValueError, match="`c`"):
        mf.moments("tanh", 1.0, q2=1.0)
    with pytest.raises(ValueError, match="`q2`"):
        mf.moments("tanh", 1.0, c=0.1)
    with pytest.raises(ValueError, match="`activation`"):
        mf.moments("swish", 1.0)


def test_relu_propagation_is_arithmetic():
    arch = Architecture((10, 20, 30, 5), "relu", 2.0, 0.1)
    wave = mf.propagate(arch, input_q=1.5)
    np.testing.assert_allclose(wave.q, [3.1, 3.2, 3.3], rtol=1e-14)
    np.testing.assert_allclose(wave.chi, [1.0, 1.0, np.nan], rtol=1e-14)
    np.testing.assert_allclose(wave.gradient, [1.0, 1.0, 1.0], rtol=1e-14)
    np.testing.assert_allclose(wave.activity, [1.5, 1.55, 1.6], rtol=1e-14)
    np.testing.assert_allclose(wave.c, wave.q12 / wave.q, rtol=1e-14)


def test_equal_inputs_stay_equal():
    for activation in ("tanh", "relu", "gelu"):
        wave = mf.propagate(Architecture((8, 8, 8, 8, 1), activation, 1.7, 0.2), input_q=0.8, input_overlap=0.8)
        np.testing.assert_allclose(wave.c, 1.0, rtol=1e-14)
        np.testing.assert_allclose(wave.gradient_overlap, wave.gradient, rtol=1e-13)


def test_relu_decorrelation_is_algebraic_at_criticality():
    """1 - c falls as 9 pi^2 / (2 l^2) at the critical point."""
    depth = 4000
    wave = mf.propagate(Architecture((4,) * depth + (1,), "relu", 2.0, 0.0))
    expected = 9.0 * math.pi**2 / (2.0 * np.array([2000.0, 4000.0]) ** 2)
    np.testing.assert_allclose(1.0 - wave.c[[1999, 3999]], expected, rtol=0.02)


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid", "silu"])
def test_order_parameters_match_wide_random_networks(measure, activation):
    arch = Architecture((400, 400, 400, 8), activation, 1.8, 0.1)
    wave = mf.propagate(arch, 1.0, 0.3)
    count = 24
    apart = ~np.eye(count, dtype=bool)
    rows = []
    for seed in range(6):
        net = measure(arch, count, seed, input_mean_square=0.3)
        rows.append(
            [
                [
                    np.mean(u**2),
                    np.mean((u @ u.T)[apart]) / u.shape[1],
                    np.mean(np.sum(d**2, axis=2)),
                    np.mean(np.tensordot(d, d, axes=([1, 2], [1, 2]))[apart]) / d.shape[1],
                ]
                for u, d in zip(net.pre, net.signal, strict=True)
            ]
        )
    rows = np.array(rows)
    mean, error = rows.mean(axis=0), rows.std(axis=0, ddof=1) / np.sqrt(len(rows))
    predicted = np.stack([wave.q, wave.q12, wave.gradient, wave.gradient_overlap], axis=1)
    # The read-out variance is a mean over only 8 units; its error bar says so.
    np.testing.assert_array_less(np.abs(mean - predicted), 5.0 * error + 0.02 * np.abs(predicted))
    assert np.all(error[:-1, 0] < 0.05 * predicted[:-1, 0])


def test_overflow_is_a_value_and_not_an_error():
    wave = mf.propagate(Architecture((4,) * 40 + (1,), "relu", 1e12, 0.0))
    assert np.isinf(wave.q[-1])
    norms = mf.block_norms(Architecture((4,) * 40 + (1,), "relu", 1e12, 0.0))
    assert np.isnan(norms.rms_ratio).all()
    assert not mf.fisher_statistics(Architecture((4,) * 40 + (1,), "relu", 1e12, 0.0), 10).valid_mean


def test_a_vanishing_signal_is_a_value_and_not_an_error():
    wave = mf.propagate(Architecture((4,) * 300 + (1,), "linear", 1e-3, 0.0))
    assert wave.q[-1] == 0.0
    assert np.isnan(wave.c[-1])


@pytest.mark.parametrize(
    ("arguments", "field"),
    [((0.0,), "input_q"), ((math.nan,), "input_q"), ((1.0, 1.5), "input_overlap"), ((1.0, math.nan), "input_overlap")],
)
def test_bad_inputs_are_named(arguments, field):
    with pytest.raises(ValueError, match=f"`{field}`"):
        mf.propagate(Architecture((4, 4, 1)), *arguments)


def test_the_predicted_wing_loads_without_torch():
    code = "import fimcore.meanfield, sys; sys.exit(int('torch' in sys.modules or 'fimcore.fisher' in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
