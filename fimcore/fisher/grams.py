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

import numpy as np
import torch
from torch import Tensor

from fimcore.fisher.blocks import Progress, diagonal, product
from fimcore.fisher.factors import Factors, factors
from fimcore.likelihoods import Gaussian, Likelihood
from fimcore.networks import Network
from fimcore.norms import BlockNorms

CHUNK_BYTES = 32 * 2**20
CHUNK_FLOPS = 4e9  # about 50 ms on one core, so that a cancel is heard soon


@dataclass(frozen=True)
class PairSums:
    """Sums over pairs of inputs: `layer_pairs` (L, L) and `unit_diagonal` (L,), over x != x' or over x = x'."""

    layer_pairs: np.ndarray
    unit_diagonal: np.ndarray


def block_norms(
    network: Network,
    x: Tensor,
    likelihood: Likelihood | None = None,
    unbiased: bool = True,
    *,
    estimator: str = "exact",
    seed: int | None = None,
    labels: Tensor | None = None,
    progress: Progress | None = None,
) -> BlockNorms:
    """Squared Frobenius norms of all layer-pair blocks and of the units' own blocks; the matrix is never formed.

    Args:
        network, x, likelihood, estimator, seed, labels: as in `fisher`.
        unbiased: True for the population of inputs (U-statistic, may be slightly negative), False for the norms of the
            matrix of exactly these N inputs.
        progress: called as progress(fraction, message) at least every 50 ms or so; what it raises cancels.

    Raises:
        ValueError: fewer than two inputs with `unbiased=True`.
    """
    made = factors(network, x, Gaussian() if likelihood is None else likelihood, estimator, seed, labels)
    return block_norms_from_factors(made, unbiased, progress)


def block_norms_from_factors(made: Factors, unbiased: bool = True, progress: Progress | None = None) -> BlockNorms:
    """`block_norms` from factors alone, in float64 whatever their dtype (T - U cancels in float32)."""
    count = made.samples
    if unbiased and count < 2:
        raise ValueError(f"`x` has {count} input; the unbiased estimate needs 2 or more, or set `unbiased=False`.")
    made = Factors(
        tuple(a.double() for a in made.inputs), tuple(s.double() for s in made.signals), made.layout, made.estimator
    )
    grams = [a @ a.T for a in made.inputs]
    units = made.layout.units
    pairs = sum(n * m for place, n in enumerate(units) for m in units[place:])
    by_rows = count**2 * made.rows**2 * (sum(units) + made.layout.layers**2)
    folded = 2 * count * made.rows * pairs + count**2 * pairs
    sums = _sums_by_rows if by_rows <= folded else _sums_by_units
    found = sums(made, grams, progress)
    if unbiased:
        scale = count * (count - 1)
        return BlockNorms(found.layer_pairs / scale, found.unit_diagonal / scale, made.layout.widths)
    same = _self_sums(made, grams)
    return BlockNorms(
        (found.layer_pairs + same.layer_pairs) / count**2,
        (found.unit_diagonal + same.unit_diagonal) / count**2,
        made.layout.widths,
    )


def diagonal_square(made: Factors, unbiased: bool = True) -> float:
    """Sum of squared diagonal entries, sum_p F_pp^2, of these inputs or (unbiased) of their population.

    With d_p(x) the diagonal at one input, sum_p sum_{x != x'} d_p(x) d_p(x') = sum_p (sum_x d_p)^2 - sum_x sum_p d_p(x)^2.
    """
    count = made.samples
    if unbiased and count < 2:
        raise ValueError(f"`x` has {count} input; the unbiased estimate needs 2 or more, or set `unbiased=False`.")
    plug_in = float(diagonal(made).double().square().sum())
    if not unbiased:
        return plug_in
    same = sum(
        float((made.unit_strength(layer).double().square().sum(dim=1) * a.double().pow(4).sum(dim=1)).sum())
        for layer, a in enumerate(made.inputs, start=1)
    )
    return (plug_in * count**2 - same) / (count * (count - 1))


def _self_sums(made: Factors, grams: list[Tensor]) -> PairSums:
    """Sums over x = x'."""
    layers = made.layout.layers
    own = [
        torch.bmm(s, s.transpose(1, 2)) * h.diagonal()[:, None, None] for s, h in zip(made.signals, grams, strict=True)
    ]
    pairs = np.array([[float((own[i] * own[j]).sum()) for j in range(layers)] for i in range(layers)])
    units = [
        float((made.unit_strength(layer).square().sum(dim=1) * grams[layer - 1].diagonal().square()).sum())
        for layer in range(1, layers + 1)
    ]
    return PairSums(pairs, np.array(units))


def _unit_sums(made: Factors, grams: list[Tensor]) -> np.ndarray:
    """sum over x != x' of (S(x) . S(x')) H^2, a layer at a time."""
    sums = []
    for layer, gram in enumerate(grams, start=1):
        strength = made.unit_strength(layer)
        weighted = (strength @ strength.T) * gram.square()
        sums.append(float(weighted.sum() - weighted.diagonal().sum()))
    return np.array(sums)


