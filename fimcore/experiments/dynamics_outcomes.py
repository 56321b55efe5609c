"""How a run ended, beside the line 2/eta that the sharpness of its loss may not exceed for long.

ratio = sharpness * eta / k, k = 2 for gradient descent and 2 (1 + beta) with momentum beta; above 1 a step along the stiffest
direction makes the error there larger.
Source: Cohen, Kaur, Li, Kolter, Talwalkar, arXiv 2103.00065 (edge of stability); Lewkowycz, Bahri, Dyer, Sohl-Dickstein, Gur-Ari,
The large learning rate phase of deep learning: the catapult mechanism, arXiv 2003.02218.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from fimcore.experiments.dynamics_measured import Snapshot

# Within 3 % below the line counts as at it; above 1.3 times it a run has not settled.
AT_THE_LINE, UNSETTLED = 0.97, 1.3
# A loss this many times its start does not come back: descent multiplies it by a constant from there on.
BLOWN_UP = 1e6


@dataclass
class Run:
    """One seed's run, as it comes in. eta: step size; line: k / eta, nan where the optimizer has none."""

    seed: int
    eta: float
    line: float
    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    diverged_at: float = np.nan
    stopped: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    word: "below" (not at the line in the end), "edge" (reached it from below), "catapult" (began above it, and came down),
    "above" (has not settled near it), "diverged", "finished" (no line to compare with), "running" (too little yet).
    reached: first measured step at the line after the flattest moment of the run; nan: none.
    low, high: of the ratio from then on. top: largest ratio of all. final: the last. rose: whether the loss was ever above its
    start.
    """

    word: str
    reached: float = np.nan
    low: float = np.nan
    high: float = np.nan
    top: float = np.nan
    final: float = np.nan
    rose: bool = False


def ratios(snapshots: Sequence[Snapshot], line: float) -> np.ndarray:
    """Sharpness over the line, (S,)."""
    return np.array([each.sharpness for each in snapshots]) / line


def outcome_of(run: Run) -> Outcome:
    """Read off the snapshots of a run."""
    finite = [loss for loss in run.losses if np.isfinite(loss)]
    rose = bool(finite) and max(finite) > finite[0] * (1 + 1e-9)
    own = ratios(run.snapshots, run.line)
    if np.isfinite(run.diverged_at):
        return Outcome("diverged", rose=True, top=_largest(own))
    if not np.isfinite(run.line):
        return Outcome("finished", rose=rose)
    own = own[np.isfinite(own)]
    if len(own) < 2:
        return Outcome("running", rose=rose)
    # From the flattest moment on: what is high before that is where the run began.
    flattest = int(own.argmin())
    below = own[flattest] < AT_THE_LINE
    later = flattest + np.flatnonzero(own[flattest:] >= AT_THE_LINE)
    steps = [each.step for each in run.snapshots if np.isfinite(each.sharpness)]
    reached = float(steps[later[0]]) if len(later) else np.nan
    after = own[later[0] :] if len(later) else np.array([np.nan])
    began_above, final = own[0] > 1.0, float(own[-1])
    if final > UNSETTLED:
        word = "above"
    elif began_above and (rose or not len(later)):
        word = "catapult" if below else "above"
    else:
        word = "edge" if len(later) else "below"
    return Outcome(word, reached, float(after.min()), float(after.max()), _largest(own), final, rose)


def _largest(values: np.ndarray) -> float:
    there = values[np.isfinite(values)]
    return float(there.max()) if len(there) else np.nan
