"""Largest stable step of gradient descent, 2 / lambda_max: errors along an eigenvector shrink by 1 - eta lambda per step.

For the loss (1/2N) sum |f - y|^2, whose curvature is the Fisher matrix where residuals are small.
Source: Karakida, Akaho, Amari, arXiv 1806.01316; LeCun, Bottou, Orr, Muller, Efficient BackProp (1998).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fimcore.architecture import Architecture
from fimcore.meanfield.fisher_statistics import fisher_statistics

__all__ = ["LearningRateBound", "max_learning_rate"]


@dataclass(frozen=True)
class LearningRateBound:
    """rate: 2 / lambda_max for the loss (1/2N) sum |f - y|^2 / variance; nan where nothing is predicted, and ``reason`` says why.

    With the loss (1/N) sum |f - y|^2 the bound is half of it. largest: lambda_max. valid: whether the rate may be shown.
    """

    rate: float
    largest: float
    valid: bool
    reason: str


def max_learning_rate(
    arch: Architecture, samples: int, input_q: float = 1.0, input_overlap: float = 0.0, output_scale: float = 1.0
) -> LearningRateBound:
    """2 / lambda_max, beyond which gradient descent on (1/2N) sum |f - y|^2 / variance leaves a minimum.

    Args:
        arch, samples, input_q, input_overlap, output_scale: as in `fisher_statistics`.

    Returns:
        `LearningRateBound`. Far from a minimum a finite network may survive a larger step by moving somewhere flatter.

    Raises:
        ValueError: naming the field, the value received and what works.

    Source: arXiv 1806.01316.
    """
    found = fisher_statistics(arch, samples, input_q, input_overlap, output_scale)
    usable = found.valid and math.isfinite(found.largest) and found.largest > 0.0
    return LearningRateBound(2.0 / found.largest if usable else math.nan, found.largest, usable, found.reason)
