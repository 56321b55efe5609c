"""Laws of depth against iterated maps, and scatter between networks against Monte Carlo over networks drawn here."""

import math

import numpy as np
import pytest

from fimcore import meanfield as mf
from fimcore.architecture import ACTIVATION_NAMES, Architecture


def iterate(activation, weight, bias, layers, overlap=0.3):
    """q, 1 - c after this many layers, from an input of unit length."""
    q, q12 = weight + bias, weight * overlap + bias
    for _ in range(layers):
        one, two = mf.moments(activation, q), mf.moments(activation, q, q, min(q, q12))
        q, q12 = weight * one.phi_phi + bias, weight * two.phi_phi + bias
    return q, 1.0 - q12 / q


def relu_gap(layers, slope=0.0, growth=None, gap=0.7):
    """1 - c of relu layers by the angle map alone, q ~ bias l where ``growth`` is given; series close to 1."""
    share = (1.0 - slope) ** 2 / (1.0 + slope**2)
    for layer in range(layers):
        if gap > 1e-6:
            angle = math.acos(1.0 - gap)
            moved = (math.sin(angle) + (math.pi - angle) * math.cos(angle)) / math.pi
            step = moved - (1.0 - gap)
        else:
            step = 2.0 * math.sqrt(2.0) / (3.0 * math.pi) * gap**1.5
        gap -= share * step
        if growth:
            gap *= (1.0 + growth * layer) / (1.0 + growth * (layer + 1))
    return gap


@pytest.mark.parametrize(
    ("activation", "slope", "weight"), [("relu", 0.0, 2.0), ("relu", 0.0, 0.7), ("leaky_relu", 0.01, 3.0)]
)
def test_without_a_bias_kinks_align_inputs_algebraically_at_any_weight_variance(activation, slope, weight):
    law = mf.depth_decay(activation, weight, 0.0).correlation
    assert (law.law, law.power, law.limit, law.valid) == ("algebraic", 2.0, 1.0, True)
    if activation == "relu":
        assert law.prefactor == pytest.approx(9.0 * math.pi**2 / 2.0)
    assert iterate(activation, weight, 0.0, 60)[1] == pytest.approx(relu_gap(60, slope), rel=1e-9)
    assert law.prefactor / 100_000**2 == pytest.approx(relu_gap(100_000, slope), rel=2e-3)


def test_a_bias_at_the_relu_critical_weight_pulls_four_times_closer():
    law = mf.depth_decay("relu", 2.0, 0.1).correlation
    assert law.prefactor == pytest.approx(9.0 * math.pi**2 / 8.0)
    assert law.prefactor / 100_000**2 == pytest.approx(relu_gap(100_000, growth=0.1), rel=0.015)
    length = mf.depth_decay("relu", 2.0, 0.1).length
    assert not length.valid
    assert "per layer" in length.reason


