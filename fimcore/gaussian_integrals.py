"""Gaussian moments of an activation: E phi(u)^2, E phi'(u)^2, ... at u ~ N(m, q), and E phi(u) phi(v), ... for a pair.

Source: closed forms (fimcore.gaussian_closed_forms) where there are any, else split Gauss-Legendre
(fimcore.gaussian_quadrature). Mean-field theory is built on these numbers, and so is the Fisher matrix of one unit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from fimcore.activation_formulas import d2phi, dphi, phi
from fimcore.architecture import ACTIVATION_NAMES, check_choice
from fimcore.gaussian_closed_forms import fourth_order, second_order
from fimcore.gaussian_quadrature import expectation, pair_rule, single_rule

__all__ = [
    "FourthMoments",
    "PairMoments",
    "SingleMoments",
    "d2phi",
    "dphi",
    "expectation",
    "fourth_moments",
    "pair_moments",
    "pair_phi_phi",
    "phi",
    "single_moments",
    "size_slopes",
]

# Activations whose phi'' holds a point mass: E phi''(u)^2 is infinite for one input.
KINKED = ("relu", "leaky_relu")
ODD = ("tanh", "erf", "sin", "linear")
# Smaller gaps between covariance and variance are rounding, not geometry.
SAME = 4e-16


@dataclass(frozen=True)
class SingleMoments:
    """Moments at one Gaussian pre-activation u ~ N(mean, variance).

    ``phi`` E phi, ``dphi`` E phi', ``phi_phi`` E phi^2, ``dphi_dphi`` E phi'^2, ``d2phi_d2phi`` E phi''^2 (inf for relu
    and leaky_relu), ``phi_phi_slope`` d E phi^2 / d variance, which is E phi'^2 + E phi phi'' for smooth phi.
    """

    phi: float
    dphi: float
    phi_phi: float
    dphi_dphi: float
    d2phi_d2phi: float
    phi_phi_slope: float


@dataclass(frozen=True)
class PairMoments:
    """E phi(u) phi(v), E phi'(u) phi'(v), E phi''(u) phi''(v) = d/dc E phi'(u) phi'(v) of a centred Gaussian pair."""

    phi_phi: float
    dphi_dphi: float
    d2phi_d2phi: float


@dataclass(frozen=True)
class FourthMoments:
    """E phi(u)^2 phi(v)^2, E phi(u)^3 phi(v), E phi'(u)^2 phi'(v)^2 and the derivative of the last in the covariance."""

    phi2_phi2: float
    phi3_phi: float
    dphi2_dphi2: float
    dphi2_dphi2_slope: float


@lru_cache(maxsize=16384)
def single_moments(activation: str, variance: float, mean: float = 0.0) -> SingleMoments:
    """Moments of an activation at u ~ N(mean, variance); relative accuracy about 1e-12, shifted kinks included.

    Raises ValueError for an unknown activation, a variance that is negative or not finite, a mean that is not finite.
    """
    check_choice("activation", activation, ACTIVATION_NAMES)
    _check_variance("variance", variance)
    if not math.isfinite(mean):
        raise ValueError(f"`mean` is {mean!r}; give a finite number.")
    if activation == "sin":
        return _sine(variance, mean)
    scale = math.sqrt(variance)
    z, w = single_rule(scale, float(mean))
    u = scale * z + mean
    value, first, second = phi(activation, u), dphi(activation, u), d2phi(activation, u)
    centred = mean == 0.0
    closed = second_order(activation, variance, variance, variance) if centred else None
    phi_phi, dphi_dphi, d2phi_d2phi = closed or (w @ value**2, w @ first**2, w @ second**2)
    return SingleMoments(
        phi=0.0 if centred and activation in ODD else float(w @ value),
        dphi=float(w @ first),
        phi_phi=float(phi_phi),
        dphi_dphi=float(dphi_dphi),
        d2phi_d2phi=math.inf if activation in KINKED else float(d2phi_d2phi),
        phi_phi_slope=_slope(activation, scale, z, w, value, first, second, centred),
    )


@lru_cache(maxsize=16384)
def pair_moments(activation: str, q1: float, q2: float, c: float) -> PairMoments:
    """Moments of an activation at a centred Gaussian pair with variances q1, q2 and covariance c.

    Absolute accuracy about 1e-13 relative to the one-point values. Raises ValueError for an unknown activation, a
    negative or non-finite variance, or a covariance beyond sqrt(q1 q2).
    """
    c = _check_pair(activation, q1, q2, c)
    if q1 == q2 == c:
        same = single_moments(activation, q1)
        return PairMoments(same.phi_phi, same.dphi_dphi, same.d2phi_d2phi)
    closed = second_order(activation, q1, q2, c)
    if closed is not None:
        return PairMoments(*closed)
    found = _pair_pass(activation, q1, q2, c)
    return PairMoments(found.phi_phi, found.dphi_dphi, found.d2phi_d2phi)


@lru_cache(maxsize=16384)
def pair_phi_phi(activation: str, q1: float, q2: float, c: float) -> float:
    """E phi(u) phi(v) alone, for root finding on correlation maps; arguments and errors as in ``pair_moments``."""
    c = _check_pair(activation, q1, q2, c)
    if q1 == q2 == c:
        return single_moments(activation, q1).phi_phi
    closed = second_order(activation, q1, q2, c)
    if closed is not None:
        return closed[0]
    if c == 0.0:
        return single_moments(activation, q1).phi * single_moments(activation, q2).phi
    u, v, w = pair_rule(q1, q2, c, kinked=activation == "elu")
    return float(phi(activation, u) @ np.sum(w * phi(activation, v), axis=1))


@lru_cache(maxsize=16384)
def fourth_moments(activation: str, q1: float, q2: float, c: float) -> FourthMoments:
    """Moments of squared activations and squared slopes at a centred Gaussian pair; arguments as in ``pair_moments``.

    The slope is infinite for relu and leaky_relu at u = v, where the two kinks meet.
    """
    c = _check_pair(activation, q1, q2, c)
    closed = fourth_order(activation, q1, q2, c)
    if activation == "sin":
        # sin^3 u = (3 sin u - sin 3u) / 4, and (3u, v) has variances 9 q1, q2 and covariance 3c.
        cubes = (
            0.75 * pair_moments(activation, q1, q2, c).phi_phi
            - 0.25 * pair_moments(activation, 9 * q1, q2, 3 * c).phi_phi
        )
    else:
        found = _pair_pass(activation, q1, q2, c)
        cubes = found.phi3_phi
        if closed is None:
            return FourthMoments(found.phi2_phi2, cubes, found.dphi2_dphi2, found.dphi2_dphi2_slope)
    assert closed is not None
    squares = closed[0] if closed[0] is not None else _pair_pass(activation, q1, q2, c).phi2_phi2
    return FourthMoments(squares, cubes, closed[1], closed[2])


def size_slopes(activation: str, q: float, c: float) -> tuple[float, float, float]:
    """d/dq of E phi phi, E phi' phi', E phi'^2 phi'^2 for two inputs of variance q at a fixed correlation c / q.

    d/dq E f(u) f(v) = E u f'(u) f(v) / q, since u and v both scale as sqrt(q); 0 for slopes that do not depend on q.
    """
    c = _check_pair(activation, q, q, c)
    if activation in (*KINKED, "linear"):
        return (pair_moments(activation, q, q, c).phi_phi / q if q > 0.0 else 0.0), 0.0, 0.0
    if q == 0.0:
        return 0.0, 0.0, 0.0
    found = _pair_pass(activation, q, q, c)
    return found.u_dphi_phi / q, found.u_d2phi_dphi / q, 2.0 * found.u_dphi_d2phi_dphi2 / q


class _Pass(NamedTuple):
    phi_phi: float
    dphi_dphi: float
    d2phi_d2phi: float
    phi2_phi2: float
    phi3_phi: float
    dphi2_dphi2: float
    dphi2_dphi2_slope: float
    u_dphi_phi: float
    u_d2phi_dphi: float
    u_dphi_d2phi_dphi2: float


@lru_cache(maxsize=4096)
def _pair_pass(activation: str, q1: float, q2: float, c: float) -> _Pass:
    """Every two-input expectation by one quadrature: the nodes and the activation are evaluated once."""
    u, v, w = pair_rule(q1, q2, c, kinked=activation in (*KINKED, "elu"))
    f0, f1, f2 = phi(activation, u), dphi(activation, u), d2phi(activation, u)
    g0, g1, g2 = phi(activation, v), dphi(activation, v), d2phi(activation, v)
    inner0, inner1 = np.einsum("ij,ij->i", w, g0), np.einsum("ij,ij->i", w, g1)
    inner11 = np.einsum("ij,ij,ij->i", w, g1, g1)
    return _Pass(
        phi_phi=0.0 if c == 0.0 and activation in ODD else float(f0 @ inner0),
        dphi_dphi=float(f1 @ inner1),
        d2phi_d2phi=float(f2 @ np.einsum("ij,ij->i", w, g2)),
        phi2_phi2=float(f0**2 @ np.einsum("ij,ij,ij->i", w, g0, g0)),
        phi3_phi=0.0 if c == 0.0 and activation in ODD else float(f0**3 @ inner0),
        dphi2_dphi2=float(f1**2 @ inner11),
        dphi2_dphi2_slope=4.0 * float((f1 * f2) @ np.einsum("ij,ij,ij->i", w, g1, g2)),
        u_dphi_phi=0.0 if c == 0.0 and activation in ODD else float((u * f1) @ inner0),
        u_d2phi_dphi=float((u * f2) @ inner1),
        u_dphi_d2phi_dphi2=float((u * f1 * f2) @ inner11),
    )


def _sine(variance: float, mean: float) -> SingleMoments:
    """No quadrature for waves: at a large variance they oscillate faster than any fixed rule can follow."""
    fade = math.exp(-0.5 * variance)
    double = math.exp(-2.0 * variance) * math.cos(2.0 * mean)
    # sin^2 = (1 - cos 2u) / 2 without cancellation at small variance and mean.
    square = -0.5 * math.expm1(-2.0 * variance) + math.exp(-2.0 * variance) * math.sin(mean) ** 2
    return SingleMoments(
        phi=fade * math.sin(mean),
        dphi=fade * math.cos(mean),
        phi_phi=square,
        dphi_dphi=0.5 * (1.0 + double),
        d2phi_d2phi=square,
        phi_phi_slope=double,
    )


def _slope(
    activation: str,
    scale: float,
    z: np.ndarray,
    w: np.ndarray,
    value: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    centred: bool,
) -> float:
    if activation in KINKED and centred:
        return second_order(activation, 1.0, 1.0, 1.0)[0]  # type: ignore[index]
    if activation in KINKED:
        # The kink is integrated out by parts: d/dq E phi^2 = E[phi phi' z] / sqrt(q).
        return float(w @ (value * first * z)) / scale if scale > 0.0 else float(w @ first**2)
    return float(w @ (first**2 + value * second))


def _check_variance(name: str, value: float) -> None:
    if not (math.isfinite(value) and value >= 0.0):
        raise ValueError(f"`{name}` is {value!r}; give a finite variance, 0 or more.")


def _check_pair(activation: str, q1: float, q2: float, c: float) -> float:
    """Validated covariance, moved onto sqrt(q1 q2) where it differs from it by rounding only."""
    check_choice("activation", activation, ACTIVATION_NAMES)
    _check_variance("q1", q1)
    _check_variance("q2", q2)
    limit = math.sqrt(q1) * math.sqrt(q2)
    if not abs(c) <= limit * (1.0 + 1e-9):
        raise ValueError(
            f"`c` is {c!r}; give a covariance between {-limit:g} and {limit:g}, the root of `q1` times `q2`."
        )
    if q1 == q2 and c >= q1 * (1.0 - SAME):
        return q1
    return float(max(-limit, min(limit, c)))
