"""Tables of a run along which the Fisher matrix was measured, and its verdicts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fimcore.experiments import spectrum_theory
from fimcore.experiments.dynamics_outcomes import Run, outcome_of, ratios
from fimcore.experiments.dynamics_spec import Spec
from fimcore.experiments.predicted import Prediction
from fimcore.experiments.result import FEWEST_SEEDS, Verdict, verdict
from fimcore.experiments.setting import inputs_of, network_of
from fimcore.number_words import count_of

MOST_ROWS, MOST_RANKS = 1200, 200
CURVE = "The inputs are points on a line, of very different length; theory follows inputs of one length."
DIVERGING = "diverged"


def predicted_top(spec: Spec) -> Prediction:
    """lambda_max of F at the start from mean-field theory, or why there is none; `spec` as `effective` makes it."""
    if spec.task == "curve":
        return Prediction(np.nan, CURVE)
    outputs = []
    if spec.likelihood == "softmax":
        outputs = [network_of(spec, number)(inputs_of(spec, number)).numpy() for number in range(spec.seeds)]
    return spectrum_theory.statistics(spec, outputs)["outlier"]


def tables(runs: Sequence[Run], theory: Prediction) -> dict[str, pd.DataFrame]:
    """Of the first seed "snapshots" (a row a moment), "ratios" by layer, "eigenvalues"; of all "losses" by step and "outcomes"."""
    first = runs[0]
    against = ratios(first.snapshots, first.line)
    snapshots = [
        {
            "step": each.step,
            "loss": each.loss,
            "fisher_top": each.fisher_top,
            "sharpness": each.sharpness,
            "line": first.line,
            "against_line": float(ratio),
            "trace": each.trace,
            "effective_rank": each.effective_rank,
            "predicted": theory.value if each.step == 0 else np.nan,
        }
        for each, ratio in zip(first.snapshots, against, strict=True)
    ]
    by_layer = [
        {"step": each.step, "layer": layer, "rms_ratio": float(value)}
        for each in first.snapshots
        for layer, value in enumerate(each.ratios, start=1)
        if np.isfinite(value)
    ]
    eigenvalues = [
        {"step": each.step, "rank": int(rank) + 1, "eigenvalue": float(each.eigenvalues[rank])}
        for each in first.snapshots
        for rank in shown_ranks(len(each.eigenvalues))
    ]
    losses = pd.DataFrame(
        [
            {"seed": run.seed, "step": step, "loss": run.losses[step], "accuracy": run.accuracies[step]}
            for run in runs
            for step in shown_steps(len(run.losses))
        ]
    )
    return {
        "snapshots": pd.DataFrame(snapshots),
        "ratios": pd.DataFrame(by_layer, columns=["step", "layer", "rms_ratio"]),
        "eigenvalues": pd.DataFrame(eigenvalues, columns=["step", "rank", "eigenvalue"]),
        "losses": losses,
        "outcomes": pd.DataFrame([_outcome(run) for run in runs]),
    }


def _outcome(run: Run) -> dict[str, object]:
    found = outcome_of(run)
    return {
        "seed": run.seed,
        "outcome": found.word,
        "step_size": run.eta,
        "line": run.line,
        "fisher_top_at_start": run.snapshots[0].fisher_top if run.snapshots else np.nan,
        "sharpness_at_start": run.snapshots[0].sharpness if run.snapshots else np.nan,
        "reached": found.reached,
        "lowest_after": found.low,
        "highest_after": found.high,
        "highest": found.top,
        "final": found.final,
        "rose": found.rose,
        "steps_made": len(run.losses) - 1,
        "start_loss": run.losses[0] if run.losses else np.nan,
        "final_loss": run.losses[-1] if run.losses else np.nan,
        "diverged_at": run.diverged_at,
        "stopped": run.stopped,
    }


def shown_ranks(count: int) -> np.ndarray:
    """Places of the eigenvalues that are kept: all, or at equal ratios."""
    if count <= MOST_RANKS:
        return np.arange(count)
    return np.unique(np.geomspace(1, count, MOST_RANKS).round().astype(int)) - 1


def shown_steps(count: int) -> np.ndarray:
    """Steps whose loss is kept: all, or half of them at equal ratios and half evenly."""
    if count <= MOST_ROWS:
        return np.arange(count)
    ratio = np.geomspace(1, count, MOST_ROWS // 2).round().astype(int) - 1
    return np.unique(np.append(ratio, np.linspace(0, count - 1, MOST_ROWS // 2).round().astype(int)))


def verdicts(spec: Spec, runs: Sequence[Run], theory: Prediction) -> tuple[Verdict, ...]:
    """lambda_max at the start against theory, and the line against what became of the runs."""
    tops = np.array([run.snapshots[0].fisher_top for run in runs if run.snapshots])
    found = [verdict("λ_max of F at the start", tops, theory.value, theory.reason)]
    name = "The line of stability"
    if not np.isfinite(spec.line()):
        reason = "this optimizer rescales the gradient, so its limit is not one on F alone."
        return (*found, Verdict(name, "no prediction", f"{name}: no prediction here; {reason}"))
    outcomes = [outcome_of(run) for run in runs]
    settled = [each for each in outcomes if each.word in ("below", "edge", "catapult")]
    wrong = sum(each.word == "above" for each in outcomes)
    diverged = sum(each.word == DIVERGING for each in outcomes)
    facts = f"{count_of(len(settled), 'run')} ended at most 30 % above it"
    facts += f", {diverged} diverged" if diverged else ""
    facts += f", {wrong} stayed higher" if wrong else ""
    # a run that diverges stays nowhere
    few = len(settled) + wrong < FEWEST_SEEDS
    word = "too few seeds to say" if few else "agrees" if not wrong else "disagrees"
    return (*found, Verdict(name, word, f"{name}: no run should stay above it; {facts}: {word}."))