@pytest.mark.parametrize(("activation", "bias"), [("tanh", 0.1), ("erf", 0.05), ("sin", 0.1), ("elu", 0.05)])
def test_smooth_critical_points(activation, bias):
    weight = mf.critical_point(activation, bias).weight_variance
    law = mf.depth_decay(activation, weight, bias).correlation
    assert (law.law, law.power) == ("algebraic", 1.0)
    layers = 400
    near, far = iterate(activation, weight, bias, layers // 2)[1], iterate(activation, weight, bias, layers)[1]
    # 1 / (1 - c) grows by 1 / prefactor a layer, up to logarithms
    # (for elu, whose phi'' jumps, up to one over the root of the depth)
    tolerance = 0.15 if activation == "elu" else 0.03
    assert (1.0 / far - 1.0 / near) / (layers / 2) == pytest.approx(1.0 / law.prefactor, rel=tolerance)
    assert math.isnan(law.depth)


@pytest.mark.parametrize(
    ("activation", "weight", "bias"),
    [
        ("tanh", 3.0, 0.05),
        ("tanh", 0.8, 0.2),
        ("erf", 2.0, 0.05),
        ("relu", 1.5, 0.1),
        ("sigmoid", 4.0, 0.1),
        ("linear", 0.8, 0.2),
    ],
)
def test_exponential_laws_are_measured_slopes(activation, weight, bias):
    laws = mf.depth_decay(activation, weight, bias)
    assert laws.correlation.law == laws.length.law == laws.gradient.law == "exponential"
    start = 12
    states = [iterate(activation, weight, bias, start + extra) for extra in (0, 1)]
    gaps = [1.0 - gap - laws.correlation.limit for _, gap in states]
    if abs(gaps[1]) > 1e-9:
        assert gaps[1] / gaps[0] == pytest.approx(math.exp(-1.0 / laws.correlation.depth), rel=0.05)
    distances = [q - laws.length.limit for q, _ in states]
    if abs(distances[1]) > 1e-9:
        assert distances[1] / distances[0] == pytest.approx(math.exp(-1.0 / laws.length.depth), rel=0.05)


def test_tabulated_depth_scales():
    assert mf.depth_decay("tanh", 3.0, 0.05).length.depth == pytest.approx(1.0415, abs=1e-4)
    assert mf.depth_decay("tanh", 3.0, 0.05).correlation.depth == pytest.approx(9.0515, abs=1e-4)
    assert mf.depth_decay("sin", 3.0, 0.1).correlation.depth == pytest.approx(2.5737, abs=1e-4)


@pytest.mark.parametrize(("activation", "weight"), [("tanh", 1.0), ("erf", math.pi / 4.0), ("sin", 1.0), ("elu", 1.0)])
def test_at_the_critical_point_without_a_bias_lengths_fade_and_correlations_stop(activation, weight):
    laws = mf.depth_decay(activation, weight, 0.0)
    q, gap = iterate(activation, weight, 0.0, 1000)
    earlier, gap_earlier = iterate(activation, weight, 0.0, 500)
    assert laws.length.law == "algebraic"
    power = laws.length.power
    growth = (q ** (-1.0 / power) - earlier ** (-1.0 / power)) / 500
    assert growth == pytest.approx(laws.length.prefactor ** (-1.0 / power), rel=0.03)
    # the correlation freezes short of 1
    assert gap == pytest.approx(gap_earlier, rel=0.01)
    assert gap > 0.3
    assert not laws.correlation.valid
    assert "stops" in laws.correlation.reason


@pytest.mark.parametrize("activation", ["silu", "gelu", "elu"])
def test_growing_signals_end_as_relu(activation):
    law = mf.depth_decay(activation, 3.0, 0.1).correlation
    assert law.prefactor == pytest.approx(9.0 * math.pi**2 / 2.0)
    gaps = [iterate(activation, 3.0, 0.1, layers)[1] for layers in (30, 60)]
    growth = (gaps[1] ** -0.5 - gaps[0] ** -0.5) / 30
    assert growth == pytest.approx(law.prefactor**-0.5, rel=0.08)


@pytest.mark.parametrize(
    ("activation", "weight", "bias", "word"),
    [
        ("linear", 1.0, 0.0, "keep"),
        ("tanh", 0.5, 0.0, "fade"),
        ("gelu", 2.1936839, 0.0672, "repels"),
        ("linear", 2.0, 0.1, "without bound"),
    ],
)
def test_where_correlation_has_no_law(activation, weight, bias, word):
    if word == "repels":
        point = mf.critical_point(activation, bias)
        assert point.slope > 1.0
        law = mf.depth_decay(
            activation, point.weight_variance, bias, (point.q - bias) / point.weight_variance
        ).correlation
    else:
        law = mf.depth_decay(activation, weight, bias).correlation
    assert law.law == "none"
    assert not law.valid
    assert word in law.reason


@pytest.mark.parametrize("activation", ACTIVATION_NAMES)
def test_every_setting_has_a_law_or_a_reason(activation):
    for weight in (0.3, 1.0, 2.0, 4.0):
        for bias in (0.0, 0.2):
            laws = mf.depth_decay(activation, weight, bias)
            for law in (laws.length, laws.correlation, laws.gradient):
                assert law.valid == (law.law != "none")
                assert law.valid or law.reason.endswith((".", "1."))
                assert not math.isnan(law.depth) or law.law != "exponential"


def draw_activities(arch, seeds, input_q=1.0):
    """|a^l|^2 / n_l of every hidden layer for independent networks and one input; layers by their law given the size below."""
    value = {
        "relu": lambda u: np.maximum(u, 0),
        "linear": lambda u: u,
        "tanh": np.tanh,
        "leaky_relu": lambda u: np.where(u > 0, u, 0.01 * u),
        "sigmoid": lambda u: 1 / (1 + np.exp(-u)),
    }[arch.activation]
    rng, size, found = np.random.default_rng(0), np.full(seeds, input_q), []
    for width in arch.hidden_widths:
        # given the layer below, pre-activations are independent normals of this variance
        spread = np.sqrt(arch.weight_variance * size + arch.bias_variance)
        size = np.mean(value(spread[:, None] * rng.normal(size=(seeds, width))) ** 2, axis=1)
        found.append(size)
    return np.array(found)


@pytest.mark.parametrize(
    ("activation", "bias", "widths", "tolerance"),
    [
        ("relu", 0.0, (30, 60, 40, 80, 1), 0.0),
        ("linear", 0.0, (30, 40, 40, 40, 1), 0.0),
        ("leaky_relu", 0.0, (30, 60, 60, 1), 0.0),
        ("tanh", 0.1, (30, 80, 60, 80, 1), 0.05),
        ("relu", 0.3, (30, 200, 150, 1), 0.1),
        ("sigmoid", 0.1, (30, 80, 80, 1), 0.05),
    ],
)
def test_scatter_of_activities(activation, bias, widths, tolerance):
    arch = Architecture(widths, activation, 1.6, bias)
    found = mf.activity_scatter(arch)
    assert found.valid
    draws = draw_activities(arch, 20_000)
    relative = draws.var(axis=1) / draws.mean(axis=1) ** 2
    centred = (draws / draws.mean(axis=1, keepdims=True) - 1.0) ** 2
    error = centred.std(axis=1) / math.sqrt(draws.shape[1])
    np.testing.assert_array_less(np.abs(relative - found.relative_variance), 4.5 * error + tolerance * relative)
    assert found.exact == (bias == 0.0)
    assert math.isnan(found.beta) == (bias > 0.0)
    assert bool(found.reason_beta) == (bias > 0.0)


def test_scatter_reference_numbers_and_reasons():
    relu = mf.activity_scatter(Architecture((100,) * 7 + (1,), "relu", 2.0))
    assert relu.beta == 5.0
    np.testing.assert_allclose(relu.relative_variance, 1.05 ** np.arange(1, 7) - 1.0, rtol=1e-12)
    assert mf.activity_scatter(Architecture((9, 9, 1), "linear")).beta == 2.0
    assert "Orthogonal" in mf.activity_scatter(Architecture((9, 9, 1), "relu", init="orthogonal")).reason
    assert "first order" in mf.activity_scatter(Architecture((4,) * 9 + (1,), "relu", 1.5, 0.1)).reason
    assert mf.activity_scatter(Architecture((9, 3))).relative_variance.size == 0
    with pytest.raises(ValueError, match="`input_q`"):
        mf.activity_scatter(Architecture((9, 3)), -1.0)
