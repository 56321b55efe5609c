"""Phase diagram: chi = s_w E phi'(u)^2 at the reached fixed point q* over a grid of variances, and the line chi = 1.

Source: Poole et al., arXiv 1606.05340; Schoenholz et al., "Deep Information Propagation", arXiv 1611.01232. s_w and s_b stand
for the weight and the bias variance; tabulating both moments once in q is elementary.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq

from fimcore.gaussian_integrals import single_moments
from fimcore.meanfield.fixed_points import GROWTH, OFFSET, SCALE_FREE, check_variances

__all__ = ["CriticalLine", "PhaseDiagram", "critical_line", "phase_diagram"]

FloatArray = NDArray[np.float64]

# Moments are tabulated at these lengths; 40 a decade keep a cubic spline in log q within 1e-7.
SHORTEST, LONGEST, A_DECADE = -8, 6, 40
BISECTIONS = 40
ATTRACTS_BELOW = 1.0 + 1e-9
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class PhaseDiagram:
    """What depth does over a grid of variances, for one activation.

    weight_variances (W,), bias_variances (B,): the grid.
    q, chi: (B, W), the fixed point that an input of the given length reaches and s_w E phi'^2 there; q is inf where the length
        grows without bound, and chi then its limit.
    """

    weight_variances: FloatArray
    bias_variances: FloatArray
    q: FloatArray
    chi: FloatArray


@dataclass(frozen=True, eq=False)
class CriticalLine:
    """The line chi = 1, walked along in q: arrays of one length, in increasing q.

    A gap (nan in both variances) stands where the bias variance would be negative. slope: derivative of the variance map at q;
    the fixed point attracts where it is below 1. A single point (relu, leaky_relu, linear) has q nan: every q is a fixed point.
    """

    weight_variances: FloatArray
    bias_variances: FloatArray
    q: FloatArray
    slope: FloatArray

    @property
    def attracts(self) -> NDArray[np.bool_]:
        """Where depth stays at the fixed point: slope up to 1."""
        return self.slope <= ATTRACTS_BELOW


@lru_cache(maxsize=16)
def _table(activation: str) -> tuple[FloatArray, FloatArray, FloatArray]:
    """q, E phi(u)^2 and E phi'(u)^2 on a logarithmic grid."""
    q = np.logspace(SHORTEST, LONGEST, (LONGEST - SHORTEST) * A_DECADE + 1)
    here = [single_moments(activation, float(value)) for value in q]
    return q, np.array([each.phi_phi for each in here]), np.array([each.dphi_dphi for each in here])


def phase_diagram(
    activation: str, weight_variances: ArrayLike, bias_variances: ArrayLike, input_q: float = 1.0
) -> PhaseDiagram:
    """Fixed point and chi at every pair of variances, vectorised; `fixed_point` gives one pair with everything about it.

    The variance map q -> s_w E phi^2 + s_b rises with q, so an input ends at the nearest root in the direction of its first step.

    Args:
        activation: one of `ACTIVATION_NAMES`.
        weight_variances: (W,) values above 0. bias_variances: (B,) values of 0 or more.
        input_q: |x|^2 / n_0 of the input.

    Returns:
        `PhaseDiagram`, relative accuracy about 1e-6.

    Raises:
        ValueError: naming the field, the value received and what works.
    """
    weights, biases = (np.atleast_1d(np.asarray(each, dtype=np.float64)) for each in (weight_variances, bias_variances))
    for weight in weights:
        check_variances(activation, float(weight), 0.0)
    for bias in biases:
        check_variances(activation, 1.0, float(bias))
    if not (math.isfinite(input_q) and input_q > 0.0):
        raise ValueError(f"`input_q` is {input_q!r}; give the mean squared input entry, a finite number above 0.")
    if activation in SCALE_FREE:
        q, chi = _scale_free(activation, weights, biases, float(input_q))
    else:
        q, chi = _reached(activation, weights, biases, float(input_q))
    return PhaseDiagram(weights, biases, q, chi)


