"""What block-diagonal structures with one block a unit share: the matrix, its eigenvalues and its blocks.

Source: Amari, Karakida, Oizumi, Fisher Information and Natural Gradient Learning of Random Deep Networks, arXiv 1808.07172.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore.fisher.structures import FisherStructure, descending

# Bytes of unit blocks formed at once.
CHUNK_BYTES = 2**26


@dataclass(frozen=True, eq=False, repr=False)
class UnitStructure(FisherStructure):
    """A structure whose entries between different units are zero."""

    @abstractmethod
    def unit_blocks(self, layer: int, units: slice) -> Tensor:
        """The blocks of some units of layer 1..L, formed if need be: (n, k_l, k_l)."""

    def eigenvalues(self) -> Tensor:
        """The union of the units' eigenvalues, some units at a time."""
        found = []
        for layer, (count, size) in enumerate(zip(self.layout.units, self.layout.unit_sizes, strict=True), start=1):
            step = max(1, CHUNK_BYTES // (8 * size * size))
            for start in range(0, count, step):
                blocks = self.unit_blocks(layer, slice(start, start + step))
                found.append(torch.linalg.eigvalsh(blocks).reshape(-1))
        return descending(torch.cat(found))

    def dense(self) -> Tensor:
        """The matrix with zeros outside the unit blocks."""
        return torch.block_diag(*[self.block(layer) for layer in range(1, self.layout.layers + 1)])

    def block(self, layer: int, unit: int | None = None) -> Tensor:
        """The block of a layer (block-diagonal itself), or of one unit."""
        part = self.layout.layer_slice(layer) if unit is None else self.layout.unit_slice(layer, unit)
        if unit is None:
            return torch.block_diag(*self.unit_blocks(layer, slice(None)))
        place = (part.start - self.layout.layer_offsets[layer - 1]) // self.layout.unit_sizes[layer - 1]
        return self.unit_blocks(layer, slice(place, place + 1))[0]
