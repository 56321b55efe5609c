"""Outputs centred over the inputs, f - (1/N) sum_n f(x_n): the dual K becomes H K H, H = I - 1 1^T / N, and its outlier goes.

What is left is the trace (N - 1) (K_1 - K_2) C / N, held by fluctuations of the kernel that mean-field theory averages away.
Source: Karakida, Akaho, Amari, The Normalization Method for Alleviating Pathological Sharpness in Wide Neural Networks, arXiv
1906.02926.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fimcore.architecture import Architecture
from fimcore.meanfield.fisher_statistics import check_samples, check_scale, kernel_sums
from fimcore.meanfield.validity import reason_for_means

__all__ = ["CentredStatistics", "centred_statistics"]


@dataclass(frozen=True)
class CentredStatistics:
    """Predicted statistics of the Fisher matrix of centred outputs, units of F.

    trace, mean: predicted, trace and trace / P. bulk: mean of the C (N - 1) non-zero eigenvalues, so ``largest`` is no smaller.
    largest: nan, there is no prediction, and ``reason`` says why; valid is False for it.
    removed: the largest eigenvalue before centring. valid_mean, reason_mean: for trace, mean and bulk.
    """

    mean: float
    largest: float
    bulk: float
    trace: float
    removed: float
    valid: bool
    reason: str
    valid_mean: bool
    reason_mean: str


def centred_statistics(
    arch: Architecture, samples: int, input_q: float = 1.0, input_overlap: float = 0.0, output_scale: float = 1.0
) -> CentredStatistics:
    """Trace of the Fisher matrix after the mean output over the inputs is subtracted, C (N - 1) (K_1 - K_2) / N.

    Args:
        arch: the architecture. samples: N, 1 or more. input_q: |x|^2 / n_0. input_overlap: mean of x . x' / n_0 over pairs.
        output_scale: factor on F, which is 1 / noise variance.

    Returns:
        `CentredStatistics`. Measured largest eigenvalues lie 1.7 to 4 times above the mean of the non-zero ones (width 1000).

    Raises:
        ValueError: naming the field, the value received and what works.

    Source: arXiv 1906.02926.
    """
    count, scale = check_samples(samples), check_scale(output_scale)
    sums = kernel_sums(arch, input_q, input_overlap)
    reason_mean = reason_for_means(arch, sums.kernel)
    finite = math.isfinite(sums.kernel) and math.isfinite(sums.overlap)
    bulk = scale * (sums.kernel - sums.overlap) / count if finite else math.nan
    trace = arch.outputs * (count - 1) * bulk
    return CentredStatistics(
        mean=trace / arch.parameters,
        largest=math.nan,
        bulk=bulk,
        trace=trace,
        removed=scale * ((count - 1) * sums.overlap + sums.kernel) / count if finite else math.nan,
        valid=False,
        reason=(
            "Centring removes the eigenvalue that stands out; the largest of the rest is set by fluctuations of the kernel "
            "between pairs of inputs, for which there is no mean-field value."
        ),
        valid_mean=not reason_mean,
        reason_mean=reason_mean,
    )
