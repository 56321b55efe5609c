"""Fixed points of depth: q* = s_w E phi(u)^2 + s_b with u ~ N(0, q*), and c* of the correlation map at q*.

Source: Poole et al., arXiv 1606.05340; Schoenholz et al., "Deep Information Propagation", arXiv 1611.01232 (depth scales).
s_w and s_b stand for the weight and the bias variance.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq

from fimcore.activation_formulas import LEAKY_SLOPE
from fimcore.architecture import ACTIVATION_NAMES, check_choice
from fimcore.gaussian_integrals import pair_moments, pair_phi_phi, single_moments

__all__ = ["FixedPoint", "Root", "check_variances", "fixed_point"]

# E phi(u)^2 / q and E phi'(u)^2 as q grows without bound; bounded activations are absent.
GROWTH = {
    "linear": 1.0,
    "leaky_relu": 0.5 * (1.0 + LEAKY_SLOPE**2),
    **dict.fromkeys(("relu", "gelu", "silu", "softplus", "elu"), 0.5),
}
SCALE_FREE = ("linear", "leaky_relu", "relu")
OFFSET = ("softplus", "sigmoid")  # phi(0) is not 0, so q = 0 is no fixed point of theirs
# chi within this distance of 1 is the critical line itself: depth scales are infinite and decay is algebraic.
ON_THE_LINE = 1e-9
ROUNDING = 1e-13


@dataclass(frozen=True)
class Root:
    """One fixed point of the variance map: where it is, the map's slope there, chi there, and whether it attracts."""

    q: float
    slope: float
    chi: float
    stable: bool


@dataclass(frozen=True)
class FixedPoint:
    """Where depth takes a signal, for one activation and one pair of variances.

    q: variance reached from an input with the given |x|^2 / n_0; inf if it grows without bound, 0 if it fades.
    chi: s_w E phi'(u)^2 at q. slope: derivative of the variance map at q.
    correlation: c* reached by two different inputs. correlation_slope: derivative of the correlation map there.
    depth_q, depth_c, depth_gradient: -1 / ln(slope), -1 / ln(correlation_slope), -1 / ln(chi), in layers; inf on the
        critical line, negative where the quantity grows with depth.
    phase: "ordered" (chi < 1), "chaotic" (chi > 1), "critical" (chi = 1) or "divergent" (q = inf).
    roots: every fixed point of the variance map with its stability, in increasing q.
    reason: one sentence where the numbers need a word, else empty.
    """

    q: float
    chi: float
    slope: float
    correlation: float
    correlation_slope: float
    depth_q: float
    depth_c: float
    depth_gradient: float
    phase: str
    roots: tuple[Root, ...]
    reason: str


def check_variances(activation: str, weight_variance: float, bias_variance: float) -> tuple[float, float]:
    """Validated weight and bias variance; ValueError naming the field, the value and what works."""
    check_choice("activation", activation, ACTIVATION_NAMES)
    if not (math.isfinite(weight_variance) and weight_variance > 0.0):
        raise ValueError(f"`weight_variance` is {weight_variance!r}; give a finite number above 0.")
    if not (math.isfinite(bias_variance) and bias_variance >= 0.0):
        raise ValueError(f"`bias_variance` is {bias_variance!r}; give a finite number, 0 or more.")
    return float(weight_variance), float(bias_variance)


def fixed_point(activation: str, weight_variance: float, bias_variance: float, input_q: float = 1.0) -> FixedPoint:
    """Fixed points of the variance and the correlation map, with depth scales and phase.

    q' = s_w E phi(sqrt(q) z)^2 + s_b grows with q for every activation here, so an input ends at the nearest root in the
    direction of its first step. c* < 1 solves q* c = s_w E phi(u) phi(v) + s_b where chi > 1; else c* = 1.

    Args:
        activation: one of `ACTIVATION_NAMES`.
        weight_variance: s_w > 0. bias_variance: s_b >= 0.
        input_q: |x|^2 / n_0 of the input; it decides between several attracting roots (gelu, silu).

    Returns:
        `FixedPoint`. A divergent map is a result (q = inf, phase "divergent", a reason), not an error.

    Raises:
        ValueError: naming the field, the value received and what works.

    Source: arXiv 1606.05340, 1611.01232.
    """
    weight, bias = check_variances(activation, weight_variance, bias_variance)
    if not (math.isfinite(input_q) and input_q > 0.0):
        raise ValueError(f"`input_q` is {input_q!r}; give the mean squared input entry, a finite number above 0.")
    return _fixed_point(activation, weight, bias, float(input_q))


@lru_cache(maxsize=4096)
def _fixed_point(activation: str, weight: float, bias: float, input_q: float) -> FixedPoint:
    roots = _roots(activation, weight, bias, input_q)
    start = weight * input_q + bias
    step = weight * single_moments(activation, start).phi_phi + bias - start
    above = [root for root in roots if root.q >= start * (1.0 - 1e-12)]
    below = [root for root in roots if root.q <= start * (1.0 + 1e-12)]
    if step > 0.0 and not above:
        return _divergent(activation, weight, roots)
    reached = above[0] if step > 0.0 else below[-1] if below else roots[0]
    if step == 0.0:
        reached = min(roots, key=lambda root: abs(root.q - start))
    correlation, correlation_slope = _correlation(activation, weight, bias, reached)
    if abs(reached.chi - 1.0) <= ON_THE_LINE:
        phase = "critical"
    else:
        phase = "ordered" if reached.chi < 1.0 else "chaotic"
    return FixedPoint(
        q=reached.q,
        chi=reached.chi,
        slope=reached.slope,
        correlation=correlation,
        correlation_slope=correlation_slope,
        depth_q=_depth(reached.slope),
        depth_c=_depth(correlation_slope),
        depth_gradient=_depth(reached.chi),
        phase=phase,
        roots=roots,
        reason=_reason(activation, bias, reached, roots),
    )


