"""Critical point at a given bias variance: s_w = 1 / E phi'(u)^2 and s_b = q - s_w E phi(u)^2, solved for q.

Source: Schoenholz et al., "Deep Information Propagation", arXiv 1611.01232; walking along the line in q, which needs no
nested root finding, is elementary. s_w and s_b stand for the weight and the bias variance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq

from fimcore.gaussian_integrals import single_moments
from fimcore.meanfield.fixed_points import GROWTH, OFFSET, SCALE_FREE, check_variances

__all__ = ["CriticalPoint", "critical_point"]

# No network is initialised above this weight variance; sigmoid first becomes critical near 100.
LARGEST_WEIGHT_VARIANCE = 60.0


@dataclass(frozen=True)
class CriticalPoint:
    """Where chi = 1 at a fixed point of the variance map, for one bias variance.

    weight_variance: s_w on the critical line. q: the fixed point there (nan where every q is one). slope: derivative of
    the variance map at q; above 1 the fixed point repels and depth does not stay there. exists: whether there is such a
    point with s_w up to 60; if not, the numbers are nan. reason: one sentence where needed, else empty.
    """

    exists: bool
    weight_variance: float
    q: float
    slope: float
    reason: str


def critical_point(activation: str, bias_variance: float) -> CriticalPoint:
    """Weight variance at which depth neither contracts nor expands distances, chi = s_w E phi'(u)^2 = 1.

    s_w(q) = 1 / E phi'(sqrt(q) z)^2 and s_b(q) = q - s_w(q) E phi(sqrt(q) z)^2; s_b(q) = ``bias_variance`` is solved for q.

    Args:
        activation: one of `ACTIVATION_NAMES`.
        bias_variance: s_b >= 0.

    Returns:
        `CriticalPoint`; ``exists`` is False with a reason where there is none (softplus, sigmoid, relu with a bias).

    Raises:
        ValueError: naming the field, the value received and what works.

    Source: arXiv 1611.01232.
    """
    _, bias = check_variances(activation, 1.0, bias_variance)
    return _critical_point(activation, bias)


@lru_cache(maxsize=4096)
def _critical_point(activation: str, bias: float) -> CriticalPoint:
    if activation in SCALE_FREE:
        return _scale_free(activation, bias)
    if activation == "softplus":
        return _none("no critical point: chi = 1 would need a negative bias variance.")
    if bias == 0.0 and activation not in OFFSET:
        return _point(activation, 0.0)
    grid = np.logspace(-10.0, 8.0, 217)
    values = [_line(activation, float(q)) - bias for q in grid]
    for place in range(grid.size - 1):
        if values[place] < 0.0 <= values[place + 1]:
            low, high = math.log(grid[place]), math.log(grid[place + 1])
            logarithm = brentq(lambda x: _line(activation, math.exp(x)) - bias, low, high, xtol=1e-15, rtol=1e-15)
            return _point(activation, math.exp(logarithm))
    # Only bias variances too small or too large for the grid come here: the line starts at q = 0 and does not end.
    return _point(activation, 0.0) if values[0] >= 0.0 else _none("no critical point within q up to 1e8.")


def _line(activation: str, q: float) -> float:
    """Bias variance on the critical line at q."""
    here = single_moments(activation, q)
    return q - here.phi_phi / here.dphi_dphi


def _point(activation: str, q: float) -> CriticalPoint:
    here = single_moments(activation, q)
    weight = 1.0 / here.dphi_dphi
    slope = weight * here.phi_phi_slope
    if weight > LARGEST_WEIGHT_VARIANCE:
        return _none(
            f"no critical point: chi stays below 1 up to a weight variance of {weight:.3g}, beyond any practical setting."
        )
    reason = ""
    if slope > 1.0 + 1e-9:
        reason = f"The fixed point repels: the variance map has slope {slope:.4g} there, so depth does not stay at it."
    return CriticalPoint(exists=True, weight_variance=weight, q=q, slope=slope, reason=reason)


def _scale_free(activation: str, bias: float) -> CriticalPoint:
    weight = 1.0 / GROWTH[activation]
    if bias > 0.0:
        return _none(
            f"no critical point: with a bias the variance diverges at weight variance {weight:.6g}, where chi = 1."
        )
    return CriticalPoint(
        True, weight, math.nan, 1.0, "Every variance is a fixed point here; the one of the input is kept."
    )


def _none(reason: str) -> CriticalPoint:
    return CriticalPoint(exists=False, weight_variance=math.nan, q=math.nan, slope=math.nan, reason=reason)
