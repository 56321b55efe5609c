"""Rates and training curves against Jacobians of small random networks written here and explicit pseudo-inverses."""

import math

import numpy as np
import pytest

from fimcore import meanfield as mf
from fimcore.architecture import Architecture

FUNCTIONS = {
    "tanh": (np.tanh, lambda u: 1 / np.cosh(u) ** 2),
    "relu": (lambda u: np.maximum(u, 0), lambda u: (u > 0).astype(float)),
    "linear": (lambda u: u, np.ones_like),
}


def factors(arch, x, seed):
    """Per layer the inputs with the constant 1 (N, k) and the signals (N, C, n) of one random network."""
    rng = np.random.default_rng(seed)
    value, slope = FUNCTIONS[arch.activation]
    activity, pre, weights = [x], [], []
    for below, width in zip(arch.widths[:-1], arch.widths[1:], strict=True):
        weights.append(rng.normal(size=(width, below)) * math.sqrt(arch.weight_variance / below))
        pre.append(activity[-1] @ weights[-1].T + rng.normal(size=width) * math.sqrt(arch.bias_variance))
        activity.append(value(pre[-1]))
    signal = [np.broadcast_to(np.eye(arch.outputs), (len(x), arch.outputs, arch.outputs))]
    for layer in range(arch.layers - 1, 0, -1):
        signal.insert(0, slope(pre[layer - 1])[:, None, :] * (signal[0] @ weights[layer]))
    return [np.column_stack([a, np.ones(len(x))]) for a in activity[:-1]], signal


def jacobians(inputs, signals):
    """J_l (NC, n_l k_l), parameters unit by unit."""
    return [
        np.einsum("nci,nk->ncik", d, a).reshape(d.shape[0] * d.shape[1], -1)
        for a, d in zip(inputs, signals, strict=True)
    ]


def mixing(structure, arch, inputs, signals, rows=None):
    """(1/N) J G^+ J^T on N training inputs; the left J may be that of other ``rows``."""
    n = arch.layers
    train = slice(None) if rows is None else rows[0]
    aim = slice(None) if rows is None else rows[1]
    a, d = [part[train] for part in inputs], [part[train] for part in signals]
    parts, left = jacobians(a, d), jacobians([part[aim] for part in inputs], [part[aim] for part in signals])
    count = a[0].shape[0]
    if structure in ("exact", "layer_blocks", "block_tridiagonal"):
        reach = {"exact": n, "layer_blocks": 0, "block_tridiagonal": 1}[structure]
        grid = [
            [
                parts[i].T @ parts[j] / count
                if abs(i - j) <= reach
                else np.zeros((parts[i].shape[1], parts[j].shape[1]))
                for j in range(n)
            ]
            for i in range(n)
        ]
        return (
            np.hstack(left) @ np.linalg.pinv(np.block(grid), rcond=1e-11, hermitian=True) @ np.hstack(parts).T / count
        )
    total = 0.0
    for layer in range(n):
        if structure == "kfac":
            output = np.einsum("nci,ncj->ij", d[layer], d[layer]) / count
            matrix = np.kron(np.linalg.pinv(output, 1e-11), np.linalg.pinv(a[layer].T @ a[layer] / count, 1e-11))
            total = total + left[layer] @ matrix @ parts[layer].T / count
        else:
            k = a[layer].shape[1]
            for unit in range(d[layer].shape[2]):
                own = slice(unit * k, (unit + 1) * k)
                inner = np.linalg.pinv(parts[layer][:, own].T @ parts[layer][:, own] / count, 1e-12, hermitian=True)
                total = total + left[layer][:, own] @ inner @ parts[layer][:, own].T / count
    return total


@pytest.mark.parametrize("activation", ["tanh", "linear"])
@pytest.mark.parametrize("structure", ["exact", "layer_blocks", "block_tridiagonal", "kfac"])
@pytest.mark.parametrize("widths", [(8, 3), (8, 12, 1), (8, 12, 13, 2), (8, 12, 12, 12, 1), (8, 12, 12, 12, 12, 2)])
def test_exact_rates(activation, structure, widths):
    """Depth 2 and 5 included: the tridiagonal matrix has no inverse there, its pseudo-inverse has the rate ceil(L / 3)."""
    arch = Architecture(widths, activation, 1.5, 0.2)
    x = np.random.default_rng(7).normal(size=(5, 8))
    rate = mf.ngd_rate(arch, structure, len(x))
    assert rate.valid
    assert rate.isotropic
    measured = mixing(structure, arch, *factors(arch, x, 3))
    np.testing.assert_allclose(measured, rate.alpha * np.eye(len(measured)), atol=2e-6 * rate.alpha)
    assert rate.best_learning_rate == pytest.approx(1.0 / rate.alpha)


