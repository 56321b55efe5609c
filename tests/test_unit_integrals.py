"""Slope moments of one unit against mpmath at 40 digits, and the identities between them."""

import time
from itertools import pairwise

import mpmath as mp
import numpy as np
import pytest

from fimcore.activation_formulas import dphi
from fimcore.architecture import ACTIVATION_NAMES
from fimcore.unit_integrals import slope_moments

DIGITS = 40
SLOPES = {
    "tanh": lambda u: mp.sech(u) ** 2,
    "erf": lambda u: 2 / mp.sqrt(mp.pi) * mp.exp(-u * u),
    "relu": lambda u: mp.mpf(u > 0),
    "leaky_relu": lambda u: mp.mpf(1) if u > 0 else mp.mpf(0.01),
    "gelu": lambda u: mp.ncdf(u) + u * mp.npdf(u),
    "silu": lambda u: (1 + u / (1 + mp.exp(u))) / (1 + mp.exp(-u)),
    "softplus": lambda u: 1 / (1 + mp.exp(-u)),
    "sigmoid": lambda u: mp.exp(-abs(u)) / (1 + mp.exp(-abs(u))) ** 2,
    "sin": mp.cos,
    "elu": lambda u: mp.mpf(1) if u > 0 else mp.exp(u),
    "linear": lambda u: mp.mpf(1),
}
# Narrow, shifted, wide, saturated: the last lie far in a tail.
CASES = ((0.05, 1.0), (1.0, 0.0), (1.3, -2.5), (12.0, 3.0), (2.0, 9.0))


def exact_moments(name, scale, mean):
    with mp.workdps(DIGITS):
        s, c = mp.mpf(scale), mp.mpf(mean)
        kink = -c / s
        cuts = {mp.mpf(cut) for cut in (-16, -12, -9, -7, -5, -3, -1, 1, 3, 5, 7, 9, 12, 16)}
        cuts |= {kink + bend / s for bend in (-20, -8, -3, -1, 0, 1, 3, 8, 20)}
        pieces = list(pairwise(sorted(cut for cut in cuts if abs(cut) <= 16)))

        def moment(power):
            return mp.fsum(
                mp.quad(lambda z: z**power * SLOPES[name](s * z + c) ** 2 * mp.npdf(z), piece, maxdegree=5)
                for piece in pieces
            )

        return [float(moment(power)) for power in range(3)]


@pytest.mark.parametrize("name", ACTIVATION_NAMES)
@pytest.mark.parametrize(("scale", "mean"), CASES)
def test_moments_match_high_precision_quadrature(name, scale, mean):
    expected = exact_moments(name, scale, mean)
    found = [float(value) for value in slope_moments(name, scale, mean)]
    assert found[0] == pytest.approx(expected[0], rel=1e-12, abs=0)
    assert found[1] == pytest.approx(expected[1], rel=0, abs=1e-12 * (expected[0] * expected[2]) ** 0.5)
    assert found[2] == pytest.approx(expected[2], rel=1e-12, abs=0)


@pytest.mark.parametrize("name", ACTIVATION_NAMES)
def test_arrays_give_what_single_numbers_give(name):
    scale = np.array([[0.0, 0.3], [1.0, 1e-200]])
    mean = np.array([0.4, -1.1])
    found = slope_moments(name, scale, mean)
    for index in np.ndindex(2, 2):
        alone = slope_moments(name, scale[index], mean[index[1]])
        for array, single in zip(found, alone, strict=True):
            assert array.shape == (2, 2)
            assert array[index] == pytest.approx(float(single), rel=1e-14, abs=1e-300)


@pytest.mark.parametrize("name", ACTIVATION_NAMES)
def test_a_unit_that_never_moves_has_the_slope_at_its_mean(name):
    means = np.array([-3.0, -0.2, 0.0, 0.7, 40.0])
    slope = dphi(name, means) ** 2
    for scale in (0.0, 1e-300):
        zeroth, first, second = slope_moments(name, scale, means)
        moving = means != 0.0  # at a kink the smallest motion sees both sides
        np.testing.assert_allclose(zeroth[moving], slope[moving], rtol=1e-13, atol=1e-300)
        np.testing.assert_allclose(second[moving], slope[moving], rtol=1e-13, atol=1e-300)
        assert np.all(np.abs(first[moving]) <= 1e-14 * slope[moving])


@pytest.mark.parametrize("name", ACTIVATION_NAMES)
def test_cauchy_schwarz_and_reflection(name):
    rng = np.random.default_rng(0)
    scale, mean = rng.uniform(0.01, 5.0, 200), 3.0 * rng.standard_normal(200)
    zeroth, first, second = slope_moments(name, scale, mean)
    assert np.all(zeroth * second - first**2 >= -1e-13 * zeroth * second)
    if name in ("tanh", "erf", "sin", "linear", "sigmoid"):
        # an even slope: the mirrored unit has the mirrored moments
        mirrored = slope_moments(name, scale, -mean)
        np.testing.assert_allclose(mirrored.zeroth, zeroth, rtol=1e-12)
        np.testing.assert_allclose(mirrored.first, -first, rtol=0, atol=1e-12)


def test_a_dead_unit_has_no_slope():
    for moments in (
        slope_moments("relu", 1.0, -60.0),
        slope_moments("erf", 0.5, 60.0),
        slope_moments("relu", 0.0, 0.0),
    ):
        assert [float(value) for value in moments] == [0.0, 0.0, 0.0]


def test_a_thousand_units_take_a_fraction_of_a_second():
    rng = np.random.default_rng(0)
    scale, mean = rng.uniform(0.1, 3.0, 1024), rng.standard_normal(1024)
    slope_moments("silu", scale, mean)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        slope_moments("silu", scale, mean)
        seconds.append(time.perf_counter() - start)
    # 0.03 s measured; the bound leaves room for a busy machine
    assert min(seconds) < 0.5


def test_refusals_name_the_argument():
    with pytest.raises(ValueError, match="`activation` is 'swish'; choose one of"):
        slope_moments("swish", 1.0, 0.0)
    with pytest.raises(ValueError, match=r"`scale` reaches from .*-1.0.*; give finite numbers, 0 or more"):
        slope_moments("tanh", np.array([1.0, -1.0]), 0.0)
    with pytest.raises(ValueError, match=r"`mean` reaches from .*; give finite numbers"):
        slope_moments("tanh", 1.0, np.array([0.0, np.inf]))
