"""One contract for every structure: equal to brute force (autograd and label enumeration), including scale."""

from __future__ import annotations

import math

import pytest
import torch
from brute_force import exact_fisher, jacobians

import fimcore as fc
from fimcore.fisher import STRUCTURES, entry, from_factors

WIDTHS = {1: (3, 5, 4, 1), 3: (3, 5, 4, 3)}
FAMILIES = {"gaussian": fc.Gaussian(variance=2.5), "categorical": fc.Categorical()}
TOLERANCE = {torch.float64: 1e-11, torch.float32: 2e-4}


def network_and_inputs(outputs, activation="tanh", dtype=torch.float64, bias_variance=0.3):
    architecture = fc.Architecture(WIDTHS[outputs], activation, weight_variance=1.7, bias_variance=bias_variance)
    return fc.sample_network(architecture, seed=3, dtype=dtype), fc.inputs.gaussian(6, 3, seed=4, dtype=dtype)


def keep(matrix, layout, structure):
    """What a structure keeps of the dense matrix, by a mask made from names alone."""
    mask = torch.zeros_like(matrix, dtype=torch.bool)
    for row in range(layout.parameters):
        for column in range(layout.parameters):
            a, b = layout.locate(row), layout.locate(column)
            mask[row, column] = {
                "dense": True,
                "layer_blocks": a.layer == b.layer,
                "unit_blocks": a[:2] == b[:2],
                "diagonal": row == column,
            }[structure]
    return torch.where(mask, matrix, 0)


def relative(measured, expected):
    return float((measured.double() - expected).norm() / expected.norm())


CASES = [
    (structure, family, dtype, outputs)
    for structure in ("dense", "layer_blocks", "unit_blocks", "diagonal")
    for family in FAMILIES
    for dtype in TOLERANCE
    for outputs in WIDTHS
    if (family, outputs) != ("categorical", 1)
]


@pytest.mark.parametrize(("structure", "family", "dtype", "outputs"), CASES)
def test_structure_equals_brute_force(structure, family, dtype, outputs):
    network, x = network_and_inputs(outputs, dtype=dtype)
    reference, _ = network_and_inputs(outputs)
    expected = keep(exact_fisher(reference, x, family, variance=2.5), network.layout, structure)
    made = fc.fisher(network, x, FAMILIES[family], structure=structure)
    tolerance = TOLERANCE[dtype]
    parameters = network.layout.parameters

    assert made.shape == (parameters, parameters)
    assert made.dtype is made.dense().dtype is made.diagonal().dtype is dtype
    assert relative(made.dense(), expected) < tolerance
    assert relative(made.diagonal(), expected.diagonal()) < tolerance
    assert made.trace() == pytest.approx(float(expected.trace()), rel=tolerance)
    assert made.frobenius_norm() == pytest.approx(float(expected.norm()), rel=tolerance)
    eigenvalues = torch.linalg.eigvalsh(expected).flip(0)
    assert float((made.eigenvalues().double() - eigenvalues).abs().max()) < tolerance * float(eigenvalues[0])

    generator = torch.Generator().manual_seed(0)
    for shape in ((parameters,), (parameters, 2)):
        vector = torch.randn(shape, generator=generator, dtype=torch.float64)
        assert relative(made.matvec(vector.to(dtype)), expected @ vector) < tolerance
        damped = expected + 0.3 * torch.eye(parameters, dtype=torch.float64)
        assert relative(made.solve(vector.to(dtype), damping=0.3), torch.linalg.solve(damped, vector)) < tolerance
    for layer in range(1, network.layout.layers + 1):
        part = network.layout.layer_slice(layer)
        assert relative(made.block(layer), expected[part, part]) < tolerance
        part = network.layout.unit_slice(layer, 1)
        assert relative(made.block(layer, unit=1), expected[part, part]) < tolerance
    assert "E_x E_y|x" in repr(made)


@pytest.mark.parametrize("activation", fc.ACTIVATION_NAMES)
def test_every_activation_equals_brute_force(activation):
    network, x = network_and_inputs(3, activation)
    expected = exact_fisher(network, x, "categorical")
    assert relative(fc.fisher(network, x, fc.Categorical()).dense(), expected) < 1e-11


@pytest.mark.parametrize("family", FAMILIES)
def test_empirical_is_the_score_at_the_datas_labels(family):
    network, x = network_and_inputs(3)
    f = network(x)
    if family == "gaussian":
        labels = f + 0.5
        scores = (labels - f) / 2.5
    else:
        labels = torch.tensor([0, 1, 2, 0, 1, 1])
        scores = torch.nn.functional.one_hot(labels, 3) - torch.softmax(f, dim=1)
    rows = torch.einsum("nc,ncp->np", scores.double(), jacobians(network, x))
    made = fc.fisher(network, x, FAMILIES[family], estimator="empirical", labels=labels)
    assert relative(made.dense(), rows.T @ rows / len(x)) < 1e-12


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("estimator", ["score", "probe"])
def test_sampled_estimators_are_unbiased(family, estimator):
    network, x = network_and_inputs(3)
    exact = fc.fisher(network, x, FAMILIES[family], structure="diagonal").values
    draws = torch.stack(
        [
            fc.fisher(network, x, FAMILIES[family], structure="diagonal", estimator=estimator, seed=seed).values
            for seed in range(600)
        ]
    )
    alive = draws.std(dim=0) > 1e-12
    z = (draws.mean(dim=0) - exact)[alive] / (draws.std(dim=0)[alive] / math.sqrt(len(draws)))
    assert alive.sum() > 30
    assert float(z.abs().max()) < 4.5
    again = fc.fisher(network, x, FAMILIES[family], structure="diagonal", estimator=estimator, seed=7).values
    assert torch.equal(again, draws[7])


