"""Block norms of the Fisher matrix at any width, from per-layer Gram matrices, without forming the matrix.

With K^l[(x,c),(x',c')] = (delta^l_c(x) . delta^l_c'(x')) H^l(x,x'), H^l(x,x') = a~^{l-1}(x) . a~^{l-1}(x') and
S^l_i = sum_c (delta^l_{c,i})^2:
    T_ll' = |F^ll'|_F^2 = mean over (x,x') of sum_cc' K^l K^l',
    U_l = sum_i |F^l_ii|_F^2 = mean over (x,x') of (S^l(x) . S^l(x')) (H^l)^2.
Leaving out x = x' and dividing by N (N - 1) makes both unbiased for the population of inputs (a U-statistic).
Source: Karakida, Akaho, Amari, Universal Statistics of Fisher Information in Deep Neural Networks, arXiv 1806.01316 (the dual
matrix); Hoeffding (1948) for U-statistics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fimcore.budget import Budget
from fimcore.fisher.blocks import Progress, diagonal
from fimcore.fisher.dual import require_rows
from fimcore.fisher.factors import ALL, Factors
from fimcore.fisher.parts import AnyFactors, factor_parts, within
from fimcore.fisher.products import gram_triangle, product
from fimcore.likelihoods import Gaussian, Likelihood
from fimcore.networks import Network
from fimcore.norms import BlockNorms

CHUNK_BYTES = 32 * 2**20
CHUNK_FLOPS = 4e9  # about 50 ms on one core, so that a cancel is heard soon
# Rows of a tile of K^l: a third of a megabyte in float64.
TILE_ROWS = 192
# Of the memory allowed, what one of the two parts held at once may take (its factors in float64 beside the original).
PART_SHARE = 5


@dataclass(frozen=True)
class PairSums:
    """Sums over pairs of inputs: `layer_pairs` (L, L) and `unit_diagonal` (L,), over x != x' or over x = x'."""

    layer_pairs: np.ndarray
    unit_diagonal: np.ndarray

    def __add__(self, other: PairSums) -> PairSums:
        return PairSums(self.layer_pairs + other.layer_pairs, self.unit_diagonal + other.unit_diagonal)

    def twice(self) -> PairSums:
        """The sums over both orders of pairs that were met in one."""
        return self + self

    def over(self, count: int, widths: tuple[int, ...]) -> BlockNorms:
        """The norms, with sums divided by a number of pairs."""
        return BlockNorms(self.layer_pairs / count, self.unit_diagonal / count, widths)


def block_norms(
    network: Network,
    x: Tensor,
    likelihood: Likelihood | None = None,
    unbiased: bool = True,
    *,
    estimator: str = "exact",
    seed: int | None = None,
    labels: Tensor | None = None,
    draws: int = 1,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> BlockNorms:
    """Squared Frobenius norms of all layer-pair blocks and of the units' own blocks; the matrix is never formed.

    Args:
        network, x, likelihood, estimator, seed, labels, draws: as in `fisher`, without "hessian".
        unbiased: True for the population of inputs (U-statistic, may be slightly negative), False for the norms of the
            matrix of exactly these N inputs.
        budget: memory allowed; where the factors do not fit, pairs of parts of the inputs are worked through.
        progress: called as progress(fraction, message) at least every 50 ms or so; what it raises cancels.

    Raises:
        ValueError: fewer than two inputs with `unbiased=True`, or the estimator "hessian". BudgetError: one input is too much.
    """
    family = Gaussian() if likelihood is None else likelihood
    made = factor_parts(network, x, family, estimator, seed, labels, draws, budget=budget, share=PART_SHARE)
    return block_norms_from_factors(made, unbiased, progress)


def block_norms_from_factors(made: AnyFactors, unbiased: bool = True, progress: Progress | None = None) -> BlockNorms:
    """`block_norms` from factors alone, in float64 whatever their dtype (T - U cancels in float32)."""
    require_rows(made, "block norm by Gram matrices")
    count, units = made.samples, made.layout.units
    _check_count(count, unbiased)
    pairs = sum(n * m for place, n in enumerate(units) for m in units[place:])
    by_rows = count**2 * made.rows**2 * (sum(units) + made.layout.layers**2)
    folded = 2 * count * made.rows * pairs + count**2 * pairs
    sums = _sums_by_rows if by_rows <= folded else _sums_by_units
    total = own = _nothing(len(units))
    done = 0.0
    for place, part in enumerate(made.parts):
        share = (part.samples / count) ** 2
        total = total + sums(part, part, within(progress, done, share))
        own, done = own if unbiased else own + _self_sums(part), done + share
        for later, other in enumerate(made.parts if part.samples < count else ()):
            if later > place:
                share = 2 * part.samples * other.samples / count**2
                total = total + sums(part, other, within(progress, done, share)).twice()  # both orders of the two parts
                done += share
    if unbiased:
        return total.over(count * (count - 1), made.layout.widths)
    return (total + own).over(count**2, made.layout.widths)


def diagonal_square(made: AnyFactors, unbiased: bool = True) -> float:
    """Sum of squared diagonal entries, sum_p F_pp^2, of these inputs or (unbiased) of their population.

    With d_p(x) the diagonal at one input, sum_p sum_{x != x'} d_p(x) d_p(x') = sum_p (sum_x d_p)^2 - sum_x sum_p d_p(x)^2.
    """
    count = made.samples
    _check_count(count, unbiased)
    plug_in = float(diagonal(made).double().square().sum())
    if not unbiased:
        return plug_in
    same = sum(
        float((part.unit_strength(layer).double().square().sum(dim=1) * a.double().pow(4).sum(dim=1)).sum())
        for part in made.parts
        for layer, a in enumerate(part.inputs, start=1)
    )
    return (plug_in * count**2 - same) / (count * (count - 1))


def _check_count(count: int, unbiased: bool) -> None:
    if unbiased and count < 2:
        raise ValueError(f"`x` has {count} input; the unbiased estimate needs 2 or more, or set `unbiased=False`.")


def _nothing(layers: int) -> PairSums:
    return PairSums(np.zeros((layers, layers)), np.zeros(layers))


def _self_sums(made: Factors) -> PairSums:
    """Sums over x = x'."""
    layers = made.layout.layers
    lengths = [a.double().square().sum(dim=1) for a in made.inputs]
    own = []
    for signals, length in zip(made.signals, lengths, strict=True):
        wide = signals.double()
        own.append(torch.bmm(wide, wide.transpose(1, 2)) * length[:, None, None])
    pairs = np.array([[_dot(own[i], own[j]) for j in range(layers)] for i in range(layers)])
    units = [
        _dot(made.unit_strength(layer).double().square().sum(dim=1), length.square())
        for layer, length in enumerate(lengths, start=1)
    ]
    return PairSums(pairs, np.array(units))


