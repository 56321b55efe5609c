"""The Fisher matrix of one unit against mpmath integrals, Monte Carlo and plain linear algebra."""

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fimcore import meanfield as mf
from fimcore.architecture import ACTIVATION_NAMES

SLOPES = {
    "tanh": lambda u: mp.sech(u) ** 2,
    "erf": lambda u: 2 / mp.sqrt(mp.pi) * mp.exp(-u * u),
    "gelu": lambda u: mp.ncdf(u) + u * mp.npdf(u),
    "silu": lambda u: (1 + mp.exp(-u) * (1 + u)) / (1 + mp.exp(-u)) ** 2,
    "softplus": lambda u: 1 / (1 + mp.exp(-u)),
    "sigmoid": lambda u: mp.exp(-u) / (1 + mp.exp(-u)) ** 2,
    "sin": mp.cos,
    "relu": lambda u: mp.mpf(u > 0),
    "leaky_relu": lambda u: mp.mpf(1) if u > 0 else mp.mpf("0.01"),
    "elu": lambda u: mp.mpf(1) if u > 0 else mp.exp(u),
    "linear": lambda _: mp.mpf(1),
}


def two_weights(activation, w, w0, sigma):
    """F of a unit with two weights and isotropic centred inputs from its definition, after rotating w onto an axis."""
    length = math.hypot(*w)
    scale = sigma * length
    cut = max(-10.0, min(10.0, -w0 / scale))
    points = sorted({-12.0, -4.0, -1.0, 0.0, 1.0, 4.0, 12.0, cut})
    along = [
        mp.quad(lambda z, k=k: z**k * SLOPES[activation](scale * z + w0) ** 2 * mp.npdf(z), points) for k in range(3)
    ]
    e, across = np.array(w) / length, np.array([-w[1], w[0]]) / length
    a0, a1, a2 = (float(value) for value in along)
    matrix = np.zeros((3, 3))
    # coordinates of x: sigma z along e, an independent sigma z' across
    matrix[:2, :2] = sigma**2 * (a2 * np.outer(e, e) + a0 * np.outer(across, across))
    matrix[:2, 2] = matrix[2, :2] = sigma * a1 * e
    matrix[2, 2] = a0
    return matrix


@pytest.mark.parametrize("activation", ACTIVATION_NAMES)
def test_the_matrix_is_its_definition(activation):
    w, w0, sigma = (0.9, -1.1), 0.8, 0.6
    got = mf.unit_fisher(activation, w, w0, variance=sigma**2).dense()
    np.testing.assert_allclose(got, two_weights(activation, w, w0, sigma), rtol=0, atol=1e-12)


@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
def test_mean_and_covariance_against_monte_carlo(activation):
    rng = np.random.default_rng(3)
    root = rng.normal(size=(3, 3)) * 0.7
    covariance, mean, w, w0 = root @ root.T + 0.1 * np.eye(3), np.array([0.4, -0.3, 0.8]), rng.normal(size=3), -0.2
    x = rng.multivariate_normal(mean, covariance, size=400_000)
    u = x @ w + w0
    slope = {
        "tanh": lambda: 1.0 / np.cosh(u) ** 2,
        "relu": lambda: (u > 0).astype(float),
        "gelu": lambda: (
            np.vectorize(math.erf)(u / math.sqrt(2)) * 0.5 + 0.5 + u * np.exp(-u * u / 2) / math.sqrt(2 * math.pi)
        ),
    }[activation]()
    rows = slope[:, None] * np.column_stack([x, np.ones(len(x))])
    measured = rows.T @ rows / len(x)
    error = np.sqrt((rows.T**2 @ rows**2 / len(x) - measured**2) / len(x))
    got = mf.unit_fisher(activation, w, w0, mean=mean, covariance=covariance)
    assert np.abs((measured - got.dense()) / error).max() < 4.5
    np.testing.assert_allclose(got.inverse() @ got.dense(), np.eye(4), atol=1e-10)
    g = rng.normal(size=4)
    np.testing.assert_allclose(got.natural_gradient(g), np.linalg.solve(got.dense(), g), rtol=1e-10)
    np.testing.assert_allclose(
        got.natural_gradient(g, damping=0.1), np.linalg.solve(got.dense() + 0.1 * np.eye(4), g), rtol=1e-10
    )


