"""Two ways to give data the length that mean-field theory expects, |x|^2 / n_0 = 1 on average: by column, or as a whole."""

from __future__ import annotations

import torch
from torch import Tensor


def standardise(x: Tensor) -> Tensor:
    """Each column to mean 0 and variance 1 (a constant column to 0): (N, n_0)."""
    return _scaled(x - x.mean(dim=0), dim=0)


def common_scale(x: Tensor) -> Tensor:
    """All coordinates by one mean and one standard deviation, so that the mean of |x|^2 / n_0 is 1: (N, n_0).

    For images: pixels keep their differences in brightness and two images keep their overlap. Constant inputs become 0.
    """
    return _scaled(x - x.mean(), dim=None)


def _scaled(centred: Tensor, dim: int | None) -> Tensor:
    deviation = centred.square().mean(dim=dim).sqrt()
    return torch.where(deviation > 0, centred / torch.where(deviation > 0, deviation, 1), 0)
