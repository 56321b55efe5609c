"""Sentences of the page Train, from the tables of a race: who arrived when, what diverged, what a chart shows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import words

from fimcore.experiments.result import Result
from fimcore.experiments.train_names import DAMPING_KEYS, RATE_KEYS, SHORT_NAMES, WORDS
from fimcore.experiments.train_spec import Spec

# Step sizes and dampings that are proposed.
FEWER, MORE = 0.3, (0.1, 1.0, 3.0, 10.0, 100.0)
COLUMNS = {"steps": "steps_to_goal", "seconds": "seconds_to_goal", "products": "products_to_goal"}
QUESTION = "The same networks, the same data, the same number of steps: only the direction of a step differs."


def time_text(seconds: float) -> str:
    """ "5.1 ms", "0.55 s", "12 s"."""
    if not math.isfinite(seconds):
        return "no time"
    return f"{words.number(1000 * seconds)} ms" if seconds < 0.1 else f"{words.number(seconds)} s"


def share_text(share: float) -> str:
    """1 % for 0.01."""
    return f"{100 * share:g} %"


def steps_text(steps: float) -> str:
    """ "1 step", "4 steps", "66.5 steps"."""
    return "1 step" if steps == 1 else f"{steps:g} steps"


def opening(result: Result) -> str:
    """One sentence or three with live numbers: first in steps, first in seconds, and why they differ."""
    summary, spec = result.tables["summary"], result.spec
    seeds = words.count_of(int(summary["seeds"].min()), "seed")
    goal = share_text(float(summary["goal"].iloc[0]))
    arrived = summary[summary["steps_to_goal"].notna()].sort_values("steps_to_goal", kind="stable")
    late = [WORDS[str(name)] for name in summary.loc[summary["steps_to_goal"].isna(), "optimizer"]]
    most = getattr(spec, "steps", 0)
    if arrived.empty:
        return f"None of them reaches {goal} of the starting loss within {words.count_of(most, 'step')} (median of {seeds})."
    first = arrived.iloc[0]
    sentence = (
        f"**{_capital(WORDS[str(first['optimizer'])])}** reaches {goal} of the starting loss first, after "
        f"**{steps_text(first['steps_to_goal'])}** (median of {seeds})"
    )
    others = [f"{WORDS[str(row.optimizer)]} needs {row.steps_to_goal:g}" for row in arrived.iloc[1:].itertuples()]
    if others:
        sentence += f"; {words.joined(others)}"
    if first["seeds_diverged"]:
        sentence += f", although {first['seeds_diverged']} of them diverged"
    sentence += "."
    if late:
        verb = "does" if len(late) == 1 else "do"
        sentence += f" {_capital(words.joined(late))} {verb} not get there within {words.count_of(most, 'step')}."
    return f"{sentence} {_in_seconds(arrived)}".strip()


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _in_seconds(arrived: pd.DataFrame) -> str:
    """Who is first on the clock."""
    if len(arrived) < 2:
        return ""
    by_time = arrived.sort_values("seconds_to_goal", kind="stable")
    fastest, second = by_time.iloc[0], by_time.iloc[1]
    first = arrived.iloc[0]
    quick = time_text(fastest["seconds_to_goal"])
    if fastest["optimizer"] == first["optimizer"]:
        rival = f"{WORDS[str(second['optimizer'])]} with {time_text(second['seconds_to_goal'])}"
        return f"It is also first on the clock: **{quick}**, before {rival}."
    ratio = first["seconds_per_step"] / fastest["seconds_per_step"]
    return (
        f"On the clock **{WORDS[str(fastest['optimizer'])]}** is first, with **{quick}** against "
        f"{time_text(first['seconds_to_goal'])}: one step of {WORDS[str(first['optimizer'])]} takes as long as "
        f"{words.number(float(ratio), 2)} of its steps."
    )


def products_text(products: float) -> str:
    """ "57 products"."""
    return f"{words.number(products)} products"


def alt_text(summary: pd.DataFrame, against: str) -> str:
    """The finding of a chart, not its type: who reached the goal when."""
    column = COLUMNS[against]
    say: Callable[[float], str] = {"steps": steps_text, "seconds": time_text, "products": products_text}[against]
    parts = []
    for _, row in summary.sort_values(column, na_position="last").iterrows():
        name = WORDS[str(row["optimizer"])]
        if row["seeds_diverged"]:
            parts.append(f"{name} diverged in {row['seeds_diverged']} of {words.count_of(int(row['seeds']), 'seed')}")
        elif math.isnan(row[column]):
            parts.append(f"{name} did not get there")
        else:
            parts.append(f"{name} after {say(row[column])}")
    axis = "Fisher-vector products" if against == "products" else against
    return f"Loss against {axis}. To {share_text(float(summary['goal'].iloc[0]))} of the start: {'; '.join(parts)}."


@dataclass(frozen=True)
class Trouble:
    """A run that went wrong, in a sentence, with a button's label and the values it sets."""

    optimizer: str
    sentence: str
    label: str
    changes: Mapping[str, Any]


