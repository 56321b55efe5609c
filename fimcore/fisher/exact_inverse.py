"""`ExactInverse`: (F + damping I)^{-1} v for many dampings, exactly, from one matrix on the smaller side.

Primal, P x P: a Cholesky factorisation of F + damping I a damping. Dual, N R x N R: with J the rows of the factors, K = J J^T / N,
    (F + damping I)^{-1} v = (v - J^T (K + damping I)^{-1} J v / N) / damping.
Both matrices have the same non-zero eigenvalues, hence the same trace and the same Frobenius norm. Of the block
of one layer, J has that layer's columns only, so that layer blocks of any size are inverted where inputs and outputs are few.
Source: Amari, Natural gradient works efficiently in learning (1998); Karakida, Osawa, Understanding Approximate Fisher
Information for Fast Convergence of Natural Gradient Descent, arXiv 2010.00879 (dual form).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore.fisher.blocks import Progress, block
from fimcore.fisher.dense import dense
from fimcore.fisher.dual import dual_matrix, require_rows
from fimcore.fisher.lanczos import jacobian_product, transpose_product
from fimcore.fisher.parts import AnyFactors
from fimcore.fisher.structures import Origin, check_damping, singular, solve_positive


@dataclass(frozen=True, eq=False, repr=False)
class ExactInverse:
    """`matrix`: the matrix itself where `primal`, else K; `made`: its factors; `layer`: 1..L, or None for all of F."""

    made: AnyFactors
    matrix: Tensor
    primal: bool
    layer: int | None = None

    @property
    def part(self) -> slice:
        """The parameters it is about."""
        return slice(None) if self.layer is None else self.made.layout.layer_slice(self.layer)

    def solve(self, vector: Tensor, damping: float) -> Tensor:
        """(F + damping I)^{-1} v for v of shape (P,); of one layer its own part of v is solved for, and the rest is zero.

        Raises:
            ValueError: negative damping, a matrix that is singular at this damping, or a vector of another shape.
        """
        check_damping(damping)
        if tuple(vector.shape) != (self.made.layout.parameters,):
            raise ValueError(f"`vector` has shape {tuple(vector.shape)}; give ({self.made.layout.parameters},).")
        own, solved = self.part, torch.zeros_like(vector)
        if self.primal:
            solved[own] = solve_positive(self.matrix, vector[own, None], damping)[:, 0]
            return solved
        if damping == 0:
            raise singular(self.matrix, damping)
        inside = solve_positive(self.matrix, self._along(vector)[:, None], damping)[:, 0]
        solved[own] = (vector[own] - self._back(inside) / self.made.samples) / damping
        return solved

    def _along(self, vector: Tensor) -> Tensor:
        """J v, of one layer with its columns only: (N R,)."""
        if self.layer is None:
            return jacobian_product(self.made, vector)
        grid = vector[self.part].reshape(self.made.layout.units[self.layer - 1], -1)
        found = []
        for part in self.made.parts:
            moved = part.inputs[self.layer - 1] @ grid.T
            found.append((part.signals[self.layer - 1] * moved[:, None, :]).sum(dim=2).reshape(-1))
        return torch.cat(found)

    def _back(self, rows: Tensor) -> Tensor:
        """J^T t, of one layer its part only."""
        if self.layer is None:
            return transpose_product(self.made, rows)
        grids = []
        pieces = rows.split(self.made.part_size * self.made.rows)
        for part, piece in zip(self.made.parts, pieces, strict=True):
            signals = part.signals[self.layer - 1]
            pulled = (signals * piece.reshape(part.samples, part.rows, 1)).sum(dim=1)
            grids.append(pulled.T @ part.inputs[self.layer - 1])
        return torch.stack(grids).sum(dim=0).reshape(-1)

    def trace(self) -> float:
        """tr F."""
        return float(self.matrix.diagonal().sum())

    def frobenius_norm(self) -> float:
        """|F|_F."""
        return float(torch.linalg.matrix_norm(self.matrix))


def exact_inverse(made: AnyFactors, layer: int | None = None, progress: Progress | None = None) -> ExactInverse:
    """`ExactInverse` from factors, of F or of the block of layer 1..L, on the side that is smaller.

    Raises:
        ValueError: the estimator "hessian", whose matrix is no sum of squares of rows.
    """
    require_rows(made, "exact inverse")
    layers = range(1, made.layout.layers + 1) if layer is None else (layer,)
    primal = sum(made.layout.layer_sizes[each - 1] for each in layers) <= made.samples * made.rows
    if not primal:
        matrix = dual_matrix(made, layers, progress)
    elif layer is None:
        matrix = dense(made, Origin(made.estimator, "", made.samples), progress).matrix
    else:
        matrix = block(made, layer, layer)
    return ExactInverse(made, matrix, primal, layer)
