"""Fitted against predicted slopes, in words: every observable has a verdict, and those without a prediction say why."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fimcore.experiments.result import FEWEST_SEEDS, Verdict, signed
from fimcore.experiments.width_observables import NAMES

# A slope this near to the predicted one is close, however small both are.
CLOSE = 0.05


def verdicts(trends: pd.DataFrame, seeds: int) -> tuple[Verdict, ...]:
    """One per observable and part.

    agrees: the predicted slope lies inside the fit's 95 % interval; close: within 10 % or 0.05; no word below 4 seeds.
    """
    return tuple(_verdict(row, seeds) for row in trends.to_dict("records"))


def quantity(observable: str, part: str) -> str:
    """What a slope is of: "Slope of layer 1" for the RMS ratio; "In-unit share of ‖F‖², hidden layers: slope" for others."""
    return f"Slope of {part}" if observable == "ratio" else f"{NAMES[observable]}, {part}: slope"


def _verdict(row: dict, seeds: int) -> Verdict:  # type: ignore[type-arg]
    name = quantity(row["observable"], row["part"])
    measured = f"measured {signed(row['slope'])}" if np.isfinite(row["slope"]) else "nothing to fit"
    if np.isfinite(row["high"]):
        measured += f" ({signed(row['low'])} to {signed(row['high'])}, {row['networks']} networks)"
    if not np.isfinite(row["predicted"]):
        return Verdict(name, "no prediction", f"{name}: {measured}; no prediction here. {row['reason']}".strip())
    facts = f"predicted {signed(row['predicted'])}, {measured}"
    difference = abs(row["slope"] - row["predicted"])
    if seeds < FEWEST_SEEDS or not np.isfinite(row["high"]):
        word = "too few seeds to say"
    elif row["low"] <= row["predicted"] <= row["high"]:
        word = "agrees"
    else:
        word = "close" if difference <= max(CLOSE, 0.1 * abs(row["predicted"])) else "disagrees"
    return Verdict(name, word, f"{name}: {facts}: {word}.")
