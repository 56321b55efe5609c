"""Where numerics and refusals are easily wrong: repeated and zero eigenvalues, budgets, progress, odd arguments."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import fimcore as fc
from fimcore.fisher import (
    STRUCTURES,
    block_norms_from_factors,
    factor_parts,
    from_factors,
    spectrum_from_factors,
    spectrum_moments_from_factors,
    structure_bytes,
    whitened_spectrum_from_factors,
)


def small(widths=(3, 4, 2), count=3):
    architecture = fc.Architecture(widths, "tanh", 1.5, 0.1)
    return fc.sample_network(architecture, seed=0), fc.inputs.gaussian(count, widths[0], seed=2)


@pytest.mark.parametrize("tol", [1e-6, 1e-3])
@pytest.mark.parametrize("widths", [(10, 8), (40, 8), (10, 8, 8)])
def test_every_copy_of_an_eigenvalue_is_found(widths, tol):
    """Linear with Gaussian outputs: every eigenvalue stands eight times, and Lanczos from one vector sees it once."""
    network = fc.sample_network(fc.Architecture(widths, "linear", init="orthogonal"), seed=0)
    x = fc.inputs.gaussian(60, widths[0], seed=1)
    expected = fc.fisher(network, x).eigenvalues()[:10].numpy()
    np.testing.assert_allclose(fc.top_eigenvalues(network, x, k=10, tol=tol).values, expected, rtol=10 * tol)


def test_low_rank_keeps_every_copy():
    network, x = fc.sample_network(fc.Architecture((80, 8)), seed=0), fc.inputs.gaussian(100, 80, seed=1)
    made = fc.fisher(network, x, structure="low_rank", rank=10)
    np.testing.assert_allclose(made.eigenvalues()[:10], fc.fisher(network, x).eigenvalues()[:10], rtol=1e-6)


def test_vectors_of_zero_eigenvalues_are_zero():
    """Softmax: N C = 6 rows of rank N (C - 1) = 3."""
    network, x = small()
    found = fc.top_eigenvalues(network, x, fc.Categorical(), k=6)
    assert found.residuals.max() < 1e-8
    assert (found.values[3:] == 0).all()
    torch.testing.assert_close(found.vectors[:, :3].norm(dim=0), torch.ones(3).double())


def test_eigenvalues_of_hessian_descend():
    network, x = small()
    values = fc.top_eigenvalues(network, x, fc.Categorical(), k=6, estimator="hessian", seed=0).values
    assert (np.diff(values) <= 0).all()
    assert values.min() < 0


@pytest.mark.parametrize("estimator", ["score", "hessian", "probe"])
@pytest.mark.parametrize("family", [fc.Gaussian(2.5), fc.GaussianWithVariance(), fc.Bernoulli()], ids=repr)
def test_standard_error_along_a_direction(estimator, family):
    """v^T F v over seeds has the spread that its standard error says, for a fixed v; per input it adds up to v^T F v."""
    network, x = small((3, 4, 2), 12)
    v = torch.randn(network.layout.parameters, 1, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    drawn = [fc.fisher(network, x, family, "implicit", estimator, seed, draws=2) for seed in range(300)]
    values = np.array([float(v[:, 0] @ made.matvec(v[:, 0])) for made in drawn])
    squares = np.array([float(made.origin.sampling.along(v)[0]) ** 2 for made in drawn])
    variance = values.var(ddof=1)
    spread = np.sqrt(((values - values.mean()) ** 2).var() / len(values) + squares.var() / len(values))
    assert abs(squares.mean() - variance) < 4.5 * spread
    assert float(drawn[0].made.quadratic_form(v).mean()) == pytest.approx(values[0], rel=1e-10)
    exact = fc.top_eigenvalues(network, x, family, k=1)
    assert exact.standard_errors.tolist() == [0.0]
    assert fc.top_eigenvalues(network, x, family, k=1, estimator=estimator, seed=0).standard_errors[0] > 0


@pytest.mark.parametrize("structure", STRUCTURES)
def test_spectrum_of_a_layer_is_that_of_the_structures_block(structure):
    network, x = small((3, 4, 2), 30)
    expected = torch.linalg.eigvalsh(fc.fisher(network, x, structure=structure).block(1)).flip(0).numpy()
    found = fc.spectrum(network, x, structure=structure, layer=1).values
    np.testing.assert_allclose(found[:4], expected[:4], rtol=1e-9)


def test_low_rank_keeps_to_the_budget():
    network, x = small((20, 30, 30, 5), 300)
    with pytest.raises(fc.BudgetError, match="low_rank Fisher matrix of 1,715 parameters would need"):
        fc.fisher(network, x, fc.Categorical(), "low_rank", budget=fc.Budget(10**6))


def test_refusals_state_the_budget_that_was_given():
    network, x = small()
    for run in (fc.block_norms, fc.top_eigenvalues, fc.fisher):
        with pytest.raises(fc.BudgetError, match="`budget` allows 50 bytes"):
            run(network, x, budget=fc.Budget(50))
    needed = structure_bytes(network.layout, "diagonal")
    with pytest.raises(fc.BudgetError, match=f"`budget` allows {needed + 10} bytes"):
        fc.fisher(network, x, structure="diagonal", budget=fc.Budget(needed + 10))


def test_parts_hold_no_output_roots_of_all_inputs():
    """The (N, C, C) roots of all inputs would be a hundred times the outputs; only the outputs are kept."""
    network, x = small((4, 5, 100), 40)
    made = factor_parts(network, x, fc.Categorical(), budget=fc.Budget(4_000_000))
    assert made.part_size < 40
    held = [value for value in vars(made.plan).values() if isinstance(value, torch.Tensor)]
    assert sum(value.numel() for value in held) == 40 * 100


@pytest.mark.parametrize(
    "run",
    [
        lambda made, progress: from_factors(made, "dense", progress=progress),
        lambda made, progress: from_factors(made, "layer_blocks", progress=progress),
        lambda made, progress: from_factors(made, "block_tridiagonal", progress=progress),
        lambda made, progress: from_factors(made, "kfac", progress=progress),
        lambda made, progress: spectrum_from_factors(made, "dense", progress),
        lambda made, progress: spectrum_moments_from_factors(made, 4, progress),
        lambda made, progress: block_norms_from_factors(made, progress=progress),
    ],
)
@pytest.mark.parametrize("size", [2, 9])
def test_progress_goes_forwards_and_ends(run, size):
    network, x = small((6, 7, 5, 3), 9)
    seen = []
    run(factor_parts(network, x, fc.Categorical(), size=size), lambda fraction, message: seen.append(fraction))
    assert (np.diff(seen) >= -1e-9).all()
    assert seen[-1] == pytest.approx(1.0)


def test_zeros_of_the_whitened_spectrum_do_not_hang_on_rounding():
    """Two equal labels drawn at one input make rows dependent; whitening must not lift their rounding."""
    network = fc.sample_network(fc.Architecture((3, 4, 3, 4), "gelu", 1.4, 0.2), seed=2)
    x = fc.inputs.gaussian(7, 3, seed=3)
    parts = [factor_parts(network, x, fc.Categorical(), "score", 6, draws=2, size=size) for size in (1, 2, 7)]
    assert len({len(whitened_spectrum_from_factors(made, "layer_blocks", 1e-2)) for made in parts}) == 1


def test_odd_arguments_are_refused_by_name():
    network, x = small()
    for units in (0, -1):
        with pytest.raises(ValueError, match=f"`units` is {units}"):
            fc.unit_block_norm_map(network, x, units=units)
    for seed in (1.5, "a", 2**70, -1):
        with pytest.raises(ValueError, match="`seed` is"):
            fc.fisher(network, x, estimator="score", seed=seed)
    vector = torch.ones(network.layout.parameters, dtype=torch.float32)
    for structure in STRUCTURES:
        made = fc.fisher(network, x, structure=structure)
        with pytest.raises(ValueError, match=r"`vector` is torch\.float32, the matrix torch\.float64"):
            made.matvec(vector)
        with pytest.raises(ValueError, match="`damping` is inf; give a finite number"):
            made.solve(vector.double(), damping=float("inf"))