def test_single_entry_equals_the_matrix():
    network, x = network_and_inputs(3)
    made = fc.factors(network, x, fc.Categorical())
    matrix = from_factors(made, "dense").dense()
    for row, column in [(0, 0), (3, 17), (19, 40), (43, 58), (58, 3)]:
        assert entry(made, row, column) == pytest.approx(float(matrix[row, column]), rel=1e-12, abs=1e-16)


def test_products_with_the_factored_jacobian():
    network, x = network_and_inputs(3)
    made = fc.factors(network, x, fc.Gaussian())
    jacobian = jacobians(network, x).reshape(-1, network.layout.parameters)
    assert relative(made.jacobian(), jacobian) < 1e-12
    vectors = torch.randn(network.layout.parameters, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert relative(made.jacobian_product(vectors), jacobian @ vectors) < 1e-12
    assert relative(made.jacobian_product(vectors[:, 0]), jacobian @ vectors[:, 0]) < 1e-12
    rows = torch.randn(jacobian.shape[0], 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert relative(made.transpose_product(rows), jacobian.T @ rows) < 1e-12


def test_permuting_hidden_units_permutes_the_matrix():
    network, x = network_and_inputs(3)
    order = torch.tensor([3, 0, 4, 1, 2])
    weights = [network.weights[0][order], network.weights[1][:, order], network.weights[2]]
    permuted = fc.Network(weights, [network.biases[0][order], *network.biases[1:]], "tanh")
    index = torch.arange(network.layout.parameters)
    first = index[network.layout.layer_slice(1)].reshape(5, 4)[order].reshape(-1)
    second = index[network.layout.layer_slice(2)].reshape(4, 6)[:, [*order.tolist(), 5]].reshape(-1)
    moved = torch.cat([first, second, index[network.layout.layer_slice(3)]])
    expected = fc.fisher(network, x).dense()[moved][:, moved]
    assert relative(fc.fisher(permuted, x).dense(), expected) < 1e-12


def test_wrong_arguments_are_named():
    network, x = network_and_inputs(3)
    with pytest.raises(ValueError, match="`structure` is 'sparse'; choose one of dense"):
        fc.fisher(network, x, structure="sparse")
    with pytest.raises(ValueError, match="`estimator` is 'mc'"):
        fc.fisher(network, x, estimator="mc")
    with pytest.raises(ValueError, match="`seed` is None"):
        fc.fisher(network, x, estimator="score")
    with pytest.raises(ValueError, match="`labels` is None"):
        fc.fisher(network, x, estimator="empirical")
    with pytest.raises(ValueError, match="`damping` is -1"):
        fc.fisher(network, x).solve(torch.zeros(network.layout.parameters, dtype=torch.float64), damping=-1)
    with pytest.raises(ValueError, match=r"`vector` has shape \(3,\)"):
        fc.fisher(network, x).matvec(torch.zeros(3, dtype=torch.float64))
    with pytest.raises(ValueError, match="singular to rounding"):
        fc.fisher(network, x).solve(torch.ones(network.layout.parameters, dtype=torch.float64), damping=0.0)
    with pytest.raises(
        fc.BudgetError, match=r"dense Fisher matrix of 59 parameters would need 27.8 kB; `budget` allows 100 bytes"
    ):
        fc.fisher(network, x, budget=fc.Budget(memory_bytes=100))


def test_progress_cancels():
    class StoppedError(Exception):
        pass

    def stop(fraction, message):
        raise StoppedError

    network, x = network_and_inputs(3)
    for run in (fc.fisher, fc.block_norms, fc.spectrum):
        with pytest.raises(StoppedError):
            run(network, x, progress=stop)


def test_blocks_of_stored_layers_never_build_the_whole_matrix(monkeypatch):
    network, x = network_and_inputs(3)
    made, dense = fc.fisher(network, x, structure="layer_blocks"), fc.fisher(network, x)
    expected = [(layer, unit, dense.block(layer, unit)) for layer in (1, 2, 3) for unit in (None, 1, 3)]

    def refuse(self):
        raise AssertionError("built the whole matrix")

    monkeypatch.setattr(type(made), "dense", refuse)
    for layer, unit, block in expected:
        torch.testing.assert_close(made.block(layer, unit), block, rtol=1e-12, atol=1e-14)
    for layer, unit in ((0, None), (4, None), (1, 0), (1, 6)):
        with pytest.raises(IndexError, match=r"layer|unit"):
            made.block(layer, unit)
