"""Closed Gaussian moments of activations: E phi(u) phi(v), E phi'(u) phi'(v) and relatives for a Gaussian pair (u, v).

Source: Cho, Saul, "Kernel Methods for Deep Learning" (arc-cosine kernels, relu); Williams, "Computing with Infinite
Networks" (erf); the rest by completing squares. Arguments throughout: variances q1, q2 and covariance c.
"""

from __future__ import annotations

import math

from fimcore.activation_formulas import LEAKY_SLOPE

__all__ = ["fourth_order", "second_order"]

PIECEWISE_SLOPE = {"linear": 1.0, "leaky_relu": LEAKY_SLOPE, "relu": 0.0}


def second_order(activation: str, q1: float, q2: float, c: float) -> tuple[float, float, float] | None:
    """E phi phi, E phi' phi' and E phi'' phi'' at (q1, q2, c), or None where no closed form is used.

    E phi'' phi'' is the derivative of E phi' phi' with respect to c, which stays finite at a kink unless u = v.
    """
    match activation:
        case "linear" | "leaky_relu" | "relu":
            return _piecewise_linear(PIECEWISE_SLOPE[activation], q1, q2, c)
        case "erf":
            p1, p2 = 1.0 + 2.0 * q1, 1.0 + 2.0 * q2
            determinant = p1 * p2 - 4.0 * c * c
            value = 2.0 / math.pi * math.atan2(2.0 * c, math.sqrt(determinant))
            return value, 4.0 / math.pi / math.sqrt(determinant), 16.0 * c / math.pi * determinant**-1.5
        case "sin":
            value = math.exp(-0.5 * (q1 + q2)) * math.sinh(c) if abs(c) < 1.0 else _half_difference(q1, q2, c)
            return value, 0.5 * (math.exp(c - 0.5 * (q1 + q2)) + math.exp(-c - 0.5 * (q1 + q2))), value
        case "gelu":
            return _gelu(q1, q2, c)
        case _:
            return None


def fourth_order(activation: str, q1: float, q2: float, c: float) -> tuple[float | None, float, float] | None:
    """E phi^2 phi^2, E phi'^2 phi'^2, derivative of the latter in c; None where there is no closed form."""
    if activation in PIECEWISE_SLOPE:
        slope = PIECEWISE_SLOPE[activation]
        a, b = slope**2, 1.0 - slope**2
        whole = q1 * q2 + 2.0 * c * c
        theta, area = _angle(q1, q2, c)
        # relu^2 relu^2: arc-cosine kernel of degree two; sin(theta) cos(theta) = area c / (q1 q2).
        half = (3.0 * area * c + (math.pi - theta) * whole) / (2.0 * math.pi)
        both = (math.pi - theta) / (2.0 * math.pi)
        kink = b * b / (2.0 * math.pi * area) if area > 0.0 else (math.inf if b > 0.0 else 0.0)
        return a * a * whole + a * b * whole + b * b * half, a * a + a * b + b * b * both, kink
    if activation == "erf":
        determinant = (1.0 + 4.0 * q1) * (1.0 + 4.0 * q2) - 16.0 * c * c
        scale = 16.0 / math.pi**2
        return None, scale / math.sqrt(determinant), scale * 16.0 * c * determinant**-1.5
    if activation == "sin":
        single1, single2 = math.exp(-2.0 * q1), math.exp(-2.0 * q2)
        plus, minus = math.exp(4.0 * c - 2.0 * (q1 + q2)), math.exp(-4.0 * c - 2.0 * (q1 + q2))
        double = 0.5 * (plus + minus)
        return (
            0.25 * (1.0 - single1 - single2 + double),
            0.25 * (1.0 + single1 + single2 + double),
            0.5 * (plus - minus),
        )
    return None


def _angle(q1: float, q2: float, c: float) -> tuple[float, float]:
    """Angle between u and v, and sqrt(q1 q2 - c^2). Exactly 0 on the diagonal, where arccos loses half the digits."""
    product = math.sqrt(q1 * q2)
    if c >= product * (1.0 - 4e-16):
        return 0.0, 0.0
    area = math.sqrt(max(0.0, (product - c) * (product + c)))
    return math.atan2(area, c), area


def _piecewise_linear(slope: float, q1: float, q2: float, c: float) -> tuple[float, float, float]:
    theta, area = _angle(q1, q2, c)
    b = (1.0 - slope) ** 2
    relu = (area + (math.pi - theta) * c) / (2.0 * math.pi)
    kink = b / (2.0 * math.pi * area) if area > 0.0 else (math.inf if b > 0.0 else 0.0)
    return slope * c + b * relu, slope + b * (math.pi - theta) / (2.0 * math.pi), kink


def _half_difference(q1: float, q2: float, c: float) -> float:
    return 0.5 * (math.exp(c - 0.5 * (q1 + q2)) - math.exp(-c - 0.5 * (q1 + q2)))


def _gelu(q1: float, q2: float, c: float) -> tuple[float, float, float]:
    p = (1.0 + q1) * (1.0 + q2)
    # p - c^2 = (q1 q2 - c^2) + 1 + q1 + q2 is a sum of non-negative terms.
    square = max(0.0, q1 * q2 - c * c) + 1.0 + q1 + q2
    delta = math.sqrt(square)
    angle = math.atan2(c, delta)
    value = 0.25 * c + (c * angle + (c * c + q1 * q2 * square) / (p * delta)) / (2.0 * math.pi)
    bracket = 1.0 / square + (1.0 - q1 * q2) / p + 1.0
    first = 0.25 + (angle + c / delta * bracket) / (2.0 * math.pi)
    # d/dc of `first`: d angle = 1/delta, d (c/delta) = p/delta^3, d (1/delta^2) = 2c/delta^4.
    second = (1.0 / delta + p / (square * delta) * bracket + 2.0 * c * c / (square * square * delta)) / (2.0 * math.pi)
    return value, first, second
