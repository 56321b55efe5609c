"""What mean-field theory says about a signal's way: fixed points, maps, depth scales, the phase diagram, and where it is rough.

Source: Poole et al., arXiv 1606.05340; Schoenholz et al., Deep Information Propagation, arXiv 1611.01232.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fimcore import meanfield
from fimcore.architecture import Architecture
from fimcore.experiments.phase_spec import Spec
from fimcore.experiments.setting import architecture_of, input_dimension, input_moments
from fimcore.gaussian_integrals import pair_phi_phi, single_moments
from fimcore.meanfield.phase_diagram import CriticalLine, PhaseDiagram, critical_line, phase_diagram

FloatArray = NDArray[np.float64]

# The sliders' range, so that every stop of the weight variance is a column.
WEIGHT_VARIANCES = np.linspace(0.05, 5.0, 100)
BIAS_VARIANCES = np.linspace(0.0, 2.0, 100)
MAP_POINTS = 81
# Depth over width beyond which first-order theory of wide networks is rough, and the spread of lengths among inputs that counts.
DEEP_FOR_ITS_WIDTH, SHORTEST_INPUT = 0.1, 50
SCALE_FREE = ("relu", "leaky_relu", "linear")
QUANTITIES = ("length", "correlation", "gradient")


@dataclass(frozen=True, eq=False)
class Diagram:
    """chi_1 and q* over the sliders' range, and the critical line, for one activation and one length of the input."""

    activation: str
    cells: PhaseDiagram
    line: CriticalLine


@lru_cache(maxsize=32)
def diagram(activation: str, input_q: float = 1.0) -> Diagram:
    """The phase diagram of one activation, 100 by 100."""
    return Diagram(
        activation, phase_diagram(activation, WEIGHT_VARIANCES, BIAS_VARIANCES, input_q), critical_line(activation)
    )


def diagram_of(spec: Spec) -> Diagram:
    """The phase diagram that a Spec lies in."""
    return diagram(spec.activation, input_pair(spec)[0])


def input_pair(spec: Spec) -> tuple[float, float]:
    """|x|^2 / n_0 and x.x' / n_0 of a pair: as set for random inputs, the means over the whole table for data."""
    if not spec.from_data:
        return 1.0, spec.overlap
    moments = input_moments(spec)
    return moments.length, min(moments.overlap, moments.length)


def layers(spec: Spec) -> dict[str, FloatArray]:
    """Predicted length, correlation and gradient size in every hidden layer; missing (nan) where signals overflow."""
    found = _propagated(architecture_of(spec), *input_pair(spec))
    hidden = slice(0, spec.hidden_layers)
    columns = {"length": found.q, "correlation": found.c, "gradient": found.gradient}
    return {name: np.where(np.isfinite(values), values, np.nan)[hidden] for name, values in columns.items()}


@lru_cache(maxsize=128)
def _propagated(architecture: Architecture, length: float, overlap: float) -> meanfield.Propagation:
    return meanfield.propagate(architecture, length, overlap)


def fixed_point(spec: Spec) -> meanfield.FixedPoint:
    """Where depth takes these inputs."""
    return meanfield.fixed_point(spec.activation, spec.weight_variance, spec.bias_variance, input_pair(spec)[0])


def fixed_points(spec: Spec) -> pd.DataFrame:
    """Every fixed point of the length map: length, slope, chi, attracts, reached (by these inputs), correlation (c* there)."""
    point = fixed_point(spec)
    rows = [
        {
            "length": root.q,
            "slope": root.slope,
            "chi": root.chi,
            "attracts": root.stable,
            "reached": root.q == point.q,
            "correlation": point.correlation if root.q == point.q else np.nan,
            "correlation_slope": point.correlation_slope if root.q == point.q else np.nan,
        }
        for root in point.roots
    ]
    columns = ["length", "slope", "chi", "attracts", "reached", "correlation", "correlation_slope"]
    return pd.DataFrame(rows, columns=columns)


