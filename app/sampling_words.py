"""What the page Watch one says of its draws: in one sentence, panel by panel, and of what sharper predictions do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import words

from fimcore.experiments.sampling_spec import Spec

TITLES = {
    ("score", "model"): "Squared score, labels of the model",
    ("score", "data"): "Squared score, labels of the data",
    ("hessian", "model"): "Minus Hessian, labels of the model",
    ("hessian", "data"): "Minus Hessian, labels of the data",
    ("probe", "none"): "Probe, no labels",
}
NAMES = {"score": "squared score", "hessian": "minus Hessian", "probe": "probe"}
# Means this close to F are said to be F.
CLOSE = 0.02
# From here on labels are counted by powers of ten.
MOST_LABELS = 1e9


class Card(NamedTuple):
    """A number with a word below it."""

    label: str
    value: str
    below: str
    about: str


Row = Mapping[Any, Any]


def rows_of(summary: pd.DataFrame) -> dict[tuple[str, str], Row]:
    """Rows by estimator and labels."""
    return {(row["estimator"], row["labels"]): row for row in summary.to_dict("records")}


def times_f(value: float) -> str:
    """ "1.83 F", and 0 without its unit."""
    return "0" if abs(value) < 1e-9 else f"{words.number(value)} F"


def finding(spec: Spec, name: str, summary: pd.DataFrame) -> str:
    """How far one estimate of each kind lies from the truth, and what the labels of the data do."""
    rows = rows_of(summary)
    score, hessian, probe = rows["score", "model"], rows["hessian", "model"], rows["probe", "none"]
    one = "One label" if spec.averaged == 1 else f"An average of {spec.averaged} labels"
    text = (
        f"{one} says {'little' if score['sd'] > 0.5 else 'something'} of **{name}**: standard deviation "
        f"**{times_f(score['sd'])}** for the squared score, **{times_f(hessian['sd'])}** for minus Hessian"
    )
    negative = hessian["negative"] if math.isfinite(hessian["negative"]) else hessian["drawn_negative"]
    if negative > 0.0005:
        text += f" ({words.percent(negative)} of them negative)"
    text += f", {times_f(probe['sd'])} for a probe. "
    data = rows.get(("score", "data"))
    if data is None:
        return text.strip()
    mean = float(data["mean"])
    if spec.at == "one":
        return (
            f"{text}With the one label that the data have here the squared score is always **{times_f(mean)}**: a bias."
        )
    if abs(mean - 1) <= CLOSE:
        return f"{text}With the labels of the data the mean squared score happens to be {times_f(mean)}."
    return f"{text}With the labels of the data it tends to **{times_f(mean)}** instead of F, however many are taken: a bias."


def panel_words(row: Row, at: str = "all") -> str:
    """Mean and deviation of one panel, drawn and exact, and the law."""
    if row["labels"] == "data":
        kind, mean = "empirical Fisher" if row["estimator"] == "score" else "Hessian of the loss", float(row["mean"])
        if abs(mean - 1) < 1e-9:
            return "**F itself**: no label has a say here, so those of the data do no harm."
        if at == "one":
            return f"The data have one label here, so nothing varies: always **{times_f(mean)}**, {bias_words(mean)}."
        return f"Mean over all data pairs **{times_f(mean)}**: the {kind}, {bias_words(mean)}."
    text = f"Mean {times_f(row['drawn_mean'])}, deviation **{times_f(row['drawn_sd'])}** (exact {times_f(row['sd'])})."
    if math.isnan(row["drawn_sd"]):
        text = f"One estimate: {times_f(row['drawn_mean'])}; the exact deviation is {times_f(row['sd'])}."
    if row["law"]:
        return f"{text} Law: {row['law']}."
    return f"{text} No exact law: {row['reason']}."


def bias_words(mean: float) -> str:
    """How far a mean lies from F."""
    if abs(mean - 1) <= CLOSE:
        return "here close to F"
    sign = "+" if mean > 1 else words.number(-1)[0]
    size = f"a bias of {sign}{times_f(abs(mean - 1))}"
    return f"{size}, and the result is negative" if mean < 0 else size


def beyond(bins: pd.DataFrame) -> float:
    """Share of estimates outside the picture."""
    return max(0.0, 1 - float(bins["share"].sum()))


def labels_text(count: float) -> str:
    """Every digit of a number of labels that somebody might draw, three of one that nobody will."""
    return f"{int(count):,}" if count < MOST_LABELS else words.number(float(count))


def cards(summary: pd.DataFrame) -> list[Card]:
    """Labels that each estimator needs, and what no number of data labels can mend."""
    rows, made = rows_of(summary), []
    for key, what in ((("score", "model"), "labels"), (("hessian", "model"), "labels"), (("probe", "none"), "probes")):
        row = rows[key]
        name = NAMES[key[0]]
        about = "N = z² V / (0.1 F)² with z = 1.96 and V the exact variance of one draw, by the normal law."
        made.append(Card(f"{name[0].upper()}{name[1:]}", labels_text(row["needed"]), f"{what} for ± 10 %", about))
    data = rows.get(("score", "data"))
    if data is not None:
        about = (
            "Mean squared score with the labels of the data, over F. More data of the same kind do not bring it to F."
        )
        made.append(Card("Empirical Fisher", times_f(float(data["mean"])), "however many", about))
    return made


def crossings(table: pd.DataFrame) -> list[float]:
    """Sharpness at which squared score and minus Hessian have the same deviation."""
    own = {name: table[table["estimator"] == name] for name in ("score", "hessian")}
    score, hessian = (rows["exact"].clip(lower=1e-12).to_numpy(float) for rows in own.values())
    apart, at = np.log(score / hessian), np.log(own["score"]["sharpness"].to_numpy(float))
    found = []
    for place in np.flatnonzero(np.sign(apart[:-1]) * np.sign(apart[1:]) < 0):
        share = apart[place] / (apart[place] - apart[place + 1])
        found.append(float(np.exp(at[place] + share * (at[place + 1] - at[place]))))
    return found


def at_sharpness(table: pd.DataFrame, estimator: str, sharpness: float, column: str = "exact") -> float:
    """A column of the curves between their points."""
    own = table[table["estimator"] == estimator]
    return float(np.interp(np.log(sharpness), np.log(own["sharpness"]), own[column]))


def curve_finding(table: pd.DataFrame) -> str:
    """What sharper predictions do to both estimators, and where they change places."""
    low, high = float(table["sharpness"].min()), float(table["sharpness"].max())
    ends = {
        name: (at_sharpness(table, name, low), at_sharpness(table, name, high))
        for name in ("score", "hessian", "probe")
    }
    if not all(math.isfinite(value) for pair in ends.values() for value in pair):
        return "At the sharpest setting nothing is left to estimate: predictions are certain to rounding."
    score, hessian, _ = ends.values()
    sure = at_sharpness(table, "score", high, "confidence")
    here = f" ({words.percent(sure)} mean largest probability)" if math.isfinite(sure) else ""
    if abs(score[1] / score[0] - 1) < 1e-6:
        text = f"The squared score has deviation {times_f(score[0])} at any sharpness"
    else:
        verb = "rises" if score[1] > score[0] else "falls"
        text = f"From β = {low:g} to {high:g}{here} the squared score {verb} from {times_f(score[0])} to **{times_f(score[1])}**"
    text += f"; minus Hessian goes from {times_f(hessian[0])} to **{times_f(hessian[1])}**."
    found = crossings(table)
    if not found:
        better = "minus Hessian" if hessian[0] < score[0] else "the squared score"
        return f"{text} All the way {better} varies less."
    after = "minus Hessian" if hessian[1] < score[1] else "the squared score"
    places = words.joined([words.number(value, 2) for value in found])
    each = "They change places" if len(found) > 1 else "They meet"
    sure = at_sharpness(table, "score", found[-1], "confidence")
    told = f" ({words.percent(sure)})" if math.isfinite(sure) else ""
    return f"{text} {each} at β = **{places}**{told}; beyond it {after} varies less."


def running_words(running: pd.DataFrame, estimator: str) -> str:
    """How many runs end within the band, and how wide it is there."""
    own = running[running["estimator"] == estimator]
    last = own[own["draws"] == own["draws"].max()]
    inside = int(((last["mean"] >= last["low"] - 1e-9) & (last["mean"] <= last["high"] + 1e-9)).sum())
    half = float(last["high"].iloc[0]) - 1
    name = NAMES[estimator]
    if half < 1e-9:
        return f"{name[0].upper()}{name[1:]}: no variance; every draw is F."
    return (
        f"{name[0].upper()}{name[1:]}: {inside} of {words.count_of(len(last), 'run')} end within ± {times_f(half)} after "
        f"{int(last['draws'].iloc[0]):,} draws."
    )
