"""`QuasiDiagonal`: per unit the diagonal and the coupling to the bias, completed to a metric that is inverted exactly.

Of a unit block the entries F_kk, F_0k and F_00 are kept (0 is the bias), and M_kj = F_0k F_0j / F_00 for k != j: weights are taken
as uncorrelated given the bias. With q_k = F_0k / F_00 and D_k = F_kk - F_00 q_k^2,
    M = diag(D, 0) + F_00 (q, 1)(q, 1)^T,
so that at no damping M^{-1} g is dw_k = (g_k - q_k g_0) / D_k, dw_0 = g_0 / F_00 - q . dw. The step does not change when every
input a_k becomes alpha_k a_k + beta_k and the weights make up for it. This is not the inverse of the matrix with M_kj = 0.
Source: Ollivier, Riemannian metrics for neural networks I: feedforward networks, arXiv 1303.0818; Marceau-Caron, Ollivier,
Practical Riemannian Neural Networks, arXiv 1602.08007.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from fimcore.fisher.blocks import Progress
from fimcore.fisher.factors import Factors
from fimcore.fisher.parts import AnyFactors, counted, summed
from fimcore.fisher.products import product
from fimcore.fisher.structures import Origin, check_damping, layer_grids, lost, singular
from fimcore.fisher.unit_structure import UnitStructure

# F_kk - F_0k^2 / F_00 below this many roundings of F_kk is zero.
ROUNDINGS = 16


@dataclass(frozen=True, eq=False, repr=False)
class QuasiDiagonal(UnitStructure):
    """The completed metric M: `diagonals` F_kk and `couplings` F_0k, L tensors (n_l, k_l) each, whose last column is F_00."""

    diagonals: tuple[Tensor, ...]
    couplings: tuple[Tensor, ...]

    @property
    def dtype(self) -> torch.dtype:
        """dtype of the entries."""
        return self.diagonals[0].dtype

    def matvec(self, vector: Tensor) -> Tensor:
        """M v in O(P)."""
        self._check_vector(vector)
        found = []
        for grid, (rest, line, bias) in zip(layer_grids(self.layout, vector), self._terms, strict=True):
            along = bias[:, None] * torch.einsum("nk,nkm->nm", line, grid)
            found.append((rest[:, :, None] * grid + line[:, :, None] * along[:, None, :]).flatten(0, 1))
        return torch.cat(found).reshape(vector.shape)

    def solve(self, vector: Tensor, damping: float) -> Tensor:
        """(M + damping I)^{-1} v in O(P): the bias is eliminated first, which leaves a diagonal plus a rank one.

        The Schur complement of the weights is diag(D + damping) + mu q q^T, mu = F_00 damping / (F_00 + damping): at no damping
        it is diagonal, and nothing is divided by a small difference.

        Raises:
            ValueError: negative damping, or a matrix that is singular at this damping (a dead unit, a constant input).
        """
        self._check_vector(vector)
        check_damping(damping)
        solved = []
        for layer, grid in enumerate(layer_grids(self.layout, vector)):
            rest, line, bias = (term[..., None] for term in self._terms[layer])
            rest, line, total = rest[:, :-1], line[:, :-1], bias + damping
            kept = self.diagonals[layer][:, :-1, None].abs()
            bad = lost(rest, kept, damping, ROUNDINGS).any() | lost(bias, bias.abs(), damping, 0).any()
            share, mu = bias / total, bias * (damping / total)
            inverse = 1 / (rest + damping)
            spread = mu * (line.square() * inverse).sum(dim=1)
            if bool(bad | lost(1 + spread, 1 + spread.abs(), 0.0, 4).any()):
                raise singular(self.diagonals[layer].abs().max().expand(2, 2), damping)
            right = inverse * (grid[:, :-1] - share[:, None] * line * grid[:, -1:])
            back = mu * (line * right).sum(dim=1) / (1 + spread)
            weights = right - inverse * line * back[:, None]
            last = (grid[:, -1] - bias * (line * weights).sum(dim=1)) / total
            solved.append(torch.cat([weights, last[:, None]], dim=1).flatten(0, 1))
        return torch.cat(solved).reshape(vector.shape)

    def diagonal(self) -> Tensor:
        """The diagonal, F_kk as measured."""
        return torch.cat([values.reshape(-1) for values in self.diagonals])

    def frobenius_norm(self) -> float:
        """sqrt of the sum of squared entries of M: F_00^2 |(q, 1)|^4 + sum_k D_k (D_k + 2 F_00 q_k^2) a unit."""
        total = []
        for rest, line, bias in self._terms:
            square = line.square()
            total.append((bias * square.sum(dim=1)).square().sum())
            total.append((rest * (rest + 2 * bias[:, None] * square)).sum())
        return float(torch.stack(total).sum().sqrt())

    @cached_property
    def _terms(self) -> list[tuple[Tensor, Tensor, Tensor]]:
        """(D, 0), (q, 1) and F_00 of every layer: (n, k), (n, k), (n,)."""
        found = []
        for values, coupling in zip(self.diagonals, self.couplings, strict=True):
            bias = values[:, -1]
            # a unit that never moves an output has F_00 = 0 and every entry 0: any q does
            line = coupling / torch.where(bias == 0, torch.ones_like(bias), bias)[:, None]
            line[:, -1] = 1
            rest = values - coupling * line
            rest[:, -1] = 0
            found.append((rest.clamp_(min=0) if self.positive else rest, line, bias))
        return found

    def unit_blocks(self, layer: int, units: slice) -> Tensor:
        """M of some units, formed."""
        line, bias = (term[units] for term in self._terms[layer - 1][1:])
        blocks = (bias[:, None] * line)[:, :, None] * line[:, None, :]
        blocks.diagonal(dim1=1, dim2=2).copy_(self.diagonals[layer - 1][units])
        return blocks


def quasi_diagonal(made: AnyFactors, origin: Origin, progress: Progress | None = None) -> QuasiDiagonal:
    """`QuasiDiagonal` from factors: S^T (A * A) and S^T A are all the entries it keeps, since a bias has input 1."""
    report = counted(progress, made)

    def kept(part: Factors) -> list[Tensor]:
        found = []
        for layer, a in enumerate(part.inputs, start=1):
            strength = part.unit_strength(layer)
            found += [product(strength, a.square()), product(strength, a)]
            report(layer, part)
        return found

    found = [total.div_(made.samples) for total in summed(kept(part) for part in made.parts)]
    diagonals, couplings = found[::2], found[1::2]
    for square, plain in zip(diagonals, couplings, strict=True):
        plain[:, -1] = square[:, -1]
    return QuasiDiagonal(made.layout, origin, tuple(diagonals), tuple(couplings))
