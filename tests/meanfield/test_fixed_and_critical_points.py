"""Fixed points, depth scales and critical points against mpmath root finding on mpmath integrals."""

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fimcore import meanfield as mf
from fimcore.architecture import ACTIVATION_NAMES
from fimcore.gaussian_integrals import phi

FUNCTIONS = {
    "tanh": (mp.tanh, lambda u: mp.sech(u) ** 2),
    "silu": (lambda u: u / (1 + mp.exp(-u)), lambda u: (1 + mp.exp(-u) * (1 + u)) / (1 + mp.exp(-u)) ** 2),
    "elu": (lambda u: u if u > 0 else mp.expm1(u), lambda u: mp.mpf(1) if u > 0 else mp.exp(u)),
}


def mean_square(function, q):
    scale = mp.sqrt(q)
    return mp.quad(lambda z: function(scale * z) ** 2 * mp.npdf(z), [-12, -4, -1, 0, 1, 4, 12])


@pytest.mark.parametrize(
    ("activation", "bias", "weight"),
    [
        ("tanh", 0.0, 1.0),
        ("tanh", 0.01, 1.4242052905),
        ("tanh", 0.05, 1.7609546396),
        ("tanh", 0.1, 1.9860726411),
        ("tanh", 0.3, 2.5051271897),
        ("erf", 0.0, math.pi / 4),
        ("erf", 0.01, 1.1142800634),
        ("erf", 0.05, 1.3758390073),
        ("erf", 0.1, 1.5521178553),
        ("erf", 0.3, 1.9630705865),
    ],
)
def test_tabulated_critical_weight_variances(activation, bias, weight):
    point = mf.critical_point(activation, bias)
    assert point.exists
    assert point.weight_variance == pytest.approx(weight, abs=6e-11)


@pytest.mark.parametrize(("activation", "bias"), [("tanh", 0.08), ("silu", 0.06), ("elu", 0.2)])
def test_critical_points_match_high_precision_root_finding(activation, bias):
    value, slope = FUNCTIONS[activation]
    mp.mp.dps = 20
    point = mf.critical_point(activation, bias)
    root = mp.findroot(lambda q: q - mean_square(value, q) / mean_square(slope, q) - bias, point.q * 1.1, tol=1e-15)
    assert point.q == pytest.approx(float(root), rel=1e-10)
    assert point.weight_variance == pytest.approx(float(1 / mean_square(slope, root)), rel=1e-11)


@pytest.mark.parametrize("activation", ["tanh", "erf", "sin", "elu", "gelu", "silu"])
@pytest.mark.parametrize("bias", [1e-4, 0.05, 2.0])
def test_on_the_line_the_fixed_point_is_critical(activation, bias):
    point = mf.critical_point(activation, bias)
    fixed = mf.fixed_point(activation, point.weight_variance, bias)
    root = min(fixed.roots, key=lambda root: abs(root.q - point.q))
    assert root.q == pytest.approx(point.q, rel=1e-6)
    assert root.chi == pytest.approx(1.0, abs=1e-6)
    assert root.slope == pytest.approx(point.slope, rel=1e-5)
    assert root.stable == (point.slope < 1.0)


def test_gelu_and_silu_points_repel_and_say_so():
    for activation in ("gelu", "silu"):
        point = mf.critical_point(activation, 0.0672)
        assert point.slope > 1.05
        assert "repels" in point.reason
    assert mf.critical_point("gelu", 0.0671919).q == pytest.approx(1.0, abs=1e-3)
    assert mf.critical_point("gelu", 0.0671919).weight_variance == pytest.approx(2.1937, abs=1e-4)
    assert mf.critical_point("gelu", 0.5).slope < 1.0


@pytest.mark.parametrize(
    ("activation", "bias"), [("softplus", 0.0), ("softplus", 0.3), ("sigmoid", 0.0), ("sigmoid", 0.1), ("relu", 0.1)]
)
def test_no_critical_point_is_an_answer_with_a_reason(activation, bias):
    point = mf.critical_point(activation, bias)
    assert not point.exists
    assert math.isnan(point.weight_variance)
    assert "no critical point" in point.reason


def test_scale_free_critical_points():
    assert mf.critical_point("relu", 0.0).weight_variance == 2.0
    assert mf.critical_point("leaky_relu", 0.0).weight_variance == pytest.approx(2.0 / 1.0001, rel=1e-15)
    assert mf.critical_point("linear", 0.0).weight_variance == 1.0


@pytest.mark.parametrize(
    ("activation", "weight", "bias", "expected"),
    [
        ("tanh", 3.0, 0.05, {"q": 1.42800846, "chi": 1.20893442, "correlation": 0.29931764}),
        ("tanh", 3.0, 0.05, {"correlation_slope": 0.89540472, "depth_q": 1.0415, "depth_c": 9.0515}),
        ("tanh", 4.0, 0.3, {"correlation": 0.57539477, "depth_c": 6.5497}),
        ("erf", 2.0, 0.05, {"correlation": 0.43448124, "depth_c": 10.185}),
        ("sin", 3.0, 0.1, {"correlation": 0.19184478, "depth_c": 2.5737}),
    ],
)
def test_tabulated_fixed_points_and_depth_scales(activation, weight, bias, expected):
    fixed = mf.fixed_point(activation, weight, bias)
    assert fixed.phase == "chaotic"
    for name, value in expected.items():
        assert getattr(fixed, name) == pytest.approx(value, rel=6e-5 if name.startswith("depth") else 2e-8), name


