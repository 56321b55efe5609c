"""Wide limit of off-unit over in-unit RMS: R_l = r_l / sqrt(C + 2 r_l^2) E phi' phi' / sqrt(E phi'^2 phi'^2).

Source: derived from the order parameters of Karakida, Akaho, Amari, arXiv 1806.01316, for the blocks of Amari,
Karakida, Oizumi, arXiv 1808.07172. r_l is the gradient overlap over the gradient size one layer further up.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fimcore.architecture import Architecture
from fimcore.gaussian_integrals import fourth_moments, pair_moments
from fimcore.meanfield.propagation import propagate

__all__ = ["rms_ratio_limit"]


def rms_ratio_limit(arch: Architecture, input_q: float = 1.0, input_overlap: float = 0.0) -> NDArray[np.float64]:
    """Plateau of the off-unit over in-unit RMS entry per hidden layer, for few outputs and infinite width.

    R_l = r_l / sqrt(C + 2 r_l^2) * E phi'(u) phi'(v) / sqrt(E phi'(u)^2 phi'(v)^2), with u, v the pre-activations of
    two inputs and r_l = gradient overlap / gradient size at layer l + 1. It does not decay with the width: at a
    fixed number of outputs C the ratio is of order C^(-1/2). Where C grows with the width, use `block_norms` instead.

    Args:
        arch: the architecture; only its last width C, depth, activation and variances matter.
        input_q: |x|^2 / n_0. input_overlap: x . x' / n_0 of two inputs.

    Returns:
        Array (L - 1,), hidden layer l at index l - 1; empty without hidden layers; nan where signals overflow.

    Raises:
        ValueError: naming the field, the value received and what works.

    Source: derived here, see the module's first lines.
    """
    wave = propagate(arch, input_q, input_overlap)
    outputs = arch.widths[-1]
    limits = np.full(len(arch.widths) - 2, np.nan)
    for layer in range(limits.size):
        q, q12 = float(wave.q[layer]), float(wave.q12[layer])
        size, overlap = wave.gradient[layer + 1], wave.gradient_overlap[layer + 1]
        if not (np.isfinite(q) and np.isfinite(size) and size > 0.0):
            continue
        slope = pair_moments(arch.activation, q, q, q12).dphi_dphi
        fourth = fourth_moments(arch.activation, q, q, q12).dphi2_dphi2
        if fourth > 0.0:
            share = overlap / size
            limits[layer] = abs(share) / np.sqrt(outputs + 2.0 * share**2) * slope / np.sqrt(fourth)
    return limits
