"""How far the full Fisher matrix is from its block-diagonal part: the whitened spectrum, and the spectral norm of the difference.

Whitened: the eigenvalues of (F_BD + lambda)^{-1/2} F (F_BD + lambda)^{-1/2}, those of sum_l (K^l/N) (K^l/N + lambda)^{-1} on the
dual side; for layer blocks all of them lie in [0, L]. The difference F - F_BD is indefinite: its norm is the eigenvalue of
largest magnitude.
Source: Amari, Karakida, Oizumi, arXiv 1808.07172 (block-diagonal Fisher matrix); Karakida, Osawa, arXiv 2010.00879.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fimcore.architecture import check_choice
from fimcore.budget import Budget, check_memory, default_budget
from fimcore.fisher.blocks import Progress, block, diagonal, unit_blocks
from fimcore.fisher.dense import dense
from fimcore.fisher.dual import dual_matrix, require_rows
from fimcore.fisher.factors import Factors
from fimcore.fisher.lanczos import fisher_product, largest
from fimcore.fisher.parts import AnyFactors, factor_parts
from fimcore.fisher.spectrum import Spectrum, listed
from fimcore.fisher.structures import Origin, check_damping, descending, singular
from fimcore.likelihoods import Gaussian, Likelihood
from fimcore.networks import Network

WHITENERS = ("layer_blocks", "unit_blocks")
# Entries of units' duals (N R x N R each) that are taken apart together.
SMALL_BLOCKS = 1_000_000


def whitened_spectrum(
    network: Network,
    x: Tensor,
    likelihood: Likelihood | None = None,
    structure: str = "layer_blocks",
    *,
    damping: float,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> Spectrum:
    """Eigenvalues of (F_BD + damping)^{-1} F, sorted descending; those that are zero are counted.

    Args:
        network, x, likelihood: as in `fisher`.
        structure: F_BD, "layer_blocks" (eigenvalues in [0, L]) or "unit_blocks" (in [0, number of units]).
        damping: above 0, added to F_BD's diagonal.
        budget: memory allowed for the smaller side.

    Raises:
        ValueError: unknown structure, damping not above 0. BudgetError: neither side fits.
    """
    check_choice("structure", structure, WHITENERS)
    check_damping(damping)
    if damping == 0:
        raise ValueError("`damping` is 0, at which blocks may be singular; give a number above 0.")
    limit = budget or default_budget()
    layout, dual = network.layout, x.shape[0] * network.outputs
    item = network.weights[0].element_size()
    needed = min(3 * dual**2, 2 * layout.parameters**2) * item
    check_memory(
        f"the whitened spectrum ({min(dual, layout.parameters):,} on its smaller side)",
        needed,
        limit,
        remedy="fewer inputs or a smaller width",
    )
    family = Gaussian() if likelihood is None else likelihood
    made = factor_parts(network, x, family, budget=limit, reserved_bytes=needed)
    return whitened_spectrum_from_factors(made, structure, damping, progress)


def whitened_spectrum_from_factors(
    made: AnyFactors, structure: str, damping: float, progress: Progress | None = None
) -> Spectrum:
    """`whitened_spectrum` from factors alone."""
    require_rows(made, "whitened spectrum")
    layout = made.layout
    # an eigenvalue of F that is rounding of the largest one is lifted by 1 / damping
    amplified = max(1.0, float(diagonal(made).sum()) / damping)
    if made.samples * made.rows < layout.parameters:
        total: Tensor | None = None
        for layer in range(1, layout.layers + 1):
            found = (
                _layer_share(made, layer, damping) if structure == "layer_blocks" else _unit_share(made, layer, damping)
            )
            total = found if total is None else total.add_(found)
            if progress:
                progress(layer / layout.layers, f"layer {layer} of {layout.layers}")
        assert total is not None
        return listed(torch.linalg.eigvalsh(total), layout.parameters, amplified)
    matrix = dense(made, Origin(made.estimator, "", made.samples), progress).matrix
    for layer in range(1, layout.layers + 1):
        rows = layout.layer_slice(layer)
        blocks = block(made, layer, layer)[None] if structure == "layer_blocks" else unit_blocks(made, layer)
        triangle = _triangle(blocks, damping)
        # L^{-1} F L^{-T}, the rows and the columns of one layer at a time
        matrix[rows] = _solved(triangle, matrix[rows])
        matrix[:, rows] = _solved(triangle, matrix[:, rows].T).T
    return listed(torch.linalg.eigvalsh((matrix + matrix.T) / 2), layout.parameters, amplified)


def layer_whitened_spectra(
    made: AnyFactors, dampings: Sequence[float], progress: Progress | None = None
) -> tuple[Spectrum, ...]:
    """`whitened_spectrum_from_factors` of layer blocks at several dampings, from one eigenproblem a layer."""
    require_rows(made, "whitened spectrum")
    layout = made.layout
    if made.samples * made.rows >= layout.parameters:
        return tuple(whitened_spectrum_from_factors(made, "layer_blocks", damping) for damping in dampings)
    trace = float(diagonal(made).sum())
    bases = []
    for layer in range(1, layout.layers + 1):
        bases.append(torch.linalg.eigh(dual_matrix(made, [layer])))
        if progress:
            progress(layer / (layout.layers + 1), f"layer {layer} of {layout.layers}")
    found = []
    for damping in dampings:
        total = sum(_damped_share(values, vectors, damping) for values, vectors in bases)
        assert isinstance(total, Tensor)
        found.append(listed(torch.linalg.eigvalsh(total), layout.parameters, max(1.0, trace / damping)))
    return tuple(found)


def whitened_trace(made: AnyFactors, structure: str, damping: float) -> float:
    """Sum of the eigenvalues of (F_BD + damping)^{-1} F, from factors; unlike their list it stays exact at tiny dampings."""
    require_rows(made, "whitened spectrum")
    share = {"layer_blocks": _layer_share, "unit_blocks": _unit_share}[structure]
    return sum(float(share(made, layer, damping).trace()) for layer in range(1, made.layout.layers + 1))


def _layer_share(made: AnyFactors, layer: int, damping: float) -> Tensor:
    """K (K + lambda)^{-1} of one layer's dual matrix."""
    values, vectors = torch.linalg.eigh(dual_matrix(made, [layer]))
    return _damped_share(values, vectors, damping)


