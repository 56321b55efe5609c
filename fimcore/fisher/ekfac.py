"""`EKFAC`: K-FAC with measured eigenvalues, F_ll ~ (U_G (x) U_A) diag(S) (U_G (x) U_A)^T.

U_G and U_A are the eigenvectors of the K-FAC factors G_l and A_l, and S (n_l, k_l) is the diagonal of F_ll in that basis,
S_ia = (1/N) sum_x [U_G^T M_x U_G]_ii (U_A^T a~)_a^2 with M_x = sum_c delta_c delta_c^T: of all diagonals the one closest to F_ll in
the Frobenius norm, hence never further from it than K-FAC.
Source: George, Laurent, Bouthillier, Ballas, Vincent, Fast Approximate Natural Gradient Descent in a Kronecker-factored
Eigenbasis, arXiv 1806.03884.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore.fisher.blocks import Progress
from fimcore.fisher.factors import Factors
from fimcore.fisher.kfac import both_sides, damped, kfac
from fimcore.fisher.parts import AnyFactors, counted, summed
from fimcore.fisher.products import product
from fimcore.fisher.structures import FisherStructure, Origin, check_damping, descending, layer_grids


@dataclass(frozen=True, eq=False, repr=False)
class EKFAC(FisherStructure):
    """Eigenvectors in columns, `output_bases` (n_l, n_l) and `input_bases` (k_l, k_l), and `scales` (n_l, k_l), L of each."""

    output_bases: tuple[Tensor, ...]
    input_bases: tuple[Tensor, ...]
    scales: tuple[Tensor, ...]

    @property
    def dtype(self) -> torch.dtype:
        """dtype of the entries."""
        return self.scales[0].dtype

    def matvec(self, vector: Tensor) -> Tensor:
        """F v: into the eigenbasis, times S, and back."""
        return self._scaled(vector, self.scales)

    def solve(self, vector: Tensor, damping: float) -> Tensor:
        """(F + damping I)^{-1} v: into the eigenbasis, divided by S + damping, and back."""
        check_damping(damping)
        return self._scaled(vector, tuple(1 / damped(scale, damping) for scale in self.scales))

    def diagonal(self) -> Tensor:
        """The diagonal, sum_jb U_G,ij^2 S_jb U_A,ab^2."""
        parts = zip(self.output_bases, self.scales, self.input_bases, strict=True)
        return torch.cat([(left.square() @ s @ right.square().T).reshape(-1) for left, s, right in parts])

    def trace(self) -> float:
        """Sum of all scales."""
        return float(sum(scale.sum() for scale in self.scales))

    def eigenvalues(self) -> Tensor:
        """All scales, sorted."""
        return descending(torch.cat([scale.reshape(-1) for scale in self.scales]))

    def dense(self) -> Tensor:
        """The matrix with zeros outside the layer blocks."""
        return torch.block_diag(*[self.block(layer) for layer in range(1, self.layout.layers + 1)])

    def frobenius_norm(self) -> float:
        """sqrt of the sum of squared scales."""
        return float(torch.stack([scale.square().sum() for scale in self.scales]).sum().sqrt())

    def block(self, layer: int, unit: int | None = None) -> Tensor:
        """The block of a layer, or of one unit: U_A diag(sum_j U_G,ij^2 S_j) U_A^T."""
        part = self.layout.layer_slice(layer) if unit is None else self.layout.unit_slice(layer, unit)
        left, right, scale = self.output_bases[layer - 1], self.input_bases[layer - 1], self.scales[layer - 1]
        if unit is None:
            basis = torch.kron(left, right)
            return (basis * scale.reshape(-1)) @ basis.T
        row = left[(part.start - self.layout.layer_offsets[layer - 1]) // right.shape[0]]
        return (right * (row.square() @ scale)) @ right.T

    def _scaled(self, vector: Tensor, scales: tuple[Tensor, ...]) -> Tensor:
        self._check_vector(vector)
        found = []
        for grid, left, right, scale in zip(
            layer_grids(self.layout, vector), self.output_bases, self.input_bases, scales, strict=True
        ):
            rotated = both_sides(left.T, grid, right) * scale[:, :, None]
            found.append(both_sides(left, rotated, right.T).flatten(0, 1))
        return torch.cat(found).reshape(vector.shape)


def ekfac(made: AnyFactors, origin: Origin, progress: Progress | None = None) -> EKFAC:
    """`EKFAC` from factors: a first pass over the inputs for the bases, a second one for the scales."""
    first = None if progress is None else lambda done, message: progress(done / 2, message)
    factored = kfac(made, origin, first)
    outputs = tuple(torch.linalg.eigh(g)[1] for g in factored.output_factors)
    inputs = tuple(torch.linalg.eigh(a)[1] for a in factored.input_factors)
    report = counted(None if progress is None else lambda done, message: progress(0.5 + done / 2, message), made)

    def scales_of(part: Factors) -> list[Tensor]:
        found = []
        for layer in range(1, made.layout.layers + 1):
            squares = (part.inputs[layer - 1] @ inputs[layer - 1]).square_()
            found.append(product(_rotated_strength(part, layer, outputs[layer - 1]), squares))
            report(layer, part)
        return found

    scales = tuple(total.div_(made.samples) for total in summed(scales_of(part) for part in made.parts))
    return EKFAC(made.layout, origin, outputs, inputs, scales)


def _rotated_strength(part: Factors, layer: int, basis: Tensor) -> Tensor:
    """[U^T M_x U]_ii of every input: (N, n_l)."""
    strength = (part.signals[layer - 1] @ basis).square_().sum(dim=1)
    if part.curvature is None:
        return strength
    return strength + torch.einsum("nip,ip->np", part.curvature.units[layer - 1] @ basis, basis)
