"""exp(f) of outputs that are logarithms, refused where it overflows instead of turning into inf and nan."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def exponential(logarithms: Tensor, name: str) -> Tensor:
    """exp of the logarithms, all finite.

    Raises:
        ValueError: one of them is not a number, or its exponential overflows the dtype.
    """
    values = logarithms.exp()
    if not bool(torch.isfinite(values).all()):
        worst = float(logarithms.detach()[~torch.isfinite(values)][0])
        dtype = logarithms.dtype
        raise ValueError(
            f"`outputs` holds a {name} of {worst:g}; its exponential must stay within {str(dtype).removeprefix('torch.')} "
            f"(up to {math.log(torch.finfo(dtype).max):.0f}): make the last layer's weights or the inputs smaller."
        )
    return values
