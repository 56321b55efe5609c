"""Softmax, input-space and centred Fisher statistics, and layer by layer, against random networks built in numpy (conftest)."""

import math

import numpy as np
import pytest
from scipy.special import softmax

from fimcore import meanfield as mf
from fimcore.architecture import Architecture

WIDTH, SAMPLES = 500, 60


def roots(probability):
    """B_n with B_n^T B_n = diag(g) - g g^T, (N, C, C): (I - r r^T) diag(r), r the root of g."""
    r = np.sqrt(probability)
    return (np.eye(r.shape[1]) - r[:, :, None] * r[:, None, :]) * r[:, None, :]


def softmax_dual(measured, outputs):
    """(1/N) B K B^T of one network at these outputs, NC x NC."""
    count, classes = outputs.shape
    total = sum(measured.kernels()).reshape(count, classes, count, classes)
    b = roots(softmax(outputs, axis=1))
    return np.einsum("nij,njmk,mlk->niml", b, total, b, optimize=True).reshape(count * classes, -1) / count


@pytest.mark.parametrize(("activation", "weight", "bias", "classes"), [("tanh", 3.0, 0.64, 5), ("relu", 2.0, 0.1, 4)])
def test_softmax_statistics_match_random_networks(measure, activation, weight, bias, classes):
    arch = Architecture((WIDTH, WIDTH, WIDTH, classes), activation, weight, bias)
    rows = []
    for seed in range(3):
        net = measure(arch, SAMPLES, seed)
        outputs = np.random.default_rng(seed).normal(size=(SAMPLES, classes))
        values = np.linalg.eigvalsh(softmax_dual(net, outputs))[::-1]
        got = mf.fisher_statistics_softmax(arch, outputs)
        assert got.valid
        top = values[: classes - 1]
        rest = values[classes - 1 : SAMPLES * (classes - 1)]
        rows.append(
            [
                values.sum() / got.trace,
                np.sum(values**2) / arch.parameters / got.second_moment,
                top.sum() / got.outliers.sum(),
                top[0] / got.largest,
                rest.mean() / got.bulk,
            ]
        )
        assert got.mean == pytest.approx(got.trace / arch.parameters)
        # the C-th eigenvalue is no outlier any more
        assert values[classes - 1] < 0.75 * got.outliers[-1]
    spread = np.std(rows, axis=0, ddof=1) / math.sqrt(3)
    tolerance = np.array([0.04, 0.12, 0.06, 0.1, 0.1])
    np.testing.assert_array_less(np.abs(np.mean(rows, axis=0) - 1.0), 3.0 * spread + tolerance)


def test_outliers_are_eigenvalues_of_the_stated_matrix_whichever_root_is_taken():
    """With B B^T on the diagonal, not B^T B: the two differ, and only the first shares its basis with the off-diagonal part."""
    arch = Architecture((300, 300, 4), "relu", 2.0, 0.3)
    outputs = 2.0 * np.random.default_rng(0).normal(size=(50, 4))
    got = mf.fisher_statistics_softmax(arch, outputs)
    b = roots(softmax(outputs, axis=1))
    stacked = b.reshape(-1, 4)
    own, shared = got.kernel - got.kernel_overlap, got.kernel_overlap

    def with_diagonal(blocks):
        matrix = shared * stacked @ stacked.T
        for place, block in enumerate(blocks):
            matrix[4 * place : 4 * place + 4, 4 * place : 4 * place + 4] += own * block
        return np.linalg.eigvalsh(matrix / 50)[::-1][:3]

    np.testing.assert_allclose(got.outliers, with_diagonal(b @ b.transpose(0, 2, 1)), rtol=1e-10)
    assert np.abs(got.outliers / with_diagonal(b.transpose(0, 2, 1) @ b) - 1.0).max() > 1e-4
    # its square's trace is the second moment, its trace the trace
    whole = np.array([own * np.trace(block) + shared * np.trace(block) for block in b.transpose(0, 2, 1) @ b])
    assert got.trace == pytest.approx(whole.mean())


