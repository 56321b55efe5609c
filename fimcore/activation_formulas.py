"""Activations phi(u) and their first two derivatives in numpy, u -> phi(u), phi'(u), phi''(u) away from kinks.

Source: elementary calculus; "gelu" is the exact u Phi(u) of Hendrycks, Gimpel, "Gaussian Error Linear Units", arXiv
1606.08415, "silu" is u sigmoid(u), "erf" is erf(u), "elu" has alpha = 1 and "leaky_relu" has slope 0.01.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, expit, ndtr

from fimcore.architecture import ACTIVATION_NAMES, check_choice

__all__ = ["LEAKY_SLOPE", "d2phi", "dphi", "phi"]

FloatArray = NDArray[np.float64]

LEAKY_SLOPE = 0.01


def phi(activation: str, u: FloatArray) -> FloatArray:
    """Value of the activation at u, same shape as u. ValueError for an unknown name."""
    check_choice("activation", activation, ACTIVATION_NAMES)
    return _derivative(activation, np.asarray(u, dtype=np.float64), 0)


def dphi(activation: str, u: FloatArray) -> FloatArray:
    """First derivative phi'(u), same shape as u; 0 at the kink of relu. ValueError for an unknown name."""
    check_choice("activation", activation, ACTIVATION_NAMES)
    return _derivative(activation, np.asarray(u, dtype=np.float64), 1)


def d2phi(activation: str, u: FloatArray) -> FloatArray:
    """Second derivative phi''(u) away from kinks, same shape as u.

    relu and leaky_relu have a point mass at u = 0, which no pointwise value can show: moments of phi'' must come from
    the derivative of E phi'(u) phi'(v) with respect to the covariance. ValueError for an unknown name.
    """
    check_choice("activation", activation, ACTIVATION_NAMES)
    return _derivative(activation, np.asarray(u, dtype=np.float64), 2)


def _normal_density(u: FloatArray) -> FloatArray:
    return np.exp(-0.5 * u * u) / math.sqrt(2.0 * math.pi)


def _derivative(activation: str, u: FloatArray, order: int) -> FloatArray:
    match activation:
        case "tanh" | "sin" | "erf" | "linear":
            return _odd(activation, u, order)
        case "relu" | "leaky_relu" | "elu":
            return _kinked(activation, u, order)
        case _:
            return _gated(activation, u, order)


def _odd(activation: str, u: FloatArray, order: int) -> FloatArray:
    if activation == "linear":
        return (u, np.ones_like(u), np.zeros_like(u))[order]
    if activation == "sin":
        return np.cos(u) if order == 1 else np.sin(u) * (1.0 if order == 0 else -1.0)
    if activation == "erf":
        if order == 0:
            return np.asarray(erf(u), dtype=np.float64)
        slope = 2.0 / math.sqrt(math.pi) * np.exp(-u * u)
        return slope if order == 1 else -2.0 * u * slope
    value = np.tanh(u)
    if order == 0:
        return value
    # 4 e^{-2|u|} / (1 + e^{-2|u|})^2 keeps the relative accuracy that 1 - tanh^2 loses in the tails.
    decay = np.exp(-2.0 * np.abs(u))
    slope = 4.0 * decay / (1.0 + decay) ** 2
    return slope if order == 1 else -2.0 * value * slope


def _kinked(activation: str, u: FloatArray, order: int) -> FloatArray:
    if activation == "elu":
        below = np.minimum(u, 0.0)
        if order == 0:
            return np.where(u > 0.0, u, np.expm1(below))
        return np.where(u > 0.0, 1.0 if order == 1 else 0.0, np.exp(below))
    slope = LEAKY_SLOPE if activation == "leaky_relu" else 0.0
    if order == 2:
        return np.zeros_like(u)
    if order == 1:
        return np.where(u > 0.0, 1.0, slope)
    return np.where(u > 0.0, u, slope * u)


def _gated(activation: str, u: FloatArray, order: int) -> FloatArray:
    if activation == "gelu":
        if order == 0:
            return u * np.asarray(ndtr(u), dtype=np.float64)
        if order == 1:
            return np.asarray(ndtr(u), dtype=np.float64) + u * _normal_density(u)
        return (2.0 - u * u) * _normal_density(u)
    gate = np.asarray(expit(u), dtype=np.float64)
    slope = gate * np.asarray(expit(-u), dtype=np.float64)
    if activation == "sigmoid":
        return (gate, slope, slope * (1.0 - 2.0 * gate))[order]
    if activation == "softplus":
        return np.logaddexp(0.0, u) if order == 0 else (gate, slope)[order - 1]
    return (u * gate, gate + u * slope, slope * (2.0 + u * (1.0 - 2.0 * gate)))[order]