def _sums_by_rows(left: Factors, right: Factors, progress: Progress | None) -> PairSums:
    """Sums over x != x' through tiles of every K^l that stay in the cache: cheapest for few rows per input."""
    same, size = right is left, max(1, min(TILE_ROWS // left.rows, left.samples))
    total, done = _nothing(left.layout.layers), 0
    pairs = left.samples * (left.samples + size) / 2 if same else left.samples * right.samples
    for start in range(0, left.samples, size):
        rows = _in_float64(left, slice(start, start + size))
        # Inside one part a pair of tiles is met once and counts for both orders.
        for first in range(start if same else 0, right.samples, size):
            columns = rows if same and first == start else _in_float64(right, slice(first, first + size))
            found = _tile_sums(rows, columns)
            total = total + (found.twice() if same else found)
            done += rows.inputs[0].shape[1] * columns.inputs[0].shape[1]
            if progress:
                progress(min(done / pairs, 1.0), f"{min(start + size, left.samples)} of {left.samples} inputs")
    return total


class _Tile(NamedTuple):
    """Factors of a few inputs in float64: layer inputs (N, k), signals (N R, n) and unit strengths (N, n), transposed."""

    inputs: list[Tensor]
    signals: list[Tensor]
    strengths: list[Tensor]


def _in_float64(made: Factors, some: slice) -> _Tile:
    signals = [s[some].double() for s in made.signals]
    return _Tile(
        [a[some].double().T for a in made.inputs],
        [s.reshape(-1, s.shape[2]).T for s in signals],
        [s.square().sum(dim=1).T for s in signals],
    )


def _tile_sums(rows: _Tile, columns: _Tile) -> PairSums:
    """Sums over the pairs of two tiles of inputs; over each pair x != x' once where they are the same tile."""
    same = columns is rows

    def gram_of(left: Tensor, right: Tensor) -> Tensor:
        return gram_triangle(left) if same else product(left, right)

    kernels: list[Tensor] = []
    units = []
    for layer, (a, b) in enumerate(zip(rows.inputs, columns.inputs, strict=True)):
        gram = gram_of(a, b)
        if same:
            gram.fill_diagonal_(0.0)
        kernel = gram_of(rows.signals[layer], columns.signals[layer])
        count = gram.shape[0]
        if kernel.shape == gram.shape:
            kernel *= gram
        else:
            each = kernel.shape[0] // count
            kernel.view(count, each, gram.shape[1], each).mul_(gram[:, None, :, None])
        kernels.append(kernel)
        if rows.strengths[layer].shape[0] == 1:  # the only unit's block is the layer's
            units.append(_dot(kernel, kernel))
            continue
        strength = gram_of(rows.strengths[layer], columns.strengths[layer])
        units.append(_dot(strength.mul_(gram), gram))
    layers = len(kernels)
    pairs = np.zeros((layers, layers))
    for first in range(layers):
        for second in range(first, layers):
            pairs[first, second] = pairs[second, first] = _dot(kernels[first], kernels[second])
    return PairSums(pairs, np.array(units))


def _dot(left: Tensor, right: Tensor) -> float:
    return float(torch.dot(left.reshape(-1), right.reshape(-1)))


def _sums_by_units(left: Factors, right: Factors, progress: Progress | None) -> PairSums:
    """Sums over x != x' with the rows folded first, sum_c delta^l_c (x) delta^l'_c: cheapest where rows grow with width."""
    same = right is left
    rows = _in_float64(left, ALL)
    columns = rows if same else _in_float64(right, ALL)
    grams = [product(a, b) for a, b in zip(rows.inputs, columns.inputs, strict=True)]
    for gram in grams if same else ():
        gram.fill_diagonal_(0.0)
    count, layers, units = left.samples, left.layout.layers, left.layout.units
    total = np.zeros((layers, layers))
    done, work = 0.0, float(sum(n * m for place, n in enumerate(units) for m in units[place:]))
    for first in range(layers):
        for second in range(first, layers):
            per_unit = (count + right.samples) * units[second] * 8
            flops_per_unit = 2 * count * units[second] * (left.rows + right.samples)
            chunk = max(1, min(units[first], int(CHUNK_BYTES // per_unit), int(CHUNK_FLOPS // flops_per_unit)))
            inner = torch.zeros(count, right.samples, dtype=torch.float64, device=left.device)
            for start in range(0, units[first], chunk):
                stop = min(start + chunk, units[first])
                folded = _folded_rows(left, first, second, slice(start, stop))
                others = folded if same else _folded_rows(right, first, second, slice(start, stop))
                inner += product(folded.T, others.T)
                done += (stop - start) * units[second]
                if progress:
                    progress(done / work, f"layers {first + 1} and {second + 1}")
            total[first, second] = total[second, first] = _dot(inner * grams[first], grams[second])
    strengths = [product(a, b) for a, b in zip(rows.strengths, columns.strengths, strict=True)]
    return PairSums(total, np.array([_dot(s * gram, gram) for s, gram in zip(strengths, grams, strict=True)]))


def _folded_rows(made: Factors, first: int, second: int, units: slice) -> Tensor:
    """sum_c delta_c (x) delta'_c for some units of the first layer, flat and in float64: (N, units n')."""
    part = made.signals[first][:, :, units].double().transpose(1, 2)
    return torch.bmm(part, made.signals[second].double()).reshape(made.samples, -1)