def test_the_table_of_rates():
    arch = Architecture((64, 64, 64, 64, 1), "tanh", 1.5, 0.1)
    rates = {name: mf.ngd_rate(arch, name, 7).alpha for name in ("exact", "layer_blocks", "block_tridiagonal", "kfac")}
    assert rates == {"exact": 1.0, "layer_blocks": 4.0, "block_tridiagonal": 2.0, "kfac": 22.0}
    assert [mf.ngd_rate(Architecture((9,) * (d + 1)), "block_tridiagonal", 1).alpha for d in range(1, 8)] == [
        1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 3.0,
    ]  # fmt: skip
    assert "pseudo-inverse" in mf.ngd_rate(Architecture((9,) * 6), "block_tridiagonal", 1).reason


def test_unit_blocks_exact_for_one_output_of_a_smooth_network():
    arch = Architecture((8, 9, 10, 1), "tanh", 1.5, 0.2)
    x = np.random.default_rng(1).normal(size=(4, 8))
    rate = mf.ngd_rate(arch, "unit_blocks", 4)
    assert (rate.alpha, rate.isotropic, rate.valid) == (20.0, True, True)
    np.testing.assert_allclose(mixing("unit_blocks", arch, *factors(arch, x, 0)), 20.0 * np.eye(4), atol=1e-3)


@pytest.mark.parametrize(("activation", "outputs"), [("relu", 1), ("tanh", 3), ("relu", 2)])
def test_unit_blocks_on_average(activation, outputs):
    arch = Architecture((10, 30, 30, outputs), activation, 1.5, 0.1)
    x = np.random.default_rng(2).normal(size=(5, 10))
    rate = mf.ngd_rate(arch, "unit_blocks", 5)
    assert rate.valid
    assert not rate.isotropic
    assert rate.reason
    found = [np.trace(mixing("unit_blocks", arch, *factors(arch, x, seed))) / (5 * outputs) for seed in range(12)]
    assert np.mean(found) == pytest.approx(rate.alpha, abs=4.0 * np.std(found, ddof=1) / math.sqrt(12) + 0.01)


@pytest.mark.parametrize(
    ("arch", "structure", "samples", "word"),
    [
        (Architecture((10, 10, 1)), "diagonal", 5, "no single rate"),
        (Architecture((10, 10, 1)), "quasi_diagonal", 5, "no single rate"),
        (Architecture((3, 4, 1)), "exact", 30, "exceed the 21 parameters"),
        (Architecture((10, 10, 1)), "layer_blocks", 12, "layer 2"),
        (Architecture((10, 10, 10, 1)), "kfac", 11, "hidden layer of 10"),
        (Architecture((10, 20, 20, 1)), "kfac", 12, "11 parameters of a unit"),
        (Architecture((10, 20, 20, 1), "relu"), "kfac", 11, "silent"),
        (Architecture((10, 20, 20, 1)), "unit_blocks", 12, "narrowest"),
        (Architecture((10, 4, 6)), "layer_blocks", 5, "6 outputs"),
        (Architecture((10, 4, 6)), "exact", 11, "6 outputs"),
    ],
)
def test_outside_the_conditions_there_is_no_rate(arch, structure, samples, word):
    rate = mf.ngd_rate(arch, structure, samples)
    assert not rate.valid
    assert math.isnan(rate.alpha)
    assert word in rate.reason
    if structure != "diagonal" and structure != "quasi_diagonal":
        x = np.random.default_rng(0).normal(size=(samples, arch.widths[0]))
        measured = mixing(structure, arch, *factors(arch, x, 0)) if arch.activation != "relu" else None
        if measured is not None:
            deviation = measured - np.trace(measured) / len(measured) * np.eye(len(measured))
            assert np.abs(deviation).max() > 1e-3


