"""Metric that a network pulls back to its input space: G = (1/N) sum_x sum_c grad_x f_c grad_x f_c^T, an n_0 x n_0 matrix.

Its dual is close to g_1^0 on the diagonal and g_2^0 off it, g^0 = s_w g^1: the Fisher statistics one layer further down.
Source: Karakida, Akaho, Amari, Pathological Spectra of the Fisher Information Metric and Its Variants in Deep Neural Networks,
arXiv 1910.05992.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fimcore.architecture import Architecture
from fimcore.meanfield.fisher_statistics import check_samples, check_scale
from fimcore.meanfield.propagation import propagate
from fimcore.meanfield.validity import reason_for_means, reason_for_outliers

__all__ = ["InputMetricStatistics", "input_metric_statistics"]


@dataclass(frozen=True)
class InputMetricStatistics:
    """Predicted statistics of the n_0 eigenvalues of G; units of G, squared output per squared input.

    trace: C g_1^0; mean: trace / n_0; second_moment: tr G^2 / n_0; largest: ((N - 1) g_2^0 + g_1^0) / N, about C-fold.
    valid, reason: for second_moment and largest, which converge slowly with the width (about 20 % at width 1000);
    valid_mean, reason_mean: for trace and mean. gradient, gradient_overlap: g_1^0 and g_2^0.
    """

    mean: float
    second_moment: float
    largest: float
    trace: float
    valid: bool
    reason: str
    valid_mean: bool
    reason_mean: str
    gradient: float
    gradient_overlap: float


def input_metric_statistics(
    arch: Architecture, samples: int, input_q: float = 1.0, input_overlap: float = 0.0, output_scale: float = 1.0
) -> InputMetricStatistics:
    """Mean, second moment and largest eigenvalue of the input-space metric of Gaussian regression on N inputs.

    trace G = C g_1^0, tr G^2 = C [(N - 1) (g_2^0)^2 + (g_1^0)^2] / N, g_{1,2}^0 = s_w g_{1,2}^1.

    Args:
        arch: the architecture. samples: N, 1 or more. input_q: |x|^2 / n_0. input_overlap: mean of x . x' / n_0 over pairs.
        output_scale: factor on G, which is 1 / noise variance.

    Returns:
        `InputMetricStatistics`; read ``valid`` and ``valid_mean`` before drawing a line.

    Raises:
        ValueError: naming the field, the value received and what works.

    Source: arXiv 1910.05992.
    """
    count, scale = check_samples(samples), check_scale(output_scale)
    wave = propagate(arch, input_q, input_overlap)
    own = arch.weight_variance * float(wave.gradient[0])
    shared = arch.weight_variance * float(wave.gradient_overlap[0])
    reason_mean = reason_for_means(arch, own)
    reason = reason_mean or reason_for_outliers(arch, count, own, shared, abs(shared))
    trace = scale * arch.outputs * own
    square = scale**2 * arch.outputs * ((count - 1) * shared**2 + own**2) / count if math.isfinite(own) else math.nan
    return InputMetricStatistics(
        mean=trace / arch.widths[0],
        second_moment=square / arch.widths[0],
        largest=scale * ((count - 1) * shared + own) / count if math.isfinite(own) else math.nan,
        trace=trace if math.isfinite(own) else math.nan,
        valid=not reason,
        reason=reason,
        valid_mean=not reason_mean,
        reason_mean=reason_mean,
        gradient=own,
        gradient_overlap=shared,
    )
