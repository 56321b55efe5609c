"""Sentences of the page Through training: when the better estimator changes in which layers, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import words

from fimcore.experiments.estimator_training_spec import RATES, Spec
from fimcore.experiments.result import Result

# In a layer: one of the estimators is better throughout, or becomes so; seeds differ; or there is nothing to compare.
SCORE, HESSIAN, TO_SCORE, TO_HESSIAN, MIXED, NOTHING = "score", "hessian", "to score", "to hessian", "mixed", "nothing"
NAMES = {SCORE: "the squared score", HESSIAN: "minus Hessian"}
# A sentence, and a label with values by address key where one click helps.
Trouble = tuple[str, tuple[str, Mapping[str, Any]] | None]
NO_BEND = ("relu", "leaky_relu", "linear")


def ratio(own: pd.DataFrame, epoch: int) -> float:
    """Deviation of minus Hessian over that of the squared score at an epoch: geometric mean over seeds."""
    at = own[own["epoch"] == epoch]
    return float(np.exp(np.log(at["hessian"] / at["score"]).mean()))


def outcome(own: pd.DataFrame, changes: pd.DataFrame) -> str:
    """What happens to the better estimator in one layer, in all seeds alike, or MIXED."""
    if not (own["hessian"] > 0).all() or not (own["score"] > 0).all():
        return NOTHING
    kinds = set()
    for seed, run in own.groupby("seed"):
        better = HESSIAN if (run["hessian"] < run["score"]).iloc[-1] else SCORE
        crossings = int((changes["seed"] == seed).sum())
        kinds.add(better if crossings == 0 else f"to {better}" if crossings == 1 else MIXED)
    return kinds.pop() if len(kinds) == 1 else MIXED


def _layers(numbers: list[int]) -> str:
    return f"layer{'' if len(numbers) == 1 else 's'} {words.joined([str(number) for number in numbers])}"


def _listed(numbers: list[float]) -> str:
    return f"**{words.joined([words.number(number, 2) for number in numbers])}**"


def finding(result: Result) -> str:
    """When the better estimator changes, layer by layer, and how well the networks do."""
    layers, changes = result.tables["layers"], result.tables["crossover"]
    last = int(layers["epoch"].max())
    groups: dict[str, list[int]] = {}
    hidden = sorted(layers["layer"].unique())[:-1]
    for layer in hidden:
        own = layers[layers["layer"] == layer]
        groups.setdefault(outcome(own, changes[changes["layer"] == layer]), []).append(int(layer))
    said = [_sentence(kind, groups[kind], layers, changes, last) for kind in groups]
    if groups.get(NOTHING) == hidden and result.spec.activation in NO_BEND:  # type: ignore[attr-defined]
        said = [
            f"**Minus Hessian has no variance in any layer**: this activation has no bend. {_in_units_of_fisher(layers, last)}"
        ]
    else:
        said.append("In the output layer minus Hessian has no variance, as outputs are linear in its weights.")
    fits = result.tables["training"]
    accuracy = float(fits[fits["epoch"] == last]["accuracy"].mean())
    after = "Before training" if last == 0 else f"After {words.count_of(last, 'epoch')}"
    who = "the networks classify" if len(set(fits["seed"])) > 1 else "the network classifies"
    said.append(f"{after} {who} {words.percent(accuracy)} of the images right.")
    return " ".join(said)


def _in_units_of_fisher(layers: pd.DataFrame, last: int) -> str:
    """Deviation of the squared score over F, layer by layer, where it is the only one that varies."""
    at = layers[(layers["epoch"] == last) & (layers["fisher"] > 0) & (layers["score"] > 0)]
    if at.empty:
        return "There is nothing to estimate: F is 0."
    numbers = [int(layer) for layer in sorted(at["layer"].unique())]
    parts = [at[at["layer"] == number] for number in numbers]
    ratios = [float(np.exp(np.log(part["score"] / part["fisher"]).mean())) for part in parts]
    where = _layers(numbers)
    return f"The squared score deviates by {_listed(ratios)} times F in {where} at epoch {last}."


def _sentence(kind: str, numbers: list[int], layers: pd.DataFrame, changes: pd.DataFrame, last: int) -> str:
    where = _layers(numbers)
    if kind == NOTHING:
        return f"In {where} minus Hessian or the squared score has no variance: nothing to compare."
    own = [layers[layers["layer"] == number] for number in numbers]
    start, end = _listed([ratio(each, 0) for each in own]), _listed([ratio(each, last) for each in own])
    ratios = f"of minus Hessian is {start} times that of the squared score at first, and {end} times at epoch {last}"
    if kind in (TO_SCORE, TO_HESSIAN):
        at = _listed([float(changes[changes["layer"] == number]["epoch"].mean()) for number in numbers])
        name = NAMES[kind.removeprefix("to ")]
        return (
            f"**{name[0].upper()}{name[1:]} becomes the better estimator** in {where} after {at} epochs: the standard deviation "
            f"{ratios}."
        )
    if kind in (SCORE, HESSIAN):
        return f"**The better estimator is {NAMES[kind]} throughout** in {where}: the standard deviation {ratios}."
    counts = [changes[changes["layer"] == number]["seed"].nunique() for number in numbers]
    seeds = layers["seed"].nunique()
    parts = [f"{count} of {seeds}" for count in counts]
    return (
        f"**No clear winner** in {where} (the better estimator changes in {words.joined(parts)} seeds): the standard deviation "
        f"{ratios}."
    )


def troubles(result: Result) -> list[Trouble]:
    """Runs that diverged or ended above their start, with a smaller learning rate, and layers without any Fisher matrix."""
    spec, fits, layers = result.spec, result.tables["training"], result.tables["layers"]
    assert isinstance(spec, Spec)
    smaller = [rate for rate in RATES if rate < spec.rate]
    remedy = (f"Use {smaller[-1]:g}", {"eta": smaller[-1]}) if smaller else None
    runs = words.count_of(fits["seed"].nunique(), "seed")
    found: list[Trouble] = []
    gone = fits[fits["loss"].isna()]
    worse = sum(run["loss"].iloc[-1] > run["loss"].iloc[0] for _, run in fits.groupby("seed"))
    if len(gone):
        sentence = (
            f"Loss became infinite in {len(gone)} of {runs}, first in epoch {int(gone['epoch'].min())} (learning rate "
            f"{spec.rate:g}); the curves of these runs end there."
        )
        found.append((sentence, remedy))
    elif worse:
        found.append((f"Loss ended above its start in {worse} of {runs} (learning rate {spec.rate:g}).", remedy))
    flat = [int(layer) for layer in sorted(layers[layers["fisher"] == 0]["layer"].unique())]
    if flat:
        sentence = f"The Fisher diagonal becomes 0 in {_layers(flat)}: units there are dead, or predictions certain to rounding."
        found.append((sentence, None))
    return found


def caption(result: Result, all_bounds: bool) -> str:
    """What lines, bands, dashes and points are."""
    spec, seeds = result.spec, int(result.tables["layers"]["seed"].nunique())
    assert isinstance(spec, Spec)
    spread = f"geometric means over {words.count_of(seeds, 'seed')}, bands from the smallest to the largest"
    dotted = ", dotted: lower bounds" if all_bounds else ""
    return (
        f"Above: the Fisher diagonal F, and the standard deviations √V of its two estimators for one label at one of "
        f"{spec.looked_at} images; means over a layer's parameters, {spread if seeds > 1 else 'one seed'}. Dashed: upper "
        f"bounds{dotted}. Diamonds: where the better estimator changes, seed by seed. Below: log₁₀ of a bound over the deviation "
        "it holds; 0 is tight. All of it is computed exactly: no label is drawn."
    )
