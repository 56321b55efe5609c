"""Eigenvalues of the Fisher matrix on N inputs: K_1 = sum_l g_1^l (n_{l-1} a_1^{l-1} + 1), K_2 likewise for overlaps.

Source: Karakida, Akaho, Amari, "Universal Statistics of Fisher Information in Deep Neural Networks: Mean Field
Approach", arXiv 1806.01316, in the form that keeps all widths and biases. F = (1/N) sum_x sum_c grad f_c grad f_c^T.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fimcore.architecture import Architecture
from fimcore.meanfield.propagation import propagate
from fimcore.meanfield.validity import LEAST_OUTLIER, reason_for_means, reason_for_outliers

__all__ = ["FisherStatistics", "OrderParameterSums", "check_samples", "check_scale", "fisher_statistics", "kernel_sums"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FisherStatistics:
    """Predicted statistics of the eigenvalues of F on N inputs, F = (1/N) sum_x sum_c grad f_c grad f_c^T.

    mean: m = C K_1 / P, over all P eigenvalues; trace: C K_1.
    second_moment: tr F^2 / P = (C / P) ((N - 1) K_2^2 + K_1^2) / N.
    largest: ((N - 1) K_2 + K_1) / N, about C-fold; bulk: (K_1 - K_2) / N, the typical other non-zero eigenvalue.
    layers: (L,) largest eigenvalue of each layer's own block; they add up to ``largest``.
    layers_valid (L,), reason_layers: which of them may be shown, and why the others may not: a layer whose inputs do not overlap
        (the first one, on centred inputs) has no eigenvalue that stands out, and the formula is then too small.
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
    layers_valid: NDArray[np.bool_]
    reason_layers: str

    @property
    def block_diagonal_share(self) -> float:
        """max over layers / sum over layers: what is left of the largest eigenvalue when cross-layer blocks are dropped."""
        total = float(self.layers.sum())
        return float(self.layers.max()) / total if total > 0.0 else math.nan

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
    count, scale = check_samples(samples), check_scale(output_scale)
    own, shared, kernel, overlap, signal = kernel_sums(arch, input_q, input_overlap)
    outputs, parameters = arch.outputs, arch.parameters
    with np.errstate(over="ignore", invalid="ignore"):
        layers = scale * ((count - 1) * shared + own) / count
        second = scale**2 * outputs / parameters * ((count - 1) * overlap**2 + kernel**2) / count
    layers.flags.writeable = False
    reason_mean = reason_for_means(arch, kernel)
    reason = reason_mean or reason_for_outliers(arch, count, kernel, overlap, signal)
    stands_out = count * shared >= LEAST_OUTLIER * (own - shared)
    layers_valid = stands_out & (not reason)
    reason_layers = reason
    if not reason and not stands_out.all():
        silent = [str(place + 1) for place in np.flatnonzero(~stands_out)]
        where = f"layer {silent[0]}" if len(silent) == 1 else f"layers {', '.join(silent)}"
        reason_layers = f"In {where} inputs overlap too little for one eigenvalue to stand out."
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
        layers_valid=layers_valid,
        reason_layers=reason_layers,
    )


class OrderParameterSums(NamedTuple):
    """g_1^l (n_{l-1} a_1^{l-1} + 1) and the same from two inputs, (L,); their sums K_1, K_2; K_2 without the biases."""

    own: FloatArray
    shared: FloatArray
    kernel: float
    overlap: float
    signal: float


def kernel_sums(arch: Architecture, input_q: float, input_overlap: float) -> OrderParameterSums:
    """The terms of K_1 and K_2; inf or nan where signals grow without bound."""
    wave = propagate(arch, input_q, input_overlap)
    fan_in = np.array(arch.widths[:-1], dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        own = wave.gradient * (fan_in * wave.activity + 1.0)
        shared = wave.gradient_overlap * (fan_in * wave.activity_overlap + 1.0)
        signal = float(np.sum(np.abs(wave.gradient_overlap * fan_in * wave.activity_overlap)))
        return OrderParameterSums(own, shared, float(np.sum(own)), float(np.sum(shared)), signal)


def check_samples(samples: float) -> int:
    """Validated N; ValueError naming the field, the value and what works."""
    if isinstance(samples, bool) or not math.isfinite(samples) or samples != int(samples) or samples < 1:
        raise ValueError(f"`samples` is {samples!r}; give the number of inputs, a whole number, 1 or more.")
    return int(samples)


def check_scale(output_scale: float) -> float:
    """Validated factor on F; ValueError naming the field, the value and what works."""
    if not (math.isfinite(output_scale) and output_scale > 0.0):
        raise ValueError(f"`output_scale` is {output_scale!r}; give 1 / noise variance, a finite number above 0.")
    return float(output_scale)
