"""`Dense`: the full Fisher matrix, F = E_x E_{y ~ p(.|x)} [grad l grad l^T].

Source: Amari, Karakida, Oizumi, Fisher Information and Natural Gradient Learning of Random Deep Networks, arXiv 1808.07172.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore.fisher.structures import FisherStructure, descending, solve_positive


@dataclass(frozen=True, eq=False, repr=False)
class Dense(FisherStructure):
    """The full matrix: `matrix` (P, P)."""

    matrix: Tensor

    @property
    def dtype(self) -> torch.dtype:
        """dtype of the entries."""
        return self.matrix.dtype

    def matvec(self, vector: Tensor) -> Tensor:
        """F v."""
        self._check_vector(vector)
        return self.matrix @ vector

    def solve(self, vector: Tensor, damping: float) -> Tensor:
        """(F + damping I)^{-1} v by Cholesky."""
        self._check_vector(vector)
        columns = vector.reshape(vector.shape[0], -1)
        return solve_positive(self.matrix, columns, damping).reshape(vector.shape)

    def diagonal(self) -> Tensor:
        """The diagonal, (P,)."""
        return self.matrix.diagonal().clone()

    def eigenvalues(self) -> Tensor:
        """All P eigenvalues; `fimcore.spectrum` gets the same from the cheaper side."""
        return descending(torch.linalg.eigvalsh(self.matrix))

    def dense(self) -> Tensor:
        """The matrix itself (not a copy)."""
        return self.matrix

    def frobenius_norm(self) -> float:
        """sqrt of the sum of squared entries."""
        return float(torch.linalg.matrix_norm(self.matrix))
