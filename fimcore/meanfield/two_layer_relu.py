"""Fisher matrix of the output weights behind one random relu layer: eigenvalues lambda_k = d^2 b_k^2 of spherical harmonics.

I = E X X^T with X = relu(W^T x), x ~ N(0, I_d), and p columns of W with entries N(0, 1/p); b_k is the Funk-Hecke coefficient
of relu on the sphere in d dimensions, b_0 = Gamma(d/2) / (2 sqrt(pi) Gamma((d+1)/2)), b_1 = 1/(2d), b_{k+2} / b_k =
-(k - 1) / (k + d + 1).
Source: Takeishi, Iida, Takeuchi, arXiv 2111.15256; exact limit p to infinity at any d, derived here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

__all__ = ["TwoLayerReluSpectrum", "two_layer_relu_spectrum"]

FloatArray = NDArray[np.float64]

# Eigenvalues of a group of m spread by about sqrt(m / p) of their value: below 1/10 of the width a group is one line.
NARROW_GROUP = 0.1


@dataclass(frozen=True, eq=False)
class TwoLayerReluSpectrum:
    """Groups of eigenvalues, one per degree of spherical harmonics.

    degrees (K,): 0, 1, 2, ... eigenvalues (K,): of each group; 0 for odd degrees from 3 on. multiplicities (K,): their number
    in the limit (floats: they grow like d^k). shares (K,): of the trace; they sum to 1 - ``remainder``. trace: d / 2.
    remainder: share of the trace in degrees above the last.
    valid (K,) and reason: whether a layer of the given width shows the group as one line, and if some do not, why.
    """

    degrees: NDArray[np.int64]
    eigenvalues: FloatArray
    multiplicities: FloatArray
    shares: FloatArray
    trace: float
    remainder: float
    valid: NDArray[np.bool_]
    reason: str


def two_layer_relu_spectrum(dim: int, degrees: int = 9, width: int | None = None) -> TwoLayerReluSpectrum:
    """Eigenvalues and multiplicities of the Fisher matrix of the output weights of a wide two-layer relu network without biases.

    Degree 0: one eigenvalue, about (2d + 1) / 4 pi. Degree 1: d eigenvalues, exactly 1/4. Degree 2: (d - 1)(d + 2) / 2
    eigenvalues, about 1 / (2 pi (d + 2)). The three hold at least 97.7 % of the trace d / 2.

    Args:
        dim: d, the input dimension, 1 or more. degrees: how many degrees to list from 0 on.
        width: p, number of hidden units, to say which groups such a layer can show; None for the limit itself.

    Returns:
        `TwoLayerReluSpectrum`; gaussian regression with unit noise variance.

    Raises:
        ValueError: naming the field, the value received and what works.

    Source: arXiv 2111.15256.
    """
    for name, value in (("dim", dim), ("degrees", degrees), ("width", 1 if width is None else width)):
        if isinstance(value, bool) or not math.isfinite(value) or value != int(value) or value < 1:
            raise ValueError(f"`{name}` is {value!r}; give a whole number, 1 or more.")
    d, count = int(dim), int(degrees)
    squares = np.zeros(max(count, 2))
    squares[0] = math.exp(2.0 * (math.log(d) + gammaln(0.5 * d) - gammaln(0.5 * (d + 1)))) / (4.0 * math.pi)
    squares[1] = 0.25
    for k in range(0, squares.size - 2, 2):
        squares[k + 2] = squares[k] * ((k - 1) / (k + d + 1)) ** 2
    multiplicities = np.array([_harmonics(d, k) for k in range(count)])
    eigenvalues = np.where(multiplicities > 0.0, squares[:count], 0.0)
    shares = eigenvalues * multiplicities / (0.5 * d)
    valid, reason = np.ones(count, dtype=np.bool_), ""
    if width is not None:
        needed = np.cumsum(np.where(eigenvalues > 0.0, multiplicities, 0.0)) / NARROW_GROUP
        valid = needed <= width
        if not valid.all():
            first = int(np.argmin(valid))
            reason = (
                f"From degree {first} on the groups are too large for a width of {int(width)} to show each as one line; "
                f"degree {first} needs about {needed[first]:.3g} hidden units."
            )
    return TwoLayerReluSpectrum(
        degrees=np.arange(count),
        eigenvalues=eigenvalues,
        multiplicities=multiplicities,
        shares=shares,
        trace=0.5 * d,
        remainder=max(0.0, 1.0 - math.fsum(shares)),
        valid=valid,
        reason=reason,
    )


def _harmonics(d: int, k: int) -> float:
    """Dimension of the spherical harmonics of degree k in d dimensions."""
    lower = math.comb(d + k - 3, k - 2) if k >= 2 and d + k >= 3 else 0
    return float(math.comb(d + k - 1, k) - lower)
