"""`Diagonal`: only the diagonal of the Fisher matrix, F_ii = E_x E_{y ~ p(.|x)} [(d l / d theta_i)^2].

Source: Amari, Karakida, Oizumi, Fisher Information and Natural Gradient Learning of Random Deep Networks, arXiv 1808.07172.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore.fisher.blocks import Progress, diagonal
from fimcore.fisher.parts import AnyFactors
from fimcore.fisher.structures import FisherStructure, Origin, as_column, check_damping, descending


@dataclass(frozen=True, eq=False, repr=False)
class Diagonal(FisherStructure):
    """Only the diagonal: `values` (P,)."""

    values: Tensor

    @property
    def dtype(self) -> torch.dtype:
        """dtype of the entries."""
        return self.values.dtype

    def matvec(self, vector: Tensor) -> Tensor:
        """F v, entry by entry."""
        self._check_vector(vector)
        return as_column(self.values, vector) * vector

    def solve(self, vector: Tensor, damping: float) -> Tensor:
        """v / (F_ii + damping)."""
        self._check_vector(vector)
        check_damping(damping)
        damped = self.values + damping
        unusable = damped == 0 if not self.positive else damped <= 0
        if bool(unusable.any()):
            count = int(unusable.sum())
            none_left = "1 diagonal entry is" if count == 1 else f"{count} diagonal entries are"
            raise ValueError(f"`damping` is {damping:g}, at which {none_left} zero; give more than that.")
        return vector / as_column(damped, vector)

    def diagonal(self) -> Tensor:
        """The diagonal, (P,)."""
        return self.values.clone()

    def eigenvalues(self) -> Tensor:
        """The sorted diagonal."""
        return descending(self.values)

    def dense(self) -> Tensor:
        """The matrix with zeros off the diagonal."""
        return torch.diag(self.values)

    def frobenius_norm(self) -> float:
        """sqrt of the sum of squared diagonal entries."""
        return float(self.values.norm())

    def block(self, layer: int, unit: int | None = None) -> Tensor:
        """The diagonal block of a layer or unit, itself diagonal."""
        part = self.layout.layer_slice(layer) if unit is None else self.layout.unit_slice(layer, unit)
        return torch.diag(self.values[part])


def diagonal_only(made: AnyFactors, origin: Origin, progress: Progress | None = None) -> Diagonal:
    """`Diagonal` from factors."""
    values = diagonal(made)
    if progress:
        progress(1.0, "diagonal")
    return Diagonal(made.layout, origin, values)
