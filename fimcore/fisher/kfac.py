"""`KFAC`: the block of layer l is a Kronecker product, F_ll ~ G_l (x) A_l.

A_l = (1/N) sum_x a~ a~^T over the layer's inputs with the 1 appended, G_l = (1/N) sum_x sum_c delta_c delta_c^T over its signals.
In fimcore's order a layer's slice of a vector is a matrix V (n_l, k_l), and (G (x) A) V = G V A. Exact for one input, and for
linear networks with Gaussian outputs.
Source: Martens, Grosse, Optimizing Neural Networks with Kronecker-factored Approximate Curvature, arXiv 1503.05671.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from fimcore.architecture import check_choice
from fimcore.fisher.blocks import Progress
from fimcore.fisher.factors import Factors
from fimcore.fisher.parts import AnyFactors, counted, summed
from fimcore.fisher.products import symmetric_product
from fimcore.fisher.structures import (
    FisherStructure,
    Origin,
    check_damping,
    descending,
    layer_grids,
    lost,
    singular,
    solve_symmetric,
)

FORMS = ("exact", "factored")


@dataclass(frozen=True, eq=False, repr=False)
class KFAC(FisherStructure):
    """One Kronecker product a layer: `output_factors` G_l (n_l, n_l) and `input_factors` A_l (k_l, k_l), L of each."""

    output_factors: tuple[Tensor, ...]
    input_factors: tuple[Tensor, ...]

    @property
    def dtype(self) -> torch.dtype:
        """dtype of the entries."""
        return self.input_factors[0].dtype

    def matvec(self, vector: Tensor) -> Tensor:
        """F v: G V A, layer by layer."""
        self._check_vector(vector)
        grids = zip(self.output_factors, layer_grids(self.layout, vector), self.input_factors, strict=True)
        return torch.cat([both_sides(g, grid, a).flatten(0, 1) for g, grid, a in grids]).reshape(vector.shape)

    def solve(self, vector: Tensor, damping: float, form: str = "exact") -> Tensor:
        """The damped inverse times v for v of shape (P,) or (P, m).

        "exact" is (G (x) A + damping I)^{-1}: division by g_i a_j + damping in the eigenbases of both. "factored" damps each
        factor, (G + sqrt(damping) / pi I)^{-1} V (A + pi sqrt(damping) I)^{-1} with pi^2 = (tr A / k) / (tr G / n), which needs no
        eigenvalues of the product; pi = 1 where a trace is zero.

        Raises:
            ValueError: unknown form, negative damping, a matrix that is singular at this damping, or the factored form of a G
                whose trace is negative.
        """
        check_choice("form", form, FORMS)
        self._check_vector(vector)
        check_damping(damping)
        grids = layer_grids(self.layout, vector)
        if form == "factored":
            solved = [self._factored(layer, grid, damping) for layer, grid in enumerate(grids)]
            return torch.cat([each.flatten(0, 1) for each in solved]).reshape(vector.shape)
        solved = []
        for grid, (g, left), (a, right) in zip(grids, self._output_eigen, self._input_eigen, strict=True):
            rotated = both_sides(left.T, grid, right) / damped(torch.outer(g, a), damping)[:, :, None]
            solved.append(both_sides(left, rotated, right.T).flatten(0, 1))
        return torch.cat(solved).reshape(vector.shape)

    def diagonal(self) -> Tensor:
        """The diagonal, G_ii A_aa."""
        pairs = zip(self.output_factors, self.input_factors, strict=True)
        return torch.cat([torch.outer(g.diagonal(), a.diagonal()).reshape(-1) for g, a in pairs])

    def trace(self) -> float:
        """sum_l tr G_l tr A_l."""
        return float(sum(g.trace() * a.trace() for g, a in zip(self.output_factors, self.input_factors, strict=True)))

    def eigenvalues(self) -> Tensor:
        """All products of an eigenvalue of G and one of A."""
        pairs = zip(self._output_eigen, self._input_eigen, strict=True)
        return descending(torch.cat([torch.outer(g, a).reshape(-1) for (g, _), (a, _) in pairs]))

    def dense(self) -> Tensor:
        """The matrix with zeros outside the layer blocks."""
        return torch.block_diag(*[self.block(layer) for layer in range(1, self.layout.layers + 1)])

    def frobenius_norm(self) -> float:
        """sqrt of the sum over layers of |G|^2 |A|^2."""
        pairs = zip(self.output_factors, self.input_factors, strict=True)
        return float(torch.stack([g.square().sum() * a.square().sum() for g, a in pairs]).sum().sqrt())

    def block(self, layer: int, unit: int | None = None) -> Tensor:
        """G (x) A of a layer, or G_ii A of one unit."""
        part = self.layout.layer_slice(layer) if unit is None else self.layout.unit_slice(layer, unit)
        g, a = self.output_factors[layer - 1], self.input_factors[layer - 1]
        if unit is None:
            return torch.kron(g, a)
        place = (part.start - self.layout.layer_offsets[layer - 1]) // a.shape[0]
        return g[place, place] * a

    @cached_property
    def _output_eigen(self) -> list[tuple[Tensor, Tensor]]:
        return [eigen(g, positive=self.positive) for g in self.output_factors]

    @cached_property
    def _input_eigen(self) -> list[tuple[Tensor, Tensor]]:
        return [eigen(a, positive=True) for a in self.input_factors]

    def _factored(self, layer: int, grid: Tensor, damping: float) -> Tensor:
        """One layer's grid (n, k, m) between the inverses of its two damped factors: two factorisations, no eigenvalues."""
        g, a = self.output_factors[layer], self.input_factors[layer]
        output, given = float(g.trace()) / len(g), float(a.trace()) / len(a)
        if output < 0:
            raise ValueError(
                f"`form` is 'factored', but the mean eigenvalue of an output factor is {output:.3g} with the estimator "
                f"{self.origin.estimator!r}; use the form 'exact', or an estimator that is never negative."
            )
        ratio = (given / output) ** 0.5 if output > 0 and given > 0 else 1.0
        root, (n, k, columns) = damping**0.5, grid.shape
        left = solve_symmetric(g, grid.reshape(n, -1), root / ratio, positive=self.positive).reshape(n, k, columns)
        right = solve_symmetric(a, left.transpose(0, 1).reshape(k, -1), root * ratio, positive=True)
        return right.reshape(k, n, columns).transpose(0, 1)


