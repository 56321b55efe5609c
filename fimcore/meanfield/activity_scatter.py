"""How much the activity |a^l|^2 / n_l differs between networks: relative variance (1 + beta / n)^l - 1 for scale-free activations.

For any other activation to first order in 1/n: V_l = (s_w d E phi^2 / dq)^2 V_{l-1} + (E phi^4 - (E phi^2)^2) / n_l.
Source: derived here; the scale-free case is exact for Gaussian weights without biases. Its parameter is depth over width: Hanin,
Rolnick, How to Start Training, arXiv 1803.01719.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fimcore.architecture import Architecture
from fimcore.gaussian_closed_forms import PIECEWISE_SLOPE
from fimcore.gaussian_integrals import expectation, phi, single_moments
from fimcore.meanfield.propagation import propagate

__all__ = ["ActivityScatter", "activity_scatter"]

FloatArray = NDArray[np.float64]

# First order in depth over width is good to about a third of the variance up to here.
LARGEST_VARIANCE = 0.3


@dataclass(frozen=True, eq=False)
class ActivityScatter:
    """Scatter between networks of one architecture, for one given input.

    relative_variance (L - 1,): Var(|a^l|^2 / n_l) / mean^2 per hidden layer; its root is the relative spread between seeds.
    beta: 5 for relu, 2 for linear; nan where the activation or a bias sets a scale, and ``reason_beta`` says so.
    exact: whether the formula is exact in the width. valid, reason: whether relative_variance may be shown.
    """

    relative_variance: FloatArray
    beta: float
    reason_beta: str
    exact: bool
    valid: bool
    reason: str


def activity_scatter(arch: Architecture, input_q: float = 1.0) -> ActivityScatter:
    """Relative variance of |a^l|^2 / n_l between networks, hidden layer by hidden layer.

    Scale-free without biases: prod_k (1 + beta / n_k) - 1 with beta = E phi^4 / (E phi^2)^2 - 1 at any variance. Otherwise first
    order in 1/n around the mean-field value.

    Args:
        arch: the architecture; every hidden width counts. input_q: |x|^2 / n_0 of the input.

    Returns:
        `ActivityScatter`.

    Raises:
        ValueError: naming the field, the value received and what works.

    Source: derived here, see the module's first lines.
    """
    wave = propagate(arch, input_q)
    hidden = np.array(arch.hidden_widths, dtype=np.float64)
    scale_free = arch.activation in PIECEWISE_SLOPE and arch.bias_variance == 0.0
    if scale_free:
        beta, reason_beta = _beta(PIECEWISE_SLOPE[arch.activation]), ""
        variance = np.expm1(np.cumsum(np.log1p(beta / hidden)))
    else:
        beta, variance = math.nan, _first_order(arch, wave.q, hidden)
        cause = "A bias" if arch.activation in PIECEWISE_SLOPE else f"The activation {arch.activation}"
        reason_beta = (
            f"{cause} sets a scale, so the scatter of a layer depends on its variance and there is no one beta."
        )
    reason = ""
    if arch.init == "orthogonal":
        reason = "Orthogonal weights keep lengths, so activities scatter less than between Gaussian networks."
    elif not np.isfinite(variance).all():
        reason = "Signals grow without bound or fade to zero on the way through this network."
    elif not scale_free and variance.size and variance.max() > LARGEST_VARIANCE:
        reason = (
            f"The scatter reaches {variance.max():.2g} of the squared mean, beyond first order in depth over width."
        )
    return ActivityScatter(variance, beta, reason_beta, scale_free, not reason, reason)


def _beta(slope: float) -> float:
    """E phi^4 / (E phi^2)^2 - 1 for slope ``slope`` below zero and 1 above."""
    return 6.0 * (1.0 + slope**4) / (1.0 + slope**2) ** 2 - 1.0


def _first_order(arch: Architecture, q: FloatArray, hidden: FloatArray) -> FloatArray:
    found, variance = np.full(hidden.size, np.nan), 0.0
    for layer, width in enumerate(hidden):
        here = float(q[layer])
        if not (math.isfinite(here) and here > 0.0):
            break
        one = single_moments(arch.activation, here)
        fourth = expectation(lambda u: phi(arch.activation, u) ** 4, here)
        follow = arch.weight_variance * one.phi_phi_slope if layer else 0.0
        variance = follow**2 * variance + (fourth - one.phi_phi**2) / width
        found[layer] = variance / one.phi_phi**2
    return found
