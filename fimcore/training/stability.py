"""The largest stable step size at a network: 2 / lambda_max((G + damping I)^{-1} F).

For the loss (1/2N) sum |f - y|^2 / variance the Fisher matrix F is the curvature wherever residuals are small, and
descent along (G + damping I)^{-1} g multiplies the error along an eigenvector by 1 - rate * lambda.
Source: LeCun, Bottou, Orr, Muller, Efficient BackProp (1998); Karakida, Akaho, Amari, arXiv 1806.01316 (F against I).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from fimcore.architecture import check_choice
from fimcore.fisher.blocks import Progress, unit_blocks
from fimcore.fisher.factors import Factors
from fimcore.fisher.lanczos import arpack
from fimcore.fisher.structures import check_damping
from fimcore.fisher.top_eigenvalues import top_eigenvalues_from_factors

PRECONDITIONERS = ("sgd", "ngd_exact", "ngd_unit")


def largest_stable_rate(
    made: Factors, optimizer: str = "sgd", damping: float = 0.0, progress: Progress | None = None
) -> float:
    """2 / lambda_max(M^{-1} F), M = I ("sgd"), F + damping I ("ngd_exact"), unit blocks of F + damping I ("ngd_unit").

    Args:
        made: exact factors at the network.
        optimizer: "sgd", "ngd_exact" or "ngd_unit" (Adam rescales by its own history: no such number).
        damping: absolute, as in `train`; not used by "sgd".
        progress: called between products.

    Returns:
        The largest stable rate; infinity where F = 0.
    """
    check_choice("optimizer", optimizer, PRECONDITIONERS)
    check_damping(damping)
    largest = float(top_eigenvalues_from_factors(made, 1, progress=progress)[0])
    if optimizer == "ngd_exact":
        largest = largest / (largest + damping) if largest > 0 else 0.0
    if optimizer == "ngd_unit" and largest > 0:
        largest = _largest_against_units(made, damping, progress)
    return 2 / largest if largest > 0 else float("inf")


def _largest_against_units(made: Factors, damping: float, progress: Progress | None) -> float:
    """Largest eigenvalue of T^{-1} F T^{-T}, T T^T the damped unit blocks (Lanczos; each block is factorised once)."""
    triangles = []
    for layer in range(1, made.layout.layers + 1):
        blocks = unit_blocks(made, layer)
        # A little of the largest entry keeps the factorisation alive where the damping is 0 and a block is singular.
        floor = damping + 1e-12 * float(blocks.diagonal(dim1=1, dim2=2).max())
        eye = torch.eye(blocks.shape[-1], dtype=made.dtype, device=made.device)
        triangles.append(torch.linalg.cholesky(blocks + max(floor, 1e-300) * eye))
    side = made.layout.parameters

    def whiten(vector: torch.Tensor, transposed: bool) -> torch.Tensor:
        parts = []
        for layer, triangle in enumerate(triangles, start=1):
            grid = vector[made.layout.layer_slice(layer)].reshape(triangle.shape[0], triangle.shape[1], 1)
            matrix = triangle.transpose(1, 2) if transposed else triangle
            parts.append(torch.linalg.solve_triangular(matrix, grid, upper=transposed).reshape(-1))
        return torch.cat(parts)

    def apply(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        if progress:
            progress(0.5, "largest stable step size")
        given = whiten(torch.as_tensor(vector.reshape(-1)).to(made.inputs[0]), True)
        product = made.transpose_product(made.jacobian_product(given)) / made.samples
        return whiten(product, False).double().cpu().numpy()

    if side <= 2:
        columns = [apply(column) for column in np.eye(side)]
        return float(np.linalg.eigvalsh(np.stack(columns))[-1])
    start = np.cos(np.arange(side, dtype=np.float64))
    return float(arpack(apply, side, k=1, which="LA", tol=1e-4, v0=start, return_eigenvectors=False)[0])
