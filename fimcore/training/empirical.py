"""Optimizers made from the gradients at the data's labels, hence from the empirical Fisher matrix, which is not the Fisher matrix.

empirical_fisher  (E + damping)^{-1} g, E = (1/N) sum g_n g_n^T, through its N x N dual.
cwngd  one block a unit over its incoming weights where they are few, else their diagonal, and one block for a layer's biases;
       averages of blocks and gradient with bias correction, Cholesky, momentum.
mbf    one block a unit over consecutive incoming weights and its bias, averaged, inverted every few steps, momentum.
Source: Kunstner, Balles, Hennig, arXiv 1905.12558 (what the empirical matrix is); Component-wise natural gradient descent, arXiv
2210.05268 (block choice of its public code); A mini-block Fisher method, arXiv 2202.04124 (block choice, average and refresh are
read from its abstract).
"""

from __future__ import annotations

import torch
from torch import Tensor

from fimcore.fisher.dual import dual_matrix
from fimcore.fisher.factors import Factors, factors
from fimcore.fisher.structures import solve_positive
from fimcore.training.point import Evaluation, Settings

State = tuple[Tensor, ...]

CWNGD_FAN_IN, CWNGD_AVERAGE, CWNGD_MOMENTUM = 16, 0.95, 0.9
MBF_BLOCK, MBF_AVERAGE, MBF_MOMENTUM, MBF_EVERY = 128, 0.95, 0.9, 5


def _scores(at: Evaluation) -> Factors:
    """Factors with the data's labels: one row an input."""
    point = at.point
    return factors(point.network, point.x, point.likelihood, "empirical", labels=point.labels)


def empirical_fisher(at: Evaluation, settings: Settings, state: State) -> tuple[Tensor, State]:
    """Full empirical natural gradient: -J^T (J J^T / N + damping)^{-1} 1 / N."""
    made = _scores(at)
    kernel = dual_matrix(made, range(1, made.layout.layers + 1))
    ones = torch.full((made.samples, 1), 1.0 / made.samples, dtype=made.dtype, device=made.device)
    direction = -made.transpose_product(solve_positive(kernel, ones, settings.damping)[:, 0])
    return at.point.network.parameter_vector() - settings.step_size * direction, state


def _grids(made: Factors, vector: Tensor) -> list[Tensor]:
    """A parameter vector as one (n_l, k_l) tensor a layer."""
    shapes = zip(made.layout.units, made.layout.unit_sizes, strict=True)
    pieces = vector.split(made.layout.layer_sizes)
    return [piece.reshape(shape) for piece, shape in zip(pieces, shapes, strict=True)]


def _averaged(old: State, new: list[Tensor], rate: float) -> State:
    return tuple(rate * before + (1.0 - rate) * now for before, now in zip(old, new, strict=True))


def _solved(blocks: Tensor, vectors: Tensor, damping: float) -> Tensor:
    """(blocks + damping I)^{-1} vectors for blocks (m, k, k) and vectors (m, k)."""
    return solve_positive(blocks, vectors[..., None], damping)[..., 0]


def cwngd(at: Evaluation, settings: Settings, state: State) -> tuple[Tensor, State]:
    """Component-wise natural gradient; state: updates so far, average gradient, momentum, then per layer weight and bias blocks."""
    made, vector = _scores(at), at.point.network.parameter_vector()
    blocks = [block for layer in range(made.layout.layers) for block in _component_blocks(made, layer)]
    zeros = torch.zeros_like(vector)
    count, average, velocity, *held = state or (torch.tensor(0.0), zeros, zeros, *map(torch.zeros_like, blocks))
    count = count + 1.0
    held = list(_averaged(tuple(held), blocks, CWNGD_AVERAGE))
    average = CWNGD_AVERAGE * average + (1.0 - CWNGD_AVERAGE) * at.gradient
    corrected = 1.0 - CWNGD_AVERAGE ** float(count)
    directions = []
    for layer, grid in enumerate(_grids(made, average / corrected)):
        weights, biases = held[2 * layer] / corrected, held[2 * layer + 1] / corrected
        own = grid[:, :-1]
        if weights.ndim == 3:
            solved = _solved(weights, own, settings.damping)
        else:
            solved = own / (weights + settings.damping)
        offset = _solved(biases[None], grid[None, :, -1], settings.damping)[0]
        directions.append(torch.cat([solved, offset[:, None]], dim=1).reshape(-1))
    velocity = CWNGD_MOMENTUM * velocity + torch.cat(directions)
    return vector - settings.step_size * velocity, (count, average, velocity, *held)


def _component_blocks(made: Factors, layer: int) -> tuple[Tensor, Tensor]:
    """Weight blocks (n, k - 1, k - 1), or their diagonal (n, k - 1) where incoming weights are many; bias block (n, n)."""
    signals, inputs = made.signals[layer][:, 0, :], made.inputs[layer][:, :-1]
    strength, count = signals.square(), made.samples
    biases = signals.T @ signals / count
    if inputs.shape[1] > CWNGD_FAN_IN:
        return strength.T @ inputs.square() / count, biases
    return torch.einsum("xu,xi,xj->uij", strength, inputs, inputs) / count, biases


def mbf(at: Evaluation, settings: Settings, state: State) -> tuple[Tensor, State]:
    """Mini-block Fisher; state: updates so far, momentum, average blocks, and their inverses at the last refresh."""
    made, vector = _scores(at), at.point.network.parameter_vector()
    pieces = _pieces(made)
    blocks = [_mini_blocks(made, layer, part) for layer, part in pieces]
    count, moment, *rest = state or (torch.tensor(0.0), torch.zeros_like(vector))
    held = _averaged(tuple(rest[: len(pieces)]), blocks, MBF_AVERAGE) if rest else tuple(blocks)
    inverses = tuple(rest[len(pieces) :])
    if int(count) % MBF_EVERY == 0:
        identities = [torch.eye(block.shape[-1], dtype=block.dtype, device=block.device) for block in held]
        inverses = tuple(
            solve_positive(block, one.expand_as(block), settings.damping)
            for block, one in zip(held, identities, strict=True)
        )
    moment = MBF_MOMENTUM * moment + at.gradient
    grids = _grids(made, moment)
    directions = [torch.empty_like(grid) for grid in grids]
    for (layer, part), inverse in zip(pieces, inverses, strict=True):
        directions[layer][:, part] = torch.einsum("uij,uj->ui", inverse, grids[layer][:, part])
    direction = torch.cat([grid.reshape(-1) for grid in directions])
    return vector - settings.step_size * direction, (count + 1.0, moment, *held, *inverses)


def _pieces(made: Factors) -> list[tuple[int, slice]]:
    """Layers (from 0) with runs of at most 128 of a unit's parameters, the bias in the last one."""
    return [
        (layer, slice(start, min(start + MBF_BLOCK, size)))
        for layer, size in enumerate(made.layout.unit_sizes)
        for start in range(0, size, MBF_BLOCK)
    ]


def _mini_blocks(made: Factors, layer: int, part: slice) -> Tensor:
    """(1/N) sum_n s_ni^2 a_n a_n^T over a run of inputs, for every unit: (n_l, m, m)."""
    strength, inputs = made.signals[layer][:, 0, :].square(), made.inputs[layer][:, part]
    return torch.einsum("xu,xi,xj->uij", strength, inputs, inputs) / made.samples
