"""The phase diagram against plain iteration of the map, one-pair fixed points and closed forms; the line against the sheet."""

import math

import numpy as np
import pytest

from fimcore.architecture import ACTIVATION_NAMES
from fimcore.meanfield import fixed_point
from fimcore.meanfield.phase_diagram import critical_line, phase_diagram

WEIGHTS, BIASES = np.linspace(0.05, 5, 12), np.array([0.0, 0.02, 0.4, 2.0])


def test_equals_plain_iteration_of_the_map_on_a_trapezoid():
    z = np.linspace(-10, 10, 4001)
    density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    found = phase_diagram("tanh", [0.5, 1.5, 3.0], [0.05, 0.3])
    for row, bias in enumerate((0.05, 0.3)):
        for column, weight in enumerate((0.5, 1.5, 3.0)):
            q = weight + bias
            for _ in range(400):
                q = weight * density @ np.tanh(math.sqrt(q) * z) ** 2 + bias
            chi = weight * density @ np.cosh(math.sqrt(q) * z) ** -4
            assert found.q[row, column] == pytest.approx(q, rel=1e-6)
            assert found.chi[row, column] == pytest.approx(chi, rel=1e-6)


@pytest.mark.parametrize("activation", ACTIVATION_NAMES)
@pytest.mark.parametrize("input_q", [0.01, 1.0, 40.0])
def test_every_cell_is_the_fixed_point_of_its_pair(activation, input_q):
    found = phase_diagram(activation, WEIGHTS, BIASES, input_q)
    for row, bias in enumerate(BIASES):
        for column, weight in enumerate(WEIGHTS):
            one = fixed_point(activation, float(weight), float(bias), input_q)
            assert found.q[row, column] == pytest.approx(one.q, rel=1e-6), (weight, bias)
            assert found.chi[row, column] == pytest.approx(one.chi, rel=1e-6), (weight, bias)


def test_the_line_of_erf_is_its_closed_form():
    line = critical_line("erf")
    root = np.sqrt(1 + 4 * line.q)
    np.testing.assert_allclose(line.weight_variances, math.pi / 4 * root, rtol=1e-10)
    expected = line.q - 0.5 * root * np.arcsin(2 * line.q / (1 + 2 * line.q))
    np.testing.assert_allclose(line.bias_variances, expected, atol=1e-9, rtol=1e-9)
    assert line.attracts.all()


@pytest.mark.parametrize(
    ("activation", "repels_to", "at"),
    [("gelu", (3.0, 4.5), (1.0, 2.1937, 0.0672, 1.067)), ("silu", (12.0, 16.0), None)],
)
def test_the_line_of_gelu_and_silu_repels_at_short_lengths(activation, repels_to, at):
    line = critical_line(activation)
    repelling = line.q[~line.attracts]
    assert repels_to[0] < repelling.max() < repels_to[1]
    assert (line.bias_variances >= 0).all()
    if at is not None:
        place = np.argmin(abs(line.q - at[0]))
        row = [each[place] for each in (line.q, line.weight_variances, line.bias_variances, line.slope)]
        np.testing.assert_allclose(row, at, rtol=1e-3)


def test_a_point_or_no_line_at_all():
    relu = critical_line("relu")
    assert (relu.weight_variances.tolist(), relu.bias_variances.tolist()) == ([2.0], [0.0])
    assert critical_line("softplus").q.size == 0
    assert np.nanmin(critical_line("sigmoid").weight_variances) > 100
    tanh = critical_line("tanh")
    assert np.isfinite(tanh.weight_variances).all()
    assert tanh.weight_variances[0] == pytest.approx(1.0)
    assert np.interp(0.1, tanh.bias_variances, tanh.weight_variances) == pytest.approx(1.9860726411, rel=3e-4)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("tanh", [0.0], [0.1]), "weight_variance"),
        (("tanh", [1.0], [-0.1]), "bias_variance"),
        (("x", [1.0], [0.1]), "activation"),
    ],
)
def test_bad_grids_are_refused(arguments, name):
    with pytest.raises(ValueError, match=f"`{name}`"):
        phase_diagram(*arguments)
    with pytest.raises(ValueError, match="`input_q`"):
        phase_diagram("tanh", [1.0], [0.1], 0.0)
