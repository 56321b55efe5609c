"""Tables of a race: curves, who reached the goal when, what a step costs, and gradient descent's step size against its limit.

Goal: the first step whose loss is at most `goal` times the loss at step 0 of the same run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from fimcore.experiments.result import FEWEST_SEEDS, Verdict
from fimcore.experiments.train_spec import WORDS, Spec
from fimcore.training import Step

CURVE_COLUMNS = (
    "optimizer",
    "seed",
    "step",
    "seconds",
    "products",
    "loss",
    "accuracy",
    "residual",
    "gradient_norm",
    "diverged",
    "stopped",
)
PREDICTION_COLUMNS = ("optimizer", "seed", "step", "predicted_loss")


@dataclass(frozen=True)
class Facts:
    """What one network says at its start: 2 / lambda_max(F), lambda_max(F), and the mean of F's diagonal."""

    limit: float
    lambda_max: float
    mean_diagonal: float


@dataclass
class Run:
    """The numbers of one run, as they come in; networks are not kept. products: Fisher-vector products that an update costs."""

    optimizer: str
    seed: int
    products: float = math.nan
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    stopped: str = ""

    def take(self, step: Step) -> None:
        """Append one step."""
        self.stopped = step.stopped
        self.rows.append(
            (
                self.optimizer,
                self.seed,
                step.number,
                step.seconds,
                step.number * self.products,
                step.loss,
                step.accuracy,
                step.residual,
                step.gradient_norm,
                step.diverged,
                bool(step.stopped),
            )
        )


@dataclass(frozen=True)
class Chosen:
    """Of one optimizer: step size, whether it was searched, its alpha, seconds of an SGD step beside it, why no prediction."""

    learning_rate: float
    searched: bool
    alpha: float
    no_prediction: str


@dataclass(frozen=True)
class Tables:
    """Tables and verdicts of the runs so far."""

    tables: Mapping[str, pd.DataFrame]
    verdicts: tuple[Verdict, ...]


def summarise(
    spec: Spec,
    runs: Sequence[Run],
    facts: Sequence[Facts],
    chosen: Mapping[str, Chosen],
    predicted: Sequence[tuple[Any, ...]],
    plain_seconds: float,
) -> Tables:
    """All tables of the runs so far; a run that is still going counts with the steps it has."""
    curves = pd.DataFrame([row for run in runs for row in run.rows], columns=list(CURVE_COLUMNS))
    races = _races(curves, spec.goal, {(run.optimizer, run.seed): run.stopped for run in runs})
    stability = _stability(spec, facts, chosen)
    summary = _summary(spec, races, chosen, plain_seconds, {run.optimizer: run.products for run in runs})
    prediction = pd.DataFrame(predicted, columns=list(PREDICTION_COLUMNS))
    tables = {
        "curves": curves,
        "summary": summary,
        "races": races,
        "stability": stability,
        "prediction": prediction.astype({"predicted_loss": float}),
    }
    return Tables(tables, _verdicts(races, stability))


def _races(curves: pd.DataFrame, goal: float, stopped: Mapping[tuple[str, int], str]) -> pd.DataFrame:
    """One row a run: start and final loss, when the goal was reached (nan: not), seconds a step, and how it ended."""
    rows = []
    for _, run in curves.groupby(["optimizer", "seed"], sort=False):
        optimizer, seed = str(run["optimizer"].iloc[0]), int(run["seed"].iloc[0])
        loss, step = run["loss"].to_numpy(), run["step"].to_numpy()
        seconds, diverged = run["seconds"].to_numpy(), run["diverged"].to_numpy()
        reached = np.flatnonzero(loss <= goal * loss[0])
        first = int(reached[0]) if len(reached) else None
        finite = loss[np.isfinite(loss)]
        rows.append(
            {
                "optimizer": optimizer,
                "seed": seed,
                "start_loss": loss[0],
                "final_loss": loss[-1],
                "final_accuracy": run["accuracy"].iloc[-1],
                "steps_to_goal": math.nan if first is None else float(step[first]),
                "seconds_to_goal": math.nan if first is None else float(seconds[first]),
                "products_to_goal": math.nan if first is None else float(run["products"].iloc[first]),
                "seconds_per_step": float(seconds[-1] / step[-1]) if step[-1] else math.nan,
                "steps_made": int(step[-1]),
                "diverged_at": float(step[-1]) if diverged[-1] else math.nan,
                "rose": bool(diverged[-1] or (len(finite) and finite.max() > 1.001 * loss[0])),
                "stopped": stopped.get((optimizer, seed), ""),
            }
        )
    return pd.DataFrame(rows)


