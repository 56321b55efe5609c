"""Predicted block norms, plateau and eigenvalue statistics against random networks built by hand in numpy."""

import math
import time

import numpy as np
import pytest

from fimcore import meanfield as mf
from fimcore.architecture import Architecture


@pytest.mark.parametrize(
    ("activation", "weight", "bias", "outputs", "overlap", "expected"),
    [
        ("tanh", 1.8, 0.1, 1, 0.0, (0.322, 0.424, 0.476)),
        ("tanh", 1.8, 0.0, 1, 0.0, (0.335, 0.439, 0.492)),
        ("erf", 1.5, 0.1, 1, 0.0, (0.300, 0.404, 0.460)),
        ("relu", 2.0, 0.0, 1, 0.0, (0.174, 0.266, 0.333)),
        ("sigmoid", 4.0, 0.1, 1, 0.0, (0.446, 0.527, 0.530)),
        ("linear", 1.0, 0.0, 1, 0.0, (0.577, 0.577, 0.577)),
        ("tanh", 1.8, 0.1, 10, 0.0, (0.133, 0.194, 0.238)),
        ("tanh", 1.8, 0.1, 1, 0.5, (0.346, 0.435, 0.478)),
    ],
)
def test_tabulated_plateaus_and_the_curve_that_ends_on_them(activation, weight, bias, outputs, overlap, expected):
    arch = Architecture((100, 100, 100, 100, outputs), activation, weight, bias)
    np.testing.assert_allclose(mf.rms_ratio_limit(arch, 1.0, overlap), expected, atol=6e-4)
    wide = Architecture((200_000,) * 4 + (outputs,), activation, weight, bias)
    np.testing.assert_allclose(
        mf.block_norms(wide, 1.0, overlap).rms_ratio[:3], mf.rms_ratio_limit(wide, 1.0, overlap), rtol=1e-3
    )


def test_the_ratio_falls_as_the_root_of_the_width_where_outputs_grow_with_it():
    ratios = [mf.block_norms(Architecture((n,) * 5, "tanh", 1.8, 0.1)).rms_ratio[:3] for n in (4000, 16000)]
    np.testing.assert_allclose(ratios[1] / ratios[0], 0.5, rtol=0.01)


def test_a_linear_readout_alone_is_exact():
    """One layer: U = T = C E (x . x' + 1)^2, no approximation left."""
    norms = mf.block_norms(Architecture((50, 3), "tanh", 1.0, 0.0))
    assert norms.layer_pairs[0, 0] == pytest.approx(3 * (50.0 + 1.0), rel=1e-14)
    assert norms.unit_diagonal[0] == pytest.approx(3 * (50.0 + 1.0), rel=1e-14)
    shifted = mf.block_norms(Architecture((50, 3), "tanh", 1.0, 0.0), 2.0, 0.5, input_overlap_variance=0.01)
    assert shifted.layer_pairs[0, 0] == pytest.approx(3 * (26.0**2 + 2500 * 0.01), rel=1e-14)


def test_default_overlap_variance_is_that_of_gaussian_inputs_with_a_mean():
    rng = np.random.default_rng(0)
    mean, dim = 0.4, 20
    x = math.sqrt(mean) + math.sqrt(1.0 - mean) * rng.normal(size=(3000, dim))
    gram = (x @ x.T / dim)[~np.eye(3000, dtype=bool)]
    arch = Architecture((dim, 3))
    default = mf.block_norms(arch, 1.0, mean).layer_pairs[0, 0]
    measured = mf.block_norms(arch, 1.0, mean, input_overlap_variance=float(np.var(gram))).layer_pairs[0, 0]
    assert default == pytest.approx(measured, rel=0.01)


