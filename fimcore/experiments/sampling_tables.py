"""Tables of the question `sampling`: what was drawn beside what is exact, in units of the parameter's Fisher value.

Source: Soen, Sun, Trade-Offs of Diagonal Fisher Information Matrix Estimators, arXiv 2402.05379.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from fimcore.experiments.result import Verdict
from fimcore.experiments.sampling_draws import ESTIMATORS, averages, data_means
from fimcore.experiments.sampling_laws import Law, NoLaw
from fimcore.experiments.sampling_parameter import Parameter
from fimcore.number_words import count_of, number

FloatArray = NDArray[np.float64]
Drawn = dict[tuple[str, str], FloatArray]

PANELS = (("score", "model"), ("score", "data"), ("hessian", "model"), ("hessian", "data"), ("probe", "none"))
WORDS = {"score": "squared score", "hessian": "minus Hessian", "probe": "probe"}
BINS = 40
# Standard errors from which chance is no explanation, of many comparisons at once.
FAR = 3.5
# Below this share of kurtosis to draws the variance of the drawn values is carried by a handful of them.
RARE = 50
RELATIVE_ERROR, NORMAL_95 = 0.1, 1.959964


def exact_variances(parameter: Parameter) -> dict[str, float]:
    """Variance of one draw at a random input and label: Var_x F + E_x V."""
    between = float(parameter.fisher.var(correction=0))
    return {name: between + float(values.mean()) for name, values in parameter.variances.items()}


def told(variance: float, fourth: float, count: int) -> bool:
    """Whether so many draws can tell a variance: they hold more than a handful of the values that carry it."""
    return variance == 0 or count * variance**2 >= RARE * fourth


def distance(values: FloatArray, mean: float, variance: float, fourth: float) -> float:
    """Of the drawn from the exact variance, both about the exact mean, in standard errors; nan where draws cannot tell."""
    found = float(np.mean((values - mean) ** 2))
    rounding = 1e-18 * mean**2
    if variance <= rounding:  # no variance at all: what is left is measured in roundings
        return 0.0 if found <= rounding else found / rounding
    if not told(variance, fourth, len(values)):
        return math.nan
    return (found - variance) / math.sqrt(max(fourth - variance**2, 1e-12 * variance**2) / len(values))


def fourth_or_drawn(fourth: float, values: FloatArray, mean: float) -> float:
    """A fourth central moment, or that of the draws where no law tells it."""
    return fourth if math.isfinite(fourth) else float(np.mean((values - mean) ** 4))


def summary(
    parameter: Parameter, drawn: Drawn, laws: dict[str, Law | NoLaw], averaged: int, bins: pd.DataFrame
) -> pd.DataFrame:
    """A row per panel: mean and deviation drawn and exact, distances, share of negative estimates, law, labels needed."""
    fisher = float(parameter.fisher.mean())
    variances, means, rows = exact_variances(parameter), data_means(parameter), []
    for estimator, labels in PANELS:
        row: dict[str, object] = {"estimator": estimator, "labels": labels, "fisher": fisher}
        if (estimator, labels) not in drawn:
            continue
        values = averages(drawn[estimator, labels], averaged)
        row |= {"estimates": len(values), "drawn_mean": values.mean() / fisher}
        row["drawn_sd"] = values.std() / fisher if len(values) > 1 else math.nan
        row["drawn_negative"] = float((values < 0).mean())
        if labels == "data":
            row |= {"mean": means[estimator] / fisher, "law": "", "reason": "the data, not a law, decide their labels"}
            rows.append(row)
            continue
        variance, law = variances[estimator] / averaged, laws[estimator]
        fourth = fourth_or_drawn(law.fourth if isinstance(law, Law) else math.nan, values, fisher)
        row |= {"mean": 1.0, "sd": math.sqrt(variance) / fisher}
        row["mean_distance"] = _over(values.mean() - fisher, math.sqrt(variance / len(values)), fisher)
        row["sd_distance"] = distance(values, fisher, variance, fourth)
        row["negative"] = law.negative if isinstance(law, Law) else math.nan
        row["needed"] = math.ceil(NORMAL_95**2 * variances[estimator] / (RELATIVE_ERROR * fisher) ** 2) or 1
        row["law"] = law.name if isinstance(law, Law) else ""
        row["reason"] = "" if isinstance(law, Law) else law.reason
        if isinstance(law, Law):
            own = bins[(bins["estimator"] == estimator) & (bins["labels"] == labels)]
            row["fit"] = fit(own["share"].to_numpy() * len(values), own["exact"].to_numpy() * len(values), len(values))
        rows.append(row)
    columns = ["estimator", "labels", "fisher", "estimates", "drawn_mean", "mean", "mean_distance", "drawn_sd", "sd"]
    columns += ["sd_distance", "drawn_negative", "negative", "needed", "law", "reason", "fit"]
    return pd.DataFrame(rows).reindex(columns=columns)


def _over(apart: float, error: float, scale: float) -> float:
    return 0.0 if abs(apart) <= 1e-9 * scale else apart / max(error, 1e-9 * scale)


def fit(counts: FloatArray, expected: FloatArray, total: int) -> float:
    """p-value of the chi-square test of counts against a law; neighbouring bins that expect fewer than 5 are one."""
    counts, expected = np.append(counts, total - counts.sum()), np.append(expected, max(total - expected.sum(), 0.0))
    groups: list[int] = []
    room = 0.0
    for value in expected:
        groups.append(groups[-1] + (room >= 5) if groups else 0)
        room = value if room >= 5 else room + value
    last = groups[-1] - 1 if room < 5 and groups[-1] else groups[-1]  # what is left over goes to the last full group
    place = np.minimum(np.array(groups), last)
    seen, thought = np.bincount(place, counts), np.bincount(place, expected)
    if len(thought) < 2:
        return math.nan
    return float(stats.chi2.sf(np.sum((seen - thought) ** 2 / thought), len(thought) - 1))


def bins_table(parameter: Parameter, drawn: Drawn, laws: dict[str, Law | NoLaw], averaged: int) -> pd.DataFrame:
    """Shares of estimates in bins of estimate / F, and the law's probabilities: those of the model's labels in both columns."""
    fisher, tables = float(parameter.fisher.mean()), []
    for estimator in ESTIMATORS:
        made = {labels: averages(drawn[name, labels], averaged) for name, labels in drawn if name == estimator}
        edges = bin_edges([values / fisher for values in made.values()], estimator == "hessian")
        law = laws[estimator]
        exact = law.shares(edges * fisher) if isinstance(law, Law) else np.full(BINS, np.nan)
        for labels, values in made.items():
            share = np.histogram(values / fisher, edges)[0] / len(values)
            columns = {"low": edges[:-1], "high": edges[1:], "share": share, "exact": exact}
            tables.append(pd.DataFrame({"estimator": estimator, "labels": labels, **columns}))
    return pd.concat(tables, ignore_index=True)


def bin_edges(samples: list[FloatArray], signed: bool) -> FloatArray:
    """Edges that hold 98 % of each of some samples, and the true value 1 in any case; the edges fall on no round number."""
    low = min(float(np.quantile(values, 0.01)) for values in samples)
    high = max(float(np.quantile(values, 0.99 if signed else 0.98)) for values in samples)
    low, high = (min(low, 0.0), max(high, 1.0)) if signed else (0.0, max(high, 1.5))
    room = 0.02 * (high - low)
    return np.linspace(low - room * (1.01 if signed else 0.01), high + room * 1.0123, BINS + 1)


def running_table(parameter: Parameter, runs: list[Drawn]) -> pd.DataFrame:
    """Mean of the first draws of every run at numbers of draws that grow by a factor, and the band of 95 %."""
    fisher, variances, tables = float(parameter.fisher.mean()), exact_variances(parameter), []
    count = len(next(iter(runs[0].values())))
    at = np.unique(np.round(np.logspace(0, math.log10(count), 36)).astype(int))
    for estimator in ESTIMATORS:
        labels = "none" if estimator == "probe" else "model"
        half = NORMAL_95 * math.sqrt(variances[estimator]) / fisher / np.sqrt(at)
        for run, drawn in enumerate(runs):
            means = np.cumsum(drawn[estimator, labels])[at - 1] / at / fisher
            columns = {"draws": at, "mean": means, "low": 1 - half, "high": 1 + half}
            tables.append(pd.DataFrame({"estimator": estimator, "run": run + 1, **columns}))
    return pd.concat(tables, ignore_index=True)


def histogram_verdicts(table: pd.DataFrame) -> tuple[Verdict, ...]:
    """Mean, deviation and law of the draws against what is exact."""
    made = []
    for row in table[table["labels"] != "data"].to_dict("records"):
        what = WORDS[row["estimator"]]
        name = f"Draws of the {what}"
        mean, spread, p = abs(row["mean_distance"]), abs(row["sd_distance"]), row["fit"]
        said = [f"mean {number(row['drawn_mean'])} F, {mean:.1f} standard errors from F"]
        if row["sd"] == 0 and row["drawn_sd"] < 1e-9:
            said.append("no variance, as it must be")
        elif math.isfinite(spread):
            both = f"deviation {number(row['drawn_sd'])} F beside {number(row['sd'])} F exact"
            said.append(f"{both}, {spread:.1f} standard errors apart")
        else:
            said.append(f"deviation {number(row['sd'])} F exact, carried by draws too rare to check")
        if math.isfinite(p):
            said.append(f"exact law: p = {number(p, 2)}")
        right = mean <= FAR and not spread > FAR and not p < 1e-3
        # without a deviation and without a law, next to nothing was checked
        silent = right and row["sd"] > 0 and not math.isfinite(spread) and not math.isfinite(p)
        word = "no prediction" if silent else "agrees" if right else "disagrees"
        made.append(
            Verdict(name, word, f"{name}, {count_of(int(row['estimates']), 'estimate')}: {', '.join(said)}: {word}.")
        )
    return tuple(made)
