"""Every library's own scale and order of parameters, undone in one place.

fimcore: F = (1/N) sum_x E_y|x [score score^T], unit by unit, each unit's incoming weights and then its bias.

| library     | asked for here                              | what it returns                         | undone by |
|-------------|---------------------------------------------|-----------------------------------------|-----------|
| BackPACK    | sum over inputs, CrossEntropyLoss / MSELoss | N F; with MSELoss 2 N F (no factor 1/2) | / N, / 2  |
| curvlinops  | sum over inputs, CrossEntropyLoss / MSELoss | N F; with MSELoss 2 N F                 | / N, / 2  |
| NNGeometry  | variants classif_logits, regression         | F (its Gram matrix: J J^T, not over N)  | (/ N)     |
| ASDL        | data_size = N                               | F                                       | nothing   |
| torch.func  | written in tests/peers/torch_func_peer.py   | F                                       | nothing   |

All of them order a layer's parameters as torch does: the weight matrix row by row, then all biases. ASDL and BackPACK keep
K-FAC's input factor without the constant 1, so K-FAC is compared on the weights.
NNGeometry allocates some blocks in torch's default dtype: its calls run with the default set to the case's dtype.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from tests.peers.case import Case


def layer_order(units: int, size: int) -> Tensor:
    """Torch's positions in one layer of n units with k parameters each, listed in fimcore's order."""
    weights = torch.arange(units * (size - 1)).reshape(units, size - 1)
    biases = units * (size - 1) + torch.arange(units)
    return torch.cat([weights, biases[:, None]], dim=1).reshape(-1)


def layer_orders(case: Case) -> list[Tensor]:
    layout = case.network.layout
    return [layer_order(units, size) for units, size in zip(layout.units, layout.unit_sizes, strict=True)]


def order(case: Case) -> Tensor:
    """Torch's positions of all P parameters in fimcore's order."""
    offsets = case.network.layout.layer_offsets
    return torch.cat([part + start for part, start in zip(layer_orders(case), offsets, strict=False)])


def loss_scale(case: Case) -> float:
    """What a GGN of the summed torch loss must be divided by."""
    return case.samples * (2.0 if case.family == "gaussian" else 1.0)


def vector(case: Case, torch_vector: Tensor) -> Tensor:
    return torch_vector.detach()[order(case)]


def matrix(case: Case, torch_matrix: Tensor) -> Tensor:
    positions = order(case)
    return torch_matrix.detach()[positions][:, positions]


def layer_blocks(case: Case, torch_blocks: Sequence[Tensor]) -> list[Tensor]:
    pairs = zip(torch_blocks, layer_orders(case), strict=True)
    return [block.detach()[positions][:, positions] for block, positions in pairs]


def torch_vector(case: Case, fimcore_vector: Tensor) -> Tensor:
    """The inverse of `vector`: from fimcore's order to torch's."""
    result = torch.empty_like(fimcore_vector)
    result[order(case)] = fimcore_vector
    return result


def torch_list(case: Case, fimcore_vector: Tensor) -> list[Tensor]:
    """A parameter vector as the list of tensors shaped like a model's parameters."""
    flat, parts, start = torch_vector(case, fimcore_vector), [], 0
    for parameter in case.model().parameters():
        parts.append(flat[start : start + parameter.numel()].reshape(parameter.shape))
        start += parameter.numel()
    return parts


def weight_blocks(case: Case, whole: Tensor) -> list[Tensor]:
    """Of a matrix in fimcore's order, each layer's own block without the rows and columns of the biases."""
    layout = case.network.layout
    parts = [layout.layer_slice(layer) for layer in range(1, layout.layers + 1)]
    return [weights_of(whole[part, part], size) for part, size in zip(parts, layout.unit_sizes, strict=True)]


def weights_of(block: Tensor, size: int) -> Tensor:
    """The rows and columns of a layer's block, in fimcore's order, that belong to weights."""
    keep = torch.arange(block.shape[0]) % size != size - 1
    return block[keep][:, keep]


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