def test_largest_learning_rate():
    arch = Architecture((1000, 1000, 1000, 1), "tanh", 3.0, 0.64)
    bound = mf.max_learning_rate(arch, 100)
    assert bound.valid
    assert bound.rate == pytest.approx(2.0 / mf.fisher_statistics(arch, 100).largest)
    none = mf.max_learning_rate(Architecture((1000, 1000, 1000, 1), "tanh", 1.8, 0.0), 100)
    assert not none.valid
    assert math.isnan(none.rate)
    assert "do not overlap" in none.reason


def linearised(optimizer, arch, x, test_x, residual, rate, steps, seed=0):
    """Step by step on one random network's linearisation: theta moves, outputs are J theta."""
    everything = np.concatenate([x, test_x])
    inputs, signals = factors(arch, everything, seed)
    n, outputs = len(x), arch.outputs
    train, test = slice(0, n), slice(n, None)
    if optimizer == "gd":
        jacobian = np.hstack(jacobians(inputs, signals))
        near, far = jacobian[: n * outputs], jacobian[n * outputs :]
        own, other = near @ near.T / n, far @ near.T / n
    else:
        structure = {"ngd_exact": "exact", "ngd_layer": "layer_blocks", "ngd_tridiagonal": "block_tridiagonal"}
        name = structure.get(optimizer, optimizer)
        own = mixing(name, arch, inputs, signals, (train, train))
        other = mixing(name, arch, inputs, signals, (train, test))
    r, change, found = residual.ravel().copy(), np.zeros(len(test_x) * outputs), []
    for step in range(max(steps) + 1):
        if step in steps:
            found.append((r.copy(), change.copy()))
        change = change - rate * other @ r
        r = r - rate * own @ r
    return found


@pytest.mark.parametrize("optimizer", ["gd", "ngd_exact", "ngd_layer", "ngd_tridiagonal"])
def test_curves_from_a_networks_own_kernels_are_exact(optimizer):
    arch = Architecture((6, 14, 13, 12, 1), "tanh", 1.5, 0.2)
    rng = np.random.default_rng(0)
    x, test_x, residual = rng.normal(size=(5, 6)), rng.normal(size=(3, 6)), rng.normal(size=5)
    parts = jacobians(*factors(arch, np.concatenate([x, test_x]), 0))
    kernel = np.array([part[:5] @ part[:5].T for part in parts])
    test_kernel = np.array([part[5:] @ part[:5].T for part in parts])
    rate = 0.3 * 5 / np.linalg.eigvalsh(kernel.sum(axis=0))[-1] if optimizer == "gd" else 0.12
    curve = mf.training_curve(kernel, residual, rate, optimizer, steps=(0, 1, 2, 7), test_kernel=test_kernel)
    assert curve.valid
    assert curve.stable
    for place, (r, change) in enumerate(linearised(optimizer, arch, x, test_x, residual, rate, (0, 1, 2, 7))):
        np.testing.assert_allclose(curve.residuals[place], r, atol=1e-5)
        np.testing.assert_allclose(curve.test_change[place], change, atol=1e-4)
        assert curve.ratio[place] == pytest.approx(np.linalg.norm(r) / np.linalg.norm(residual), abs=1e-5)
        assert curve.loss[place] == pytest.approx(r @ r / 10, abs=1e-5)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("optimizer", ["gd", "ngd_exact", "ngd_layer", "kfac"])