def _divergent(activation: str, weight: float, roots: tuple[Root, ...]) -> FixedPoint:
    growth = weight * GROWTH[activation]
    pace = f"in the end by the factor {growth:.4g} per layer" if growth != 1.0 else "in the end slower than any factor"
    attracting = [root.q for root in roots if root.stable]
    smaller = f"; small enough inputs reach q = {attracting[-1]:.4g}" if attracting else ""
    return FixedPoint(
        q=math.inf,
        chi=growth,
        slope=growth,
        correlation=math.nan if activation == "linear" else 1.0,
        correlation_slope=math.nan,
        depth_q=_depth(growth),
        depth_c=math.nan,
        depth_gradient=_depth(growth),
        phase="divergent",
        roots=roots,
        reason=f"From this input the variance grows without bound, {pace}{smaller}.",
    )


def _reason(activation: str, bias: float, reached: Root, roots: tuple[Root, ...]) -> str:
    attracting = sum(root.stable for root in roots)
    if activation in SCALE_FREE and bias == 0.0 and reached.slope == 1.0:
        return "Every variance is a fixed point here; the one of the input is kept."
    if reached.q == 0.0:
        return "Signals fade to zero; c* = 1 is the limit of a vanishing bias variance."
    if attracting > 1:
        return f"There are {attracting} attracting fixed points; which one is reached depends on the size of the input."
    if len(roots) > 1 and not roots[-1].stable:
        return f"From inputs with a variance above {roots[-1].q:.4g} the variance grows without bound instead."
    return ""


@lru_cache(maxsize=16)
def _table(activation: str) -> tuple[tuple[float, float], ...]:
    """E phi(u)^2 / q on a logarithmic grid: where the variance map crosses the identity is read off this table.

    Finest where several fixed points can lie close together (gelu and silu, q between 0.1 and 100).
    """
    grid = np.concatenate([np.logspace(-10, -3, 28, endpoint=False), np.logspace(-3, 4, 113), np.logspace(5, 12, 15)])
    return tuple((float(q), single_moments(activation, float(q)).phi_phi / float(q)) for q in grid)


def _roots(activation: str, weight: float, bias: float, input_q: float) -> tuple[Root, ...]:
    if activation in SCALE_FREE:
        growth = weight * GROWTH[activation]
        if growth == 1.0 and bias == 0.0:
            return (Root(input_q * weight, 1.0, 1.0, False),)
        if bias > 0.0 and growth >= 1.0:
            return ()
        return (Root(bias / (1.0 - growth) if bias > 0.0 else 0.0, growth, growth, growth < 1.0),)
    roots = []
    if bias == 0.0 and activation not in OFFSET:
        roots.append(_root(activation, weight, 0.0))

    def excess(logarithm: float) -> float:
        q = math.exp(logarithm)
        return (weight * single_moments(activation, q).phi_phi + bias) / q - 1.0

    table = _table(activation)
    points = [(q, weight * ratio + bias / q - 1.0) for q, ratio in table]
    if 0.0 < bias < 2.0 * table[0][0]:
        # The map never falls below the bias variance, so the lowest root may hide under the table.
        points.insert(0, (0.5 * bias, excess(math.log(0.5 * bias))))
    # gelu at weight variance 2 comes closer to the identity than rounding can tell; that is no crossing.
    points = [(q, value) for q, value in points if abs(value) > ROUNDING]
    for (low, value), (high, next_value) in itertools.pairwise(points):
        if value * next_value < 0.0:
            place = brentq(excess, math.log(low), math.log(high), xtol=1e-15, rtol=1e-15)
            roots.append(_root(activation, weight, math.exp(place)))
    return tuple(roots)


def _root(activation: str, weight: float, q: float) -> Root:
    here = single_moments(activation, q)
    slope = weight * here.phi_phi_slope
    return Root(q, slope, weight * here.dphi_dphi, slope < 1.0)


def _correlation(activation: str, weight: float, bias: float, root: Root) -> tuple[float, float]:
    """c* and the slope of the correlation map there; c = 1 is always a fixed point, stable where chi <= 1."""
    q, chi = root.q, root.chi
    if q == 0.0 or chi <= 1.0 + ON_THE_LINE:
        return 1.0, chi

    def excess(correlation: float) -> float:
        return (weight * pair_phi_phi(activation, q, q, correlation * q) + bias) / q - correlation

    if excess(0.0) <= 0.0:
        return 0.0, weight * pair_moments(activation, q, q, 0.0).dphi_dphi
    for gap in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5):
        if excess(1.0 - gap) < 0.0:
            found = float(brentq(excess, 0.0, 1.0 - gap, xtol=1e-15, rtol=1e-14))
            return found, weight * pair_moments(activation, q, q, found * q).dphi_dphi
    # Closer to 1 than quadrature can resolve: expand the map to second order in 1 - c.
    curvature = weight * q * single_moments(activation, q).d2phi_d2phi
    return 1.0 - 2.0 * (chi - 1.0) / curvature, 2.0 - chi


def _depth(slope: float) -> float:
    """-1 / ln(slope) in layers: 0 for a slope of 0, inf on the critical line."""
    if slope <= 0.0:
        return 0.0
    return math.inf if abs(slope - 1.0) <= ON_THE_LINE else -1.0 / math.log(slope)