def test_many_inputs_take_the_iterative_way_to_the_same_outliers():
    arch = Architecture((300, 300, 3), "relu", 2.0, 0.3)
    outputs = np.random.default_rng(0).normal(size=(120, 3))
    few = mf.fisher_statistics_softmax(arch, outputs)  # 360 rows: dense
    many = mf.fisher_statistics_softmax(arch, np.tile(outputs, (20, 1)))
    own = few.kernel - few.kernel_overlap
    # 20 copies of the inputs: the diagonal term is divided by 20 times as many
    assert np.all(np.abs(few.outliers - many.outliers) <= own / 120)
    variance = np.mean([np.diag(g) - np.outer(g, g) for g in softmax(outputs, axis=1)], axis=0)
    limit = few.kernel_overlap * np.linalg.eigvalsh(variance)[::-1][:2]
    np.testing.assert_array_less(limit * (1 - 1e-12), many.outliers)
    np.testing.assert_allclose(many.outliers, limit, rtol=0.01)


def test_softmax_second_moment_by_hand():
    arch = Architecture((40, 3), "tanh", 1.0, 0.0)
    outputs = np.random.default_rng(1).normal(size=(4, 3))
    got = mf.fisher_statistics_softmax(arch, outputs, input_q=1.0, input_overlap=0.3)
    q = [np.diag(g) - np.outer(g, g) for g in softmax(outputs, axis=1)]
    square = sum((41.0 if n == m else 13.0) ** 2 * np.trace(q[n] @ q[m]) for n in range(4) for m in range(4)) / 16.0
    assert got.second_moment * arch.parameters == pytest.approx(square)
    assert got.trace == pytest.approx(41.0 * np.mean([np.trace(part) for part in q]))


@pytest.mark.parametrize(
    ("arch", "outputs", "word"),
    [
        (Architecture((1000, 1000, 4), "tanh", 1.8, 0.0), np.eye(4), "do not overlap"),
        (Architecture((50, 50, 50, 4), "relu", 2.0, 0.1), np.eye(4), "from 300 units and inputs on"),
        (Architecture((1000, 1000, 20), "relu", 2.0, 0.1), np.eye(20), "20 outputs"),
        (Architecture((1000, 1000, 4), "relu", 2.0, 0.1), 1e3 * np.tile(np.eye(4), (9, 1)), "certain"),
    ],
)
def test_softmax_outside_its_domain(arch, outputs, word):
    got = mf.fisher_statistics_softmax(arch, outputs)
    assert not got.valid
    assert word in got.reason


def input_gradients(arch, x, seed):
    """grad_x f_c, (N, C, n_0), of one random network."""
    rng = np.random.default_rng(seed)
    value, slope = {"tanh": (np.tanh, lambda u: 1 / np.cosh(u) ** 2)}.get(
        arch.activation, (lambda u: np.maximum(u, 0), lambda u: (u > 0).astype(float))
    )
    a, pre, weights = x, [], []
    for below, width in zip(arch.widths[:-1], arch.widths[1:], strict=True):
        weights.append(rng.normal(size=(width, below)) * math.sqrt(arch.weight_variance / below))
        pre.append(a @ weights[-1].T + rng.normal(size=width) * math.sqrt(arch.bias_variance))
        a = value(pre[-1])
    gradient = np.broadcast_to(weights[-1], (len(x), *weights[-1].shape))
    for layer in range(arch.layers - 2, -1, -1):
        gradient = (slope(pre[layer])[:, None, :] * gradient) @ weights[layer]
    return gradient


@pytest.mark.parametrize(("activation", "weight", "bias", "outputs"), [("tanh", 3.0, 0.64, 1), ("relu", 2.0, 0.1, 2)])
def test_input_metric_matches_random_networks(activation, weight, bias, outputs):
    arch = Architecture((600, 600, 600, outputs), activation, weight, bias)
    got = mf.input_metric_statistics(arch, SAMPLES)
    assert got.valid
    assert got.valid_mean
    rows = []
    for seed in range(8):
        gradient = input_gradients(arch, np.random.default_rng(100 + seed).normal(size=(SAMPLES, 600)), seed)
        flat = gradient.reshape(-1, 600)
        values = np.linalg.eigvalsh(flat @ flat.T / SAMPLES)[::-1]
        rows.append([values.sum(), np.sum(values**2) / 600, values[:outputs].mean()])
    expected = np.array([got.trace, got.second_moment, got.largest])
    assert got.mean == pytest.approx(got.trace / 600)
    error = np.std(rows, axis=0, ddof=1) / math.sqrt(8)
    np.testing.assert_array_less(np.abs(np.mean(rows, axis=0) - expected), 3.5 * error + [0.03, 0.2, 0.12] * expected)


