"""What the second moment C ((N - 1) K_2^2 + K_1^2) / N leaves out: the fluctuations of the overlaps between pairs of inputs.

tr F^2 = (1 - 1/N) sum_ll' T_ll' + (1/N) E sum_cc' K(x, x)^2. The general curve of block norms has the fluctuations, K_2^2 has not:
in narrow networks, or where inputs hardly overlap, they are most of sum T.
Source: derived here, from `block_norms`.
"""

from __future__ import annotations

import math

from fimcore.architecture import Architecture
from fimcore.meanfield.block_norms import block_norms
from fimcore.meanfield.fisher_statistics import check_samples, fisher_statistics

__all__ = ["second_moment_gap"]


def second_moment_gap(
    arch: Architecture,
    samples: int,
    input_q: float = 1.0,
    input_overlap: float = 0.0,
    input_overlap_variance: float | None = None,
) -> float:
    """Relative amount that overlap fluctuations add to tr F^2 on N inputs; 0 in the limit of wide layers with overlapping inputs.

    (1 - 1/N) (sum T - C K_2^2) / [C ((N - 1) K_2^2 + K_1^2) / N].

    Args:
        arch: the architecture. samples: N. input_q, input_overlap, input_overlap_variance: as in `block_norms`.

    Returns:
        The share; nan where signals overflow.

    Raises:
        ValueError: naming the field, the value received and what works.

    Source: derived here.
    """
    count = check_samples(samples)
    plain = fisher_statistics(arch, count, input_q, input_overlap)
    norms = block_norms(arch, input_q, input_overlap, input_overlap_variance)
    whole = plain.second_moment * arch.parameters
    fluctuating = float(norms.layer_pairs.sum()) - arch.outputs * plain.kernel_overlap**2
    gap = (1 - 1 / count) * fluctuating / whole if whole > 0 else math.nan
    return gap if math.isfinite(gap) else math.nan
