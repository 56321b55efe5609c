"""Eigenvalues of the Fisher matrix on N inputs: K_1 = sum_l g_1^l (n_{l-1} a_1^{l-1} + 1), K_2 likewise for overlaps.

Source: Karakida, Akaho, Amari, "Universal Statistics of Fisher Information in Deep Neural Networks: Mean Field
Approach", arXiv 1806.01316, in the form that keeps all widths and biases. F = (1/N) sum_x sum_c grad f_c grad f_c^T.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fimcore.architecture import Architecture
from fimcore.meanfield.propagation import propagate

__all__ = ["FisherStatistics", "fisher_statistics"]

FloatArray = NDArray[np.float64]

# Read off measurements: the largest eigenvalue is then good to about 5 % (relu 10 %).
MOST_OUTPUTS = 3
DEEPEST = 0.01
LEAST_OUTLIER = 5.0
# Beyond this depth over width even traces scatter by tens of per cent between seeds.
DEEPEST_FOR_MEANS = 0.1
# Overlaps below this share of the activity are rounding: independent centred inputs and an odd activation.
NO_OVERLAP = 1e-10


@dataclass(frozen=True, eq=False)
class FisherStatistics:
    """Predicted statistics of the eigenvalues of F on N inputs, F = (1/N) sum_x sum_c grad f_c grad f_c^T.

    mean: m = C K_1 / P, over all P eigenvalues; trace: C K_1.
    second_moment: tr F^2 / P = (C / P) ((N - 1) K_2^2 + K_1^2) / N.
    largest: ((N - 1) K_2 + K_1) / N, about C-fold; bulk: (K_1 - K_2) / N, the typical other non-zero eigenvalue.
    layers: (L,) largest eigenvalue of each layer's own block; they add up to ``largest``.
    valid, reason: whether second_moment, largest, bulk and layers may be shown as predictions, and if not, why.
    valid_mean, reason_mean: the same for mean and trace, which hold more widely.
    kernel, kernel_overlap: K_1 and K_2.

    Reasons are empty where valid. Units: those of F.
    """

    mean: float
    second_moment: float
    largest: float
    bulk: float
    trace: float
    layers: FloatArray
    valid: bool
    reason: str
    valid_mean: bool
    reason_mean: str
    kernel: float
    kernel_overlap: float

    def __repr__(self) -> str:
        state = "valid" if self.valid else f"not valid: {self.reason}"
        return (
            f"FisherStatistics(mean={self.mean:.6g}, second_moment={self.second_moment:.6g}, "
            f"largest={self.largest:.6g}, bulk={self.bulk:.6g}, trace={self.trace:.6g}, {state}; "
            "F = (1/N) sum_x sum_c grad f_c grad f_c^T)"
        )


def fisher_statistics(
    arch: Architecture, samples: int, input_q: float = 1.0, input_overlap: float = 0.0, output_scale: float = 1.0
) -> FisherStatistics:
    """Mean, second moment, largest and typical eigenvalue of the Fisher matrix of Gaussian regression on N inputs.

    K_1 = sum_l g_1^l (n_{l-1} a_1^{l-1} + 1) from one input, K_2 = sum_l g_2^l (n_{l-1} a_2^{l-1} + 1) from two, with g
    the gradient size and overlap at layer l, a the activity and overlap on the way into it.

    Args:
        arch: the architecture; every width counts.
        samples: N, number of inputs the Fisher matrix is averaged over, 1 or more.
        input_q: |x|^2 / n_0. input_overlap: mean of x . x' / n_0 over pairs of inputs.
        output_scale: factor on F, which is 1 / noise variance.

    Returns:
        `FisherStatistics`; read ``valid`` and ``valid_mean`` before drawing a line.

    Raises:
        ValueError: naming the field, the value received and what works.

    Source: arXiv 1806.01316; Karakida, Akaho, Amari, "Pathological Spectra of the Fisher Information Metric and Its
    Variants in Deep Neural Networks", arXiv 1910.05992. The limits of validity are read off measurements.
    """
    if isinstance(samples, bool) or not math.isfinite(samples) or samples != int(samples) or samples < 1:
        raise ValueError(f"`samples` is {samples!r}; give the number of inputs, a whole number, 1 or more.")
    if not (math.isfinite(output_scale) and output_scale > 0.0):
        raise ValueError(f"`output_scale` is {output_scale!r}; give 1 / noise variance, a finite number above 0.")
    count, scale = int(samples), float(output_scale)
    wave = propagate(arch, input_q, input_overlap)
    fan_in = np.array(arch.widths[:-1], dtype=np.float64)
    outputs = arch.widths[-1]
    parameters = sum(width * (below + 1) for below, width in zip(arch.widths[:-1], arch.widths[1:], strict=True))
    with np.errstate(over="ignore", invalid="ignore"):
        own = wave.gradient * (fan_in * wave.activity + 1.0)
        shared = wave.gradient_overlap * (fan_in * wave.activity_overlap + 1.0)
        kernel, overlap = float(np.sum(own)), float(np.sum(shared))
        layers = scale * ((count - 1) * shared + own) / count
        second = scale**2 * outputs / parameters * ((count - 1) * overlap**2 + kernel**2) / count
    layers.flags.writeable = False
    signal = float(np.sum(np.abs(wave.gradient_overlap * fan_in * wave.activity_overlap)))
    reason_mean = _reason_mean(arch, kernel)
    reason = reason_mean or _reason(arch, count, kernel, overlap, signal)
    return FisherStatistics(
        mean=scale * outputs * kernel / parameters,
        second_moment=second,
        largest=scale * ((count - 1) * overlap + kernel) / count,
        bulk=scale * (kernel - overlap) / count,
        trace=scale * outputs * kernel,
        layers=layers,
        valid=not reason,
        reason=reason,
        valid_mean=not reason_mean,
        reason_mean=reason_mean,
        kernel=kernel,
        kernel_overlap=overlap,
    )


def _reason_mean(arch: Architecture, kernel: float) -> str:
    if not math.isfinite(kernel):
        return "Signals or gradients grow without bound on the way through this network."
    depth, narrowest = len(arch.widths) - 1, min(arch.widths[:-1])
    if depth > DEEPEST_FOR_MEANS * narrowest:
        return (
            f"Depth over width is {depth}/{narrowest} = {depth / narrowest:.2g}; "
            f"above {DEEPEST_FOR_MEANS:g} single networks differ too much from the mean."
        )
    return ""


def _reason(arch: Architecture, samples: int, kernel: float, overlap: float, signal: float) -> str:
    depth, narrowest, outputs = len(arch.widths) - 1, min(arch.widths[:-1]), arch.widths[-1]
    if signal <= NO_OVERLAP * kernel:
        return (
            "Activities of different inputs do not overlap (odd activation, no bias, uncorrelated inputs), "
            "so no eigenvalue stands out."
        )
    if outputs > MOST_OUTPUTS:
        return f"There are {outputs} outputs; the formula for the largest eigenvalue is trusted up to {MOST_OUTPUTS}."
    if depth > DEEPEST * narrowest:
        return (
            f"Depth over width is {depth}/{narrowest} = {depth / narrowest:.2g}; the formula is trusted up to "
            f"{DEEPEST:g}, here from width {math.ceil(depth / DEEPEST)} on."
        )
    if samples * overlap < LEAST_OUTLIER * (kernel - overlap):
        needed = math.ceil(LEAST_OUTLIER * (kernel - overlap) / overlap) if overlap > 0.0 else None
        return f"With {samples} inputs the shared part of the spectrum is too small for one eigenvalue to stand out" + (
            f"; about {needed} inputs are needed." if needed else "."
        )
    return ""
