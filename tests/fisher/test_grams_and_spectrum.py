"""Block norms and spectra that never form the matrix, against matrices from autograd."""

from __future__ import annotations

import brute_force
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_structures import reference

import fimcore as fc
from fimcore.fisher import factors, grams
from fimcore.fisher.top_eigenvalues import top_eigenvalues_from_factors


def dense_norms(matrix, layout):
    """T and U from the dense matrix, block by block."""
    layers = range(1, layout.layers + 1)
    pairs = [
        [float(matrix[layout.layer_slice(a), layout.layer_slice(b)].square().sum()) for b in layers] for a in layers
    ]
    units = [
        sum(
            float(matrix[layout.unit_slice(a, i), layout.unit_slice(a, i)].square().sum())
            for i in range(1, layout.units[a - 1] + 1)
        )
        for a in layers
    ]
    return np.array(pairs), np.array(units)


FAMILIES = [fc.Gaussian(variance=0.3), fc.GaussianWithVariance(), fc.Categorical(), fc.Bernoulli()]


def brute(network, x, family=None):
    """The exact Fisher matrix from autograd."""
    return brute_force.per_input(network, x, family or fc.Gaussian()).mean(dim=0)


@settings(max_examples=25, deadline=None)
@given(
    widths=st.lists(st.integers(1, 6), min_size=2, max_size=4),
    outputs=st.integers(1, 4),
    count=st.integers(1, 9),
    family=st.sampled_from(FAMILIES),
    seed=st.integers(0, 1000),
)
def test_plug_in_norms_equal_the_dense_blocks(widths, outputs, count, family, seed):
    if not isinstance(family, fc.Gaussian):
        outputs += outputs % 2
    architecture = fc.Architecture((*widths, outputs), "tanh", 1.5, 0.2)
    network, x = fc.sample_network(architecture, seed), fc.inputs.gaussian(count, widths[0], seed)
    pairs, units = dense_norms(brute(network, x, family), network.layout)
    norms = fc.block_norms(network, x, family, unbiased=False)
    np.testing.assert_allclose(norms.layer_pairs, pairs, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(norms.unit_diagonal, units, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
@pytest.mark.parametrize("sums", ["_sums_by_rows", "_sums_by_units"])
@pytest.mark.parametrize(("chunk_bytes", "tile_rows"), [(1, 1), (3000, 12), (10**9, 10**6)])
def test_both_routes_and_every_chunk_size_agree(family, sums, chunk_bytes, tile_rows, monkeypatch):
    """The sum over pairs x != x' of <M_x, M_x'> over every layer pair and unit, M_x one input's matrix from autograd."""
    monkeypatch.setattr(grams, "CHUNK_BYTES", chunk_bytes)
    monkeypatch.setattr(grams, "TILE_ROWS", tile_rows)
    network = fc.sample_network(fc.Architecture((4, 5, 4, 4), "relu", 1.5, 0.1), seed=1)
    x = fc.inputs.gaussian(7, 4, seed=2)
    made = factors(network, x, family)
    result = getattr(grams, sums)(made, made, None)
    single = brute_force.per_input(network, x, family)
    where = brute_force.places(network.widths)
    layer, unit = (torch.tensor([place[i] for place in where]) for i in (0, 1))
    products = single.sum(dim=0).square() - single.square().sum(dim=0)  # pairs of an input with itself taken off
    layers = range(1, 4)
    expected = [[float(products[layer == a][:, layer == b].sum()) for b in layers] for a in layers]
    np.testing.assert_allclose(result.layer_pairs, expected, rtol=1e-10)
    own = (layer[:, None] == layer) & (unit[:, None] == unit)
    units = [float((products * own)[layer == a].sum()) for a in layers]
    np.testing.assert_allclose(result.unit_diagonal, units, rtol=1e-10)


def test_unbiased_norms_are_unbiased():
    """The mean over small batches equals the norms of the population, here a finite set of inputs drawn with replacement."""
    network = fc.sample_network(fc.Architecture((3, 4, 2), "tanh", 1.5, 0.2), seed=5)
    population = fc.inputs.gaussian(5, 3, seed=6)
    pairs, units = dense_norms(brute(network, population), network.layout)
    generator = torch.Generator().manual_seed(7)
    draws = [fc.block_norms(network, population[torch.randint(0, 5, (3,), generator=generator)]) for _ in range(3000)]
    measured = np.array([draw.layer_pairs for draw in draws])
    z = (measured.mean(axis=0) - pairs) / (measured.std(axis=0) / np.sqrt(len(draws)))
    assert np.abs(z).max() < 4
    own = np.array([draw.unit_diagonal for draw in draws])
    assert np.abs((own.mean(axis=0) - units) / (own.std(axis=0) / np.sqrt(len(draws)))).max() < 4
    biased = np.array([fc.block_norms(network, population[:3], unbiased=flag).layer_pairs for flag in (True, False)])
    assert (np.diagonal(biased[1]) > np.diagonal(biased[0])).all()


def test_one_input_has_no_unbiased_norm():
    network = fc.sample_network(fc.Architecture((3, 4, 2)))
    with pytest.raises(ValueError, match="`x` has 1 input; the unbiased estimate needs 2 or more"):
        fc.block_norms(network, fc.inputs.gaussian(1, 3))


def test_unit_block_norm_map_equals_the_dense_blocks():
    network = fc.sample_network(fc.Architecture((3, 5, 4, 2), "gelu", 1.5, 0.2), seed=5)
    x = fc.inputs.gaussian(8, 3, seed=6)
    matrix, layout = brute(network, x, fc.Categorical()), network.layout
    for layer, other in ((1, 1), (1, 2), (3, 2)):
        found = fc.unit_block_norm_map(network, x, fc.Categorical(), layers=(layer, other))
        expected = [
            [
                float(matrix[layout.unit_slice(layer, i + 1), layout.unit_slice(other, j + 1)].norm())
                for j in range(layout.units[other - 1])
            ]
            for i in range(layout.units[layer - 1])
        ]
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10)
    assert fc.unit_block_norm_map(network, x, fc.Categorical(), layers=(1, 2), units=2).shape == (2, 2)


@pytest.mark.parametrize(
    "structure", ["dense", "layer_blocks", "unit_blocks", "block_tridiagonal", "diagonal", "implicit"]
)
@pytest.mark.parametrize("count", [4, 60])
@pytest.mark.parametrize("family", FAMILIES, ids=repr)
def test_spectrum_from_either_side_equals_the_dense_one(structure, count, family):
    network = fc.sample_network(fc.Architecture((4, 6, 5, 4), "tanh", 1.5, 0.2), seed=1)
    x = fc.inputs.gaussian(count, 4, seed=2)
    matrix = reference(structure, brute_force.per_input(network, x, family), [], network)
    expected = np.linalg.eigvalsh(matrix.numpy())[::-1]
    found = fc.spectrum(network, x, family, structure=structure)
    assert found.parameters == network.layout.parameters
    values = np.sort(np.concatenate([found.values, np.zeros(found.zeros)]))[::-1]
    np.testing.assert_allclose(values, expected, atol=1e-11 * expected[0])
    assert found.largest == found[0] == next(iter(found)) == np.asarray(found)[0]
    assert found.mean == pytest.approx(expected.mean())
    assert found.second_moment == pytest.approx((expected**2).mean())


@pytest.mark.parametrize("count", [12, 100])
@pytest.mark.parametrize("family", FAMILIES, ids=repr)
def test_top_eigenvalues_by_lanczos(count, family):
    network = fc.sample_network(fc.Architecture((8, 10, 9, 4), "tanh", 1.5, 0.2), seed=1)
    x = fc.inputs.gaussian(count, 8, seed=2)
    expected = np.linalg.eigvalsh(brute(network, x, family).numpy())[::-1]
    found = top_eigenvalues_from_factors(factors(network, x, family), 4, tol=1e-10)
    np.testing.assert_allclose(found, expected[:4], rtol=1e-8)
    found = fc.top_eigenvalues(network, x, family, k=1)
    assert found[0] == pytest.approx(expected[0], rel=1e-6)


def test_a_dead_network_has_a_zero_matrix():
    network = fc.Network(
        [-torch.ones(3, 2).double(), torch.ones(1, 3).double()],
        [-torch.ones(3).double(), torch.zeros(1).double()],
        "relu",
    )
    x = torch.rand(20, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    norms = fc.block_norms(network, x)
    assert norms.layer_pairs[0, 0] == 0
    assert np.isnan(norms.rms_ratio[0])
    assert fc.spectrum(network, x).values.tolist() == pytest.approx([1.0])
    assert fc.top_eigenvalues(network, x, k=1)[0] == pytest.approx(1.0)


def test_wide_networks_need_no_matrix():
    """A network whose dense Fisher matrix would take 34 TB: norms of three seeds' blocks in little memory."""
    network = fc.sample_network(fc.Architecture((1024, 1024, 1024, 1), "tanh", 1.8, 0.1), seed=0)
    x = fc.inputs.gaussian(64, 1024, seed=0)
    norms = fc.block_norms(network, x)
    assert np.isfinite(norms.rms_ratio[:2]).all()
    with pytest.raises(fc.BudgetError, match="TB"):
        fc.fisher(network, x)
