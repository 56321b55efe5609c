"""What the page While learning says: how the run ended beside the line 2/eta, and how the matrix changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import words

from fimcore.experiments.dynamics_outcomes import BLOWN_UP
from fimcore.experiments.dynamics_spec import WORDS, Spec
from fimcore.experiments.result import Result

LINE_NAMES = {"sgd": "2/η", "momentum": "3.8/η"}


def line_name(result: Result) -> str:
    """What the dashed line is called; empty where there is none."""
    assert isinstance(result.spec, Spec)
    return LINE_NAMES.get(result.spec.optimizer, "")


def finding(result: Result) -> str:
    """The first sentence: what became of this network, and of the others."""
    spec = result.spec
    assert isinstance(spec, Spec)
    outcomes = result.tables["outcomes"]
    row = outcomes.iloc[0]
    text = f"{_what_happened(row, spec)} {_the_matrix(result)}".strip()
    if result.complete and len(outcomes) > 1:
        text += f" {_the_others(outcomes)}"
    return text


def _what_happened(row: pd.Series, spec: Spec) -> str:
    name = WORDS[spec.optimizer]
    start = f"{name[0].upper()}{name[1:]} with step size η = {words.number(row['step_size'])}"
    line = LINE_NAMES.get(spec.optimizer, "")
    level = f"the line {line} = {words.number(row['line'])}" if line else ""
    first = words.number(row["sharpness_at_start"])
    match row["outcome"]:
        case "diverged":
            place = f"at step {row['diverged_at']:.0f}"
            fate = f"left for good: {place} the loss had grown a millionfold."
            if row["final_loss"] <= BLOWN_UP * row["start_loss"]:
                fate = f"broke off {place}, at a loss of {words.number(row['final_loss'])}: its gradient is not finite there."
            return (
                f"**Diverged.** {start} {fate} "
                + (
                    f"The sharpness began at {first}, {_times(row['sharpness_at_start'] / row['line'])} {level}."
                    if line
                    else ""
                )
            ).strip()
        case "edge":
            reached = f"step {row['reached']:.0f}"
            stays = f"stays between {row['lowest_after']:.2f} and {row['highest_after']:.2f} of it"
            return (
                f"**At the edge of stability.** {start}: the sharpness of the loss begins at {first}, reaches {level} "
                f"at {reached}, and {stays}."
            )
        case "catapult":
            rose = "the loss first rises, then falls" if row["rose"] else "the loss falls all the same"
            text = (
                f"**{'Catapulted' if row['rose'] else 'Came down'}.** {start} begins above {level}, with sharpness {first}: "
                f"{rose}, where the loss is flatter ({_times(row['final'])} the line in the end)."
            )
            if np.isfinite(row["reached"]):
                text += f" From step {row['reached']:.0f} on the sharpness is back at the line."
            return text
        case "above":
            return f"**Above the line.** {start}: the sharpness ends at {_times(row['final'])} {level} and has not settled."
        case "below":
            return (
                f"**Below the line.** {start}: the sharpness begins at {first} and ends at {_times(row['final'])} {level}"
                + (f", after {row['highest']:.2f} at the most." if row["highest"] > row["final"] + 0.02 else ".")
            )
        case "finished":
            return (
                f"{start} took the loss from {words.number(row['start_loss'])} to {words.number(row['final_loss'])}. It rescales "
                "the gradient, so there is no one line 2/η to compare the sharpness with."
            )
    return f"{start}: measuring."


def _times(ratio: float) -> str:
    return f"{words.number(ratio, 2)} times"


def _the_matrix(result: Result) -> str:
    """How size and rank of F changed."""
    shots = result.tables["snapshots"]
    if len(shots) < 2:
        return ""
    first, last = shots.iloc[0], shots.iloc[-1]
    if not (first["trace"] > 0 and np.isfinite(last["trace"]) and np.isfinite(last["effective_rank"])):
        return ""
    return (
        f"Meanwhile the trace of F goes from {words.number(first['trace'])} to {words.number(last['trace'])}, its effective rank "
        f"from {words.number(first['effective_rank'], 2)} to {words.number(last['effective_rank'], 2)}."
    )


def _the_others(outcomes: pd.DataFrame) -> str:
    """Of all networks, how many ended which way."""
    names = {
        "edge": "at the edge",
        "catapult": "down from above it",
        "below": "below the line",
        "above": "above it",
        "diverged": "diverged",
        "running": "too short to tell",
    }
    counts = outcomes["outcome"].value_counts()
    parts = [f"{counts[word]} {said}" for word, said in names.items() if word in counts]
    if not parts:
        return ""
    return f"Of {words.count_of(len(outcomes), 'network')}: {words.joined(parts)}."


def caption(result: Result) -> str:
    """What points, lines and dashes are."""
    spec = result.spec
    assert isinstance(spec, Spec)
    shots = len(result.tables["snapshots"])
    line = LINE_NAMES.get(spec.optimizer)
    text = (
        f"Points: {words.count_of(shots, 'snapshot')} of the first network (seed {spec.seed}), most of them early; loss: every "
        "update. Sharpness: largest eigenvalue of the Hessian of the loss; λ_max: of the Fisher matrix, its Gauss–Newton part. The "
        "two differ where residuals are large. Ratios: root mean squares of entries, of one layer."
    )
    if line:
        text += f" Dashed: {line}; above it a step along the stiffest direction makes the error there larger."
    return text + " The vertical line marks the step that the heat map shows."


def read_out(snapshots: pd.DataFrame) -> list[list[tuple[str, str]]]:
    """Numbers of every frame."""
    found = []
    for _, row in snapshots.iterrows():
        own = [
            ("Step", f"{int(row['step']):,}"),
            ("loss", words.number(row["loss"])),
            ("λ_max", words.number(row["fisher_top"])),
        ]
        sharp = words.number(row["sharpness"])
        if np.isfinite(row["against_line"]):
            sharp += f" = {words.number(row['against_line'], 2)} of the line"
        own += [
            ("sharpness", sharp),
            ("trace", words.number(row["trace"])),
            ("effective rank", words.number(row["effective_rank"])),
        ]
        found.append(own)
    return found


def troubles(result: Result) -> list[tuple[str, tuple[str, dict[str, Any]] | None]]:
    """What went wrong, with the setting that helps."""
    found: list[tuple[str, tuple[str, dict[str, Any]] | None]] = []
    row, spec = result.tables["outcomes"].iloc[0], result.spec
    assert isinstance(spec, Spec)
    if row["outcome"] == "diverged":
        remedy: tuple[str, dict[str, Any]] | None = ("Use 0.9 of the largest stable step", {"eta": 0.9})
        if spec.share <= 0.9:
            remedy = None
        found.append(
            (
                f"The run of seed {row['seed']} diverged at step {row['diverged_at']:.0f}; nothing is measured after it.",
                remedy,
            )
        )
    if row["stopped"]:
        unit = "The setting λ counts in units of the mean of F's diagonal at the start."
        found.append((f"{row['stopped']} {unit}", ("Raise the damping to 10", {"lam": 10.0})))
    return found
