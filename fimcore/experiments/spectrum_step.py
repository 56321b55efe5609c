"""The learning-rate bound 2 / lambda_max, predicted, measured, and tried: descent near a minimum just below it and just above it.

Source: LeCun, Bottou, Orr, Muller, Efficient BackProp (1998); Karakida, Akaho, Amari, arXiv 1806.01316.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fimcore.experiments import spectrum_theory
from fimcore.experiments.predicted import Prediction
from fimcore.experiments.result import FEWEST_SEEDS, Verdict, verdict
from fimcore.experiments.setting import inputs_of, network_of
from fimcore.experiments.spectrum_measured import STEPS, Descent
from fimcore.experiments.spectrum_spec import Spec
from fimcore.experiments.spectrum_statistics import row_of
from fimcore.number_words import count_of, number

FloatArray = NDArray[np.float64]

SIDES = ("below", "above")
# Relative difference that is not worth a spread.
SAME = 1e-4


def predicted_factor(spec: Spec, side: str) -> float:
    """(1 - eta lambda_max)^2 at eta = (1 -+ margin) 2 / lambda_max."""
    share = 1 - spec.margin if side == "below" else 1 + spec.margin
    return (1 - 2 * share) ** 2


def predicted_bound(spec: Spec, networks: int) -> Prediction:
    """2 / lambda_max from mean-field theory, whatever the estimator: descent follows the exact matrix."""
    outputs = []
    if spec.likelihood == "softmax":
        outputs = [network_of(spec, number)(inputs_of(spec, number)).numpy() for number in range(networks)]
    found = spectrum_theory.statistics(spec.model_copy(update={"estimator": "exact"}), outputs)["outlier"]
    return Prediction(2 / found.value) if np.isfinite(found.value) else found


def tables(spec: Spec, points: list[Descent]) -> dict[str, pd.DataFrame]:
    """Tables "descent" (loss step by step on both sides), "factors" (per step, with the bound), and "points"."""
    curves, factors = [], []
    for place, side in enumerate(SIDES):
        losses = np.array([getattr(point, side) for point in points])
        losses = losses[np.isfinite(losses).all(axis=1)]
        expected = predicted_factor(spec, side)
        for step in range(STEPS + 1):
            own = losses[:, step]
            curves.append(
                {
                    "side": side,
                    "step": step,
                    "loss": float(np.exp(np.log(own).mean())) if len(own) else np.nan,
                    "low": own.min() if len(own) else np.nan,
                    "high": own.max() if len(own) else np.nan,
                    "predicted": expected**step,
                }
            )
        row = row_of("factor", np.array([point.factors[place] for point in points]), Prediction(expected))
        share = 1 - spec.margin if side == "below" else 1 + spec.margin
        factors.append({"side": side, "share": share} | row)
    bounds = np.array([2 / point.largest if point.largest > 0 else np.nan for point in points])
    factors.append(
        {"side": "bound", "share": 1.0} | row_of("two_over_lambda_max", bounds, predicted_bound(spec, len(points)))
    )
    single = [
        {
            "seed": point.seed,
            "largest": point.largest,
            "two_over_lambda_max": bound,
            "factor_below": point.factors[0],
            "factor_above": point.factors[1],
        }
        for point, bound in zip(points, bounds.tolist(), strict=True)
    ]
    return {"descent": pd.DataFrame(curves), "factors": pd.DataFrame(factors), "points": pd.DataFrame(single)}


def verdicts(spec: Spec, points: list[Descent]) -> tuple[Verdict, ...]:
    """The bound, and the loss's factor per step on both sides."""
    bounds = np.array([2 / point.largest if point.largest > 0 else np.nan for point in points])
    theory = predicted_bound(spec, len(points))
    found = [verdict("Bound 2 / λ_max", bounds, theory.value, theory.reason)]
    for place, side in enumerate(SIDES):
        own = np.array([point.factors[place] for point in points])
        name = f"Factor of the loss per step, {100 * spec.margin:g} % {side}"
        found.append(_of_factor(name, own, predicted_factor(spec, side)))
    return tuple(found)


def _of_factor(name: str, own: FloatArray, expected: float) -> Verdict:
    """Networks that differ from each other and from theory in the fifth digit only have no spread to speak of."""
    made, there = verdict(name, own, expected), own[np.isfinite(own)]
    if len(there) < FEWEST_SEEDS or np.abs(there - expected).max() > SAME * expected:
        return made
    facts = f"measured {number(float(there.mean()), 4)} in every one of {count_of(len(there), 'network')}"
    return Verdict(name, "agrees", f"{name}: {facts}, predicted {number(expected, 4)}: agrees.")
