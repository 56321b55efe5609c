"""Sampling: what does one draw of an estimator of the Fisher diagonal look like, and what do sharper predictions do to it?

One parameter of one network. Squared score (J.s)^2 and minus second derivative F - C.s at labels of the model and of the data, and
a probe with random signs: draws beside their exact laws, means beside F, deviations against the sharpness of the predictions.
Source: Soen, Sun, Trade-Offs of Diagonal Fisher Information Matrix Estimators, arXiv 2402.05379.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pandas as pd

from fimcore.budget import Budget
from fimcore.estimators.output_derivatives import PART_BYTES, input_bytes
from fimcore.experiments.cost import ENTRY_FLOPS, Cost, admit, layout_for, machine_speed, pass_flops
from fimcore.experiments.result import Result, Verdict
from fimcore.experiments.sampling_draws import ESTIMATORS, draw
from fimcore.experiments.sampling_laws import MOST_SIGNS, MOST_VALUES, fourth_moments, laws_of
from fimcore.experiments.sampling_parameter import Parameter, parameter_of, shown_input
from fimcore.experiments.sampling_spec import HISTOGRAM, LOOK, Spec
from fimcore.experiments.sampling_tables import (
    FAR,
    WORDS,
    bins_table,
    distance,
    exact_variances,
    fourth_or_drawn,
    histogram_verdicts,
    running_table,
    summary,
)
from fimcore.experiments.setting import LABEL_STREAM, input_dimension, sample_count
from fimcore.number_words import count_of

__all__ = ["HISTOGRAM", "LOOK", "Spec", "cost", "curves", "name_of", "no_labels", "run", "watch"]

Progress = Callable[..., object]

LOWEST, HIGHEST, EXACT_POINTS, DRAWN_POINTS = 0.25, 8.0, 31, 6
MOST_CURVE_DRAWS = 16_000
SHARPNESS_STREAM = 4_000_037


class NoFisherError(ValueError):
    """The parameter never moves the outputs: there is nothing to estimate."""


def cost(spec: Spec) -> Cost:
    """One network's derivatives in one layer, the laws, and all draws."""
    layout = layout_for(input_dimension(spec), spec)
    samples, outputs, units = sample_count(spec), spec.outputs, layout.units
    own = units[spec.shown_layer - 1]
    held = min(samples * input_bytes(layout, 8), PART_BYTES) + 8 * 2 * samples * outputs * own
    held += 8 * (
        12 * samples * outputs + 12 * max(spec.draws, MOST_CURVE_DRAWS) * outputs + 8 * spec.draws * spec.seeds
    )
    later = units[spec.shown_layer : -1]
    flops = 2 * pass_flops(layout, samples, outputs)
    flops += 8.0 * samples * own * sum(n * m for n, m in zip((own, *later), (*later, outputs), strict=True))
    drawn = spec.draws * spec.seeds + (DRAWN_POINTS + 2) * min(spec.draws * spec.seeds, MOST_CURVE_DRAWS)
    flops += ENTRY_FLOPS * outputs * (6 * drawn + 8 * EXACT_POINTS * samples) + 2e9
    values = min(samples * 2 ** min(outputs, MOST_SIGNS), MOST_VALUES)
    held += 8 * 6 * values
    flops += 20 * ENTRY_FLOPS * values
    return Cost(layout.parameters, held, 0.05 + flops / machine_speed())


def run(spec: Spec, progress: Progress | None = None, limits: Budget | None = None) -> Result:
    """Draws at the Spec's sharpness, and both deviations against sharpness.

    Tables: "summary" (per estimator and labels), "bins" (histograms beside exact laws), "running" (means against the number of
    draws), "curves" (coefficient of variation against sharpness, exact and drawn).

    Raises:
        BudgetError: the setting exceeds the limits. InputError: the data cannot be used. OverflowError: outputs overflow.
        NoFisherError: the parameter never moves the outputs.
    """
    start = time.perf_counter()
    one = watch(spec, limits=limits)
    if progress:
        progress(0.5, "histograms drawn", one)
    other = curves(spec, limits=limits)
    result = Result(
        "sampling",
        spec,
        {**one.tables, **other.tables},
        {},
        (*one.verdicts, *other.verdicts),
        time.perf_counter() - start,
        one.bytes,
    )
    if progress:
        progress(1.0, "curves drawn", result)
    return result


def watch(spec: Spec, progress: Progress | None = None, limits: Budget | None = None) -> Result:
    """Histograms, summary and running means at the Spec's sharpness; see `run`."""
    start = time.perf_counter()
    asked = admit(spec, cost, limits)
    parameter = _alive(_parameter(_plain(spec)).sharpened(spec.sharpness))
    runs = []
    for number in range(spec.seeds):
        runs.append(draw(parameter, spec.draws, spec.seed + number + LABEL_STREAM))
        if progress:
            progress((number + 1) / spec.seeds, f"{number + 1} of {spec.seeds} runs")
    drawn = {key: np.concatenate([each[key] for each in runs]) for key in runs[0]}
    averaged = min(spec.averaged, len(next(iter(drawn.values()))))
    laws = laws_of(parameter, averaged)
    bins = bins_table(parameter, drawn, laws, averaged)
    table = summary(parameter, drawn, laws, averaged, bins)
    tables = {"summary": table, "bins": bins, "running": running_table(parameter, runs)}
    seconds = time.perf_counter() - start
    return Result("sampling", spec, tables, {}, histogram_verdicts(table), seconds, asked.bytes)


