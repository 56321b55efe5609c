"""Seven data sets: their limit of many samples against closed forms and a large sample, and samples without an optimum."""

from __future__ import annotations

import numpy as np
import pytest

from fimcore.training.misspecified import DATA_SETS, compare, limit

# At seed 0 with 1,000 samples: the optimum and the eigenvalues, computed elsewhere.
KNOWN = {
    "line": ((0.9691, 1.0122), (0.910, 0.981)),
    "noise": ((0.9382, 1.0244), (3.64, 3.92)),
    "curve": ((0.9405, 1.4991), (1.41, 3.04)),
    "classes": ((-0.4896, -0.5064), (0.876, 1.050)),
    "spreads": ((-0.5886, -0.5941), (1.38, 1.64)),
    "crossed": ((-0.7365, -0.7495), (0.41, 1.59)),
    "skewed": ((2.0386, 1.9804), (0.924, 1.065)),
}


@pytest.mark.parametrize("data", DATA_SETS, ids=lambda data: data.name)
def test_a_sample_has_the_known_optimum_and_eigenvalues(data):
    optimum, eigenvalues = KNOWN[data.name]
    found = compare(data.model, *data.draw(0, 1000))
    assert found.optimum == pytest.approx(optimum, abs=6e-5)
    assert found.eigenvalues == pytest.approx(eigenvalues, abs=6e-3)


@pytest.mark.parametrize("data", DATA_SETS, ids=lambda data: data.name)
def test_the_limit_is_that_of_a_large_sample(data):
    found, expected = compare(data.model, *data.draw(1, 400_000)), limit(data)
    assert found.optimum == pytest.approx(expected.optimum, abs=0.015)
    assert found.eigenvalues == pytest.approx(expected.eigenvalues, rel=0.03)


def test_the_limit_in_closed_form():
    expected = {data.name: limit(data).eigenvalues for data in DATA_SETS}
    for data in DATA_SETS:
        if data.right:
            np.testing.assert_allclose(expected[data.name], 1, rtol=1e-9)
    np.testing.assert_allclose(expected["noise"], 4, rtol=1e-9)
    # E r^2 = 1 + Var(x^2) / 4 = 3/2, and E r^2 x^2 = 1 + E (x^2 - 1)^2 x^2 / 4 = 7/2
    np.testing.assert_allclose(expected["curve"], [1.5, 3.5], rtol=1e-9)


def test_classes_that_a_line_parts_have_no_optimum():
    inputs = np.random.default_rng(0).standard_normal((30, 2))
    found = compare("logistic", inputs, (inputs[:, 0] > 0).astype(float))
    assert np.isnan(found.eigenvalues).all()
    assert np.isnan(found.apart)
