"""One check of the sanity report: a number measured over seeds against its prediction, and the word that follows.

agrees: |measured - predicted| <= t s + tolerance * scale, with s the jackknife error over the networks, t the two-sided 99.9 %
quantile of Student's law, and the tolerance the relative error that mean-field theory itself is allowed at this size.
Source: Efron, The Jackknife, the Bootstrap and Other Resampling Plans (1982), for s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

__all__ = ["AGREES", "DISAGREES", "NOT_APPLICABLE", "Check", "evaluated"]

FloatArray = NDArray[np.float64]

AGREES, DISAGREES, NOT_APPLICABLE = "agrees", "disagrees", "does not apply"
# About forty comparisons in one report, and none should fail by chance.
CONFIDENCE = 0.999
# Seeds that scatter more than this, relative to the prediction's scale, can tell nothing.
COARSEST = 0.5
TOO_COARSE = "Single networks differ so much that errors of half the number and more could hide; use more seeds or a larger width."
LOST = (
    "Nothing is left beside the noise: a mean of squares comes out at zero or below, from all networks or without one of them; use "
    "more inputs or more seeds."
)

COLUMNS = (
    "group",
    "quantity",
    "layer",
    "measured",
    "standard_error",
    "seeds",
    "predicted",
    "relative_error",
    "z",
    "tolerance",
    "noticeable",
    "verdict",
    "reason",
)


def mean(values: FloatArray) -> float:
    """The mean over networks of one number each."""
    return float(values.mean())


def root_of_ratio(values: FloatArray) -> float:
    """sqrt(mean of the first column over mean of the second): of averages, as the predicted averages are."""
    above, below = values.mean(axis=0)
    return float(np.sqrt(above / below)) if above >= 0 and below > 0 else float("nan")


def ratio(values: FloatArray) -> float:
    """Mean of the first column over mean of the second."""
    above, below = values.mean(axis=0)
    return float(above / below) if below != 0 else float("nan")


def relative_variance(values: FloatArray) -> float:
    """Variance over squared mean."""
    return float(values.var(ddof=1) / values.mean() ** 2) if values.mean() != 0 else float("nan")


@dataclass(frozen=True, eq=False)
class Check:
    """What is compared.

    measured (S,) or (S, k): the numbers of every network, from which `statistic` makes one. predicted: a number, or (S,) where the
    prediction is conditional on a network's own inputs or outputs; then their mean.
    tolerance: relative to `scale`, which is |predicted| unless given. reason: why nothing is predicted here; empty where it is.
    layer: as a person reads it, empty where the whole network is meant.
    """

    group: str
    quantity: str
    layer: str
    measured: ArrayLike
    predicted: ArrayLike
    tolerance: float
    reason: str = ""
    statistic: Callable[[FloatArray], float] = mean
    scale: float | None = None


def evaluated(checks: list[Check]) -> pd.DataFrame:
    """A row per check. Missing numbers are nan, never infinite.

    noticeable: the smallest relative error of the prediction that this comparison would be sure to notice.
    """
    return pd.DataFrame([_row(check) for check in checks], columns=list(COLUMNS))


def _row(check: Check) -> dict[str, object]:
    measured = np.asarray(check.measured, dtype=np.float64)
    predicted = np.asarray(check.predicted, dtype=np.float64)
    count = len(measured)
    value, expected, error = np.nan, np.nan, np.nan
    if np.isfinite(measured).all() and count:
        with np.errstate(all="ignore"):
            value, error = _jackknifed(check, measured, predicted)
    if np.isfinite(predicted).all() and not check.reason:
        expected = float(predicted.mean())
    allowed = stats.t.ppf((1 + CONFIDENCE) / 2, count - 1) * error if count > 1 else np.nan
    scale = abs(expected) if check.scale is None else check.scale
    tolerated = check.tolerance * scale
    noticeable = (allowed + tolerated) / scale if scale > 0 else np.nan
    word, reason = _word(check, measured, value, expected, allowed, tolerated, scale)
    if word == NOT_APPLICABLE and check.reason:
        expected = np.nan
    difference = value - expected
    return {
        "group": check.group,
        "quantity": check.quantity,
        "layer": check.layer,
        "measured": value,
        "standard_error": error,
        "seeds": count,
        "predicted": expected,
        "relative_error": difference / scale if scale > 0 else np.nan,
        "z": difference / error if error > 0 else np.nan,
        "tolerance": check.tolerance if np.isfinite(expected) else np.nan,
        "noticeable": noticeable if np.isfinite(noticeable) else np.nan,
        "verdict": word,
        "reason": reason,
    }


def _word(
    check: Check,
    measured: FloatArray,
    value: float,
    expected: float,
    allowed: float,
    tolerated: float,
    scale: float,
) -> tuple[str, str]:
    if check.reason:
        return NOT_APPLICABLE, check.reason
    if not np.isfinite(expected):
        return NOT_APPLICABLE, "Signals or gradients grow without bound, or fade to nothing, on the way through."
    if not np.isfinite(value) and not (np.isfinite(measured).all() and measured.any()):
        return NOT_APPLICABLE, "Nothing finite was measured: the networks are dead, or their signals overflow."
    if len(measured) < 2:
        return NOT_APPLICABLE, "One network says nothing about the spread; use 4 seeds or more."
    if not np.isfinite([value, allowed]).all():
        return NOT_APPLICABLE, LOST
    if allowed > COARSEST * scale:
        return NOT_APPLICABLE, TOO_COARSE
    return (AGREES if abs(value - expected) <= allowed + tolerated else DISAGREES), ""


def _jackknifed(check: Check, measured: FloatArray, predicted: FloatArray) -> tuple[float, float]:
    """The statistic of all networks, and the standard error of its difference from the prediction, leaving out one at a time."""
    count = len(measured)

    def difference(kept: NDArray[np.bool_]) -> float:
        theory = float(predicted[kept].mean()) if predicted.ndim else float(predicted)
        return check.statistic(measured[kept]) - (theory if np.isfinite(theory) else 0.0)

    whole = check.statistic(measured)
    if count < 2:
        return whole, np.nan
    kept = ~np.eye(count, dtype=bool)
    without = np.array([difference(row) for row in kept])
    return whole, float(np.sqrt((count - 1) / count * ((without - without.mean()) ** 2).sum()))