def _sums_by_rows(made: Factors, grams: list[Tensor], progress: Progress | None) -> PairSums:
    """Sums over x != x' through chunks of rows of K^l: cheapest for few rows per input."""
    count, rows, layers = made.samples, made.rows, made.layout.layers
    flat = [s.reshape(count * rows, -1) for s in made.signals]
    per_input = count * rows * rows * 8 * layers
    flops_per_input = 2 * count * rows * rows * sum(made.layout.units)
    chunk = max(1, min(count, int(CHUNK_BYTES // per_input), int(CHUNK_FLOPS // flops_per_input)))
    total = torch.zeros(layers, layers, dtype=torch.float64, device=made.device)
    for start in range(0, count, chunk):
        stop = min(start + chunk, count)
        kernels = torch.empty(
            layers, (stop - start) * rows, (count - start) * rows, dtype=torch.float64, device=made.device
        )
        for layer, (signals, gram) in enumerate(zip(flat, grams, strict=True)):
            torch.mm(signals[start * rows : stop * rows], signals[start * rows :].T, out=kernels[layer])
            grid = kernels[layer].view(stop - start, rows, count - start, rows)
            grid *= gram[start:stop, None, start:, None]
            inside = torch.arange(stop - start, device=made.device)
            grid[inside, :, inside, :] = 0
        wide = kernels.view(layers, (stop - start) * rows, (count - start) * rows)
        # Pairs inside the chunk appear in both orders; pairs with later inputs appear once and count twice.
        near, far = wide[:, :, : (stop - start) * rows], wide[:, :, (stop - start) * rows :]
        for part, weight in ((near, 1.0), (far, 2.0)):
            vectors = part.reshape(layers, -1)
            total += weight * (vectors @ vectors.T)
        if progress:
            # Later chunks have fewer columns: the work left shrinks with the square.
            progress(1 - (1 - stop / count) ** 2, f"{stop} of {count} inputs")
    return PairSums(total.cpu().numpy(), _unit_sums(made, grams))


def _sums_by_units(made: Factors, grams: list[Tensor], progress: Progress | None) -> PairSums:
    """Sums over x != x' with the rows folded first, sum_c delta^l_c (x) delta^l'_c: cheapest where rows grow with width."""
    count, layers, units = made.samples, made.layout.layers, made.layout.units
    total = np.zeros((layers, layers))
    done, work = 0.0, float(sum(n * m for place, n in enumerate(units) for m in units[place:]))
    for first in range(layers):
        for second in range(first, layers):
            delta, other = made.signals[first], made.signals[second]
            per_unit = count * units[second] * 8
            flops_per_unit = 2 * count * units[second] * (made.rows + count)
            chunk = max(1, min(units[first], int(CHUNK_BYTES // per_unit), int(CHUNK_FLOPS // flops_per_unit)))
            inner = torch.zeros(count, count, dtype=torch.float64, device=made.device)
            for start in range(0, units[first], chunk):
                part = delta[:, :, start : start + chunk]
                folded = torch.bmm(part.transpose(1, 2), other).reshape(count, -1)
                inner += product(folded.T, folded.T)
                done += part.shape[2] * units[second]
                if progress:
                    progress(done / work, f"layers {first + 1} and {second + 1}")
            weighted = inner * grams[first] * grams[second]
            total[first, second] = total[second, first] = float(weighted.sum() - weighted.diagonal().sum())
    return PairSums(total, _unit_sums(made, grams))


def unit_block_norm_map(
    network: Network,
    x: Tensor,
    likelihood: Likelihood | None = None,
    layers: tuple[int, int] = (1, 1),
    units: int | None = None,
) -> Tensor:
    """Frobenius norms of the blocks between the first `units` units of two layers (1..L): (min(units, n_l), min(units, n_l')).

    |F_ii'|_F^2 = (1/N^2) diag(V^T (H^l * H^l') V), V_{x,(i,i')} = sum_c delta^l_{c,i} delta^l'_{c,i'}.
    """
    made = factors(network, x, Gaussian() if likelihood is None else likelihood)
    return unit_norms_from_factors(made, layers[0], layers[1], units)


def unit_norms_from_factors(made: Factors, layer: int, other: int, units: int | None = None) -> Tensor:
    """`unit_block_norm_map` from factors alone, for all N inputs (the matrix of exactly these inputs)."""
    delta, partner = made.signals[layer - 1][:, :, :units], made.signals[other - 1][:, :, :units]
    a, b = made.inputs[layer - 1], made.inputs[other - 1]
    weights = (a @ a.T) * (b @ b.T)
    result = torch.empty(delta.shape[2], partner.shape[2], dtype=made.dtype, device=made.device)
    chunk = max(1, int(CHUNK_BYTES // (made.samples * partner.shape[2] * 8)))
    for start in range(0, delta.shape[2], chunk):
        folded = torch.bmm(delta[:, :, start : start + chunk].transpose(1, 2), partner).reshape(made.samples, -1)
        squares = (folded * (weights @ folded)).sum(dim=0).clamp(min=0)
        result[start : start + chunk] = (squares.sqrt() / made.samples).reshape(-1, partner.shape[2])
    return result