def troubles(result: Result) -> list[Trouble]:
    """Optimizers of which a run diverged, ended above its start, or could not go on."""
    races, stability = result.tables["races"], result.tables["stability"]
    found = []
    for optimizer, own in races.groupby("optimizer", sort=False):
        limits = stability[stability["optimizer"] == optimizer]
        rate, limit = float(limits["learning_rate"].iloc[0]), float(limits["limit"].min())
        said = f"({WORDS[str(optimizer)]}, step size {rate:g})"
        diverged = own["diverged_at"].min()
        worse = int((own["final_loss"] > own["start_loss"]).sum())
        if math.isfinite(diverged):
            sentence = f"Loss became infinite at step {diverged:.0f} {said}."
            ended = own.sort_values("diverged_at").iloc[0]
            last = float(ended["final_loss"])
            # in classification the loss is finite where its gradient no longer is
            if math.isfinite(last) and math.isfinite(ended["final_accuracy"]):
                sentence = (
                    f"Training broke off at step {diverged:.0f}, at a loss of {words.number(last)} {said}: the outputs are so "
                    "certain, and wrong, that their Fisher matrix is zero to rounding."
                )
        elif worse:
            sentence = f"Loss ended above its start in {worse} of {words.count_of(len(own), 'seed')} {said}."
            sentence = f"{sentence} {_stopped(own, limits, result.spec)}".strip()
        elif (own["stopped"] != "").any():
            sentence = _stopped(own, limits, result.spec)
            if optimizer in DAMPING_KEYS:
                found.append(_more_damping(str(optimizer), sentence, result.spec))
                continue
        else:
            continue
        found.append(_with_remedy(str(optimizer), sentence, rate, limit, result.spec))
    return found


def _stopped(own: pd.DataFrame, stability: pd.DataFrame, spec: Any) -> str:
    """At which step a matrix was singular, and the damping that helps, which is absolute there; empty where none was."""
    if not (own["stopped"] != "").any():
        return ""
    ended = own[own["stopped"] != ""].iloc[0]
    optimizer = str(ended["optimizer"])
    text = f"{_capital(WORDS[optimizer])} stopped at step {ended['steps_made']}: {ended['stopped']}"
    relative = spec.relative_damping(optimizer)
    if not relative:
        return text
    unit = float(stability.loc[stability["seed"] == ended["seed"], "damping"].iloc[0]) / relative
    return f"{text} The setting λ counts in units of the mean of F's diagonal at the start, here {words.number(unit)}."


def _with_remedy(optimizer: str, sentence: str, rate: float, limit: float, spec: Any) -> Trouble:
    key = RATE_KEYS[optimizer]
    if optimizer == "sgd" and rate > limit:
        useful = two_digits(0.95 * limit)
        text = f"{sentence} λ_max says steps above 2/λ_max = {words.number(limit)} are unstable."
        return Trouble(optimizer, text, f"Use {useful:g}", {key: useful})
    if getattr(spec, f"lr_{optimizer}", 0):
        return Trouble(optimizer, sentence, "Search the step size", {key: 0.0})
    if optimizer not in DAMPING_KEYS:
        useful = two_digits(FEWER * rate)
        return Trouble(optimizer, f"{sentence} Smaller steps go further.", f"Use {useful:g}", {key: useful})
    return _more_damping(optimizer, f"{sentence} The matrix changed faster than these steps allow.", spec)


def _more_damping(optimizer: str, sentence: str, spec: Any) -> Trouble:
    """The next larger damping of the usual ones."""
    damping = spec.relative_damping(optimizer)
    more = min((step for step in MORE if step > damping), default=MORE[-1])
    return Trouble(optimizer, sentence, f"Use damping {more:g}", {DAMPING_KEYS[optimizer]: more})


