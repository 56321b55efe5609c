"""Sums over inputs of a unit's number times a power of what enters: sum_x s_i(x) a_j(x)^k, one matrix product a layer.

Several statistics s of one layer share one product; their results lie in parameter order.
Source: the rank-one structure, Soen, Sun, On the Variance of the Fisher Information for Deep Learning, arXiv 2107.04205.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fimcore.fisher.products import product


def power_sums(statistics: Sequence[Tensor], powers: Tensor) -> Tensor:
    """sum_x s_i(x) p_j(x) for S statistics (N, n) and powers (N, k): (S, n k)."""
    count, units = len(statistics), statistics[0].shape[1]
    return product(torch.cat(list(statistics), dim=1), powers).reshape(count, units * powers.shape[1])


class RunningSums:
    """Sums over parts of the inputs of S numbers for each of the P parameters, layer by layer."""

    def __init__(self) -> None:
        self._layers: dict[int, Tensor] = {}

    def add(self, layer: int, statistics: Sequence[Tensor], powers: Tensor) -> None:
        """Add one part of layer 1..L."""
        found = power_sums(statistics, powers)
        known = self._layers.get(layer)
        self._layers[layer] = found if known is None else known.add_(found)

    def mean(self, samples: int) -> Tensor:
        """The means over all inputs, every layer in its place: (S, P)."""
        return torch.cat([self._layers[layer] for layer in sorted(self._layers)], dim=1).div_(samples)