def test_input_metric_of_a_linear_model_by_hand():
    got = mf.input_metric_statistics(Architecture((30, 2), "tanh", 1.5, 0.0), 10, output_scale=3.0)
    # df/dx = W, the same at every input: trace = |W|^2 = 2 * 30 * 1.5 / 30 on average
    assert got.trace == pytest.approx(9.0)
    assert got.largest == pytest.approx(4.5)
    assert got.second_moment == pytest.approx(2 * 4.5**2 / 30)
    assert got.gradient == got.gradient_overlap == pytest.approx(1.5)


@pytest.mark.parametrize(("activation", "weight", "bias"), [("tanh", 3.0, 0.64), ("relu", 2.0, 0.1)])
def test_centring_leaves_the_predicted_trace_and_a_largest_eigenvalue_above_the_bulk(measure, activation, weight, bias):
    arch = Architecture((WIDTH, WIDTH, WIDTH, 2), activation, weight, bias)
    got = mf.centred_statistics(arch, SAMPLES)
    assert not got.valid
    assert got.valid_mean
    assert math.isnan(got.largest)
    assert "no mean-field value" in got.reason
    centre = np.kron(np.eye(SAMPLES) - 1.0 / SAMPLES, np.eye(2))
    traces, largest = [], []
    for seed in range(3):
        dual = centre @ sum(measure(arch, SAMPLES, seed).kernels()) @ centre / SAMPLES
        values = np.linalg.eigvalsh(dual)
        traces.append(values.sum())
        largest.append(values[-1])
    assert np.mean(traces) == pytest.approx(got.trace, rel=0.08)
    assert min(largest) > 1.2 * got.bulk
    assert max(largest) < 0.4 * got.removed
    assert got.bulk * 2 * (SAMPLES - 1) == pytest.approx(got.trace)


def test_largest_eigenvalues_of_layers_add_up_and_the_first_of_centred_inputs_is_not_predicted(measure):
    arch = Architecture((WIDTH, WIDTH, WIDTH, 1), "tanh", 3.0, 0.64)
    got = mf.fisher_statistics(arch, SAMPLES)
    assert got.valid
    assert list(got.layers_valid) == [False, True, True]
    assert "layer 1" in got.reason_layers
    assert got.layers.sum() == pytest.approx(got.largest)
    kernels = [kernel / SAMPLES for kernel in measure(arch, SAMPLES, 0).kernels()]
    tops = [np.linalg.eigvalsh(kernel)[-1] for kernel in kernels]
    whole = np.linalg.eigvalsh(sum(kernels))[-1]
    assert 1.0 <= sum(tops) / whole < 1.1
    assert tops[0] > 1.2 * got.layers[0]
    assert max(tops) / sum(tops) == pytest.approx(got.block_diagonal_share, rel=0.15)
    shifted = mf.fisher_statistics(arch, SAMPLES, input_overlap=0.5)
    assert shifted.layers_valid.all()
    assert shifted.reason_layers == ""


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda arch: mf.fisher_statistics_softmax(arch, np.ones((5, 3))), "outputs"),
        (lambda arch: mf.fisher_statistics_softmax(arch, np.full((5, 2), math.inf)), "outputs"),
        (lambda _: mf.fisher_statistics_softmax(Architecture((4, 4, 1)), np.ones((5, 1))), "outputs"),
        (lambda arch: mf.input_metric_statistics(arch, 0), "samples"),
        (lambda arch: mf.centred_statistics(arch, 1.5), "samples"),
        (lambda arch: mf.centred_statistics(arch, 5, output_scale=-1.0), "output_scale"),
        (lambda arch: mf.max_learning_rate(arch, 5, input_q=0.0), "input_q"),
    ],
)
def test_bad_arguments_are_named(call, field):
    with pytest.raises(ValueError, match=f"`{field}`"):
        call(Architecture((4, 4, 2)))
