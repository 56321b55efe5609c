"""Value → position in the colour range, and back: t = v/a, sign(v)√(|v|/a), or sign(v)·log(|v|/f)/log(a/f).

Here a is the end of the range and f = 10⁻⁴ a the floor of the logarithm: smaller entries take the colour of zero.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Scale = Literal["linear", "signed_sqrt", "signed_log"]
SCALES: tuple[Scale, ...] = ("linear", "signed_sqrt", "signed_log")
SCALE_WORDS = {"linear": "linear scale", "signed_sqrt": "signed square root scale", "signed_log": "signed log scale"}
LOG_DECADES = 4
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def log_floor(limit: float) -> float:
    """The magnitude below which the signed log scale draws zero."""
    return limit * 10.0**-LOG_DECADES


def forward(values: NDArray[np.floating], limit: float, scale: Scale) -> NDArray[np.float64]:
    """Positions in [-1, 1] of values in any shape; values beyond the limit are clipped, zero stays zero."""
    if scale not in SCALES:
        raise ValueError(f"`scale` is {scale!r}; choose one of {', '.join(SCALES)}")
    if limit <= 0:
        return np.zeros(values.shape)
    with np.errstate(over="ignore"):
        ratio = np.clip(np.asarray(values, dtype=np.float64) / limit, -1.0, 1.0)
    if scale == "linear":
        return ratio
    size = np.abs(ratio)
    if scale == "signed_sqrt":
        return np.asarray(np.copysign(np.sqrt(size), ratio))
    with np.errstate(divide="ignore"):
        level = 1.0 + np.log10(size) / LOG_DECADES
    return np.asarray(np.copysign(np.maximum(level, 0.0), ratio))


def inverse(positions: NDArray[np.floating], limit: float, scale: Scale) -> NDArray[np.float64]:
    """Values at positions in [-1, 1]; on the log scale positions near zero give the floor, not zero."""
    size = np.abs(np.asarray(positions, dtype=np.float64))
    if scale == "linear":
        value = size * limit
    elif scale == "signed_sqrt":
        value = size**2 * limit
    else:
        value = limit * 10.0 ** (LOG_DECADES * (size - 1.0))
    return np.asarray(np.copysign(value, positions))


def colour_limit(values: NDArray[np.floating], quantile: float = 0.995) -> float:
    """The end of a colour range: a quantile of the magnitudes of the finite entries (0 if there are none)."""
    size = np.abs(values[np.isfinite(values)])
    if size.size == 0:
        return 0.0
    # A sparse matrix may have a zero quantile while something is there to be seen.
    return float(np.quantile(size, quantile)) or float(size.max())


def number_text(value: float, digits: int = 3) -> str:
    """A number with a true minus sign and, beyond 10⁻³ … 10⁴, a power of ten: "−4.8 × 10⁻³"."""
    if value == 0:
        return "0"
    if not np.isfinite(value):
        return "no value" if np.isnan(value) else "∞" if value > 0 else "−∞"
    mantissa, exponent = f"{abs(value):.{digits - 1}e}".split("e")
    sign = "−" if value < 0 else ""
    if -3 <= int(exponent) < 4:
        return f"{sign}{float(f'{abs(value):.{digits}g}'):.{max(0, digits - 1 - int(exponent))}f}"
    return f"{sign}{mantissa} × 10{str(int(exponent)).translate(SUPERSCRIPTS)}"


def colour_bar_ticks(limit: float, scale: Scale, signed: bool) -> list[tuple[float, str]]:
    """Positions in [0, 1] along the colour bar and their labels, five of them, honest about the scale."""
    if limit <= 0:
        return [(0.5 if signed else 0.0, "0")]
    positions = np.array([-1.0, -0.5, 0.0, 0.5, 1.0]) if signed else np.linspace(0.0, 1.0, 5)
    ticks = []
    for position in positions:
        value = 0.0 if position == 0 else float(inverse(np.array(position), limit, scale))
        label = number_text(value, 3 if abs(position) == 1 else 2)
        ticks.append((float((position + 1) / 2 if signed else position), label))
    return ticks