def curves(spec: Spec, progress: Progress | None = None, limits: Budget | None = None) -> Result:
    """Coefficient of variation of single draws against sharpness, exact and drawn; see `run`."""
    start = time.perf_counter()
    asked = admit(spec, cost, limits)
    parameter = _alive(_parameter(_plain(spec)))
    grid = np.geomspace(LOWEST, HIGHEST, EXACT_POINTS)
    drawn_at = set(range(0, EXACT_POINTS, (EXACT_POINTS - 1) // (DRAWN_POINTS - 1)))
    count, rows = min(spec.draws * spec.seeds, MOST_CURVE_DRAWS), []
    for place, sharpness in enumerate(grid):
        rows += _curve_rows(parameter.sharpened(float(sharpness)), count if place in drawn_at else 0, spec.seed + place)
        for row in rows[-len(ESTIMATORS) :]:
            row["sharpness"] = float(sharpness)
        if progress:
            progress((place + 1) / len(grid), f"sharpness {sharpness:.2g}")
    columns = ["estimator", "sharpness", "confidence", "exact", "between_inputs", "draws", "drawn", "error", "distance"]
    table = pd.DataFrame(rows)[columns]
    seconds = time.perf_counter() - start
    return Result("sampling", spec, {"curves": table}, {}, _curve_verdicts(table), seconds, asked.bytes)


def name_of(spec: Spec) -> tuple[str, int]:
    """The parameter in words, and the number of its input (0: random ones)."""
    found = _parameter(_plain(spec))
    return found.name, shown_input(spec, sample_count(spec)) if spec.at == "one" else 0


def no_labels(spec: Spec) -> str:
    """Why the data have no labels that the family takes; empty where they have."""
    return _parameter(_plain(spec)).no_labels


def _curve_rows(parameter: Parameter, count: int, seed: int) -> list[dict[str, object]]:
    """One row per estimator at one sharpness; drawn where `count` is not 0."""
    fisher, exact = float(parameter.fisher.mean()), exact_variances(parameter)
    if not fisher > 0:  # so confident that nothing is left to learn, to rounding
        return [
            {"estimator": name, "confidence": parameter.confidence} | dict.fromkeys(_EMPTY, math.nan)
            for name in ESTIMATORS
        ]
    between = float(parameter.fisher.std(correction=0)) / fisher
    drawn = draw(parameter, count, seed + SHARPNESS_STREAM) if count else {}
    fourths = fourth_moments(parameter) if count else {}
    rows = []
    for name in ESTIMATORS:
        row: dict[str, object] = {"estimator": name, "confidence": parameter.confidence, "between_inputs": between}
        row |= {"exact": math.sqrt(exact[name]) / fisher, "draws": count}
        row |= {"drawn": math.nan, "error": math.nan, "distance": math.nan}
        if count:
            values = drawn[name, "none" if name == "probe" else "model"]
            fourth = fourth_or_drawn(fourths[name], values, fisher)
            found = math.sqrt(float(np.mean((values - fisher) ** 2)))
            row["drawn"], row["distance"] = found / fisher, distance(values, fisher, exact[name], fourth)
            if found > 0 and exact[name] > 0:
                row["error"] = (
                    math.sqrt(max(fourth - exact[name] ** 2, 0.0) / count) / (2 * math.sqrt(exact[name])) / fisher
                )
        rows.append(row)
    return rows


_EMPTY = ("exact", "between_inputs", "draws", "drawn", "error", "distance")


def _curve_verdicts(table: pd.DataFrame) -> tuple[Verdict, ...]:
    """The sharpness at which drawn and exact deviation are furthest apart."""
    made = []
    for name in ESTIMATORS:
        own = table[(table["estimator"] == name) & (table["draws"] > 0)]
        what = f"Deviation of the {WORDS[name]} against sharpness"
        known = own[own["distance"].notna()]
        rare = len(own) - len(known)
        if not len(known):
            made.append(Verdict(what, "no prediction", f"{what}: the draws that carry it are too rare to check."))
            continue
        far = float(known["distance"].abs().max())
        word = "agrees" if far <= FAR else "disagrees"
        left = f" ({count_of(rare, 'point')} carried by draws too rare to check)" if rare else ""
        said = f"{what}: drawn and exact at most {far:.1f} standard errors apart at {count_of(len(known), 'point')}{left}: {word}."
        made.append(Verdict(what, word, said))
    return tuple(made)


@lru_cache(maxsize=8)
def _parameter(spec: Spec) -> Parameter:
    return parameter_of(spec)


def _plain(spec: Spec) -> Spec:
    """What the parameter and its derivatives depend on."""
    return spec.model_copy(update={"sharpness": 1.0, "averaged": 1, "draws": 1000, "seeds": 1, "log_shares": True})


def _alive(parameter: Parameter) -> Parameter:
    if not float(parameter.fisher.mean()) > 0:
        raise NoFisherError(
            f"The {parameter.name.replace(' · ', ', ')} never moves the outputs here: its Fisher value is 0, and there is "
            "nothing to estimate. Choose another `unit` or `weight` (0 takes the largest), or another input."
        )
    return parameter
