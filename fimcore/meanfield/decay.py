"""How length, correlation and gradient settle with depth: exp(-l / depth), or prefactor / l^power where the map has slope 1.

1 - c^l ~ 2 / (s_w q* E phi''^2 l) at a critical point of a smooth phi; 1 - c^l ~ 4 / (kappa l)^2, kappa = 2 sqrt(2) / (3 pi) for
relu (9 pi^2 / 2 l^2) without a bias, at any weight variance, which then only rescales.
Source: Schoenholz et al., Deep Information Propagation, arXiv 1611.01232 (exponential scales); the algebraic laws by expanding the
correlation map at c = 1 and the variance map at q = 0, derived here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fimcore.gaussian_closed_forms import PIECEWISE_SLOPE
from fimcore.gaussian_integrals import single_moments
from fimcore.meanfield.fixed_points import GROWTH, FixedPoint, fixed_point

__all__ = ["Decay", "DepthDecay", "depth_decay"]

# 1 - c' = (1 - c) - KINK (1 - c)^(3/2) + ... for the correlation map of relu.
KINK = 2.0 * math.sqrt(2.0) / (3.0 * math.pi)
# q ~ 1 / (beta l) at the critical point with q* = 0, beta = -phi'''(0) / phi'(0).
BENDING = {"tanh": 2.0, "erf": 2.0, "sin": 1.0}
ROUNDING = 1e-9


@dataclass(frozen=True)
class Decay:
    """One law. law: "exponential", "algebraic" or "none".

    limit: where the quantity goes (nan where that depends on the inputs). depth: of exp(-l / depth), in layers, negative where the
    quantity grows; nan otherwise. power, prefactor: of prefactor / l^power, the distance from the limit; nan otherwise.
    valid: whether there is a law to draw; reason: one sentence where there is none or the law needs a word.
    """

    law: str
    limit: float
    depth: float
    power: float
    prefactor: float
    valid: bool
    reason: str


@dataclass(frozen=True)
class DepthDecay:
    """Laws for the pre-activation variance q^l, the correlation c^l of two inputs, and |df/du^l|^2 going backwards."""

    length: Decay
    correlation: Decay
    gradient: Decay


def depth_decay(activation: str, weight_variance: float, bias_variance: float, input_q: float = 1.0) -> DepthDecay:
    """How q^l, c^l and gradients approach their limits with depth, as laws with all their constants.

    Exponential: -1 / ln(slope of the map at the fixed point). Algebraic: at slope 1, from the next term of the expansion.

    Args:
        activation: one of `ACTIVATION_NAMES`. weight_variance: s_w > 0. bias_variance: s_b >= 0.
        input_q: |x|^2 / n_0 of the input, which decides between several fixed points.

    Returns:
        `DepthDecay`.

    Raises:
        ValueError: naming the field, the value received and what works.

    Source: arXiv 1611.01232; algebraic laws derived here.
    """
    point = fixed_point(activation, weight_variance, bias_variance, input_q)
    bias = float(bias_variance)
    return DepthDecay(
        _length(activation, bias, point),
        _correlation(activation, float(weight_variance), bias, point),
        _gradient(activation, point),
    )


def _exponential(limit: float, depth: float, reason: str = "") -> Decay:
    return Decay("exponential", limit, depth, math.nan, math.nan, True, reason)


def _algebraic(limit: float, power: float, prefactor: float, reason: str = "") -> Decay:
    return Decay("algebraic", limit, math.nan, power, prefactor, True, reason)


def _none(limit: float, reason: str) -> Decay:
    return Decay("none", limit, math.nan, math.nan, math.nan, False, reason)


def _length(activation: str, bias: float, point: FixedPoint) -> Decay:
    if abs(point.slope - 1.0) > ROUNDING:
        reason = "The variance grows by a factor per layer." if math.isinf(point.q) else ""
        return _exponential(point.q, point.depth_q, reason)
    if activation in PIECEWISE_SLOPE:
        if bias > 0.0:
            return _none(
                math.inf, f"The variance grows by the bias variance {bias:g} per layer, neither a power nor a factor."
            )
        return _none(point.q, "The variance of the input is kept.")
    if math.isfinite(point.q) and point.q == 0.0 and activation in BENDING:
        return _algebraic(0.0, 1.0, 1.0 / BENDING[activation])
    if math.isfinite(point.q) and point.q == 0.0 and activation == "elu":
        # E elu(u)^2 = q - sqrt(2 / pi) q^(3/2) + ...
        return _algebraic(0.0, 2.0, 2.0 * math.pi)
    return _none(point.q, "The variance map touches the identity; there is no law for this case here.")


def _correlation(activation: str, weight: float, bias: float, point: FixedPoint) -> Decay:
    if activation in PIECEWISE_SLOPE and bias == 0.0:
        return _rescaled(PIECEWISE_SLOPE[activation], 4.0)
    if math.isinf(point.q):
        return _while_growing(activation, weight, bias)
    if point.q == 0.0:
        return _none(
            math.nan, "Signals fade to zero, where every activation is linear, and the correlation stops on the way."
        )
    if activation == "linear":
        return _exponential(1.0, point.depth_c)
    if point.slope > 1.0 + ROUNDING:
        return _none(math.nan, "The fixed point of the variance repels, so depth does not stay near it.")
    if abs(point.chi - 1.0) > ROUNDING:
        return _exponential(point.correlation, point.depth_c)
    bend = weight * point.q * single_moments(activation, point.q).d2phi_d2phi
    return _algebraic(1.0, 1.0, 2.0 / bend)


def _rescaled(slope: float, numerator: float) -> Decay:
    """Piecewise linear without a bias: 1 - c' = (1 - c) - kappa (1 - c)^(3/2) at any weight variance."""
    if slope == 1.0:
        return _none(math.nan, "Linear layers without biases keep the correlation of the inputs.")
    kappa = KINK * (1.0 - slope) ** 2 / (1.0 + slope**2)
    return _algebraic(1.0, 2.0, numerator / kappa**2)


def _while_growing(activation: str, weight: float, bias: float) -> Decay:
    """At a variance without bound: relu-like activations act by their kink alone."""
    growth = weight * GROWTH[activation]
    if activation == "linear":
        return _none(math.nan, "The variance grows without bound, and the correlation stops on the way.")
    slope = PIECEWISE_SLOPE.get(activation, 0.0)
    if growth > 1.0 + ROUNDING:
        return _rescaled(slope, 4.0)
    if activation in PIECEWISE_SLOPE and bias > 0.0:
        # q ~ bias l also pulls inputs together: 1 - c' = (1 - c)(1 - 1/l) - kappa (1 - c)^(3/2)
        return _rescaled(slope, 1.0)
    return _none(math.nan, "The variance grows slower than any factor; there is no law for this case here.")


def _gradient(activation: str, point: FixedPoint) -> Decay:
    if abs(point.chi - 1.0) > ROUNDING:
        limit = 0.0 if point.chi < 1.0 else math.inf
        return _exponential(limit, point.depth_gradient)
    if point.q == 0.0 and activation in BENDING:
        return _none(
            0.0,
            "At this critical point variance and gradients fade as 1 / l; the size of gradients depends on the start.",
        )
    return _none(math.nan, "Gradients neither grow nor fade with depth: chi = 1.")