CONFIGURATIONS = [
    # activation, weight, bias, widths, mean square of the inputs, samples, seeds
    ("tanh", 1.8, 0.1, (96, 96, 96, 96, 1), 0.0, 150, 60),
    ("relu", 2.0, 0.0, (96, 96, 96, 96, 1), 0.0, 150, 80),
    ("relu", 2.0, 0.1, (64, 96, 48, 10), 0.0, 60, 24),
    ("tanh", 1.8, 0.0, (64, 64, 64, 64), 0.0, 16, 12),
    ("sigmoid", 4.0, 0.1, (96, 96, 96, 3), 0.5, 80, 30),
    ("silu", 2.0, 0.2, (80, 128, 64, 2), 0.0, 100, 50),
    ("linear", 1.0, 0.1, (64, 64, 64, 4), 0.25, 60, 60),
]


@pytest.mark.parametrize(("activation", "weight", "bias", "widths", "mean", "samples", "seeds"), CONFIGURATIONS)
def test_block_norms_match_random_networks(measure, activation, weight, bias, widths, mean, samples, seeds):
    arch = Architecture(widths, activation, weight, bias)
    predicted = mf.block_norms(arch, 1.0, mean)
    runs = [measure(arch, samples, seed, mean).unbiased_norms() for seed in range(seeds)]
    pairs, units = np.array([run[0] for run in runs]), np.array([run[1] for run in runs])
    error = pairs.std(axis=0, ddof=1) / math.sqrt(seeds)
    # Scale included: the norms themselves, within the error bar and 6 % of finite-width remainder.
    np.testing.assert_array_less(
        np.abs(pairs.mean(axis=0) - predicted.layer_pairs), 3.5 * error + 0.06 * predicted.layer_pairs
    )
    error = units.std(axis=0, ddof=1) / math.sqrt(seeds)
    np.testing.assert_array_less(
        np.abs(units.mean(axis=0) - predicted.unit_diagonal), 3.5 * error + 0.06 * predicted.unit_diagonal
    )
    # Ratios scatter far less between networks than norms do.
    off_unit = np.diagonal(pairs.mean(axis=0)) - units.mean(axis=0)
    hidden = slice(0, len(widths) - 2)
    measured = np.sqrt(off_unit / units.mean(axis=0) / np.maximum(np.array(widths[1:]) - 1.0, 1.0))[hidden]
    np.testing.assert_allclose(measured, predicted.rms_ratio[hidden], rtol=0.09)


def test_kinks_stay_harmless_where_depth_makes_inputs_alike(measure):
    """With a bias, depth aligns relu inputs to rounding; the slope of E phi' phi' is then infinite, its effect is not."""
    arch = Architecture((300,) * 30 + (1,), "relu", 1.0, 1.0)
    assert mf.propagate(arch).c[-1] > 1.0 - 1e-8
    predicted = mf.block_norms(arch)
    runs = [measure(arch, 30, seed).unbiased_norms() for seed in range(24)]
    pairs, units = np.mean([run[0] for run in runs], axis=0), np.mean([run[1] for run in runs], axis=0)
    # Depth over width is 0.1 here, so tens of per cent are expected; following the overlap alone errs a hundredfold.
    np.testing.assert_allclose(np.diagonal(pairs), np.diagonal(predicted.layer_pairs), rtol=0.6)
    np.testing.assert_allclose(units, predicted.unit_diagonal, rtol=0.6)


def test_one_hidden_layer_against_the_exact_average_over_weights():
    """With one hidden relu layer the average over weights is closed, so only pairs of inputs are drawn: 0.3 % of noise.

    This resolves the terms by which slopes follow the input overlap, which scatter between networks would bury.
    """
    dim, width, outputs, weight, bias, mean = 40, 50, 3, 2.0, 0.3, 0.3
    rng = np.random.default_rng(5)
    x, y = math.sqrt(mean) + math.sqrt(1.0 - mean) * rng.normal(size=(2, 400_000, dim))
    overlap = np.einsum("nd,nd->n", x, y)
    q1, q2 = (weight * np.einsum("nd,nd->n", z, z) / dim + bias for z in (x, y))
    q12 = weight * overlap / dim + bias
    angle = np.arccos(q12 / np.sqrt(q1 * q2))
    slope = (math.pi - angle) / (2.0 * math.pi)  # E phi' phi' and, for relu, E phi'^2 phi'^2
    hidden = (np.sqrt(q1 * q2) * np.sin(angle) + (math.pi - angle) * q12) / (2.0 * math.pi)
    below, above = overlap + 1.0, width * hidden + 1.0
    unit = weight**2 * slope / width * (outputs**2 + 2.0 * outputs)
    square = (weight * slope) ** 2 * (1.0 - 1.0 / width) * outputs + unit
    predicted = mf.block_norms(Architecture((dim, width, outputs), "relu", weight, bias), 1.0, mean)
    assert predicted.unit_diagonal[0] == pytest.approx(np.mean(unit * below**2), rel=0.01)
    assert predicted.layer_pairs[0, 0] == pytest.approx(np.mean(square * below**2), rel=0.025)
    # The hidden overlap also scatters with the weights: its covariance with nothing else enters T_12 at this order.
    assert predicted.layer_pairs[0, 1] == pytest.approx(np.mean(weight * slope * outputs * below * above), rel=0.01)