def _damped_share(values: Tensor, vectors: Tensor, damping: float) -> Tensor:
    """K (K + lambda)^{-1} of a matrix K with these eigenvalues and eigenvectors."""
    values = values.clamp(min=0)
    return (vectors * (values / (values + damping))) @ vectors.T


def _unit_share(made: AnyFactors, layer: int, damping: float) -> Tensor:
    """sum over units of J_i (F_ii + lambda)^{-1} J_i^T / N, from the smaller side of J_i (N R, k_l)."""
    rows = []
    for part in made.parts:
        a, signals = part.inputs[layer - 1], part.signals[layer - 1].reshape(part.samples * part.rows, -1)
        rows.append((signals, a.repeat_interleave(part.rows, dim=0)))
    signals, spread = (torch.cat(pieces) for pieces in zip(*rows, strict=True))
    count, parameters = spread.shape
    total = torch.zeros(count, count, dtype=made.dtype, device=made.device)
    if count < parameters:
        gram = spread @ spread.T / made.samples
        together = max(1, SMALL_BLOCKS // count**2)
        for columns in signals.T.split(together):
            duals = gram * columns[:, :, None] * columns[:, None, :]
            values, vectors = torch.linalg.eigh(duals)
            shares = values.clamp(min=0) / (values.clamp(min=0) + damping)
            total += torch.einsum("uij,uj,ukj->ik", vectors, shares, vectors)
        return total
    triangle = _triangle(unit_blocks(made, layer), damping)
    for unit in range(triangle.shape[0]):
        white = torch.linalg.solve_triangular(triangle[unit], (spread * signals[:, unit, None]).T, upper=False)
        total += white.T @ white
    return total / made.samples


def _triangle(blocks: Tensor, damping: float) -> Tensor:
    damped = blocks + damping * torch.eye(blocks.shape[-1], dtype=blocks.dtype, device=blocks.device)
    triangle, failures = torch.linalg.cholesky_ex(damped)
    if bool(failures.any()):
        raise singular(blocks, damping)
    return triangle


def _solved(triangle: Tensor, rows: Tensor) -> Tensor:
    """L^{-1} times some rows, L block-diagonal with equal blocks (units, k, k)."""
    grid = rows.reshape(triangle.shape[0], triangle.shape[1], -1)
    return torch.linalg.solve_triangular(triangle, grid, upper=False).reshape(rows.shape)


def off_block_norm(
    network: Network,
    x: Tensor,
    likelihood: Likelihood | None = None,
    structure: str = "layer_blocks",
    tol: float = 1e-6,
    *,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> float:
    """Spectral norm |F - F_BD|_2 of what a block-diagonal approximation leaves out, by Lanczos; no matrix is formed.

    Args:
        network, x, likelihood: as in `fisher`.
        structure: F_BD, "layer_blocks" or "unit_blocks".
        tol: relative accuracy.
        budget: memory allowed for the factors.
    """
    check_choice("structure", structure, WHITENERS)
    family = Gaussian() if likelihood is None else likelihood
    made = factor_parts(network, x, family, budget=budget)
    return off_block_norm_from_factors(made, structure, tol, progress)


def off_block_norm_from_factors(
    made: AnyFactors, structure: str = "layer_blocks", tol: float = 1e-6, progress: Progress | None = None
) -> float:
    """`off_block_norm` from factors alone."""
    require_rows(made, "product with the block-diagonal part")
    side = made.layout.parameters

    def difference(vector: Tensor) -> Tensor:
        total = torch.zeros_like(vector)
        for part in made.parts:
            total += block_product(part, vector, structure)
        return fisher_product(made, vector) - total / made.samples

    if side <= 3:  # Lanczos needs more dimensions than eigenvalues
        columns = torch.stack([difference(axis) for axis in torch.eye(side, dtype=made.dtype, device=made.device)])
        return float(descending(torch.linalg.eigvalsh(columns).abs())[0])
    values, _ = largest(difference, side, 1, tol, made, progress=progress)
    return float(abs(values[0]))


def block_product(made: Factors, vector: Tensor, structure: str) -> Tensor:
    """N F_BD v of these inputs for v (P,), F_BD the layer or the unit blocks, without forming them."""
    found = []
    grids = zip(vector.split(made.layout.layer_sizes), made.inputs, made.signals, strict=True)
    for layer, (piece, a, delta) in enumerate(grids, start=1):
        lifted = a @ piece.reshape(delta.shape[2], a.shape[1]).T
        if structure == "unit_blocks":
            weighted = lifted * made.unit_strength(layer)
        else:
            along = torch.bmm(delta, lifted[:, :, None])
            weighted = torch.bmm(delta.transpose(1, 2), along)[:, :, 0]
        found.append((weighted.T @ a).reshape(-1))
    return torch.cat(found)
