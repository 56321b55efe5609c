"""Gaussian expectations by split Gauss-Legendre: E f(s z + m) = int f(s z + m) p(z) dz, cut where s z + m = 0.

Source: Gauss-Legendre panels graded towards the point where every activation here bends or has its kink; poles of the
smooth ones lie at distance >= pi/2 from it, which fixes the panel lengths. Gauss-Hermite cannot see a shifted kink.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["expectation", "pair_rule", "single_rule", "single_rules"]

FloatArray = NDArray[np.float64]

# Beyond ten standard deviations the normal density is below 1e-22 of its peak.
REACH = 10.0
# Panel ends in units of u = s z: poles at distance pi/2 from u = 0 leave a Legendre error of about 2.5^(-2 nodes).
BENDS = (4.0, 12.0, 40.0)
# Panel ends in units of z: with 20 nodes a Gaussian is integrated to 1e-14 over panels of at most ten.
STEPS = (3.0, 10.0)
# Where the cut may lie far outside, and what is integrated decays exponentially towards the bulk, its mass sits up to ten
# standard deviations out; powers of z need panels of the bulk no longer than four.
FAR_REACH = 16.0
EVEN_STEPS = (3.0, 7.0, 11.0, 15.0, 20.0, 26.0, 2.0 * FAR_REACH)
NODES = 20


@lru_cache(maxsize=1)
def _legendre() -> tuple[FloatArray, FloatArray]:
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return 0.5 * (nodes + 1.0), 0.5 * weights


def _panel_ends(scale: float, extra: tuple[float, ...] = ()) -> FloatArray:
    """Distances from the cut at which panels end, in units of z, increasing."""
    fine = [bend / scale for bend in BENDS] if scale > 0.0 else []
    ends = sorted({*(end for end in (*fine, *extra) if 0.0 < end < 2.0 * REACH), *STEPS, 2.0 * REACH})
    return np.array(ends, dtype=np.float64)


def _cut_rule(cut: FloatArray, ends: FloatArray, reach: float = REACH) -> tuple[FloatArray, FloatArray]:
    """Nodes z and weights p(z) dz on [-reach, reach], cut at ``cut`` (any shape); the nodes are the last axis."""
    unit, weight = _legendre()
    cut = np.clip(cut, -reach, reach)
    nodes, weights = [], []
    for sign in (-1.0, 1.0):
        length = (reach - sign * cut)[..., None]
        stops = np.minimum(ends, length)
        starts = np.concatenate([np.zeros_like(length), stops[..., :-1]], axis=-1)
        widths = (stops - starts)[..., None]
        distance = starts[..., None] + widths * unit
        nodes.append((cut[..., None, None] + sign * distance).reshape(*cut.shape, -1))
        weights.append((widths * weight).reshape(*cut.shape, -1))
    z = np.concatenate(nodes, axis=-1)
    w = np.concatenate(weights, axis=-1) * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    return z, w


@lru_cache(maxsize=256)
def single_rule(scale: float, mean: float = 0.0) -> tuple[FloatArray, FloatArray]:
    """Nodes z, (M,), and weights, (M,), for E f(scale z + mean), z ~ N(0, 1), cut where scale z + mean = 0."""
    if scale > 0.0:
        cut = max(-REACH, min(REACH, -mean / scale))
    else:
        cut = 0.0
    z, w = _cut_rule(np.array(cut), _panel_ends(scale))
    kept = w > 0.0
    z, w = z[kept], w[kept]
    z.flags.writeable = w.flags.writeable = False
    return z, w


def single_rules(scale: FloatArray, mean: FloatArray) -> tuple[FloatArray, FloatArray]:
    """`single_rule` for arrays (...) of scales above 0 and means at once: nodes and weights (..., M)."""
    fixed = np.broadcast_to(np.array(EVEN_STEPS), (*scale.shape, len(EVEN_STEPS)))
    ends = np.sort(np.concatenate([np.stack([bend / scale for bend in BENDS], axis=-1), fixed], axis=-1))
    return _cut_rule(-mean / scale, np.minimum(ends, 2.0 * FAR_REACH), FAR_REACH)


def expectation(
    function: Callable[[FloatArray], FloatArray], variance: float, mean: float = 0.0, power: int = 0
) -> float:
    """E z^power f(sqrt(variance) z + mean), z ~ N(0, 1), for an f that is smooth away from u = 0.

    Shapes: ``function`` maps (M,) to (M,). Relative accuracy about 1e-12 for activations and their products.
    Raises ValueError for a negative or non-finite variance or a non-finite mean.
    """
    if not (math.isfinite(variance) and variance >= 0.0):
        raise ValueError(f"`variance` is {variance!r}; give a finite number, 0 or more.")
    if not math.isfinite(mean):
        raise ValueError(f"`mean` is {mean!r}; give a finite number.")
    scale = math.sqrt(variance)
    z, w = single_rule(scale, float(mean))
    values = function(scale * z + mean)
    return float(np.dot(w if power == 0 else w * z**power, values))


def pair_rule(q1: float, q2: float, c: float, kinked: bool) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Nodes u1 (M,), u2 (M, K) and weights (M, K) for E f(u1, u2), a Gaussian pair with variances q1, q2, covariance c.

    u1 = s1 z1, u2 = s2 (rho z1 + sqrt(1 - rho^2) z2); the inner integral is cut where u2 = 0. With a kink the outer
    integrand varies over the width sqrt(1 - rho^2) / rho around u1 = 0, so a panel is spent on it.
    """
    s1, s2 = math.sqrt(q1), math.sqrt(q2)
    product = s1 * s2
    rho = max(-1.0, min(1.0, c / product)) if product > 0.0 else 0.0
    rest = math.sqrt(max(0.0, (product - c) * (product + c))) / product if product > 0.0 else 1.0
    layer = (8.0 * rest / abs(rho),) if kinked and rho != 0.0 else ()
    z1, w1 = _cut_rule(np.array(0.0), _panel_ends(max(s1, s2 * abs(rho)), layer))
    kept = w1 > 0.0
    z1, w1 = z1[kept], w1[kept]
    along = s2 * rho * z1
    across = s2 * rest
    cut = -along / across if across > 1e-12 * s2 and across > 0.0 else np.zeros_like(z1)
    z2, w2 = _cut_rule(cut, _panel_ends(across))
    return s1 * z1, along[:, None] + across * z2, w1[:, None] * w2
