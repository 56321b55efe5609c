"""Sentences about step sizes: what the linearised network predicts in a race, and what the view Step sizes shows."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import words

from fimcore.experiments.result import Result
from fimcore.experiments.train_names import SHORT_NAMES, WORDS

# The prediction is followed as long as both losses differ by no more than this factor.
FOLLOWED = 1.5


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def prediction_words(result: Result) -> str:
    """How long each optimizer follows its linearised network, and why the others have no prediction."""
    summary, prediction = result.tables["summary"], result.tables["prediction"]
    said = []
    for optimizer in [str(name) for name in summary["optimizer"] if name in set(prediction["optimizer"])]:
        followed, last = _followed(result, optimizer)
        if followed >= last:
            said.append(f"{WORDS[optimizer]} to the end")
        elif followed:
            said.append(f"{WORDS[optimizer]} for {words.count_of(followed, 'step')}")
        else:
            said.append(f"{WORDS[optimizer]} not even for one")
    reasons: dict[str, list[str]] = {}
    for optimizer, reason in zip(map(str, summary["optimizer"]), map(str, summary["no_prediction"]), strict=True):
        if reason:
            reasons.setdefault(reason.replace(WORDS[optimizer], "this one"), []).append(WORDS[optimizer])
    text = ""
    if said:
        text = (
            f"The linearised network of infinite width is followed, within a factor of {FOLLOWED:g}, by "
            f"{words.joined(said)}. "
        )
    for reason, names in reasons.items():
        single = len(names) == 1
        meant = reason.replace("this one", words.joined(names, "or"))
        text += f"{meant} " if single or "this one" in reason else f"No prediction for {words.joined(names)}: {reason} "
    return text.strip()


def _followed(result: Result, optimizer: str) -> tuple[int, int]:
    """Steps during which prediction and measurement agree (geometric means over seeds), and the last step made by all."""

    def middle(table: pd.DataFrame, column: str) -> pd.Series:
        own = table[(table["optimizer"] == optimizer) & table["seed"].isin(seeds)]
        logs = np.log(np.maximum(own[column].to_numpy(np.float64), np.finfo(np.float64).tiny))
        return pd.Series(logs, index=own["step"].to_numpy()).groupby(level=0).mean()

    curves = result.tables["curves"]
    seeds = set(curves.loc[curves["optimizer"] == optimizer, "seed"])
    measured, predicted = middle(curves, "loss"), middle(result.tables["prediction"], "predicted_loss")
    apart = (measured - predicted.reindex(measured.index)).abs()
    over = apart.index[~(apart <= math.log(FOLLOWED))]
    last = int(measured.index.max())
    return (int(over.min()) - 1 if len(over) else last), last


def opening(result: Result) -> str:
    """Who is best at its best step size, and whose step size may be missed by how much."""
    best = result.tables["best"]
    steps = getattr(result.spec, "steps", 0)
    known = best[best["best_rate"].notna()].sort_values(["best_loss", "best_rate"], ascending=[True, False])
    if known.empty:
        return "No step size of the grid lowers the loss of any of them."
    first = known.iloc[0]
    share = float(first["best_loss"] / first["start_loss"]) if first["start_loss"] > 0 else 0.0
    level = "a perfect fit" if share <= 1.01e-8 else f"a loss of {words.number(float(first['best_loss']))}"
    equal = known[known["best_loss"] <= 1.01 * first["best_loss"]]
    names = words.joined([f"**{WORDS[str(name)]}**" for name in equal["optimizer"]])
    ends = f"{'ends' if len(equal) == 1 else 'end'} lowest after {words.count_of(steps, 'step')}"
    text = f"Each at its best step size, {names} {ends}, at {level}"
    seeds = words.count_of(int(best["seeds"].max()), "seed")
    others = [
        f"{WORDS[str(name)]} {words.number(float(loss))}"
        for name, loss in zip(known["optimizer"], known["best_loss"], strict=True)
        if name not in set(equal["optimizer"])
    ]
    text += f" ({seeds})" + (f"; {words.joined(others)}." if others else ".")
    widest = known.sort_values("good_decades", ascending=False, kind="stable").iloc[0]
    if widest["good_decades"] > 0:
        factor = words.number(10 ** float(widest["good_decades"]), 2)
        text += (
            f" Least sensitive: {WORDS[str(widest['optimizer'])]}, within a factor of two of its best "
            f"over a factor of **{factor}** in step size."
        )
    else:
        text += " None of them forgives a factor of three in its step size."
    return text[:1].upper() + text[1:]


def shown_table(best: pd.DataFrame) -> pd.DataFrame:
    """Best rates with headings for people."""
    headings = {
        "optimizer": "Optimizer",
        "best_rate": "Best step size",
        "best_loss": "Loss there",
        "good_decades": "Decades within twice the best",
        "first_lost_rate": "Smallest larger step that is lost",
        "seeds": "Seeds",
    }
    shown = best[list(headings)].rename(columns=headings)
    return shown.assign(Optimizer=[SHORT_NAMES[str(name)] for name in best["optimizer"]])
