"""The best mixture of both estimators from the same labels: lambda I1 + (1 - lambda) I2 has mean F for every lambda.

lambda* = (V2 - c12) / (V1 + V2 - 2 c12) (it may leave [0, 1]),   V_mix = (V1 V2 - c12^2) / (V1 + V2 - 2 c12) <= min(V1, V2).
Source: control variates, Glasserman, Monte Carlo Methods in Financial Engineering (2003), section 4.1; this use is our own.
"""

from __future__ import annotations

import torch
from torch import Tensor


def mixture_weight(var_score: Tensor, var_hessian: Tensor, covariance: Tensor) -> Tensor:
    """lambda*, the score estimator's weight; 1/2 where the two estimators are one and the same."""
    apart, differ = _difference(var_score, var_hessian, covariance)
    return torch.where(differ, (var_hessian - covariance) / apart, torch.full_like(apart, 0.5))


def mixture_variance(var_score: Tensor, var_hessian: Tensor, covariance: Tensor) -> Tensor:
    """V_mix, in the form V1 (V2 / D) - c12 (c12 / D), D = V1 + V2 - 2 c12, whose terms are of the smaller variance's size."""
    apart, differ = _difference(var_score, var_hessian, covariance)
    mixed = var_score * (var_hessian / apart) - covariance * (covariance / apart)
    least = torch.minimum(var_score, var_hessian)
    return torch.where(differ, torch.minimum(mixed.clamp(min=0), least), least)


def _difference(var_score: Tensor, var_hessian: Tensor, covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Var(I1 - I2) = V1 + V2 - 2 c12, with 1 put where it is nothing but rounding, and where it is more than that."""
    apart = var_score + var_hessian - 2 * covariance
    differ = apart > 8 * torch.finfo(apart.dtype).eps * (var_score + var_hessian)
    return apart.where(differ, torch.ones_like(apart)), differ
