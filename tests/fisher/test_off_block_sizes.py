"""Sizes outside the units' blocks against the dense matrix: diagonal-normalised entries, and the spectral norm's share."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import fimcore as fc
from fimcore.fisher.normalised_entries import normalised_entries
from fimcore.fisher.off_unit_share import off_unit_share


def made(widths, activation="tanh", samples=24, seed=0, likelihood=None, **options):
    net = fc.sample_network(fc.Architecture(widths, activation, 1.8, 0.1), seed=seed)
    x = fc.inputs.gaussian(samples, widths[0], seed=seed + 1)
    return fc.factors(net, x, likelihood or fc.Gaussian(), **options)


def rows_of(factors):
    """Gradient of every row by autograd-free outer products written out: (N, R, P)."""
    parts = []
    for a, delta in zip(factors.inputs, factors.signals, strict=True):
        parts.append(np.einsum("xci,xa->xcia", delta.numpy(), a.numpy()).reshape(*delta.shape[:2], -1))
    return np.concatenate(parts, axis=2)


def by_hand(factors, layer):
    """Mean squared normalised entries from the matrices F_x of single inputs, pairs of different inputs only."""
    rows = rows_of(factors)
    single = np.einsum("xcp,xcq->xpq", rows, rows)
    place = factors.layout.layer_slice(layer)
    single = single[:, place, place]
    diagonal = np.diagonal(single.mean(axis=0))
    alive = diagonal > 0
    single = single[:, alive][:, :, alive] / np.sqrt(np.outer(diagonal[alive], diagonal[alive]))
    total, count = single.sum(axis=0), len(single)
    squares = (total**2 - (single**2).sum(axis=0)) / (count * (count - 1))
    units = np.repeat(np.arange(factors.layout.units[layer - 1]), factors.layout.unit_sizes[layer - 1])[alive]
    same = units[:, None] == units[None, :]
    return squares[same].mean(), squares[~same].mean() if (~same).any() else np.nan


@pytest.mark.parametrize("layer", [1, 2, 3])
@pytest.mark.parametrize(
    ("widths", "activation", "likelihood"),
    [
        ((4, 5, 3, 1), "tanh", None),
        ((4, 5, 3, 3), "gelu", fc.Gaussian(0.5)),
        ((3, 4, 4, 6), "relu", fc.Gaussian()),
        ((3, 4, 4, 5), "tanh", fc.Categorical()),
    ],
)
def test_normalised_entries_are_those_of_the_matrix(widths, activation, likelihood, layer):
    factors = made(widths, activation, likelihood=likelihood)
    np.testing.assert_allclose(normalised_entries(factors, layer), by_hand(factors, layer), rtol=1e-10, atol=1e-14)


def test_normalised_entries_do_not_depend_on_the_scale_of_the_noise():
    found = [normalised_entries(made((4, 5, 3, 2), likelihood=fc.Gaussian(v)), 2) for v in (1.0, 1e-6)]
    np.testing.assert_allclose(*found, rtol=1e-10)


def test_some_units_and_some_inputs_are_a_sample_of_all():
    factors = made((6, 48, 40, 1), samples=300)
    whole, some = normalised_entries(factors, 2), normalised_entries(factors, 2, units=24, samples=150)
    np.testing.assert_allclose(some, whole, rtol=0.2)
    assert normalised_entries(factors, 2, units=40, samples=300) == whole


def test_a_layer_of_one_unit_has_no_entries_between_units_and_a_dead_one_no_normalised_ones():
    assert np.isnan(normalised_entries(made((3, 1, 2)), 1).off_unit)
    net = fc.Network([torch.zeros(4, 3), torch.ones(1, 4)], [-torch.ones(4), torch.zeros(1)], "relu")
    dead = fc.factors(net, torch.randn(5, 3), fc.Gaussian())
    assert np.isnan(normalised_entries(dead, 1)).all()
    assert np.isfinite(normalised_entries(dead, 2).in_unit)  # the read-out's bias still moves the output
    with pytest.raises(ValueError, match="pairs of inputs need 2 or more"):
        normalised_entries(made((3, 2, 1)), 1, samples=1)


def dense_share(factors):
    rows = rows_of(factors).reshape(factors.samples * factors.rows, -1)
    full = rows.T @ rows / factors.samples
    blocks = np.zeros_like(full)
    start = 0
    for units, size in zip(factors.layout.units, factors.layout.unit_sizes, strict=True):
        for _ in range(units):
            own = slice(start, start + size)
            blocks[own, own] = full[own, own]
            start += size
    return np.abs(np.linalg.eigvalsh(full - blocks)).max() / np.linalg.eigvalsh(full)[-1]


@pytest.mark.parametrize(
    ("widths", "activation", "samples", "likelihood"),
    [
        ((4, 8, 6, 1), "tanh", 30, None),
        ((4, 8, 6, 3), "relu", 12, fc.Gaussian(0.01)),
        ((4, 6, 6, 6), "erf", 300, None),  # more rows than the dual matrix may have
        ((3, 4, 5, 4), "gelu", 20, fc.Categorical()),
        ((2, 2, 1), "tanh", 9, None),
        ((1, 1, 1), "tanh", 9, None),
    ],
)
def test_share_of_the_spectral_norm_outside_the_units_blocks(widths, activation, samples, likelihood):
    factors = made(widths, activation, samples, likelihood=likelihood)
    expected = dense_share(factors)
    assert off_unit_share(factors, tol=1e-8) == pytest.approx(expected, rel=1e-6)
    assert off_unit_share(factors) == pytest.approx(expected, rel=5e-3)


def test_no_share_where_nothing_moves_the_output_or_numbers_overflow():
    net = fc.Network([torch.zeros(4, 3), torch.zeros(1, 4)], [-torch.ones(4), torch.zeros(1)], "relu")
    assert off_unit_share(fc.factors(net, torch.randn(5, 3), fc.Gaussian())) == 0  # only the bias of the read-out
    assert np.isnan(off_unit_share(made((4, 8, 6, 1), likelihood=fc.Gaussian(1e-320))))
    with pytest.raises(ValueError, match="hessian"):
        off_unit_share(made((3, 2, 1), estimator="hessian", seed=0))


def test_a_cancel_is_heard_between_products():
    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        off_unit_share(made((4, 8, 6, 1)), progress=stop)
