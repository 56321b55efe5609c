"""Slope moments of one unit with Gaussian input: A_k = E z^k phi'(s z + c)^2, z ~ N(0, 1), k = 0, 1, 2.

They are all that the Fisher matrix of a unit y = phi(w . x + w0) + noise needs to know about its activation, with
s^2 = w^T Cov(x) w and c = w0 + w . E x. A_0 A_2 >= A_1^2.
Source: Amari, Karakida, Oizumi, Fisher Information and Natural Gradient Learning of Random Deep Networks, arXiv 1808.07172; closed
forms by completing squares, else split Gauss-Legendre (fimcore.gaussian_quadrature).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from fimcore.activation_formulas import LEAKY_SLOPE, dphi
from fimcore.architecture import ACTIVATION_NAMES, check_choice
from fimcore.gaussian_quadrature import single_rules

__all__ = ["SlopeMoments", "slope_moments"]

FloatArray = NDArray[np.float64]

_STEP_SLOPES = {"relu": 0.0, "leaky_relu": LEAKY_SLOPE, "linear": 1.0}


class SlopeMoments(NamedTuple):
    """A_0, A_1 and A_2, one entry a unit."""

    zeroth: FloatArray
    first: FloatArray
    second: FloatArray


def slope_moments(activation: str, scale: ArrayLike, mean: ArrayLike) -> SlopeMoments:
    """A_k = E z^k phi'(scale z + mean)^2 for k = 0, 1, 2, one unit an entry.

    Shapes: scale and mean broadcast against each other, and every A_k has their common shape. Relative accuracy 1e-12, of A_1
    relative to sqrt(A_0 A_2). At scale 0: A_0 = A_2 = phi'(mean)^2, A_1 = 0.
    Raises ValueError for an unknown activation, a scale that is negative or not finite, a mean that is not finite.
    """
    check_choice("activation", activation, ACTIVATION_NAMES)
    s, c = np.broadcast_arrays(np.asarray(scale, dtype=np.float64), np.asarray(mean, dtype=np.float64))
    if not bool(np.all(np.isfinite(s) & (s >= 0.0))):
        raise ValueError(f"`scale` reaches from {np.min(s)!r} to {np.max(s)!r}; give finite numbers, 0 or more.")
    if not bool(np.all(np.isfinite(c))):
        raise ValueError(f"`mean` reaches from {np.min(c)!r} to {np.max(c)!r}; give finite numbers.")
    moving = s > 0.0
    # any scale does where there is none: those entries are replaced below
    with np.errstate(over="ignore"):  # a mean at infinitely many scales is one that never moves
        found = _moments(activation, np.where(moving, s, 1.0), c)
    still = dphi(activation, c) ** 2
    return SlopeMoments(
        np.where(moving, found.zeroth, still),
        np.where(moving, found.first, 0.0),
        np.where(moving, found.second, still),
    )


def _moments(activation: str, s: FloatArray, c: FloatArray) -> SlopeMoments:
    if activation in _STEP_SLOPES:
        return _step(_STEP_SLOPES[activation] ** 2, s, c)
    if activation == "erf":
        # the squared slope times the normal density is again a Gaussian in z
        width = 1.0 + 4.0 * s * s
        shift = -4.0 * s * c / width
        zeroth = 4.0 / math.pi / np.sqrt(width) * np.exp(-2.0 * c * c / width)
        return SlopeMoments(zeroth, shift * zeroth, (1.0 / width + shift * shift) * zeroth)
    if activation == "sin":
        # cos^2 = (1 + cos 2u) / 2, arranged so that nothing cancels where the slope is small
        fade = np.exp(-2.0 * s * s)
        zeroth = -0.5 * np.expm1(-2.0 * s * s) + fade * np.cos(c) ** 2
        first = -s * fade * np.sin(2.0 * c)
        return SlopeMoments(zeroth, first, zeroth - 2.0 * s * s * fade * np.cos(2.0 * c))
    z, w = single_rules(s, c)
    w = w * dphi(activation, s[..., None] * z + c[..., None]) ** 2
    weighted = w * z
    return SlopeMoments(w.sum(axis=-1), weighted.sum(axis=-1), np.einsum("...m,...m->...", weighted, z))


def _step(below: float, s: FloatArray, c: FloatArray) -> SlopeMoments:
    """A squared slope of `below` under the kink and 1 above it."""
    edge, rest = c / s, 1.0 - below
    density = np.exp(-0.5 * edge * edge) / math.sqrt(2.0 * math.pi)
    above = ndtr(edge)
    # the density vanishes before an infinite edge times it could be undefined
    tail = np.where(density > 0.0, edge, 0.0) * density
    return SlopeMoments(below + rest * above, rest * density, below + rest * (above - tail))
