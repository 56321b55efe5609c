"""Blocks, diagonals and single entries of the Fisher matrix, straight from factors.

F_{(l,i,a),(m,j,b)} = (1/N) sum_x [sum_c delta^l_{c,i} delta^m_{c,j}] a^{l-1}_a a^{m-1}_b.
Source of the factored form: Amari, Karakida, Oizumi, arXiv 1808.07172.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fimcore.fisher.factors import ALL, Factors
from fimcore.fisher.layer_pairs import put, write_layer_pair
from fimcore.fisher.parts import AnyFactors, summed
from fimcore.fisher.products import product

Progress = Callable[..., object]

# Products of inputs held at once by `unit_blocks`: about the second-level cache of a core.
OUTER_BYTES = 2**21
UNIT_CUTS = 3
# For so few units their weighted inputs cost less than the products of all inputs.
FEW_UNITS = 4
FEWEST_INPUTS = 128


def block(made: AnyFactors, layer: int, other_layer: int, units: slice = ALL, other_units: slice = ALL) -> Tensor:
    """The block between some units of layer 1..L and some units of another: (n k, n' k') in parameter order."""
    if layer > other_layer:
        return block(made, other_layer, layer, other_units, units).T
    sizes = made.layout.unit_sizes
    count = len(range(made.layout.units[layer - 1])[units]) * sizes[layer - 1]
    columns = len(range(made.layout.units[other_layer - 1])[other_units]) * sizes[other_layer - 1]
    result: Tensor | None = None
    for part in made.parts:
        fresh = result is None
        if result is None:
            result = part.inputs[0].new_empty((count, columns))
        write_layer_pair(
            result,
            None,
            part,
            layer,
            other_layer,
            1 / made.samples,
            add=not fresh,
            units=units,
            other_units=other_units,
        )
    assert result is not None
    return result


def unit_blocks(made: AnyFactors, layer: int, chosen: slice = ALL) -> Tensor:
    """The diagonal blocks of all units of layer 1..L, or of some, F_ii = (1/N) A^T diag(S_i) A: (n_l, k_l, k_l).

    One product S^T (A_a A_b)_{a <= b} for all units at once: only the symmetric half of the products of inputs is multiplied,
    in cuts of a that stay in the cache.
    """
    units, size = len(range(made.layout.units[layer - 1])[chosen]), made.layout.unit_sizes[layer - 1]
    result: Tensor | None = None
    for part in made.parts:
        a, strength = part.inputs[layer - 1], part.unit_strength(layer)[:, chosen] / made.samples
        fresh = result is None
        if result is None:
            result = a.new_empty((units, size, size))
        if units <= FEW_UNITS:
            found = torch.stack([product(a * column[:, None], a) for column in strength.T])
            put(result, found, add=not fresh)
        else:
            _write_unit_blocks(result, a, strength, add=not fresh)
    assert result is not None
    return result


def _write_unit_blocks(result: Tensor, a: Tensor, strength: Tensor, *, add: bool) -> None:
    """sum_x S_i(x) a_a(x) a_b(x) of some inputs into (n, k, k), a cut of a's coordinates and a chunk of inputs at a time."""
    units, size, item = result.shape[0], a.shape[1], a.element_size()
    # few cuts waste products, many make them small
    cut = max(1, min(-(-size // UNIT_CUTS), OUTER_BYTES // (FEWEST_INPUTS * size * item)))
    chunk = max(FEWEST_INPUTS, OUTER_BYTES // (cut * size * item))
    for start in range(0, size, cut):
        stop = min(start + cut, size)
        found: Tensor | None = None
        for first in range(0, a.shape[0], chunk):
            some = a[first : first + chunk]
            outer = (some[:, start:stop, None] * some[:, None, start:]).reshape(some.shape[0], -1)
            more = product(strength[first : first + chunk], outer)
            found = more if found is None else found.add_(more)
        assert found is not None
        found = found.reshape(units, stop - start, size - start)
        put(result[:, start:stop, start:], found, add)
        put(result[:, stop:, start:stop], found[:, :, stop - start :].transpose(1, 2), add)


def diagonal(made: AnyFactors) -> Tensor:
    """The diagonal of the Fisher matrix, (1/N) S^T (A * A) layer by layer: (P,)."""
    strengths = (
        [product(part.unit_strength(layer), a.square()) for layer, a in enumerate(part.inputs, start=1)]
        for part in made.parts
    )
    return torch.cat([total.reshape(-1) for total in summed(strengths)]) / made.samples


def gradient(factors: Factors, index: int) -> Tensor:
    """Derivatives of every row with respect to one parameter (0..P-1), a column of J: (N R,)."""
    layer, unit, weight = factors.layout.locate(index)
    place = factors.layout.unit_sizes[layer - 1] if weight is None else weight
    return (factors.signals[layer - 1][:, :, unit - 1] * factors.inputs[layer - 1][:, place - 1, None]).reshape(-1)


def entry(factors: Factors, row: int, column: int) -> float:
    """One entry of the Fisher matrix in O(N R), without any block: parameters `row` and `column`, each 0..P-1."""
    return float(gradient(factors, row) @ gradient(factors, column) / factors.samples)
