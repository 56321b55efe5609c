"""The spectrum of (F_layers + lambda)^-1 F: all of it lies in [0, L], and at L where layers are taken apart without damping.

Source: Karakida, Osawa, arXiv 2010.00879 (the factor L of layer-wise natural gradients).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from fimcore.experiments.cost import layout_for, rows_per_input
from fimcore.experiments.result import FEWEST_SEEDS, Verdict
from fimcore.experiments.setting import input_dimension, sample_count
from fimcore.experiments.spectrum_measured import Whitened
from fimcore.experiments.spectrum_spec import Spec
from fimcore.experiments.spectrum_statistics import padded
from fimcore.number_words import count_of, number

# What rounding may lift above L.
ROUNDING = 1e-6
BINS = 40


def layers_of(spec: Spec) -> int:
    """L, the number of weight layers."""
    return spec.hidden_layers + 1


def full_rank(spec: Spec) -> bool:
    """Whether every layer has as many parameters as the dual matrix has rows, so that undamped whitening puts all of it at L."""
    layout = layout_for(input_dimension(spec), spec)
    rows = rows_per_input(spec)
    if spec.likelihood == "softmax" and spec.estimator == "exact":
        rows -= 1  # the rows of one input add up to nothing
    return sample_count(spec) * rows <= min(layout.layer_sizes)


def tables(spec: Spec, points: list[Whitened]) -> dict[str, pd.DataFrame]:
    """Tables "whitened" (by damping and rank), "bins" (their density), "dampings" (largest, median, smallest), and "points"."""
    ranked, bins, summary, single = [], [], [], []
    edges = np.linspace(0.0, layers_of(spec), BINS + 1)
    for place, damping in enumerate(spec.swept_dampings):
        own = [point.values[place] for point in points]
        every = padded(own)
        counts = np.histogram(np.clip(every[np.isfinite(every)], 0.0, layers_of(spec)), bins=edges)[0] / len(points)
        bins += [
            {"damping": damping, "low": low, "high": high, "count": count}
            for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
        ]
        for rank, column in enumerate(every.T, start=1):
            there = column[np.isfinite(column)]
            ranked.append(
                {
                    "damping": damping,
                    "rank": rank,
                    "eigenvalue": there.mean(),
                    "eigenvalue_low": there.min(),
                    "eigenvalue_high": there.max(),
                }
            )
        row = {"damping": damping}
        for name, function in (("largest", np.max), ("median", np.median), ("smallest", np.min)):
            values = np.array([function(each) if len(each) else np.nan for each in own])
            there = values[np.isfinite(values)]
            row[name] = there.mean() if len(there) else np.nan
            row[f"{name}_low"] = there.min() if len(there) else np.nan
            row[f"{name}_high"] = there.max() if len(there) else np.nan
        summary.append(row | {"limit": layers_of(spec), "seeds": len(points)})
        single += [
            {
                "seed": point.seed,
                "damping": damping,
                "damping_absolute": damping * point.largest,
                "largest": each[0] if len(each) else np.nan,
                "rank": len(each),
            }
            for point, each in zip(points, own, strict=True)
        ]
    columns = ["damping", "rank", "eigenvalue", "eigenvalue_low", "eigenvalue_high"]
    return {
        "whitened": pd.DataFrame(ranked, columns=columns),
        "bins": pd.DataFrame(bins),
        "dampings": pd.DataFrame(summary),
        "points": pd.DataFrame(single),
    }


def verdicts(spec: Spec, points: list[Whitened]) -> tuple[Verdict, ...]:
    """Whether every whitened eigenvalue of every network lies in [0, L]."""
    limit = layers_of(spec)
    every = np.concatenate([values for point in points for values in point.values])
    name = f"All whitened eigenvalues lie between 0 and L = {limit}"
    if not len(every):
        return (Verdict(name, "no prediction", f"{name}: no prediction here. All eigenvalues are zero."),)
    inside = float(every.min()) >= -ROUNDING and float(every.max()) <= limit * (1 + ROUNDING)
    word = "too few seeds to say" if len(points) < FEWEST_SEEDS else "agrees" if inside else "disagrees"
    facts = f"measured {number(float(every.min()))} to {number(float(every.max()), 4)}, {count_of(len(points), 'seed')}"
    return (Verdict(name, word, f"{name}: {facts}: {word}."),)