def test_one_hidden_linear_layer_by_hand():
    """C = 1, centred inputs: F^11 has E |v|^4 = (1 + 2 / n) s_w^2 times E (x . x' + 1)^2 = n_0 + 1."""
    norms = mf.block_norms(Architecture((30, 20, 1), "linear", 1.5, 0.0))
    assert norms.layer_pairs[0, 0] == pytest.approx(1.5**2 * (1.0 + 2.0 / 20.0) * 31.0, rel=1e-12)
    assert norms.unit_diagonal[0] == pytest.approx(1.5**2 * 3.0 / 20.0 * 31.0, rel=1e-12)


def test_output_scale_multiplies_the_matrix():
    arch = Architecture((20, 30, 4), "relu", 2.0, 0.1)
    plain, scaled = mf.block_norms(arch), mf.block_norms(arch, output_scale=10.0)
    np.testing.assert_allclose(scaled.layer_pairs, 100.0 * plain.layer_pairs, rtol=1e-14)
    np.testing.assert_allclose(scaled.unit_diagonal, 100.0 * plain.unit_diagonal, rtol=1e-14)
    np.testing.assert_allclose(scaled.rms_ratio, plain.rms_ratio, rtol=1e-14)
    plain, scaled = mf.fisher_statistics(arch, 50), mf.fisher_statistics(arch, 50, output_scale=10.0)
    for name, power in (("mean", 1), ("second_moment", 2), ("largest", 1), ("bulk", 1), ("trace", 1)):
        assert getattr(scaled, name) == pytest.approx(10.0**power * getattr(plain, name), rel=1e-14)
    np.testing.assert_allclose(scaled.layers, 10.0 * plain.layers, rtol=1e-14)


def test_a_prediction_costs_milliseconds():
    arch = Architecture((64, 64, 64, 64, 1), "tanh", 1.83, 0.1)
    mf.block_norms(arch)
    best = math.inf
    for width in range(65, 75):
        start = time.perf_counter()
        mf.block_norms(Architecture((width, width, width, width, 1), "tanh", 1.83, 0.1))
        best = min(best, time.perf_counter() - start)
    assert best < 0.02


