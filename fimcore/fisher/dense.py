"""`Dense`: the full Fisher matrix, F = E_x E_{y ~ p(.|x)} [grad l grad l^T].

Source: Amari, Karakida, Oizumi, Fisher Information and Natural Gradient Learning of Random Deep Networks, arXiv 1808.07172.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore.fisher.blocks import Progress
from fimcore.fisher.layer_pairs import write_layer_pair
from fimcore.fisher.parts import AnyFactors
from fimcore.fisher.structures import FisherStructure, Origin, check_out, descending, solve_symmetric


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
        """(F + damping I)^{-1} v, by Cholesky where the estimator makes F positive semi-definite."""
        self._check_vector(vector)
        columns = vector.reshape(vector.shape[0], -1)
        return solve_symmetric(self.matrix, columns, damping, positive=self.positive).reshape(vector.shape)

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


def dense(made: AnyFactors, origin: Origin, progress: Progress | None = None, out: Tensor | None = None) -> Dense:
    """`Dense` from factors: layer pairs of the upper triangle, each mirrored, in one matrix allocated once (or in `out`).

    Raises:
        ValueError: `out` is not a (P, P) tensor of the network's dtype and device.
    """
    layout, layers = made.layout, made.layout.layers
    pairs = [(layer, other) for layer in range(1, layers + 1) for other in range(layer, layers + 1)]
    matrix, done = out, 0
    for number, part in enumerate(made.parts):
        if matrix is None:
            # in the system's small pages: large ones are faster or several times slower to touch first, as it happens
            matrix = part.inputs[0].new_empty((layout.parameters, layout.parameters))
        if number == 0:
            check_out(matrix, (layout.parameters, layout.parameters), part.inputs[0])
        for layer, other in pairs:
            rows, columns = layout.layer_slice(layer), layout.layer_slice(other)
            mirror = None if layer == other else matrix[columns, rows]
            write_layer_pair(matrix[rows, columns], mirror, part, layer, other, 1 / made.samples, add=number > 0)
            if progress:
                weight = (rows.stop - rows.start) * (columns.stop - columns.start) * (1 if layer == other else 2)
                done += weight * part.samples
                progress(done / (made.samples * layout.parameters**2), f"layers {layer} and {other}")
    assert matrix is not None
    return Dense(layout, origin, matrix)
