"""How much of the spectral norm lies outside the units' own blocks: |F - F_unit|_2 / |F|_2, without forming the matrix.

One product with the difference costs as much as one with F: per input, the same directional derivatives t_c = sum delta_c . V a
go back as t_c delta_c for F, and as S_i (V a)_i for the unit blocks. Lanczos begins at the top eigenvector of F, near which
the difference has its own.
Source: Lehoucq, Sorensen, Yang, ARPACK Users' Guide (1998), by way of scipy; Amari, Karakida, Oizumi, arXiv 1808.07172 (blocks).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.sparse.linalg import ArpackError
from torch import Tensor

from fimcore.fisher.dual import dual_matrix, require_rows
from fimcore.fisher.factors import Factors
from fimcore.fisher.lanczos import arpack, leading_eigenpairs

# Below, the matrix itself; up to this many rows, the top of F from its dual matrix.
SMALL, SMALL_DUAL = 16, 1024
BASIS = 4


def off_unit_share(made: Factors, tol: float = 0.03, progress: Callable[..., object] | None = None) -> float:
    """|F - F_unit|_2 / |F|_2 of the matrix of exactly these inputs; nan where F is zero or not finite.

    Args:
        made: factors of the network.
        tol: relative residual at which the iteration ends; the value itself is then far more accurate (its square).
        progress: called as progress(fraction, message) with every product; what it raises cancels.
    """
    require_rows(made, "product with the block-diagonal part")
    side = made.layout.parameters
    with np.errstate(over="ignore", invalid="ignore"):
        top, start = _top(made)
    if not (np.isfinite(top) and top > 0):
        return float("nan")
    if side <= SMALL:
        columns = torch.stack(
            [off_unit_product(made, axis) for axis in torch.eye(side, dtype=made.dtype, device=made.device)]
        )
        return float(torch.linalg.eigvalsh(columns).abs().max()) / made.samples / top
    done = 0

    def product(vector: np.ndarray) -> np.ndarray:
        nonlocal done
        done += 1
        if progress:
            progress(done / (done + BASIS), "spectral norm")
        found = off_unit_product(made, torch.as_tensor(vector.reshape(-1)).to(dtype=made.dtype, device=made.device))
        return (found / made.samples).double().cpu().numpy()

    first = start.double().cpu().numpy()
    try:
        (value,) = arpack(product, side, k=1, which="LM", tol=tol, v0=first, ncv=BASIS, return_eigenvectors=False)
    except ArpackError:
        if np.any(product(first)):
            raise
        return 0.0  # every block but the units' own is zero, from which Lanczos cannot begin
    return float(abs(value)) / top


def _top(made: Factors) -> tuple[float, Tensor]:
    """The largest eigenvalue of F and its eigenvector in the parameters; nan where numbers overflow."""
    if made.samples * made.rows <= SMALL_DUAL:
        dual = dual_matrix(made, list(range(1, made.layout.layers + 1)))
        if not bool(torch.isfinite(dual).all()):
            return float("nan"), made.signals[0]
        values, vectors = torch.linalg.eigh(dual)
        return float(values[-1]), made.transpose_product(vectors[:, -1])
    values, vectors = leading_eigenpairs(made, 1, tol=1e-3)
    return float(values[0]), vectors[:, 0]


def off_unit_product(made: Factors, vector: Tensor) -> Tensor:
    """N (F - F_unit) v for v (P,)."""
    layout = made.layout
    grids = zip(vector.split(layout.layer_sizes), made.inputs, made.signals, strict=True)
    lifted = [a @ piece.reshape(delta.shape[2], a.shape[1]).T for piece, a, delta in grids]
    along = torch.zeros(made.samples, made.rows, dtype=made.dtype, device=made.device)
    for delta, moved in zip(made.signals, lifted, strict=True):
        along += torch.bmm(delta, moved[:, :, None])[:, :, 0]
    found = []
    for layer, (a, delta, moved) in enumerate(zip(made.inputs, made.signals, lifted, strict=True), start=1):
        back = torch.bmm(delta.transpose(1, 2), along[:, :, None])[:, :, 0] - moved * made.unit_strength(layer)
        found.append((back.T @ a).reshape(-1))
    return torch.cat(found)