@settings(max_examples=60)
@given(
    activation=st.sampled_from(ACTIVATION_NAMES),
    seed=st.integers(0, 2**16),
    size=st.integers(1, 6),
    length=st.sampled_from([0.0, 0.05, 1.0, 3.0]),
    shifted=st.booleans(),
    variance=st.floats(0.1, 4.0),
    damping=st.sampled_from([0.0, 1e-3, 1.0]),
)
def test_inverse_natural_gradient_and_eigenvalues_agree_with_the_dense_matrix(
    activation, seed, size, length, shifted, variance, damping
):
    rng = np.random.default_rng(seed)
    w = rng.normal(size=size)
    w *= length / np.linalg.norm(w)
    mean = rng.normal(size=size) if shifted else None
    unit = mf.unit_fisher(activation, w, 0.4 * rng.normal(), mean=mean, variance=variance)
    dense, g = unit.dense(), rng.normal(size=size + 1)
    reference = np.linalg.eigvalsh(dense)[::-1]
    np.testing.assert_allclose(unit.eigenvalues(), reference, atol=1e-12 * reference[0])
    condition = reference[0] / max(reference[-1], 1e-300)
    if reference[-1] > 0.0 and condition < 1e8:
        tolerance = 1e-13 * condition + 1e-11
        assert unit.condition_number == pytest.approx(condition, rel=1e-3)
        np.testing.assert_allclose(unit.inverse() @ dense, np.eye(size + 1), atol=10 * tolerance)
        solved = np.linalg.solve(dense + damping * np.eye(size + 1), g)
        np.testing.assert_allclose(
            unit.natural_gradient(g, damping), solved, atol=tolerance * np.abs(solved).max() * 10
        )
        same = mf.unit_fisher(activation, w, unit.w0, mean=mean, covariance=variance * np.eye(size))
        np.testing.assert_allclose(same.dense(), dense, atol=1e-12 * reference[0])
        np.testing.assert_allclose(same.natural_gradient(g), unit.natural_gradient(g), rtol=1e-6, atol=1e-8)


def test_isotropic_centred_form_is_a_multiple_of_the_identity_plus_rank_two():
    unit = mf.unit_fisher("tanh", np.ones(40), 0.5)
    np.testing.assert_allclose(unit.eigenvalues()[1:-1], unit.A0, rtol=1e-10)
    pair = np.linalg.eigvalsh([[unit.A2, unit.A1], [unit.A1, unit.A0]])
    np.testing.assert_allclose(
        np.sort(np.linalg.eigvalsh(unit.dense() - unit.A0 * np.eye(41)))[[0, -1]],
        np.sort(np.append(pair - unit.A0, 0.0))[[0, -1]],
        atol=1e-12,
    )


def test_no_weights_dead_and_saturated_units():
    still = mf.unit_fisher("tanh", np.zeros(3), 0.7, mean=[1.0, 0.0, 0.0])
    slope = 1.0 / math.cosh(0.7) ** 4
    np.testing.assert_allclose(
        still.dense(), slope * np.array([[2, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 1]]), rtol=1e-12
    )
    np.testing.assert_allclose(still.inverse() @ still.dense(), np.eye(4), atol=1e-13)
    dead = mf.unit_fisher("relu", np.full(3, 0.1), -50.0)
    assert dead.condition_number == math.inf
    assert not dead.dense().any()
    for call in (dead.inverse, lambda: dead.natural_gradient(np.ones(4))):
        with pytest.raises(ValueError, match=r"`damping`.*pseudo-inverse"):
            call()
    np.testing.assert_allclose(dead.natural_gradient(np.ones(4), damping=0.5), 2.0)
    saturated = mf.unit_fisher("tanh", np.full(4, 20.0), 0.0)
    assert 1e2 < saturated.condition_number < math.inf
    np.testing.assert_allclose(saturated.inverse() @ saturated.dense(), np.eye(5), atol=1e-9)
    flat = mf.unit_fisher("tanh", [1.0, 2.0], 0.1, covariance=[[1.0, 1.0], [1.0, 1.0]])
    with pytest.raises(ValueError, match="`covariance` is singular"):
        flat.inverse()


def test_the_natural_gradient_of_a_million_weights_needs_no_matrix():
    unit = mf.unit_fisher("erf", np.full(1_000_000, 1e-3), 0.2, mean=np.full(1_000_000, 1e-3), variance=2.0)
    step = unit.natural_gradient(np.ones(1_000_001))
    assert np.isfinite(step).all()
    assert unit.eigenvalues().size == 1_000_001


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"activation": "step"}, "activation"),
        ({"w": [[1.0]]}, "w"),
        ({"w": [math.nan, 1.0]}, "w"),
        ({"mean": [1.0]}, "mean"),
        ({"variance": 0.0}, "variance"),
        ({"covariance": np.eye(3)}, "covariance"),
        ({"covariance": [[1.0, 0.5], [0.0, 1.0]]}, "covariance"),
        ({"covariance": [[1.0, 2.0], [2.0, 1.0]]}, "covariance"),
    ],
)
def test_bad_arguments_are_named(arguments, field):
    with pytest.raises(ValueError, match=f"`{field}`"):
        mf.unit_fisher(**{"activation": "tanh", "w": [1.0, 2.0], "w0": 0.0, **arguments})


def test_bad_gradients_are_named():
    unit = mf.unit_fisher("tanh", [1.0, 2.0], 0.0)
    with pytest.raises(ValueError, match="`gradient`"):
        unit.natural_gradient([1.0, 2.0])
    with pytest.raises(ValueError, match="`damping`"):
        unit.natural_gradient([1.0, 2.0, 3.0], damping=-1.0)
