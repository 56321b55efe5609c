"""Properties of every structure and spectrum, on random networks."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import fimcore as fc
from fimcore.fisher import STRUCTURES, factors, from_factors, layer_spectra, unit_spectra
from fimcore.fisher.top_eigenvalues import top_eigenvalues_from_factors

FAMILIES = [fc.Gaussian(variance=0.7), fc.GaussianWithVariance(), fc.Categorical(), fc.Bernoulli(), fc.Poisson()]
SAMPLED = ("score", "hessian", "probe")
DTYPES = [torch.float32, torch.float64]
EXAMPLES = settings(max_examples=25, deadline=None)


@st.composite
def problems(draw, estimators=("exact", *SAMPLED), dtypes=(torch.float64,), families=FAMILIES, least=1):
    """Network, inputs, likelihood and estimator; few inputs and many, so that either side is the smaller one."""
    hidden = draw(st.lists(st.integers(least, 5), min_size=0, max_size=3))
    family = draw(st.sampled_from(families))
    outputs = 2 * draw(st.integers(1, 2))
    dtype, seed = draw(st.sampled_from(dtypes)), draw(st.integers(0, 1000))
    activation = draw(st.sampled_from(["tanh", "gelu", "erf", "sin", "softplus"]))
    architecture = fc.Architecture((draw(st.integers(1, 4)), *hidden, outputs), activation, 1.3, 0.2)
    network = fc.sample_network(architecture, seed, dtype=dtype)
    x = fc.inputs.gaussian(draw(st.sampled_from([2, 5, 30])), architecture.widths[0], seed + 1, dtype=dtype)
    estimator = draw(st.sampled_from(estimators))
    drawn = {"seed": seed, "draws": draw(st.integers(1, 2))} if estimator in SAMPLED else {}
    return network, x, family, {"estimator": estimator, **drawn}


def relative(found, expected):
    return float((found - expected).norm() / expected.norm().clamp(min=1e-300))


def padded(spectrum):
    """All P eigenvalues, the zeros in their place."""
    return np.sort(np.concatenate([spectrum.values, np.zeros(spectrum.zeros)]))[::-1]


def eigenvalues(matrix):
    return np.linalg.eigvalsh(matrix.double().numpy())[::-1]


def same(found, expected, rounding=1e-10):
    expected = np.asarray(expected)
    scale = max(float(np.abs(expected).max(initial=0)), 1e-300)
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), atol=rounding * scale, rtol=rounding)


# --------------------------------------------------------------------------------------------------------- permutations


@pytest.mark.parametrize("structure", STRUCTURES)
@settings(max_examples=20, deadline=None)
@given(problem=problems(), order_seed=st.integers(0, 99))
def test_permuting_hidden_units_permutes_the_matrix(structure, problem, order_seed):
    """Renaming the hidden units renames the parameters and changes nothing else, in every structure and estimator."""
    network, x, family, chosen = problem
    generator = torch.Generator().manual_seed(order_seed)
    widths, hidden = network.widths, network.widths[1:-1]
    orders = [
        torch.arange(widths[0]),
        *[torch.randperm(n, generator=generator) for n in hidden],
        torch.arange(widths[-1]),
    ]
    weights = [w[out][:, into] for w, into, out in zip(network.weights, orders[:-1], orders[1:], strict=True)]
    biases = [b[out] for b, out in zip(network.biases, orders[1:], strict=True)]
    moved, at = [], 0
    for fan_in, units, into, out in zip(widths[:-1], widths[1:], orders[:-1], orders[1:], strict=True):
        grid = at + torch.arange(units * (fan_in + 1)).reshape(units, fan_in + 1)
        moved.append(grid[out][:, [*into.tolist(), fan_in]].reshape(-1))
        at += grid.numel()
    index = torch.cat(moved)
    expected = fc.fisher(network, x, family, structure, **chosen)
    found = fc.fisher(fc.Network(weights, biases, network.activation), x, family, structure, **chosen)
    if structure == "ekfac":  # eigenvectors of equal eigenvalues (zeros among them) are any basis
        assume(_distinct(network, x, family, chosen))
    assert relative(found.dense(), expected.dense()[index][:, index]) < 1e-7
    same(found.eigenvalues(), expected.eigenvalues(), 1e-7)


def _distinct(network, x, family, chosen):
    made = fc.fisher(network, x, family, "kfac", **chosen)
    gaps = [
        float(np.diff(np.linalg.eigvalsh(f.numpy())).min(initial=np.inf) / max(float(f.norm()), 1e-300))
        for f in (*made.output_factors, *made.input_factors)
    ]
    return min(gaps) > 1e-5


# ---------------------------------------------------------------------------------------------------------- dtypes


@pytest.mark.parametrize("structure", STRUCTURES)
@settings(max_examples=20, deadline=None)
@given(problem=problems(dtypes=DTYPES))
def test_dtype_in_is_dtype_out_of_every_structure(structure, problem):
    network, x, family, chosen = problem
    made = fc.fisher(network, x, family, structure, **chosen)
    vector = torch.ones(network.layout.parameters, dtype=x.dtype)
    damping = float(2 * made.eigenvalues().abs().max()) + 0.1
    results = [
        made.dense(),
        made.diagonal(),
        made.eigenvalues(),
        made.matvec(vector),
        made.solve(vector, damping=damping),
    ]
    results += [made.block(1), made.block(1, unit=1), made.standard_error().diagonal]
    assert {result.dtype for result in results} == {made.dtype} == {x.dtype}
    assert all(type(value) is float for value in (made.trace(), made.frobenius_norm(), made.standard_error().trace))


@EXAMPLES
@given(problem=problems(dtypes=DTYPES, estimators=("exact",)))
def test_dtype_in_is_dtype_out_of_every_function(problem):
    """Tensors keep the dtype; numbers for people are float64 in either."""
    network, x, family, _ = problem
    assert fc.unit_block_norm_map(network, x, family).dtype is x.dtype
    assert fc.top_eigenvalues(network, x, family, k=1).vectors.dtype is x.dtype
    for found in (
        fc.spectrum(network, x, family).values,
        fc.block_norms(network, x, family).layer_pairs,
        fc.whitened_spectrum(network, x, family, damping=0.1).values,
        fc.spectrum_moments(network, x, family),
        fc.top_eigenvalues(network, x, family, k=1).residuals,
    ):
        assert found.dtype == np.float64


# ------------------------------------------------------------------------------------------------------ matvec and solve


@pytest.mark.parametrize("structure", STRUCTURES)
@settings(max_examples=30, deadline=None)
@given(problem=problems(), damping=st.floats(1e-3, 10.0), columns=st.integers(1, 3))
def test_solve_inverts_matvec(structure, problem, damping, columns):
    network, x, family, chosen = problem
    made = fc.fisher(network, x, family, structure, **chosen)
    values = made.eigenvalues() + damping
    # an indefinite matrix may be singular at this damping
    assume(float(values.abs().min()) > 1e-4 * float(values.abs().max()))
    vector = torch.randn(len(values), columns, generator=torch.Generator().manual_seed(1), dtype=x.dtype)
    there = made.matvec(vector) + damping * vector
    assert relative(made.solve(there, damping=damping), vector) < 1e-7
    again = made.solve(vector, damping=damping)
    assert relative(made.matvec(again) + damping * again, vector) < 1e-7


@pytest.mark.parametrize("side", [1, 3000])
@settings(max_examples=20, deadline=None)
@given(problem=problems(dtypes=DTYPES))
def test_implicit_solves_directly_and_by_iteration(side, problem):
    network, x, family, chosen = problem
    module = sys.modules["fimcore.fisher.implicit"]
    made, dense = (fc.fisher(network, x, family, name, **chosen) for name in ("implicit", "dense"))
    damping = 0.1 + 2 * float(dense.eigenvalues().abs().max())
    vector = torch.randn(len(dense.diagonal()), 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(
        x
    )
    kept = module.DIRECT_SIDE
    try:
        module.DIRECT_SIDE = side
        found = made.solve(vector, damping=damping)
    finally:
        module.DIRECT_SIDE = kept
    assert found.dtype is x.dtype
    assert relative(found, dense.solve(vector, damping=damping)) < (1e-8 if x.dtype is torch.float64 else 1e-4)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_a_singular_matrix_is_refused_with_a_damping_that_helps(structure):
    """Units that never fire: their parameters move nothing."""
    network = fc.Network(
        [torch.tensor([[1.0, 2.0], [-1.0, -1.0]]).double(), torch.tensor([[1.0, 3.0], [0.5, 1.0]]).double()],
        [torch.tensor([0.5, -5.0]).double(), torch.zeros(2).double()],
        "relu",
    )
    x = torch.rand(9, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    made = fc.fisher(network, x, structure=structure)
    vector = torch.ones(network.layout.parameters, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"`damping` is 0, .*give"):
        made.solve(vector, damping=0.0)
    for wrong in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="`damping` is"):
            made.solve(vector, damping=wrong)
    for shape in ((), (3,), (len(vector) + 1,), (1, len(vector)), (len(vector), 1, 1)):
        for run in (made.matvec, lambda v: made.solve(v, damping=1.0)):
            with pytest.raises(ValueError, match="`vector` has shape"):
                run(torch.ones(shape, dtype=torch.float64))
    solved = made.solve(vector, damping=1e-2)
    assert relative(made.matvec(solved) + 1e-2 * solved, vector) < 1e-10
    for layer, unit in ((0, None), (3, None), (1, 0), (1, 3)):
        with pytest.raises(IndexError, match=r"`layer` is|`unit` is"):
            made.block(layer, unit)


# ------------------------------------------------------------------------------------------------------------ spectra


@pytest.mark.parametrize("structure", STRUCTURES)
@settings(max_examples=20, deadline=None)
@given(problem=problems())
def test_spectra_agree_with_the_dense_matrix_from_either_side(structure, problem):
    network, x, family, chosen = problem
    expected = eigenvalues(fc.fisher(network, x, family, structure, **chosen).dense())
    found = fc.spectrum(network, x, family, structure, **chosen)
    assert found.parameters == network.layout.parameters
    same(padded(found), expected)
    assert (np.diff(found.values) <= 0).all()
    assert found.largest == pytest.approx(max(expected[0], found.values[0] if len(found) else 0.0), rel=1e-9)
    same([found.moment(k) for k in (1, 2, 3)], [(expected**k).mean() for k in (1, 2, 3)], 1e-9)


@EXAMPLES
@given(problem=problems())
def test_spectra_of_layers_and_units(problem):
    network, x, family, chosen = problem
    dense = fc.fisher(network, x, family, **chosen)
    made = factors(network, x, family, **chosen)
    layers = layer_spectra(made)
    for layer, units in enumerate(network.widths[1:], start=1):
        expected = eigenvalues(dense.block(layer))
        same(padded(fc.spectrum(network, x, family, layer=layer, **chosen)), expected)
        same(padded(layers[layer - 1]), expected)
        rows = unit_spectra(made, layer)
        assert rows.shape == (units, network.widths[layer - 1] + 1)
        for unit in (1, units):
            expected = eigenvalues(dense.block(layer, unit))
            same(padded(fc.spectrum(network, x, family, layer=layer, unit=unit, **chosen)), expected)
            same(rows[unit - 1], expected)


@EXAMPLES
@given(problem=problems(estimators=("exact",)), orders=st.integers(1, 7))
def test_moments_are_sums_of_powers_of_eigenvalues(problem, orders):
    network, x, family, _ = problem
    expected = eigenvalues(fc.fisher(network, x, family).dense())
    found = fc.spectrum_moments(network, x, family, orders)
    assert found.shape == (orders,)
    np.testing.assert_allclose(found, [(expected**k).mean() for k in range(1, orders + 1)], rtol=1e-9)


@EXAMPLES
@given(problem=problems(), share=st.floats(0, 1), iterate=st.booleans())
def test_top_eigenvalues_come_with_vectors_and_true_residuals(problem, share, iterate):
    network, x, family, chosen = problem
    matrix = fc.fisher(network, x, family, **chosen).dense()
    expected = eigenvalues(matrix)
    made = factors(network, x, family, **chosen)
    side = len(matrix) if chosen["estimator"] == "hessian" else min(len(matrix), made.samples * made.rows)
    k = 1 + int(share * (min(side, 5) - 1))
    assume(side > 2 * k + 1)
    module = sys.modules["fimcore.fisher.top_eigenvalues"]
    kept = module.DIRECT_SIDE
    try:
        module.DIRECT_SIDE = 0 if iterate else kept
        found = top_eigenvalues_from_factors(made, k, tol=1e-12)
    finally:
        module.DIRECT_SIDE = kept
    strongest = expected[np.argsort(-np.abs(expected))][:k]
    same(np.sort(np.abs(found.values)), np.sort(np.abs(strongest)), 1e-7)
    vectors = found.vectors.numpy()
    assert vectors.shape == (len(matrix), k)
    apart = np.linalg.norm(matrix.numpy() @ vectors - vectors * found.values, axis=0)
    np.testing.assert_allclose(found.residuals, apart, atol=1e-9 * expected[0])
    clear = np.abs(found.values) > 1e-6 * np.abs(expected).max()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=0)[clear], 1, rtol=1e-9)
    assert (found.residuals[clear] < 1e-6 * np.abs(expected).max()).all()
    # an eigenvalue lies within the residual
    for value, residual in zip(found.values, found.residuals, strict=True):
        assert np.abs(expected - value).min() <= residual + 1e-12 * np.abs(expected).max()


# ------------------------------------------------------------------------------------------------------------ whitening


@pytest.mark.parametrize("structure", ["layer_blocks", "unit_blocks"])
@settings(max_examples=30, deadline=None)
@given(problem=problems(estimators=("exact",)), damping=st.sampled_from([1e-3, 1e-1, 3.0]))
def test_whitened_spectrum_is_that_of_the_dense_whitening(structure, problem, damping):
    network, x, family, _ = problem
    full = fc.fisher(network, x, family).dense().numpy()
    part = fc.fisher(network, x, family, structure).dense().numpy()
    values, vectors = np.linalg.eigh(part)
    root = (vectors / np.sqrt(np.clip(values, 0, None) + damping)) @ vectors.T
    expected = np.linalg.eigvalsh(root @ full @ root)[::-1]
    found = fc.whitened_spectrum(network, x, family, structure, damping=damping)
    same(padded(found), expected, 1e-9)
    most = len(network.weights) if structure == "layer_blocks" else sum(network.widths[1:])
    assert found.values.max(initial=0) <= most + 1e-9
    assert found.values.min(initial=0) >= -1e-9


@pytest.mark.parametrize("family", [fc.Gaussian(), fc.Bernoulli()], ids=repr)
def test_every_whitened_eigenvalue_is_the_number_of_layers_where_outputs_are_few(family):
    """N C <= P_l in every layer, and no damping to speak of: F_BD whitens each of L equal shares."""
    network = fc.sample_network(fc.Architecture((6, 7, 6, 2), "tanh", 1.5, 0.2), seed=1)
    x = fc.inputs.gaussian(4, 6, seed=2)
    found = fc.whitened_spectrum(network, x, family, damping=1e-9)
    assert len(found) == 8
    np.testing.assert_allclose(found.values, 3, rtol=1e-5)


@pytest.mark.parametrize("structure", ["layer_blocks", "unit_blocks"])
@settings(max_examples=30, deadline=None)
@given(problem=problems(estimators=("exact",), least=2))
def test_off_block_norm_is_the_spectral_norm_of_the_difference(structure, problem):
    network, x, family, _ = problem
    assume(structure == "unit_blocks" or len(network.weights) > 1)
    full = fc.fisher(network, x, family).dense()
    apart = full - fc.fisher(network, x, family, structure).dense()
    expected = float(np.abs(eigenvalues(apart)).max())
    # nothing but rounding is left where no entry is cut off
    assume(expected > 1e-12 * float(full.norm()))
    assert fc.off_block_norm(network, x, family, structure, tol=1e-10) == pytest.approx(expected, rel=1e-8)


# ---------------------------------------------------------------------------------------------------------- block norms


@EXAMPLES
@given(problem=problems(estimators=("exact", "score", "probe")))
def test_norms_from_grams_are_those_of_dense_blocks(problem):
    network, x, family, chosen = problem
    dense = fc.fisher(network, x, family, **chosen)
    layout, matrix = network.layout, dense.dense()
    layers = range(1, layout.layers + 1)
    found = fc.block_norms(network, x, family, unbiased=False, **chosen)
    pairs = [[float(matrix[layout.layer_slice(a), layout.layer_slice(b)].norm()) for b in layers] for a in layers]
    same(np.sqrt(found.layer_pairs), pairs)
    units = [sum(float(dense.block(a, i).square().sum()) for i in range(1, layout.units[a - 1] + 1)) for a in layers]
    same(found.unit_diagonal, units)
    implicit = from_factors(factors(network, x, family, **chosen), "implicit")
    assert implicit.frobenius_norm() == pytest.approx(float(matrix.norm()), rel=1e-9)
    if chosen["estimator"] == "exact":
        assert fc.unit_block_norm_map(network, x, family, layers=(1, layout.layers)).numpy()[0, 0] == pytest.approx(
            float(matrix[layout.unit_slice(1, 1), layout.unit_slice(layout.layers, 1)].norm()), rel=1e-8
        )


# ------------------------------------------------------------------------------------------- relations between structures


@EXAMPLES
@given(problem=problems())
@example(problem=None)
def test_relations_between_structures(problem):
    """K-FAC is exact for one input; EKFAC is never further from the layer blocks; a structure keeps the trace of what it keeps."""
    if problem is None:
        network = fc.sample_network(fc.Architecture((3, 4, 2), "tanh", 1.3, 0.2), seed=0)
        problem = network, fc.inputs.gaussian(5, 3, seed=1), fc.Categorical(), {"estimator": "exact"}
    network, x, family, chosen = problem
    made = {name: fc.fisher(network, x, family, name, **chosen) for name in STRUCTURES}
    blocks = made["layer_blocks"].dense()
    trace, scale = made["dense"].trace(), float(made["diagonal"].diagonal().abs().sum())
    for name in set(STRUCTURES) - {"kfac", "unit_closed_form"}:
        assert abs(made[name].trace() - trace) < 1e-10 * scale, name
    further = [float((made[name].dense() - blocks).norm()) for name in ("ekfac", "kfac")]
    assert further[0] <= further[1] + 1e-10 * float(blocks.norm())
    one = {
        name: fc.fisher(network, x[:1], family, name, **chosen).dense() for name in ("layer_blocks", "kfac", "ekfac")
    }
    assert relative(one["kfac"], one["layer_blocks"]) < 1e-10
    assert relative(one["ekfac"], one["layer_blocks"]) < 1e-10
