"""Order parameters layer by layer: q^{l+1} = s_w E phi(u)^2 + s_b forwards, g^l = s_w g^{l+1} E phi'(u)^2 backwards.

Source: Poole et al., arXiv 1606.05340; Schoenholz et al., arXiv 1611.01232; Karakida, Akaho, Amari, "Universal
Statistics of Fisher Information in Deep Neural Networks: Mean Field Approach", arXiv 1806.01316. s_w, s_b: variances.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fimcore.architecture import Architecture
from fimcore.gaussian_integrals import pair_moments, single_moments

__all__ = ["Propagation", "check_inputs", "propagate"]

FloatArray = NDArray[np.float64]

# Squares of larger numbers overflow; a network this loud has no usable prediction.
LOUDEST = 1e150


@dataclass(frozen=True, eq=False)
class Propagation:
    """Order parameters of two inputs in one wide random network; arrays of length L, layer l at index l - 1.

    q: variance of the pre-activations u^l.
    q12: their covariance between the two inputs; c = q12 / q is the correlation (nan at q = 0).
    chi: s_w E phi'(u^l)^2, the stretching factor; nan for the linear read-out, which no activation follows.
    activity, activity_overlap: |a^{l-1}|^2 / n_{l-1} and its overlap between the inputs, on the way into layer l.
    gradient, gradient_overlap: |df/du^l|^2 of one output and its overlap between the inputs; 1 at the read-out.
    """

    q: FloatArray
    q12: FloatArray
    c: FloatArray
    chi: FloatArray
    activity: FloatArray
    activity_overlap: FloatArray
    gradient: FloatArray
    gradient_overlap: FloatArray


def check_inputs(input_q: float, input_overlap: float) -> tuple[float, float]:
    """Validated input activity and overlap; ValueError naming the field, the value and what works."""
    input_q, input_overlap = float(input_q), float(input_overlap)
    if not (math.isfinite(input_q) and input_q > 0.0):
        raise ValueError(f"`input_q` is {input_q!r}; give the mean squared input entry, a finite number above 0.")
    if not abs(input_overlap) <= input_q:
        raise ValueError(
            f"`input_overlap` is {input_overlap!r}; give a number between -{input_q:g} and {input_q:g}, "
            "the size of `input_q`."
        )
    return input_q, input_overlap


def propagate(arch: Architecture, input_q: float = 1.0, input_overlap: float = 0.0) -> Propagation:
    """Variance, overlap and gradient size per layer, for two inputs of equal size.

    q^1 = s_w input_q + s_b and q12^1 = s_w input_overlap + s_b; then q = s_w E phi(u)^2 + s_b, q12 = s_w E
    phi(u) phi(v) + s_b, chi = s_w E phi'(u)^2. Widths play no part except for their number, nor does the kind of initialisation.

    Args:
        arch: the architecture.
        input_q: |x|^2 / n_0 of either input.
        input_overlap: x . x' / n_0 of the two inputs (0 for independent centred inputs, input_q for equal ones).

    Returns:
        `Propagation`, arrays of length L. Values beyond 1e150 are reported as inf, everything after them as inf or nan.

    Raises:
        ValueError: naming the field, the value received and what works.

    Source: arXiv 1606.05340, 1611.01232, 1806.01316.
    """
    input_q, input_overlap = check_inputs(input_q, input_overlap)
    layers = len(arch.widths) - 1
    steps = list(_forward(arch, input_q, input_overlap, layers))
    activity, overlap, q, q12, chi, slope = (np.array(column, dtype=np.float64) for column in zip(*steps, strict=True))
    gradient, gradient_overlap = np.ones(layers), np.ones(layers)
    with np.errstate(over="ignore", invalid="ignore"):
        for layer in range(layers - 2, -1, -1):
            gradient[layer] = chi[layer] * gradient[layer + 1]
            gradient_overlap[layer] = slope[layer] * gradient_overlap[layer + 1]
        correlation = np.where((q > 0.0) & np.isfinite(q), q12 / np.where(q > 0.0, q, 1.0), np.nan)
    return Propagation(
        q=q,
        q12=q12,
        c=correlation,
        chi=chi,
        activity=activity,
        activity_overlap=overlap,
        gradient=gradient,
        gradient_overlap=gradient_overlap,
    )


def _forward(
    arch: Architecture, activity: float, overlap: float, layers: int
) -> Iterator[tuple[float, float, float, float, float, float]]:
    """Per layer: activity and overlap coming in, q, q12, s_w E phi'(u)^2 and s_w E phi'(u) phi'(v)."""
    weight, bias = float(arch.weight_variance), float(arch.bias_variance)
    for layer in range(layers):
        q, q12 = weight * activity + bias, weight * overlap + bias
        if not q <= LOUDEST:
            yield activity, overlap, math.inf, math.nan, math.nan, math.nan
            activity, overlap = math.inf, math.nan
            continue
        q12 = max(-q, min(q, q12))
        if layer == layers - 1:
            yield activity, overlap, q, q12, math.nan, math.nan
            return
        one = single_moments(arch.activation, q)
        two = pair_moments(arch.activation, q, q, q12)
        yield activity, overlap, q, q12, weight * one.dphi_dphi, weight * two.dphi_dphi
        activity, overlap = one.phi_phi, two.phi_phi
