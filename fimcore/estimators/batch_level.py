"""Estimators that see N inputs as one batch, with one backward pass and no gradient per input.

For (1/N) sum_n F_n, with s_n the score of one parameter at input n, m_nc the rows of the output root (m_n m_n^T sums to F_n), eps
random signs and kappa_n = E s_n^4 - 3 F_n^2:
    squared scores      (1/N) sum_n s_n^2                     variance (1/N^2) sum_n (kappa_n + 2 F_n^2)
    squared batch score (1/N) (sum_n s_n)^2                            (1/N^2) [sum_n kappa_n + 2 (sum_n F_n)^2]
    probes              (1/N) sum_n (sum_c eps_nc m_nc)^2              (2/N^2) sum_n (F_n^2 - sum_c m_nc^4)
    squared batch probe (1/N) (sum_nc eps_nc m_nc)^2                   (2/N^2) [(sum_n F_n)^2 - sum_nc m_nc^4]
The batch forms do not improve with N: their relative deviation tends to sqrt(2).
Source: Liu et al., Sophia, arXiv 2305.14342 (squared batch score); Sun, Deterministic Bounds and Random Estimates of Metric Tensors
on Neuromanifolds, arXiv 2505.13614 (probes); the variances of the last two are derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore.estimators.input_powers import RunningSums
from fimcore.estimators.output_derivatives import derivative_parts
from fimcore.estimators.unit_moments import unit_moments
from fimcore.likelihoods import LikelihoodWithMoments
from fimcore.networks import Network


@dataclass(frozen=True, eq=False)
class BatchVariances:
    """Variances, (P,) each, of estimates of the diagonal from one label or one sign vector at each of N fixed inputs.

    Attributes:
        fisher: the mean of all of them.
        score: squared scores, averaged over inputs.
        hessian: minus second derivatives, averaged over inputs.
        batch_score: the squared sum of the scores (Bartlett's identity for a batch; Sophia-G).
        probe: squared random-sign combinations of the root's rows, averaged over inputs.
        batch_probe: the square of their sum.
    """

    fisher: Tensor
    score: Tensor
    hessian: Tensor
    batch_score: Tensor
    probe: Tensor
    batch_probe: Tensor


def batch_variances(network: Network, x: Tensor, likelihood: LikelihoodWithMoments, part_size: int) -> BatchVariances:
    """`BatchVariances` of the batch x (N, n_0), worked through so many inputs at a time."""
    squares, fourths = RunningSums(), RunningSums()
    for made in derivative_parts(network, x, likelihood, part_size):
        for layer in made.layers:
            unit, powers = unit_moments(made, layer), made.inputs(layer).square()
            rows = torch.bmm(made.root, made.first(layer)).square().square().sum(dim=1)
            square = unit.fisher.square()
            statistics = [unit.var_score, unit.var_hessian, square - rows, unit.var_score - 2 * square, rows]
            squares.add(layer, [unit.fisher], powers)
            fourths.add(layer, statistics, powers.square())
    count = x.shape[0]
    (fisher,) = squares.mean(count)
    score, hessian, probe, excess, rows = fourths.mean(count)
    whole = 2 * fisher.square()
    return BatchVariances(
        fisher,
        score / count,
        hessian / count,
        (whole + excess / count).clamp(min=0),
        2 * probe.clamp(min=0) / count,
        (whole - 2 * rows / count).clamp(min=0),
    )
