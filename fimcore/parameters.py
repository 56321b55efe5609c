"""The order of parameters: layer by layer, unit by unit, each unit's incoming weights and then its bias.

A unit's parameters are therefore one contiguous slice of the parameter vector, and a unit block of the Fisher matrix is a
contiguous square. Layers, units and weights are numbered from 1 in everything a person reads and from 0 in sequences.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


class Location(NamedTuple):
    """Where a parameter lives, counted from 1; `weight` is None for the bias."""

    layer: int
    unit: int
    weight: int | None


@dataclass(frozen=True)
class ParameterLayout:
    """Offsets, slices and readable names of the parameters of a network with widths n_0, ..., n_L."""

    widths: tuple[int, ...]

    @cached_property
    def layers(self) -> int:
        """L, the number of weight layers."""
        return len(self.widths) - 1

    @cached_property
    def units(self) -> tuple[int, ...]:
        """n_1, ..., n_L: units of each weight layer."""
        return self.widths[1:]

    @cached_property
    def unit_sizes(self) -> tuple[int, ...]:
        """k_l = n_{l-1} + 1: parameters of one unit of each layer."""
        return tuple(width + 1 for width in self.widths[:-1])

    @cached_property
    def layer_sizes(self) -> tuple[int, ...]:
        """P_l = n_l k_l."""
        return tuple(units * size for units, size in zip(self.units, self.unit_sizes, strict=True))

    @cached_property
    def layer_offsets(self) -> tuple[int, ...]:
        """First parameter of each layer, and P at the end: L + 1 numbers."""
        return tuple(accumulate(self.layer_sizes, initial=0))

    @cached_property
    def parameters(self) -> int:
        """P."""
        return self.layer_offsets[-1]

    def layer_slice(self, layer: int) -> slice:
        """Parameters of layer 1..L."""
        self._check("layer", layer, self.layers)
        return slice(self.layer_offsets[layer - 1], self.layer_offsets[layer])

    def unit_slice(self, layer: int, unit: int) -> slice:
        """Parameters of unit 1..n_l of layer 1..L."""
        start = self.layer_slice(layer).start
        self._check("unit", unit, self.units[layer - 1])
        size = self.unit_sizes[layer - 1]
        return slice(start + (unit - 1) * size, start + unit * size)

    def unit_offsets(self) -> NDArray[np.int64]:
        """First parameter of every unit in order, and P at the end: sum_l n_l + 1 numbers."""
        sizes = np.repeat(self.unit_sizes, self.units)
        return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    def locate(self, index: int) -> Location:
        """Layer, unit and weight (None: bias) of parameter `index` (0..P-1), each counted from 1."""
        if not 0 <= index < self.parameters:
            raise IndexError(f"`index` is {index}; parameters run from 0 to {self.parameters - 1}.")
        offsets = self.layer_offsets
        layer = bisect_right(offsets, index)
        unit, place = divmod(index - offsets[layer - 1], self.unit_sizes[layer - 1])
        return Location(layer, unit + 1, place + 1 if place < self.widths[layer - 1] else None)

    def name(self, index: int) -> str:
        """Readable name, such as "layer 2 · unit 7 · weight 3" or "layer 2 · unit 7 · bias"."""
        layer, unit, weight = self.locate(index)
        return f"layer {layer} · unit {unit} · {'bias' if weight is None else f'weight {weight}'}"

    def symbol(self, index: int) -> str:
        """Short symbol: "w₂[7←3]" (layer 2, to unit 7 from unit 3) or "b₂[7]"."""
        layer, unit, weight = self.locate(index)
        subscript = str(layer).translate(_SUBSCRIPTS)
        return f"b{subscript}[{unit}]" if weight is None else f"w{subscript}[{unit}←{weight}]"

    def torch_order(self) -> NDArray[np.int64]:
        """Indices that turn a vector in this order into torch's: per layer all weights row by row, then all biases."""
        order: list[NDArray[np.int64]] = []
        for offset, units, size in zip(self.layer_offsets, self.units, self.unit_sizes, strict=False):
            grid = offset + np.arange(units * size, dtype=np.int64).reshape(units, size)
            order += [grid[:, :-1].ravel(), grid[:, -1]]
        return np.concatenate(order)

    @staticmethod
    def _check(field: str, value: int, largest: int) -> None:
        if not 1 <= value <= largest:
            raise IndexError(f"`{field}` is {value}; it runs from 1 to {largest}.")
