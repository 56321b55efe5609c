"""The map of block norms between the units of two layers, without forming any block.

|F_ii'|_F^2 = (1/N^2) diag(V^T (H^l * H^l') V), V_{x,(i,i')} = sum_c delta^l_{c,i} delta^l'_{c,i'}, and H^l the Gram matrix of the
layer's inputs with the 1 appended.
Source: Amari, Karakida, Oizumi, Fisher Information and Natural Gradient Learning of Random Deep Networks, arXiv 1808.07172 (the
blocks); Karakida, Akaho, Amari, arXiv 1806.01316 (the dual matrix).
"""

from __future__ import annotations

import torch
from torch import Tensor

from fimcore.budget import Budget, check_memory, default_budget
from fimcore.fisher.dual import require_rows
from fimcore.fisher.grams import CHUNK_BYTES, PART_SHARE
from fimcore.fisher.parts import AnyFactors, factor_parts
from fimcore.fisher.products import product
from fimcore.likelihoods import Gaussian, Likelihood
from fimcore.networks import Network


def unit_block_norm_map(
    network: Network,
    x: Tensor,
    likelihood: Likelihood | None = None,
    layers: tuple[int, int] = (1, 1),
    units: int | None = None,
    *,
    budget: Budget | None = None,
) -> Tensor:
    """Frobenius norms of the blocks between the first `units` units of two layers (1..L): (min(units, n_l), min(units, n_l')).

    Args:
        network, x, likelihood: as in `fisher`.
        layers: which two, 1..L; their order is that of rows and columns.
        units: how many units of each, all where left out.
        budget: memory allowed for the map and the factors.

    Raises:
        ValueError: `units` below 1. IndexError: a layer that is not there.
        BudgetError: the factors or the map do not fit the budget.
    """
    for layer in layers:
        network.layout.layer_slice(layer)  # refuses a layer there is not
    if units is not None and units < 1:
        raise ValueError(f"`units` is {units}; give 1 or more, or leave it out for all.")
    limit = budget or default_budget()
    counts = [min(units or n, n) for n in (network.layout.units[layer - 1] for layer in layers)]
    item = network.weights[0].element_size()
    check_memory(
        f"the norms of {counts[0]:,} x {counts[1]:,} blocks from {x.shape[0]:,} inputs",
        (counts[0] * counts[1] + 3 * x.shape[0] ** 2) * item,
        limit,
        remedy="fewer `units` or fewer inputs",
    )
    made = factor_parts(network, x, Gaussian() if likelihood is None else likelihood, budget=limit, share=PART_SHARE)
    return unit_norms_from_factors(made, layers[0], layers[1], units)


def unit_norms_from_factors(made: AnyFactors, layer: int, other: int, units: int | None = None) -> Tensor:
    """`unit_block_norm_map` from factors alone, for all N inputs (the matrix of exactly these inputs)."""
    require_rows(made, "block norm by Gram matrices")
    kept = slice(units)
    shape = [len(range(made.layout.units[place - 1])[kept]) for place in (layer, other)]
    squares = torch.zeros(*shape, dtype=made.dtype, device=made.device)
    for place, left in enumerate(made.parts):
        for later, right in enumerate(made.parts if left.samples < made.samples else (left,)):
            if left.samples < made.samples and later < place:
                continue
            same = left.samples == made.samples or later == place
            weights = product(left.inputs[layer - 1].T, right.inputs[layer - 1].T)
            weights = weights * product(left.inputs[other - 1].T, right.inputs[other - 1].T)
            chunk = max(1, int(CHUNK_BYTES // (made.samples * shape[1] * 8)))
            for start in range(0, shape[0], chunk):
                stop = min(start + chunk, shape[0])
                folded, others = (
                    torch.bmm(
                        part.signals[layer - 1][:, :, start:stop].transpose(1, 2), part.signals[other - 1][:, :, kept]
                    ).reshape(part.samples, -1)
                    for part in (left, right)
                )
                found = (folded * product(weights.T, others)).sum(dim=0).reshape(-1, shape[1])
                squares[start:stop] += found if same else 2 * found
    return squares.clamp(min=0).sqrt() / made.samples