def _summary(
    spec: Spec,
    races: pd.DataFrame,
    chosen: Mapping[str, Chosen],
    plain_seconds: float,
    products: Mapping[str, float],
) -> pd.DataFrame:
    """One row an optimizer; times to the goal are medians over seeds, infinite for a seed that did not reach it."""
    rows = []
    for optimizer in [name for name in spec.optimizers if name in set(races["optimizer"])]:
        own = races[races["optimizer"] == optimizer]
        finite = own[own["diverged_at"].isna()]
        with np.errstate(over="ignore"):
            spread = finite["final_loss"].std(ddof=1)
        per_step = float(own["seconds_per_step"].median())
        rows.append(
            {
                "optimizer": optimizer,
                "learning_rate": chosen[optimizer].learning_rate,
                "searched": chosen[optimizer].searched,
                "seeds": len(own),
                "final_loss_mean": finite["final_loss"].mean(),
                "final_loss_sd": spread,
                "final_accuracy": finite["final_accuracy"].mean(),
                "goal": spec.goal,
                "seeds_at_goal": int(own["steps_to_goal"].notna().sum()),
                "steps_to_goal": _median(own["steps_to_goal"]),
                "fewest_steps_to_goal": own["steps_to_goal"].min(),
                "most_steps_to_goal": own["steps_to_goal"].max(),
                "seconds_to_goal": _median(own["seconds_to_goal"]),
                "products_to_goal": _median(own["products_to_goal"]),
                "seconds_per_step": per_step,
                "cost_of_a_step": per_step / plain_seconds if plain_seconds > 0 else math.nan,
                "products_per_step": products[optimizer],
                "seeds_diverged": int(own["diverged_at"].notna().sum()),
                "first_divergence": own["diverged_at"].min(),
                "no_prediction": chosen[optimizer].no_prediction,
            }
        )
    return pd.DataFrame(rows)


def _median(values: pd.Series) -> float:
    """Median over seeds where a seed that never arrived counts as later than all others; nan if the median seed did not."""
    middle = float(np.median(values.fillna(np.inf).to_numpy(dtype=np.float64)))
    return middle if math.isfinite(middle) else math.nan


def _stability(spec: Spec, facts: Sequence[Facts], chosen: Mapping[str, Chosen]) -> pd.DataFrame:
    """Step size and damping of each optimizer and seed; the limit 2 / lambda_max is that of gradient descent."""
    return pd.DataFrame(
        [
            {
                "optimizer": optimizer,
                "seed": spec.seed + number,
                "learning_rate": chosen[optimizer].learning_rate,
                "alpha": chosen[optimizer].alpha,
                "automatic": chosen[optimizer].searched,
                "limit": each.limit if optimizer == "sgd" else math.nan,
                "lambda_max": each.lambda_max,
                "two_over_lambda_max": each.limit,
                "damping": spec.relative_damping(optimizer) * each.mean_diagonal,
            }
            for optimizer in chosen
            for number, each in enumerate(facts)
        ]
    )


def _verdicts(races: pd.DataFrame, stability: pd.DataFrame) -> tuple[Verdict, ...]:
    """Does the limit 2 / lambda_max at the start tell which runs of gradient descent go down without ever rising?"""
    merged = races[races["optimizer"] == "sgd"].merge(stability, on=["optimizer", "seed"])
    if merged.empty:
        return ()
    predicted = merged["learning_rate"] > merged["limit"]
    right, seeds = int((predicted == merged["rose"]).sum()), len(merged)
    if seeds < FEWEST_SEEDS:
        word = "too few seeds to say"
    else:
        word = "agrees" if right == seeds else "disagrees"
    low, high = merged["limit"].min(), merged["limit"].max()
    limit = f"{low:.3g}" if f"{low:.3g}" == f"{high:.3g}" else f"{low:.3g} to {high:.3g}"
    rose = int(merged["rose"].sum())
    sentence = (
        f"Stability of {WORDS['sgd']}: step size {merged['learning_rate'].iloc[0]:.3g}, limit 2/λ_max = {limit} at the start; "
        f"the loss rose above its start in {rose} of {seeds} runs. The limit tells {right} of {seeds} right: {word}."
    )
    return (Verdict("stability of gradient descent", word, sentence),)
