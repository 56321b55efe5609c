"""Mean and variances of both estimators for one label at one input, unit by unit.

With J = B_i and C = c_i of unit i, s the score in the outputs and Q its covariance:
    F = J^T Q J,   V1 = E(J.s)^4 - F^2,   V2 = C^T Q C,   c12 = -E[(J.s)^2 (C.s)].
A parameter with input a_j has F a_j^2, V1 a_j^4, V2 a_j^4 and c12 a_j^4: V1 / F^2 and V2 / F^2 belong to the unit.
Source: Soen, Sun, Trade-Offs of Diagonal Fisher Information Matrix Estimators, arXiv 2402.05379; c12 derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore.estimators.mixture import mixture_variance
from fimcore.estimators.output_derivatives import OutputDerivatives


@dataclass(frozen=True, eq=False)
class UnitMoments:
    """Of the units of one layer at every input: tensors (N, n_l).

    Attributes:
        fisher: F, what both estimators have as their mean.
        var_score: V1, variance of the squared score.
        var_hessian: V2, variance of minus the second derivative.
        covariance: c12, covariance of the two for the same label.
    """

    fisher: Tensor
    var_score: Tensor
    var_hessian: Tensor
    covariance: Tensor

    @property
    def var_mixture(self) -> Tensor:
        """The smallest variance of any mixture of the two, its weight chosen for this unit at this input."""
        return mixture_variance(self.var_score, self.var_hessian, self.covariance)


def along_root(root: Tensor, vectors: Tensor) -> Tensor:
    """v^T Q v as a sum of squares, which keeps its digits: (N, R, C) and (N, C, m) -> (N, m)."""
    return torch.bmm(root, vectors).square().sum(dim=1)


def unit_moments(made: OutputDerivatives, layer: int) -> UnitMoments:
    """`UnitMoments` of layer 1..L."""
    first, second = made.first(layer), made.second(layer)
    strength = along_root(made.root, first)
    # both are non-negative; rounding alone can take the difference below zero
    var_score = (made.likelihood.fourth_moment(made.outputs, first) - strength.square()).clamp(min=0)
    if second is None:
        zero = torch.zeros_like(strength)
        return UnitMoments(strength, var_score, zero, zero)
    covariance = -made.likelihood.third_moment(made.outputs, first, second)
    return UnitMoments(strength, var_score, along_root(made.root, second), covariance)