def test_fixed_point_matches_high_precision_iteration():
    mp.mp.dps = 20
    value, slope = FUNCTIONS["tanh"]
    fixed = mf.fixed_point("tanh", 1.3, 0.2)
    q = mp.mpf(1)
    for _ in range(60):
        q = mp.mpf("1.3") * mean_square(value, q) + mp.mpf("0.2")
    assert fixed.q == pytest.approx(float(q), rel=1e-11)
    assert fixed.chi == pytest.approx(float(mp.mpf("1.3") * mean_square(slope, q)), rel=1e-11)
    assert (fixed.phase, fixed.correlation, fixed.correlation_slope) == ("ordered", 1.0, fixed.chi)
    assert fixed.depth_gradient == pytest.approx(-1.0 / math.log(fixed.chi))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(name=st.sampled_from(ACTIVATION_NAMES), weight=st.floats(0.05, 6.0), bias=st.floats(0.0, 2.0))
def test_the_fixed_point_is_where_iteration_ends(name, weight, bias):
    """Plain iteration of the map with a trapezoid rule moves towards the reported root, or away for ever."""
    fixed = mf.fixed_point(name, weight, bias)
    z = np.linspace(-9.0, 9.0, 4001)
    density = np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    q = weight + bias
    for _ in range(400):
        q = weight * float(density @ phi(name, math.sqrt(q) * z) ** 2) + bias
        if q > 1e9:
            break
    if math.isinf(fixed.q):
        assert fixed.phase == "divergent"
        assert fixed.reason
        assert q > 1e3 or fixed.chi < 1.05
    elif fixed.slope < 0.95:
        assert q == pytest.approx(fixed.q, rel=1e-4, abs=1e-8)
    if 0.0 < fixed.correlation < 1.0:
        c = fixed.correlation * fixed.q
        again = (weight * mf.moments(name, fixed.q, fixed.q, c).phi_phi + bias) / fixed.q
        assert again == pytest.approx(fixed.correlation, abs=1e-10)
        assert fixed.correlation_slope < 1.0 < fixed.chi


def test_every_root_is_reported_and_the_input_decides():
    small = mf.fixed_point("gelu", 2.1, 0.085, input_q=0.05)
    large = mf.fixed_point("gelu", 2.1, 0.085, input_q=20.0)
    assert [root.stable for root in small.roots] == [True, False]
    assert small.q == small.roots[0].q
    assert math.isinf(large.q)
    assert large.phase == "divergent"


def test_special_cases_answer_without_exceptions():
    kept = mf.fixed_point("relu", 2.0, 0.0, input_q=0.7)
    assert (kept.q, kept.phase, kept.correlation) == (1.4, "critical", 1.0)
    assert math.isinf(kept.depth_c)
    assert mf.fixed_point("relu", 2.0, 0.1).phase == "divergent"
    assert mf.fixed_point("relu", 1.5, 0.1).q == pytest.approx(0.4, rel=1e-14)
    faded = mf.fixed_point("tanh", 0.5, 0.0)
    assert (faded.q, faded.phase) == (0.0, "ordered")
    assert mf.fixed_point("tanh", 1.0, 0.0).phase == "critical"
    assert mf.fixed_point("tanh", 3.0, 0.0).correlation == 0.0
    assert [root.q for root in mf.fixed_point("gelu", 2.0, 0.0).roots] == [0.0]


def test_correlation_stays_resolved_next_to_the_critical_line():
    line = mf.critical_point("tanh", 0.05).weight_variance
    gaps = [
        1.0 - mf.fixed_point("tanh", line * (1.0 + excess), 0.05).correlation for excess in (1e-3, 1e-4, 1e-5, 1e-6)
    ]
    ratios = np.array(gaps[:-1]) / np.array(gaps[1:])
    np.testing.assert_allclose(ratios, 10.0, rtol=0.02)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: mf.fixed_point("swish", 1.0, 0.0), "activation"),
        (lambda: mf.fixed_point("tanh", 0.0, 0.0), "weight_variance"),
        (lambda: mf.fixed_point("tanh", math.nan, 0.0), "weight_variance"),
        (lambda: mf.fixed_point("tanh", 1.0, -0.1), "bias_variance"),
        (lambda: mf.fixed_point("tanh", 1.0, 0.1, input_q=0.0), "input_q"),
        (lambda: mf.critical_point("tanh", -0.1), "bias_variance"),
        (lambda: mf.critical_point("swish", 0.1), "activation"),
    ],
)
def test_bad_arguments_are_named(call, field):
    with pytest.raises(ValueError, match=f"`{field}`"):
        call()