def kfac(made: AnyFactors, origin: Origin, progress: Progress | None = None) -> KFAC:
    """`KFAC` from factors: two symmetric products a layer."""
    layers, report = made.layout.layers, counted(progress, made)

    def factors_of(part: Factors) -> list[Tensor]:
        found = []
        for layer in range(1, layers + 1):
            found += [_output_factor(part, layer), symmetric_product(part.inputs[layer - 1])]
            report(layer, part)
        return found

    found = [total.div_(made.samples) for total in summed(factors_of(part) for part in made.parts)]
    return KFAC(made.layout, origin, tuple(found[::2]), tuple(found[1::2]))


def _output_factor(part: Factors, layer: int) -> Tensor:
    """sum_x M_x, M_x = sum_c delta_c delta_c^T (+ E^l of "hessian"): (n_l, n_l)."""
    if part.curvature is not None:
        return part.folded(layer, layer).sum(dim=0)
    return symmetric_product(part.signals[layer - 1].flatten(0, 1))


def both_sides(left: Tensor, grid: Tensor, right: Tensor) -> Tensor:
    """left V right for every V of a grid (n, k, m)."""
    if grid.shape[2] == 1:
        return (left @ grid[:, :, 0] @ right)[:, :, None]
    return (left @ grid.permute(2, 0, 1) @ right).permute(1, 2, 0)


def eigen(factor: Tensor, *, positive: bool) -> tuple[Tensor, Tensor]:
    """Eigenvalues, those that rounding made negative at 0 where there can be none, and eigenvectors in columns."""
    values, vectors = torch.linalg.eigh(factor)
    return (values.clamp_(min=0) if positive else values), vectors


def damped(scales: Tensor, damping: float) -> Tensor:
    """Eigenvalues plus damping, for eigenvalues on a grid (n, k) whose rows and columns belong to two factors.

    Raises:
        ValueError: one of them is rounding of the largest in its row and column, and the damping is too.
    """
    size = scales.abs()
    largest = size.amax(dim=0, keepdim=True) + size.amax(dim=1, keepdim=True)
    if bool(lost(scales, largest, damping, max(scales.shape)).any()):
        raise singular(size.max().expand(2, 2), damping)
    return scales + damping
