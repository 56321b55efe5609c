"""`BlockTridiagonal`: the Fisher matrix with only the blocks of a layer with itself and with its neighbours.

What is cut off makes the matrix indefinite in general, although the Fisher matrix itself is not: neither Cholesky nor conjugate
gradients may be used on it.
Source: Karakida, Osawa, Understanding Approximate Fisher Information for Fast Convergence of Natural Gradient Descent in Wide
Neural Networks, arXiv 2010.00879.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore.fisher.blocks import Progress
from fimcore.fisher.layer_pairs import write_layer_pair
from fimcore.fisher.parts import AnyFactors, counted
from fimcore.fisher.structures import FisherStructure, Origin, check_damping, descending, solve_symmetric


@dataclass(frozen=True, eq=False, repr=False)
class BlockTridiagonal(FisherStructure):
    """`blocks` L tensors (P_l, P_l), and `couplings` L - 1 tensors (P_l, P_{l+1}) between neighbours."""

    blocks: tuple[Tensor, ...]
    couplings: tuple[Tensor, ...]

    @property
    def positive(self) -> bool:
        """False: cutting blocks off a positive matrix leaves an indefinite one."""
        return False

    @property
    def dtype(self) -> torch.dtype:
        """dtype of the entries."""
        return self.blocks[0].dtype

    def matvec(self, vector: Tensor) -> Tensor:
        """F v, each layer with its neighbours."""
        self._check_vector(vector)
        parts = vector.split(self.layout.layer_sizes)
        found = [block @ part for block, part in zip(self.blocks, parts, strict=True)]
        for place, coupling in enumerate(self.couplings):
            found[place] = found[place] + coupling @ parts[place + 1]
            found[place + 1] = found[place + 1] + coupling.T @ parts[place]
        return torch.cat(found)

    def solve(self, vector: Tensor, damping: float) -> Tensor:
        """(F + damping I)^{-1} v by block elimination, refined once; by LU of the whole matrix where that is not accurate.

        Elimination in the order of the layers never exchanges rows of two layers, so that an unlucky pivot block can spoil
        it although the matrix itself is well-conditioned: the residual tells.
        """
        self._check_vector(vector)
        check_damping(damping)
        columns = vector.reshape(vector.shape[0], -1)
        solved = self._eliminate(columns, damping)
        solved = solved + self._eliminate(columns - self._damped(solved, damping), damping)
        rest = (self._damped(solved, damping) - columns).norm()
        accurate = torch.finfo(self.dtype).eps ** 0.75 * columns.norm()
        if not bool(rest <= accurate):
            solved = solve_symmetric(self.dense(), columns, damping, positive=False)
        return solved.reshape(vector.shape)

    def diagonal(self) -> Tensor:
        """The diagonal, (P,)."""
        return torch.cat([block.diagonal() for block in self.blocks])

    def eigenvalues(self) -> Tensor:
        """All P eigenvalues, some of them negative."""
        return descending(torch.linalg.eigvalsh(self.dense()))

    def dense(self) -> Tensor:
        """The matrix with zeros between layers that are no neighbours."""
        matrix = torch.block_diag(*self.blocks)
        for place, coupling in enumerate(self.couplings, start=1):
            rows, columns = self.layout.layer_slice(place), self.layout.layer_slice(place + 1)
            matrix[rows, columns], matrix[columns, rows] = coupling, coupling.T
        return matrix

    def frobenius_norm(self) -> float:
        """sqrt of the sum of squared entries, couplings twice."""
        own = sum(float(block.square().sum()) for block in self.blocks)
        return float(own + 2 * sum(float(coupling.square().sum()) for coupling in self.couplings)) ** 0.5

    def block(self, layer: int, unit: int | None = None) -> Tensor:
        """The stored block of a layer, or the part of it that belongs to one unit."""
        whole = self.layout.layer_slice(layer)
        part = whole if unit is None else self.layout.unit_slice(layer, unit)
        inside = slice(part.start - whole.start, part.stop - whole.start)
        return self.blocks[layer - 1][inside, inside]

    def _damped(self, columns: Tensor, damping: float) -> Tensor:
        return self.matvec(columns) + damping * columns

    def _eliminate(self, columns: Tensor, damping: float) -> Tensor:
        """S_l = B_l + damping - C_{l-1}^T S_{l-1}^{-1} C_{l-1} forwards, then substitution backwards; not finite where S fails."""
        parts = list(columns.split(self.layout.layer_sizes))
        reduced: list[Tensor] = []  # S_l^{-1} [C_l, v_l]
        for place, block in enumerate(self.blocks):
            pivot = block + damping * torch.eye(block.shape[0], dtype=block.dtype, device=block.device)
            right = parts[place]
            if place:
                before = self.couplings[place - 1]
                pivot = pivot - before.T @ reduced[-1][:, : before.shape[1]]
                right = right - before.T @ reduced[-1][:, before.shape[1] :]
            if place < len(self.couplings):
                right = torch.cat([self.couplings[place], right], dim=1)
            reduced.append(torch.linalg.solve_ex(pivot, right).result)
        solved = [reduced[-1]]
        for place in range(len(self.couplings) - 1, -1, -1):
            width = self.couplings[place].shape[1]
            solved.append(reduced[place][:, width:] - reduced[place][:, :width] @ solved[-1])
        return torch.cat(solved[::-1])


def block_tridiagonal(made: AnyFactors, origin: Origin, progress: Progress | None = None) -> BlockTridiagonal:
    """`BlockTridiagonal` from factors."""
    layout = made.layout
    pairs = [(layer, other) for layer in range(1, layout.layers + 1) for other in (layer, layer + 1)][:-1]
    blocks: dict[tuple[int, int], Tensor] = {}
    report = counted(progress, made)
    for number, part in enumerate(made.parts):
        for layer, other in pairs:
            if number == 0:
                shape = (layout.layer_sizes[layer - 1], layout.layer_sizes[other - 1])
                blocks[layer, other] = part.inputs[0].new_empty(shape)
            write_layer_pair(blocks[layer, other], None, part, layer, other, 1 / made.samples, add=number > 0)
            if other > layer or layer == layout.layers:
                report(layer, part)
    own = tuple(block for (layer, other), block in blocks.items() if layer == other)
    couplings = tuple(block for (layer, other), block in blocks.items() if layer != other)
    return BlockTridiagonal(layout, origin, own, couplings)
