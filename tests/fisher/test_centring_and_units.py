"""Centred spectra, largest eigenvalues of units, and whitened spectra at several dampings, against dense matrices from autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from brute_force import jacobians

import fimcore as fc
from fimcore.fisher import factor_parts, factors
from fimcore.fisher.centring import centred_spectrum_from_factors
from fimcore.fisher.unit_largest import largest_of_units
from fimcore.fisher.whitening import layer_whitened_spectra

CASES = [((4, 5, 3, 2), 6), ((3, 4, 1), 40), ((5, 6, 6, 1), 9), ((2, 3, 3), 30)]


def made_of(widths, samples, activation="tanh"):
    network = fc.sample_network(fc.Architecture(widths, activation, 1.5, 0.1), 3)
    x = torch.randn(samples, widths[0], generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return network, x, jacobians(network, x)


@pytest.mark.parametrize(("widths", "samples"), CASES, ids=str)
def test_centring_takes_the_mean_gradient_off_and_keeps_the_scale(widths, samples):
    network, x, rows = made_of(widths, samples)
    centred = (rows - rows.mean(dim=0)).reshape(-1, rows.shape[2]) / np.sqrt(2.0 * samples)
    expected = torch.linalg.eigvalsh(centred.T @ centred).flip(0).numpy()
    found = centred_spectrum_from_factors(factors(network, x, fc.Gaussian(2.0)))
    np.testing.assert_allclose(found.values, expected[: len(found)], rtol=1e-9, atol=1e-12)
    assert expected[len(found) :].max(initial=0) < 1e-12
    assert found.zeros == rows.shape[2] - len(found)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize(("widths", "samples"), CASES, ids=str)
def test_largest_of_units_is_that_of_the_dense_blocks(widths, samples, activation):
    network, x, rows = made_of(widths, samples, activation)
    matrix = torch.einsum("ncp,ncq->pq", rows, rows) / samples
    for layer in range(1, len(widths)):
        blocks = [network.layout.unit_slice(layer, unit) for unit in range(1, widths[layer] + 1)]
        expected = max(float(torch.linalg.eigvalsh(matrix[part, part])[-1]) for part in blocks)
        whole = factors(network, x, fc.Gaussian())
        assert largest_of_units(whole, layer) == pytest.approx(expected, rel=1e-10, abs=1e-14)


def test_among_many_units_the_largest_is_found():
    network = fc.sample_network(fc.Architecture((40, 60, 1), "tanh", 1.5, 0.0), 0)
    x = torch.randn(30, 40, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    made = factors(network, x, fc.Gaussian())
    a, strength = made.inputs[0], made.unit_strength(1)
    every = [torch.linalg.eigvalsh(a.T @ (strength[:, unit, None] * a) / 30)[-1] for unit in range(60)]
    assert largest_of_units(made, 1) == pytest.approx(float(max(every)), rel=1e-9)


def test_factors_in_parts_give_the_same():
    network, x, _ = made_of((4, 5, 3, 2), 12)
    parts = factor_parts(network, x, fc.Gaussian(), budget=fc.Budget(60_000, 10.0))
    whole = factors(network, x, fc.Gaussian())
    np.testing.assert_allclose(
        centred_spectrum_from_factors(parts).values, centred_spectrum_from_factors(whole).values, rtol=1e-10
    )
    assert largest_of_units(parts, 2) == pytest.approx(largest_of_units(whole, 2), rel=1e-10)


@pytest.mark.parametrize(("widths", "samples"), CASES, ids=str)
def test_whitened_spectra_at_several_dampings(widths, samples):
    network, x, rows = made_of(widths, samples)
    matrix = torch.einsum("ncp,ncq->pq", rows, rows) / samples
    kept = torch.block_diag(*[matrix[part, part] for part in map(network.layout.layer_slice, range(1, len(widths)))])
    for damping, found in zip(
        (0.01, 0.5), layer_whitened_spectra(factors(network, x, fc.Gaussian()), (0.01, 0.5)), strict=True
    ):
        quotient = torch.linalg.solve(kept + damping * torch.eye(len(kept), dtype=kept.dtype), matrix)
        expected = np.sort(torch.linalg.eigvals(quotient).real.numpy())[::-1]
        np.testing.assert_allclose(found.values, expected[: len(found)], rtol=1e-7, atol=1e-9)


def test_matrices_without_rows_are_refused():
    network, x, _ = made_of((3, 4, 1), 5)
    made = factors(network, x, fc.Categorical() if network.outputs > 1 else fc.Gaussian(), "hessian", seed=0)
    for function in (centred_spectrum_from_factors, lambda each: largest_of_units(each, 1)):
        with pytest.raises(ValueError, match="hessian"):
            function(made)