def two_digits(value: float) -> float:
    """Rounded down to two significant digits."""
    exponent = int(f"{value:e}".split("e")[1]) - 1
    whole = int(float(f"{value:.6e}") / 10.0**exponent + 1e-9)
    return float(f"{whole}e{exponent}")


def rates_line(result: Result) -> str:
    """What step sizes were used, for the line above the charts."""
    summary = result.tables["summary"]
    parts = [f"{WORDS[str(row.optimizer)]} {row.learning_rate:.2g}" for row in summary.itertuples()]
    searched = " (searched on networks that do not race, unless set by hand)" if summary["searched"].any() else ""
    return f"Step sizes{searched}: {', '.join(parts)}"


def settings_label(spec: Spec) -> str:
    """The label of the folded controls says what is set inside."""
    parts = [words.count_of(spec.steps, "step")]
    if 0 < spec.batch_size < spec.samples:
        parts.append(f"batches of {spec.batch_size}")
    if spec.view == "race":
        chosen = [f"{SHORT_NAMES[name]} {spec.rate(name):g}" for name in spec.optimizers if spec.rate(name)]
        parts.append(f"step sizes: {words.joined(chosen) if chosen else 'searched'}")
    damped = [
        f"{SHORT_NAMES[name]} {spec.relative_damping(name):g}" for name in spec.optimizers if name in DAMPING_KEYS
    ]
    if damped:
        parts.append(f"damping: {words.joined(damped)}")
    return " · ".join([*parts, f"goal {share_text(spec.goal)}"])


@dataclass(frozen=True)
class Card:
    """One optimizer's result: name, when it reached the goal, how long that took, and more on request."""

    name: str
    steps: str
    time: str
    about: str


def card(row: Any, most: int) -> Card:
    """What one row of the summary says."""
    name = SHORT_NAMES[str(row["optimizer"])]
    about = f"Step size {row['learning_rate']:.2g}. One step: {time_text(row['seconds_per_step'])}."
    if not math.isnan(row["cost_of_a_step"]):
        about += f" That is {words.number(float(row['cost_of_a_step']), 2)} times a step of SGD."
    if row["seeds_at_goal"] > 1 and row["fewest_steps_to_goal"] < row["most_steps_to_goal"]:
        arrived = f"{row['fewest_steps_to_goal']:g} to {row['most_steps_to_goal']:g}"
        about += f" Goal reached after {arrived} steps by {row['seeds_at_goal']} of {row['seeds']} seeds."
    diverged = (
        f"{row['seeds_diverged']} of {words.count_of(row['seeds'], 'seed')} diverged" if row["seeds_diverged"] else ""
    )
    if diverged and math.isnan(row["steps_to_goal"]):
        return Card(name, "diverged", f"in {row['seeds_diverged']} of {words.count_of(row['seeds'], 'seed')}", about)
    loss = words.with_spread(
        float(row["final_loss_mean"]), float(row["final_loss_sd"]), int(row["seeds"] - row["seeds_diverged"])
    )
    about += f" Loss after {words.count_of(most, 'step')}: {loss}."
    if math.isnan(row["steps_to_goal"]):
        return Card(name, "not reached", f"in {words.count_of(most, 'step')}", about)
    reached = f"in {time_text(row['seconds_to_goal'])}"
    return Card(name, steps_text(row["steps_to_goal"]), f"{reached}; {diverged}" if diverged else reached, about)


def shown_table(summary: pd.DataFrame) -> pd.DataFrame:
    """The summary with headings for people, units included."""
    headings = {
        "optimizer": "Optimizer",
        "learning_rate": "Step size",
        "steps_to_goal": "Steps to goal, median",
        "fewest_steps_to_goal": "fewest",
        "most_steps_to_goal": "most",
        "seeds_at_goal": "Seeds at goal",
        "seeds": "Seeds",
        "seconds_to_goal": "Seconds to goal",
        "products_to_goal": "Fisher-vector products to goal",
        "final_loss_mean": "Final loss, mean",
        "final_loss_sd": "Final loss, sd",
        "final_accuracy": "Final accuracy",
        "seconds_per_step": "Seconds a step",
        "cost_of_a_step": "Cost of a step (SGD = 1)",
        "products_per_step": "Fisher-vector products a step",
        "seeds_diverged": "Seeds diverged",
    }
    shown = summary[[column for column in headings if summary[column].notna().any()]].rename(columns=headings)
    return shown.assign(Optimizer=[SHORT_NAMES[str(name)] for name in summary["optimizer"]])
