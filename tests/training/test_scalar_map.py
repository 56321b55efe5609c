"""The one-dimensional map: where the optimum is stable, where two points alternate, and how fast both attract."""

import numpy as np

from fimcore.training import scalar_map


def test_optimum_then_two_cycle():
    rates = np.array([1.0, 1.9, 2.5, 3.5])
    found = scalar_map.orbit(0.7 * rates, 0.3, 0.7)
    np.testing.assert_allclose(found[:, :2], 0, atol=1e-9)
    np.testing.assert_allclose(found[:, 2:] ** 2, np.tile(0.7 * (rates[2:] / 2 - 1), (64, 1)), atol=1e-9)
    np.testing.assert_allclose(found[1:, 2:], -found[:-1, 2:], atol=1e-9)


def test_multiplier_of_the_two_cycle():
    for rate, noise in ((2.5, 1.0), (3.5, 1.0), (1.0, 0.0)):
        at, small = np.sqrt(rate / 2 - noise), 1e-6
        slope = (scalar_map.step(at + small, rate, noise) - scalar_map.step(at - small, rate, noise)) / (2 * small)
        np.testing.assert_allclose(slope, 3 - 8 * noise / rate, atol=1e-7)


def test_period_and_growth():
    rates = np.array([1.0, 3.0, 4.5, 5.1, 6.5])
    found = scalar_map.orbit(rates, 0.3, settle=3000)
    assert [scalar_map.period(column) for column in found.T] == [1, 2, 2, 4, 0]
    growth = scalar_map.growth(found, rates)
    np.testing.assert_allclose(growth[0], np.log(1e-300), atol=700)  # a full step: the slope at the optimum vanishes
    np.testing.assert_allclose(growth[1], np.log(abs(3 - 8 / 3)), atol=1e-9)
    assert growth[4] > 0.1
    apart = np.abs(found[:, 2])
    assert apart.max() - apart.min() > 0.1  # beyond 4 s^2 the two points are no longer opposite