def depth_scales(spec: Spec) -> pd.DataFrame:
    """Per quantity: the law ("exponential", "algebraic", "none"), its constants and the reason; infinite numbers are missing."""
    found = meanfield.depth_decay(spec.activation, spec.weight_variance, spec.bias_variance, input_pair(spec)[0])
    rows = []
    for quantity in QUANTITIES:
        law = getattr(found, quantity)
        numbers = {name: _finite(getattr(law, name)) for name in ("depth", "limit", "power", "prefactor")}
        rows.append({"quantity": quantity, "law": law.law, **numbers, "reason": law.reason})
    return pd.DataFrame(rows)


def _finite(value: float) -> float:
    return value if math.isfinite(value) else math.nan


def length_map(spec: Spec) -> pd.DataFrame:
    """q^{l+1} against q^l, from 0 to beyond the start and the fixed points near it."""
    point = fixed_point(spec)
    start = spec.weight_variance * input_pair(spec)[0] + spec.bias_variance
    reach = max(start, point.q if math.isfinite(point.q) else 2 * start)
    reach = 1.25 * max([reach, *(root.q for root in point.roots if root.q < 4 * reach)])
    if not math.isfinite(reach) or reach > 1e100:
        return pd.DataFrame({"value": [], "next": []})
    lengths = np.linspace(0.0, reach, MAP_POINTS)
    following = [
        spec.weight_variance * single_moments(spec.activation, float(q)).phi_phi + spec.bias_variance for q in lengths
    ]
    return pd.DataFrame({"value": lengths, "next": following})


def correlation_map(spec: Spec) -> tuple[pd.DataFrame, str]:
    """c^{l+1} against c^l at the fixed point of the length; without rows, and with the reason, where there is no such map."""
    point, weight, bias = fixed_point(spec), spec.weight_variance, spec.bias_variance
    q, note = point.q, ""
    if spec.activation in SCALE_FREE and (bias == 0.0 or math.isinf(q)):
        # without a bias, and in the limit of large lengths, the map is the same at every length
        note = "" if bias == 0.0 else "The length grows without bound, so this is the map in that limit."
        q, bias = 1.0, 0.0
        weight = 1.0 / single_moments(spec.activation, 1.0).phi_phi
    elif not math.isfinite(q):
        return pd.DataFrame(
            {"value": [], "next": []}
        ), "The length grows without bound, so there is no one overlap map."
    elif q == 0.0:
        return pd.DataFrame({"value": [], "next": []}), "Signals fade to zero, so there is no overlap left to map."
    low = -1.0 if input_pair(spec)[1] < 0 else 0.0
    correlations = np.linspace(low, 1.0, MAP_POINTS)
    following = [(weight * pair_phi_phi(spec.activation, q, q, float(value) * q) + bias) / q for value in correlations]
    return pd.DataFrame({"value": correlations, "next": following}), note


def scatter(spec: Spec) -> float:
    """Predicted standard deviation of |a^l|^2 / n in the last hidden layer between networks, over its mean; nan: no prediction."""
    found = meanfield.activity_scatter(architecture_of(spec), input_pair(spec)[0])
    last = float(found.relative_variance[-1])
    return math.sqrt(last) if found.valid and math.isfinite(last) else math.nan


def caveats(spec: Spec) -> tuple[str, ...]:
    """Where the prediction is rough, and what is averaged there: one sentence each."""
    said = []
    ratio = spec.hidden_layers / spec.width
    if ratio > DEEP_FOR_ITS_WIDTH:
        spread = scatter(spec)
        about = f" (lengths in the last layer by ± {100 * spread:.0f} %)" if math.isfinite(spread) else ""
        said.append(
            f"Depth over width is {ratio:.2g}, above {DEEP_FOR_ITS_WIDTH:g}: single networks scatter widely around the "
            f"prediction{about}, and their mean need not reach it."
        )
    if spec.from_data:
        said.append(
            "These inputs differ in length and overlap. Measured: averages over random pairs of rows; predicted: one pair with "
            "the mean length and the mean overlap of the whole table."
        )
    elif spec.inputs == "gaussian" and input_dimension(spec) < SHORTEST_INPUT:
        spread = 100 * math.sqrt(2 / input_dimension(spec))
        said.append(
            f"Gaussian inputs with {input_dimension(spec)} coordinates differ in length by ± {spread:.0f} %; predicted is one "
            "of mean length."
        )
    return tuple(said)
