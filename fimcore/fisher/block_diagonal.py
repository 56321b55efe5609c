"""`LayerBlocks` and `UnitBlocks`: the Fisher matrix without the entries between layers, or between units.

Source: Amari, Karakida, Oizumi, Fisher Information and Natural Gradient Learning of Random Deep Networks, arXiv 1808.07172.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore.fisher.blocks import Progress, unit_blocks
from fimcore.fisher.layer_pairs import write_layer_pair
from fimcore.fisher.parts import AnyFactors, counted
from fimcore.fisher.structures import FisherStructure, Origin, check_out, descending, solve_symmetric
from fimcore.fisher.unit_structure import UnitStructure


@dataclass(frozen=True, eq=False, repr=False)
class LayerBlocks(FisherStructure):
    """One block a layer, cross-layer entries dropped: `blocks` L tensors (P_l, P_l)."""

    blocks: tuple[Tensor, ...]

    @property
    def dtype(self) -> torch.dtype:
        """dtype of the entries."""
        return self.blocks[0].dtype

    def matvec(self, vector: Tensor) -> Tensor:
        """F v, layer by layer."""
        self._check_vector(vector)
        return torch.cat([b @ v for b, v in zip(self.blocks, vector.split(self.layout.layer_sizes), strict=True)])

    def solve(self, vector: Tensor, damping: float) -> Tensor:
        """(F + damping I)^{-1} v, one solve a layer."""
        self._check_vector(vector)
        parts = vector.reshape(vector.shape[0], -1).split(self.layout.layer_sizes)
        solved = [
            solve_symmetric(b, v, damping, positive=self.positive) for b, v in zip(self.blocks, parts, strict=True)
        ]
        return torch.cat(solved).reshape(vector.shape)

    def diagonal(self) -> Tensor:
        """The diagonal, (P,)."""
        return torch.cat([b.diagonal() for b in self.blocks])

    def eigenvalues(self) -> Tensor:
        """The union of the blocks' eigenvalues."""
        return descending(torch.cat([torch.linalg.eigvalsh(b) for b in self.blocks]))

    def dense(self) -> Tensor:
        """The matrix with zeros outside the layer blocks."""
        return torch.block_diag(*self.blocks)

    def frobenius_norm(self) -> float:
        """sqrt of the sum of squared entries of the blocks."""
        return float(torch.stack([b.square().sum() for b in self.blocks]).sum().sqrt())

    def block(self, layer: int, unit: int | None = None) -> Tensor:
        """The stored block of a layer, or the part of it that belongs to one unit."""
        whole = self.layout.layer_slice(layer)
        part = whole if unit is None else self.layout.unit_slice(layer, unit)
        inside = slice(part.start - whole.start, part.stop - whole.start)
        return self.blocks[layer - 1][inside, inside]


@dataclass(frozen=True, eq=False, repr=False)
class UnitBlocks(UnitStructure):
    """One block a unit, entries between units dropped: `blocks` L tensors (n_l, k_l, k_l)."""

    blocks: tuple[Tensor, ...]

    @property
    def dtype(self) -> torch.dtype:
        """dtype of the entries."""
        return self.blocks[0].dtype

    def matvec(self, vector: Tensor) -> Tensor:
        """F v, unit by unit."""
        self._check_vector(vector)
        return torch.cat([(b @ v).flatten(0, 1) for b, v in self._pairs(vector)]).reshape(vector.shape)

    def solve(self, vector: Tensor, damping: float) -> Tensor:
        """(F + damping I)^{-1} v, one solve a unit, batched over the units of a layer."""
        self._check_vector(vector)
        solved = [solve_symmetric(b, v, damping, positive=self.positive).flatten(0, 1) for b, v in self._pairs(vector)]
        return torch.cat(solved).reshape(vector.shape)

    def diagonal(self) -> Tensor:
        """The diagonal, (P,)."""
        return torch.cat([b.diagonal(dim1=1, dim2=2).reshape(-1) for b in self.blocks])

    def frobenius_norm(self) -> float:
        """sqrt of the sum of squared entries of the blocks."""
        return float(torch.stack([b.square().sum() for b in self.blocks]).sum().sqrt())

    def unit_blocks(self, layer: int, units: slice) -> Tensor:
        """The stored blocks of some units."""
        return self.blocks[layer - 1][units]

    def _pairs(self, vector: Tensor) -> list[tuple[Tensor, Tensor]]:
        parts = vector.reshape(vector.shape[0], -1).split(self.layout.layer_sizes)
        return [(b, v.reshape(b.shape[0], b.shape[1], -1)) for b, v in zip(self.blocks, parts, strict=True)]


def layer_blocks(
    made: AnyFactors, origin: Origin, progress: Progress | None = None, out: Sequence[Tensor] | None = None
) -> LayerBlocks:
    """`LayerBlocks` from factors, into the blocks `out` where given.

    Raises:
        ValueError: `out` is not one (P_l, P_l) tensor a layer of the network's dtype and device.
    """
    layout = made.layout
    if out is not None and len(out) != layout.layers:
        raise ValueError(f"`out` has {len(out)} tensors; give one a layer, {layout.layers}.")
    blocks: list[Tensor] = list(out or [])
    report = counted(progress, made)
    for number, part in enumerate(made.parts):
        for layer, size in enumerate(layout.layer_sizes, start=1):
            if len(blocks) < layer:
                blocks.append(part.inputs[0].new_empty((size, size)))
            if number == 0:
                check_out(blocks[layer - 1], (size, size), part.inputs[0])
            write_layer_pair(blocks[layer - 1], None, part, layer, layer, 1 / made.samples, add=number > 0)
            report(layer, part)
    return LayerBlocks(layout, origin, tuple(blocks))


def unit_block_diagonal(made: AnyFactors, origin: Origin, progress: Progress | None = None) -> UnitBlocks:
    """`UnitBlocks` from factors."""
    blocks = []
    for layer in range(1, made.layout.layers + 1):
        blocks.append(unit_blocks(made, layer))
        if progress:
            progress(layer / made.layout.layers, f"layer {layer} of {made.layout.layers}")
    return UnitBlocks(made.layout, origin, tuple(blocks))
