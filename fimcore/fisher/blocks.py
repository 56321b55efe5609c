"""Blocks of the Fisher matrix between units of two layers, from factors, with the output rows folded first.

F_{(l,i,a),(m,j,b)} = (1/N) sum_x [sum_c delta^l_{c,i} delta^m_{c,j}] a^{l-1}_a a^{m-1}_b: contracting over the rows c before the
large product makes the cost N P^2 instead of N C P^2.
Source of the factored form: Amari, Karakida, Oizumi, arXiv 1808.07172.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fimcore.fisher.factors import Factors

Progress = Callable[..., object]

# Working memory for the folded products of one chunk of inputs; larger chunks are not faster.
CHUNK_BYTES = 64 * 2**20


def block(
    factors: Factors, layer: int, other_layer: int, units: slice = slice(None), other_units: slice = slice(None)
) -> Tensor:
    """The block between some units of layer 1..L and some units of another: (n k, n' k') in parameter order."""
    delta = factors.signals[layer - 1][:, :, units]
    other = factors.signals[other_layer - 1][:, :, other_units]
    a, b = factors.inputs[layer - 1], factors.inputs[other_layer - 1]
    count, columns = delta.shape[2] * a.shape[1], other.shape[2] * b.shape[1]
    if factors.rows == 1:
        left = (delta[:, 0, :, None] * a[:, None, :]).reshape(factors.samples, count)
        if layer == other_layer and units == other_units:
            return symmetric_product(left) / factors.samples
        right = (other[:, 0, :, None] * b[:, None, :]).reshape(factors.samples, columns)
        return product(left, right) / factors.samples
    return _folded_block(delta, other, a, b) / factors.samples


def _folded_block(delta: Tensor, other: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """sum_x (sum_c delta_c (x) other_c) (x) (a (x) b), accumulated over chunks of inputs."""
    samples, units, columns = delta.shape[0], delta.shape[2], other.shape[2]
    per_input = (units * columns + a.shape[1] * b.shape[1]) * delta.element_size()
    chunk = max(1, min(samples, CHUNK_BYTES // per_input))
    total = torch.zeros(units * columns, a.shape[1] * b.shape[1], dtype=delta.dtype, device=delta.device)
    for start in range(0, samples, chunk):
        part = slice(start, start + chunk)
        folded = torch.bmm(delta[part].transpose(1, 2), other[part]).reshape(-1, units * columns)
        outer = (a[part, :, None] * b[part, None, :]).reshape(-1, a.shape[1] * b.shape[1])
        total += product(folded, outer)
    grid = total.reshape(units, columns, a.shape[1], b.shape[1]).permute(0, 2, 1, 3)
    return grid.reshape(units * a.shape[1], columns * b.shape[1])


def product(left: Tensor, right: Tensor) -> Tensor:
    """left^T right. On the CPU through numpy, whose BLAS is often faster than torch's on the same arrays."""
    if left.device.type == "cpu":
        return torch.from_numpy(left.numpy().T @ right.numpy())
    return left.T @ right


def symmetric_product(left: Tensor) -> Tensor:
    """left^T left. numpy recognises the pattern and computes one triangle only (SYRK)."""
    if left.device.type == "cpu":
        array = left.contiguous().numpy()
        return torch.from_numpy(array.T @ array)
    return left.T @ left


def unit_blocks(factors: Factors, layer: int) -> Tensor:
    """All diagonal unit blocks of layer 1..L, F_ii = (1/N) A^T diag(S_i) A: (n_l, k_l, k_l)."""
    a, strength = factors.inputs[layer - 1], factors.unit_strength(layer).sqrt()
    return torch.stack([symmetric_product(a * strength[:, unit, None]) for unit in range(strength.shape[1])]) / (
        factors.samples
    )


def diagonal(factors: Factors) -> Tensor:
    """The diagonal of the Fisher matrix, (1/N) S^T (A * A) layer by layer: (P,)."""
    parts = [
        (factors.unit_strength(layer).T @ a.square()).reshape(-1) for layer, a in enumerate(factors.inputs, start=1)
    ]
    return torch.cat(parts) / factors.samples


def gradient(factors: Factors, index: int) -> Tensor:
    """Derivatives of every row with respect to one parameter (0..P-1), a column of J: (N R,)."""
    layer, unit, weight = factors.layout.locate(index)
    place = factors.layout.unit_sizes[layer - 1] if weight is None else weight
    return (factors.signals[layer - 1][:, :, unit - 1] * factors.inputs[layer - 1][:, place - 1, None]).reshape(-1)


def entry(factors: Factors, row: int, column: int) -> float:
    """One entry of the Fisher matrix in O(N R), without any block: parameters `row` and `column`, each 0..P-1."""
    return float(gradient(factors, row) @ gradient(factors, column) / factors.samples)
