"""What bounds need to know of the labels' law at one input: extreme eigenvalues of Cov(s) and of Cov(s s^T).

Q = Cov(s); M = Cov(s s^T) on symmetric matrices, so that Var (u.s)^2 <= lambda_max(M) |u|^4 for every u. Independent outputs with
variances w and fourth cumulants k: M has the eigenvalues k_a + 2 w_a^2 and 2 w_a w_b. Categorical: M has the non-zero eigenvalues
of the Gram matrix of sqrt(p_y) (s_y s_y^T - Q), one row for each class y. No four-index tensor is formed.
Source: the bounds' shape is that of Soen, Sun, arXiv 2402.05379, theorem 4.1; eigenvalues derived here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fimcore.likelihoods import Bernoulli, Categorical, Gaussian, GaussianWithVariance, LikelihoodWithMoments, Poisson


@dataclass(frozen=True, eq=False)
class OutputLaw:
    """Of every input, (N,) each.

    Attributes:
        smallest, largest: eigenvalues of Q, for the categorical family of directions that sum to zero.
        square_smallest, square_largest: eigenvalues of M.
        square_trace: trace of M, for the families that need it, else None.
        probabilities, class_variances: p and p (1 - p) of the categorical family (N, C), else None.
    """

    smallest: Tensor
    largest: Tensor
    square_smallest: Tensor
    square_largest: Tensor
    square_trace: Tensor | None = None
    probabilities: Tensor | None = None
    class_variances: Tensor | None = None


def output_law(likelihood: LikelihoodWithMoments, outputs: Tensor) -> OutputLaw:
    """`OutputLaw` at outputs (N, C). A family not known here has the trace of M as its largest eigenvalue's bound, and 0 below."""
    if isinstance(likelihood, Categorical):
        return _categorical(outputs)
    metric = likelihood.output_fisher(outputs)
    diagonal = metric.diagonal(dim1=1, dim2=2)
    if isinstance(likelihood, Gaussian):
        return _independent(diagonal, torch.zeros_like(diagonal))
    if isinstance(likelihood, Bernoulli):
        return _independent(diagonal, diagonal * (1 - 6 * diagonal))
    if isinstance(likelihood, Poisson):
        return _independent(diagonal, diagonal)
    if isinstance(likelihood, GaussianWithVariance):
        return _gaussian_with_variance(diagonal)
    values = torch.linalg.eigvalsh(metric.double()).to(outputs.dtype).clamp(min=0)
    trace = square_trace(likelihood, outputs, metric)
    return OutputLaw(values[:, 0], values[:, -1], torch.zeros_like(trace), trace, trace)


def _independent(variances: Tensor, cumulants: Tensor) -> OutputLaw:
    """Independent outputs with variances w and fourth cumulants k, (N, C)."""
    own, ordered = cumulants + 2 * variances.square(), variances.sort(dim=1).values
    low, high = own.amin(dim=1), own.amax(dim=1)
    if variances.shape[1] > 1:
        low = torch.minimum(low, 2 * ordered[:, 0] * ordered[:, 1])
        high = torch.maximum(high, 2 * ordered[:, -1] * ordered[:, -2])
    return OutputLaw(ordered[:, 0], ordered[:, -1], low, high)


def _gaussian_with_variance(variances: Tensor) -> OutputLaw:
    """s = (z / sqrt(v), (z^2 - 1) / 2): within a target [[2/v^2, 2/v], [2/v, 7/2]] on s_m^2, s_rho^2, and 5/v across them."""
    precision = variances.chunk(2, dim=1)[0]
    middle, spread = precision.square() + 1.75, ((precision.square() - 1.75).square() + 4 * precision.square()).sqrt()
    # the smaller root as determinant 3/v^2 over the larger one, which keeps its digits
    larger = middle + spread
    values = torch.cat([larger, 3 * precision.square() / larger, 5 * precision], dim=1)
    ordered = variances.sort(dim=1).values
    low, high = values.amin(dim=1), values.amax(dim=1)
    if precision.shape[1] > 1:
        # outputs of two targets are independent of each other: 2 w w' for each such pair
        targets = variances.unflatten(1, (2, -1))
        least, most = targets.amin(dim=1).sort(dim=1).values, targets.amax(dim=1).sort(dim=1).values
        low = torch.minimum(low, 2 * least[:, 0] * least[:, 1])
        high = torch.maximum(high, 2 * most[:, -1] * most[:, -2])
    return OutputLaw(ordered[:, 0], ordered[:, -1], low, high)


def _categorical(outputs: Tensor) -> OutputLaw:
    """One input's labels are C atoms e_y - p with weights p_y. In float64: matrices of this size cost little."""
    p = torch.softmax(outputs.double(), dim=1)
    count, top = p.shape[1], p.argmax(dim=1, keepdim=True)
    # for the most probable class 1 - p is the sum of the others, which keeps its digits
    complements = (1 - p).scatter(1, top, p.scatter(1, top, 0).sum(dim=1, keepdim=True))
    centre = (-p[:, None, :]).repeat(1, count, 1)
    centre.diagonal(dim1=1, dim2=2).copy_(complements)
    metric = centre.transpose(1, 2) @ (p[:, :, None] * centre)
    # eigenvalues come with an absolute error, so that bounds take it on the safe side and closed forms where it is too large
    rounding = 8 * count * torch.finfo(p.dtype).eps
    values = torch.linalg.eigvalsh(metric)
    class_variances = p * complements
    largest = torch.minimum(values[:, -1] + rounding, class_variances.sum(dim=1))
    largest = torch.minimum(largest, 2 * class_variances.amax(dim=1))
    smallest = torch.maximum(values[:, 1] - rounding, p.amin(dim=1))
    weighted = (centre @ metric * centre).sum(dim=2)
    gram = (centre @ centre.transpose(1, 2)).square() - weighted[:, :, None] - weighted[:, None, :]
    gram = (gram + metric.square().sum(dim=(1, 2))[:, None, None]) * (p[:, :, None] * p[:, None, :]).sqrt()
    trace = gram.diagonal(dim1=1, dim2=2).sum(dim=1).clamp(min=0)
    square = torch.minimum(torch.linalg.eigvalsh(gram)[:, -1].clamp(min=0) + rounding, trace)
    found = (smallest, largest, torch.zeros_like(square), square, trace, p, class_variances)
    return OutputLaw(*(value.to(outputs.dtype) for value in found))


def square_trace(likelihood: Any, outputs: Tensor, metric: Tensor) -> Tensor:
    """tr M = E |s|^4 - |Q|_F^2 from fourth moments alone: (N,).

    E s_a^2 s_b^2 = [E (s_a + s_b)^4 + E (s_a - s_b)^4 - 2 E s_a^4 - 2 E s_b^4] / 12.
    """
    count = outputs.shape[1]
    units = torch.eye(count, dtype=outputs.dtype, device=outputs.device).expand(outputs.shape[0], -1, -1)
    own = likelihood.fourth_moment(outputs, units)
    total = own.sum(dim=1)
    for output in range(count - 1):
        others = units[:, :, output + 1 :]
        one = units[:, :, output : output + 1]
        pairs = likelihood.fourth_moment(outputs, one + others) + likelihood.fourth_moment(outputs, one - others)
        total = total + 2 * ((pairs - 2 * own[:, output + 1 :]).sum(dim=1) - 2 * others.shape[2] * own[:, output]) / 12
    return (total - metric.square().sum(dim=(1, 2))).clamp(min=0)