def _scale_free(activation: str, weights: FloatArray, biases: FloatArray, input_q: float) -> tuple[FloatArray, ...]:
    """q* = s_b / (1 - g) with the growth g = s_w E phi(u)^2 / q = chi, the same at every q."""
    growth = np.broadcast_to(GROWTH[activation] * weights, (biases.size, weights.size))
    bias = biases[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        q = np.where(growth < 1.0, bias / (1.0 - growth), np.inf)
    q = np.where((growth == 1.0) & (bias == 0.0), weights * input_q, q)
    return q, growth.copy()


def _reached(activation: str, weights: FloatArray, biases: FloatArray, input_q: float) -> tuple[FloatArray, ...]:
    grid, activity, stretch = _table(activation)
    logs = np.log(grid)
    activity_at, stretch_at = CubicSpline(logs, np.log(activity)), CubicSpline(logs, stretch)
    weight, bias = np.meshgrid(weights, biases)

    def excess(log_q: FloatArray) -> FloatArray:
        """(map(q) - q) of every cell."""
        return weight * np.exp(activity_at(log_q)) + bias - np.exp(log_q)

    start = np.clip(np.log(weight * input_q + bias), logs[0], logs[-1])
    rises = excess(start) > 0.0
    low, high, found = _brackets(weights, biases, grid, activity, start, rises)
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        beyond = excess(middle) > 0.0
        low, high = np.where(beyond, middle, low), np.where(beyond, high, middle)
    log_q = 0.5 * (low + high)
    fades = single_moments(activation, 0.0)
    q = np.where(found, np.exp(log_q), np.where(rises, np.inf, 0.0))
    limit = weight * GROWTH.get(activation, 0.0)
    chi = np.where(found, weight * stretch_at(log_q), np.where(rises, limit, weight * fades.dphi_dphi))
    return q, chi


def _brackets(
    weights: FloatArray,
    biases: FloatArray,
    grid: FloatArray,
    activity: FloatArray,
    start: FloatArray,
    rises: NDArray[np.bool_],
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """Log q below and above the reached root of every cell (excess falls through 0 between them), and whether there is one."""
    logs = np.log(grid)
    low, high = np.empty_like(start), np.empty_like(start)
    found = np.zeros(start.shape, dtype=bool)
    places = np.arange(grid.size)
    for column, weight in enumerate(weights):  # one column at a time: the sign table stays small
        positive = weight * activity[None, :] + biases[:, None] - grid[None, :] > 0.0
        begin, up = start[:, column], rises[:, column]
        after = logs[None, :] > begin[:, None]
        first = np.where(after & ~positive, places, grid.size).min(axis=1)
        last = np.where(~after & positive, places, -1).max(axis=1)
        found[:, column] = np.where(up, first < grid.size, last >= 0)
        above, below = np.minimum(first, grid.size - 1), np.maximum(last, 0)
        low[:, column] = np.where(up, np.maximum(logs[np.maximum(above - 1, 0)], begin), logs[below])
        high[:, column] = np.where(
            up, logs[above], np.minimum(logs[np.minimum(below + 1, grid.size - 1)], np.maximum(begin, logs[below]))
        )
    return low, high, found


@lru_cache(maxsize=16)
def critical_line(activation: str) -> CriticalLine:
    """All pairs of variances with chi = 1: s_w = 1 / E phi'(u)^2, s_b = q - s_w E phi(u)^2, for q from 0 to 1e6.

    Args:
        activation: one of `ACTIVATION_NAMES`.

    Returns:
        `CriticalLine`; without any entry where the bias variance would be negative at every q (softplus).

    Raises:
        ValueError: an unknown activation.

    Source: arXiv 1611.01232.
    """
    check_variances(activation, 1.0, 0.0)
    if activation in SCALE_FREE:
        return CriticalLine(*(np.array([value]) for value in (1.0 / GROWTH[activation], 0.0, np.nan, 1.0)))
    grid = _table(activation)[0]
    values = [_bias(activation, float(q)) for q in grid]
    places: list[float] = [] if activation in OFFSET else [0.0]
    for number, (q, value) in enumerate(zip(grid, values, strict=True)):
        before = values[number - 1] if number else value
        if (value < 0.0) != (before < 0.0):
            low, high = math.log(grid[number - 1]), math.log(q)
            root = math.exp(float(brentq(lambda x: _bias(activation, math.exp(x)), low, high, xtol=1e-14)))
            places += [root, math.nan] if value < 0.0 else [math.nan, root]
        if value >= 0.0:
            places.append(float(q))
    rows = [_row(activation, q) for q in places if places != [0.0]]
    return CriticalLine(*np.array(rows, dtype=np.float64).reshape(-1, 4).T)


def _bias(activation: str, q: float) -> float:
    """s_b on the critical line at q; where q is small it is a difference of nearly equal numbers, and rounding is no sign."""
    here = single_moments(activation, q)
    value = q - here.phi_phi / here.dphi_dphi
    return 0.0 if abs(value) <= ROUNDING * q else value


def _row(activation: str, q: float) -> tuple[float, float, float, float]:
    if math.isnan(q):
        return (math.nan,) * 4
    here = single_moments(activation, q)
    weight = 1.0 / here.dphi_dphi
    return weight, max(0.0, q - weight * here.phi_phi), q, weight * here.phi_phi_slope