def test_curves_from_an_architecture_match_wide_networks(activation, optimizer):
    """C = 2. Everything by kernels of the network, which need no pseudo-inverse of a large matrix."""
    arch = Architecture((5, 1500, 1500, 2), activation, 1.5, 0.2)
    rng = np.random.default_rng(4)
    x, test_x, residual = rng.normal(size=(4, 5)), rng.normal(size=(2, 5)), rng.normal(size=(4, 2))
    gram = np.linalg.eigvalsh(mf.ntk(arch, x))[-1]
    structure = {"ngd_exact": "exact", "ngd_layer": "layer_blocks"}.get(optimizer, optimizer)
    rate = 4 / gram if optimizer == "gd" else 0.5 / mf.ngd_rate(arch, structure, 4).alpha
    curve = mf.training_curve(arch, residual, rate, optimizer, steps=(0, 1, 5), x=x, test_x=test_x)
    assert curve.valid
    predicted = curve.test_change[1:]
    found = []
    for seed in range(3):
        inputs, signals = factors(arch, np.concatenate([x, test_x]), seed)
        pairs = np.ones((2, 2))
        grams = [
            (d.reshape(12, -1) @ d.reshape(12, -1).T, np.kron(a @ a.T, pairs))
            for a, d in zip(inputs, signals, strict=True)
        ]
        near, far = slice(0, 8), slice(8, 12)
        if optimizer in ("gd", "ngd_exact"):
            kernel = sum(q * h for q, h in grams)
            own, other = kernel[near, near], kernel[far, near]
            if optimizer == "gd":
                values, vectors = np.linalg.eigh(own)
                move = [
                    -other @ vectors @ np.diag((1 - (1 - rate * values / 4) ** t) / values) @ vectors.T for t in (1, 5)
                ]
            else:
                move = [-(1 - (1 - rate) ** t) * other @ np.linalg.inv(own) for t in (1, 5)]
        elif optimizer == "ngd_layer":
            mix = sum((q * h)[far, near] @ np.linalg.inv((q * h)[near, near]) for q, h in grams)
            move = [-(1 - 0.5**t) / curve.alpha * mix for t in (1, 5)]
        else:
            mix = 0.0
            for layer, a in enumerate(inputs):
                h = a @ a.T
                through = np.kron(h[4:, :4] @ np.linalg.inv(h[:4, :4]), pairs)
                q = grams[layer][0]
                if layer < 2:
                    mix = mix + 4 * through * (q[far, near] @ np.linalg.inv(q[near, near]))
                else:
                    mix = mix + through * np.kron(np.ones((2, 4)), np.eye(2))
            move = [-(1 - 0.5**t) / curve.alpha * mix for t in (1, 5)]
        found.append([(m @ residual.ravel()).reshape(2, 2) for m in move])
    error = np.linalg.norm(np.mean(found, axis=0) - predicted) / np.linalg.norm(predicted)
    assert error < 0.12


def test_gradient_descent_reference_and_stability():
    kernel = np.diag([8.0, 2.0, 0.0])
    curve = mf.training_curve(kernel, [1.0, 1.0, 1.0], 3.0 * 0.1, steps=[0, 1, 40], test_kernel=[[0.0, 0.0, 3.0]])
    np.testing.assert_allclose(curve.residuals[1], [0.2, 0.8, 1.0])
    np.testing.assert_allclose(curve.test_change[:, 0], [0.0, -0.3, -12.0])
    assert curve.stable
    assert not mf.training_curve(kernel, np.ones(3), 3.0 * 0.26).stable
    assert mf.training_curve(kernel, np.ones(3), 3.0 * 0.26).valid


def test_coinciding_inputs_have_no_natural_gradient_curve():
    x = np.random.default_rng(0).normal(size=(3, 6))
    x[1] = x[0]
    arch = Architecture((6, 40, 1), "tanh", 1.5, 0.1)
    curve = mf.training_curve(arch, np.ones(3), 0.5, "ngd_exact", x=x, test_x=x)
    assert not curve.valid
    assert "singular" in curve.reason
    assert curve.test_change is None
    assert np.isnan(curve.ratio).all()
    assert mf.training_curve(arch, np.ones(3), 1e-3, "gd", x=x).valid


def test_kfac_from_a_kernel_predicts_training_but_not_test_points():
    kernel = np.array([np.eye(3), np.eye(3)])
    curve = mf.training_curve(kernel, np.ones(3), 0.125, "kfac", steps=[1], test_kernel=np.zeros((2, 1, 3)))
    assert curve.ratio[0] == pytest.approx(0.5)
    assert curve.test_change is None
    assert "architecture" in curve.reason_test


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"optimizer": "adam"}, "optimizer"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"steps": [0.5]}, "steps"),
        ({"residual": np.ones(4)}, "residual"),
        ({"kernel": np.ones((3, 2))}, "kernel"),
        ({"optimizer": "ngd_layer"}, "kernel"),
        ({"test_kernel": np.ones((2, 2))}, "test_kernel"),
        ({"kernel": Architecture((2, 3, 1))}, "x"),
    ],
)
def test_bad_arguments_are_named(arguments, field):
    with pytest.raises(ValueError, match=f"`{field}`"):
        mf.training_curve(**{"kernel": np.eye(3), "residual": np.ones(3), "learning_rate": 0.1, **arguments})


@pytest.mark.parametrize(("structure", "samples", "field"), [("block", 3, "structure"), ("exact", 0, "samples")])
def test_bad_rates_are_named(structure, samples, field):
    with pytest.raises(ValueError, match=f"`{field}`"):
        mf.ngd_rate(Architecture((2, 3, 1)), structure, samples)
