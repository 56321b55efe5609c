"""Moments of v.s from cumulants: independent outputs add theirs, and E (v.s)^4 = kappa_4 + 3 kappa_2^2 for a mean of 0."""

from __future__ import annotations

import torch
from torch import Tensor


def weighted_sum(weights: Tensor, terms: Tensor) -> Tensor:
    """sum_c weights_c terms_c for every input and direction: (N, C) and (N, C, m) -> (N, m)."""
    return torch.einsum("nc,ncm->nm", weights, terms)


def fourth_from_cumulants(second: Tensor, fourth: Tensor) -> Tensor:
    """kappa_4 + 3 kappa_2^2, the fourth moment about a mean of 0."""
    return fourth + 3 * second.square()
