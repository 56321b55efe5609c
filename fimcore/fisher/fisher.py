"""`fisher`: the Fisher matrix of a network in the structure and with the estimator asked for.

F = (1/N) sum_x E_{y ~ p(.|x)} [grad l grad l^T] (estimator "exact").
Source: Amari, Karakida, Oizumi, Fisher Information and Natural Gradient Learning of Random Deep Networks, arXiv 1808.07172.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fimcore.architecture import check_choice
from fimcore.budget import Budget, check_memory
from fimcore.fisher.block_diagonal import LayerBlocks, UnitBlocks
from fimcore.fisher.blocks import Progress, block, diagonal, unit_blocks
from fimcore.fisher.dense import Dense
from fimcore.fisher.diagonal_only import Diagonal
from fimcore.fisher.factors import Factors, factors
from fimcore.fisher.structures import FisherStructure, Origin
from fimcore.likelihoods import Gaussian, Likelihood
from fimcore.networks import Network
from fimcore.parameters import ParameterLayout

STRUCTURES = ("dense", "layer_blocks", "unit_blocks", "diagonal")


def fisher(
    network: Network,
    x: Tensor,
    likelihood: Likelihood | None = None,
    structure: str = "dense",
    estimator: str = "exact",
    seed: int | None = None,
    labels: Tensor | None = None,
    *,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> FisherStructure:
    """Fisher matrix of a network at inputs x, in one of four structures.

    Args:
        network: weights and biases.
        x: (N, n_0) inputs.
        likelihood: output family; `Gaussian()` (unit variance) where left out.
        structure: "dense", "layer_blocks", "unit_blocks" or "diagonal".
        estimator, seed, labels: see `factors`.
        budget: memory allowed for the result; refused before anything is allocated.
        progress: called as progress(fraction, message) between steps; what it raises cancels the computation.

    Returns:
        A frozen structure with matvec, solve, dense, diagonal, eigenvalues, trace, frobenius_norm, block.

    Raises:
        ValueError: wrong names or shapes. BudgetError: the matrix would not fit the budget.
    """
    check_choice("structure", structure, STRUCTURES)
    family = Gaussian() if likelihood is None else likelihood
    check_memory(
        f"the {structure} Fisher matrix of {network.layout.parameters:,} parameters",
        structure_bytes(network.layout, structure, network.weights[0].element_size()),
        budget,
        remedy="a smaller width, or a structure with smaller blocks (unit_blocks, diagonal)",
    )
    made = factors(network, x, family, estimator, seed, labels)
    return from_factors(made, structure, repr(family), progress)


def from_factors(
    made: Factors, structure: str, likelihood: str = "", progress: Progress | None = None
) -> FisherStructure:
    """The structure from factors alone."""
    layout = made.layout
    origin = Origin(made.estimator, likelihood, made.samples)
    if structure == "diagonal":
        return Diagonal(layout, origin, diagonal(made))
    blocks = []
    if structure == "dense":
        return Dense(layout, origin, _dense(made, progress))
    for layer in range(1, layout.layers + 1):
        blocks.append(unit_blocks(made, layer) if structure == "unit_blocks" else block(made, layer, layer))
        if progress:
            progress(layer / layout.layers, f"layer {layer} of {layout.layers}")
    if structure == "unit_blocks":
        return UnitBlocks(layout, origin, tuple(blocks))
    return LayerBlocks(layout, origin, tuple(blocks))


def _dense(made: Factors, progress: Progress | None) -> Tensor:
    """Layer pairs of the upper triangle, mirrored, in one matrix allocated once."""
    layout, layers = made.layout, made.layout.layers
    matrix = torch.empty(layout.parameters, layout.parameters, dtype=made.dtype, device=made.device)
    done = 0
    for layer in range(1, layers + 1):
        rows = layout.layer_slice(layer)
        for other in range(layer, layers + 1):
            columns = layout.layer_slice(other)
            matrix[rows, columns] = block(made, layer, other)
            if other != layer:
                matrix[columns, rows] = matrix[rows, columns].T
            done += 1
            if progress:
                progress(done / (layers * (layers + 1) / 2), f"layers {layer} and {other}")
    return matrix


def structure_bytes(layout: ParameterLayout, structure: str, item: int = 8) -> int:
    """Bytes that a structure's entries take."""
    entries = {
        "dense": layout.parameters**2,
        "layer_blocks": sum(size**2 for size in layout.layer_sizes),
        "unit_blocks": sum(n * k**2 for n, k in zip(layout.units, layout.unit_sizes, strict=True)),
        "diagonal": layout.parameters,
    }
    return entries[structure] * item