@pytest.mark.parametrize(
    ("activation", "weight", "bias", "outputs", "largest_tolerance"),
    [("tanh", 3.0, 0.64, 1, 0.06), ("relu", 2.0, 0.1, 1, 0.12), ("erf", 2.0, 0.3, 3, 0.08)],
)
def test_statistics_match_random_networks(measure, activation, weight, bias, outputs, largest_tolerance):
    samples, seeds = 100, 10
    arch = Architecture((300, 300, 300, outputs), activation, weight, bias)
    predicted = mf.fisher_statistics(arch, samples)
    assert predicted.valid
    assert predicted.valid_mean
    assert predicted.reason == ""
    rows, layers = [], []
    for seed in range(seeds):
        kernels = [kernel / samples for kernel in measure(arch, samples, seed).kernels()]
        eigenvalues = np.linalg.eigvalsh(sum(kernels))
        top = np.mean(eigenvalues[-outputs:])
        total = eigenvalues.sum()
        moment = np.sum(eigenvalues**2) / arch.parameters
        rows.append([total, total / arch.parameters, moment, top, np.median(eigenvalues)])
        layers.append([np.mean(np.linalg.eigvalsh(kernel)[-outputs:]) for kernel in kernels])
    mean, error = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1) / math.sqrt(seeds)
    expected = np.array([predicted.trace, predicted.mean, predicted.second_moment, predicted.largest, predicted.bulk])
    tolerance = np.array([0.03, 0.03, 2.0 * largest_tolerance, largest_tolerance, 0.1])
    np.testing.assert_array_less(np.abs(mean - expected), 3.0 * error + tolerance * expected)
    error = np.std(layers, axis=0, ddof=1) / math.sqrt(seeds)
    # Layer 1 with centred inputs holds no outlier of its own; the formula is for the others.
    gap = np.abs(np.mean(layers, axis=0) - predicted.layers)[1:]
    np.testing.assert_array_less(gap, (3.0 * error + 0.1 * predicted.layers)[1:])
    assert predicted.layers.sum() == pytest.approx(predicted.largest, rel=1e-12)


def test_statistics_of_a_linear_model_by_hand():
    """L = 1: K_1 = n + 1, K_2 = n overlap + 1, P = C (n + 1)."""
    got = mf.fisher_statistics(Architecture((30, 2), "tanh", 1.0, 0.0), 10, input_q=1.0, input_overlap=0.2)
    assert got.kernel == pytest.approx(31.0)
    assert got.kernel_overlap == pytest.approx(7.0)
    assert got.mean == pytest.approx(1.0)
    assert got.trace == pytest.approx(62.0)
    assert got.largest == pytest.approx((9 * 7.0 + 31.0) / 10)
    assert got.bulk == pytest.approx(2.4)
    assert got.second_moment == pytest.approx((9 * 49.0 + 31.0**2) / 10 / 31)


@pytest.mark.parametrize(
    ("arch", "samples", "word"),
    [
        (Architecture((1000, 1000, 1000, 1), "tanh", 1.8, 0.0), 100, "do not overlap"),
        (Architecture((1000, 1000, 1000, 10), "tanh", 1.8, 0.1), 100, "10 outputs"),
        (Architecture((1000, 64, 1000, 1), "relu", 2.0, 0.1), 100, "from width 300 on"),
        (Architecture((1000, 1000, 1000, 1), "tanh", 1.2, 0.001), 20, "inputs are needed"),
    ],
)
def test_outside_its_domain_the_largest_eigenvalue_is_not_predicted(arch, samples, word):
    got = mf.fisher_statistics(arch, samples)
    assert not got.valid
    assert word in got.reason
    assert got.reason.endswith(".")
    assert got.valid_mean
    assert got.reason_mean == ""


def test_deep_and_narrow_networks_lose_even_the_mean():
    got = mf.fisher_statistics(Architecture((10, 10, 10, 1), "relu", 2.0, 0.1), 100)
    assert not got.valid_mean
    assert not got.valid
    assert "0.3" in got.reason_mean


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda arch: mf.block_norms(arch, input_q=-1.0), "input_q"),
        (lambda arch: mf.block_norms(arch, 1.0, 1.0), "input_overlap"),
        (lambda arch: mf.block_norms(arch, input_overlap_variance=-0.1), "input_overlap_variance"),
        (lambda arch: mf.block_norms(arch, output_scale=0.0), "output_scale"),
        (lambda arch: mf.rms_ratio_limit(arch, input_overlap=2.0), "input_overlap"),
        (lambda arch: mf.fisher_statistics(arch, 0), "samples"),
        (lambda arch: mf.fisher_statistics(arch, 2.5), "samples"),
        (lambda arch: mf.fisher_statistics(arch, math.nan), "samples"),
        (lambda arch: mf.fisher_statistics(arch, 10, output_scale=math.inf), "output_scale"),
    ],
)
def test_bad_arguments_are_named(call, field):
    with pytest.raises(ValueError, match=f"`{field}`"):
        call(Architecture((4, 4, 2)))
