"""Explore: is the Fisher matrix block-diagonal? The full matrix beside the part a block structure keeps, with its spectrum.

F = E_x E_{y~p(y|x)} [score score^T] of networks drawn from the Spec, measured exactly and beside mean-field predictions.
Source: Amari, Karakida, Oizumi, Fisher Information and Natural Gradient Learning of Random Deep Networks, arXiv 1808.07172.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from fimcore.budget import Budget
from fimcore.experiments import predicted
from fimcore.experiments.block_sizes import dropped_share, entry_ratio
from fimcore.experiments.cost import (
    Cost,
    admit,
    eigenvalue_flops,
    gram_flops,
    layout_for,
    machine_speed,
    pass_flops,
    rows_per_input,
)
from fimcore.experiments.explore_picture import STRUCTURE, matrix, pinned_entry, strongest_entry, sweep, within
from fimcore.experiments.explore_spec import Spec
from fimcore.experiments.matrix_picture import STRIP_ENTRIES, MatrixPicture
from fimcore.experiments.network_spec import NetworkSpec
from fimcore.experiments.result import Result, Verdict, verdict
from fimcore.experiments.setting import factors_of, input_dimension, sample_count
from fimcore.fisher import (
    Spectrum,
    block_norms_from_factors,
    diagonal,
    diagonal_square,
    spectrum_from_factors,
    top_eigenvalues_from_factors,
)

__all__ = [
    "STRUCTURE",
    "Spec",
    "cost",
    "eigenvalues",
    "facts",
    "matrix",
    "pinned_entry",
    "run",
    "strongest_entry",
    "summary",
    "sweep",
]

Progress = Callable[..., object]

POOLING_FLOPS, LANCZOS_STEPS = 400.0, 60.0  # measured: operations an entry pooled, products until the top eigenvalue
MEASURES = ("largest_eigenvalue", "mean_eigenvalue", "dropped_share", "entry_ratio")


def part_seconds(spec: NetworkSpec) -> dict[str, float]:
    """Estimated seconds of each part: "matrix", "facts", "summary" (over seeds), "eigenvalues"."""
    layout = layout_for(input_dimension(spec), spec)
    samples, rows = sample_count(spec), rows_per_input(spec)
    one_network = LANCZOS_STEPS * pass_flops(layout, samples, rows) + gram_flops(layout, samples, rows)
    structures = ("dense", STRUCTURE[getattr(spec, "blocks", "unit")])
    flops = {
        "matrix": (1.2 * samples + POOLING_FLOPS) * layout.parameters**2,
        "facts": pass_flops(layout, samples, rows) + gram_flops(layout, samples, rows),
        "summary": spec.seeds * one_network,
        "eigenvalues": sum(eigenvalue_flops(layout, samples, rows, structure) for structure in structures),
    }
    return {part: count / machine_speed() for part, count in flops.items()}


def cost(spec: NetworkSpec) -> Cost:
    """Picture, summary over seeds and eigenvalues: bytes held at once and estimated seconds."""
    layout = layout_for(input_dimension(spec), spec)
    samples, rows = sample_count(spec), rows_per_input(spec)
    side = min(layout.parameters, samples * rows)
    held = samples * (rows * sum(layout.units) + sum(layout.unit_sizes) + rows * spec.outputs)
    held += samples * max(layout.layer_sizes) * 2 + 8 * STRIP_ENTRIES + 3 * side**2 + samples**2 * layout.layers
    return Cost(layout.parameters, int(8 * held), sum(part_seconds(spec).values()))


def facts(spec: Spec, progress: Progress | None = None) -> dict[str, float]:
    """Numbers of the matrix on screen (these N inputs, first seed): share dropped, entry ratio, dead parameters."""
    made = factors_of(spec)
    norms = block_norms_from_factors(made, unbiased=False, progress=progress)
    own = diagonal_square(made, unbiased=False)
    dead = diagonal(made) == 0
    hidden = slice(0, made.layout.layer_offsets[-2])
    return {
        "parameters": made.layout.parameters,
        "samples": made.samples,
        "dropped_share": dropped_share(norms, spec.blocks, own),
        "entry_ratio": entry_ratio(norms, spec.blocks, own),
        "dead": int(dead.sum()),
        "all_hidden_dead": bool(dead[hidden].all()),
    }


def summary(spec: Spec, progress: Progress | None = None) -> pd.DataFrame:
    """One row a seed: largest and mean eigenvalue of these inputs; share dropped and entry ratio of their population."""
    rows = []
    for number in range(spec.seeds):
        made = factors_of(spec, number)
        norms = block_norms_from_factors(made, unbiased=True, progress=within(progress, number, spec.seeds))
        own = diagonal_square(made, unbiased=True)
        rows.append(
            {
                "seed": spec.seed + number,
                "largest_eigenvalue": float(
                    top_eigenvalues_from_factors(made, 1, progress=within(progress, number, spec.seeds))[0]
                ),
                "mean_eigenvalue": float(diagonal(made).mean()),
                "dropped_share": dropped_share(norms, spec.blocks, own),
                "entry_ratio": entry_ratio(norms, spec.blocks, own),
            }
        )
    return pd.DataFrame(rows)


def predictions(spec: Spec) -> pd.DataFrame:
    """One row a measure: the predicted value (missing: none) and the reason."""
    theory = predicted.norms(spec)
    reason = theory.reason or ("The diagonal's norm has no prediction." if spec.blocks == "diagonal" else "")
    found = {
        "largest_eigenvalue": predicted.largest_eigenvalue(spec),
        "mean_eigenvalue": predicted.mean_eigenvalue(spec),
        "dropped_share": predicted.Prediction(np.nan, reason),
        "entry_ratio": predicted.Prediction(np.nan, reason),
    }
    if theory.norms is not None and spec.blocks != "diagonal":
        found["dropped_share"] = predicted.Prediction(dropped_share(theory.norms, spec.blocks))
        found["entry_ratio"] = predicted.Prediction(entry_ratio(theory.norms, spec.blocks))
    return pd.DataFrame(
        [{"measure": name, "predicted": found[name].value, "reason": found[name].reason} for name in MEASURES]
    )


def eigenvalues(spec: Spec, progress: Progress | None = None) -> pd.DataFrame:
    """All non-zero eigenvalues of the full matrix and of its block-diagonal part, first seed: structure, rank, eigenvalue."""
    made = factors_of(spec)
    parts = []
    for structure in ("dense", STRUCTURE[spec.blocks]):
        values: Spectrum = spectrum_from_factors(made, structure, progress)
        ranks = np.arange(1, len(values) + 1)
        parts.append(pd.DataFrame({"structure": structure, "rank": ranks, "eigenvalue": values.values}))
    return pd.concat(parts, ignore_index=True)


def verdicts(table: pd.DataFrame, theory: pd.DataFrame) -> tuple[Verdict, ...]:
    """Every measure beside its prediction."""
    names = {
        "largest_eigenvalue": "Largest eigenvalue",
        "mean_eigenvalue": "Mean eigenvalue",
        "dropped_share": "Off-block share of ‖F‖²",
        "entry_ratio": "RMS off-block / RMS in-block entry",
    }
    return tuple(
        verdict(names[row["measure"]], table[row["measure"]].to_numpy(np.float64), row["predicted"], row["reason"])
        for row in theory.to_dict("records")
    )


def run(spec: Spec, progress: Progress | None = None, limits: Budget | None = None) -> Result:
    """Picture, summary over seeds, eigenvalues and predictions of a Spec.

    Tables: "summary" (per seed), "predictions", "eigenvalues". Arrays: "full" and "block_diagonal" (the cells on screen), with
    the first parameter of each row and column of cells.

    Raises:
        BudgetError: the setting exceeds the limits; InputError: the data cannot be used.
    """
    start = time.perf_counter()
    admit(spec, cost, limits)
    shown = matrix(spec, progress)
    table = summary(spec, progress)
    found = assemble(spec, shown, table, predictions(spec), eigenvalues(spec, progress))
    return replace(found, seconds=time.perf_counter() - start)


def assemble(
    spec: Spec, shown: MatrixPicture, table: pd.DataFrame, theory: pd.DataFrame, values: pd.DataFrame
) -> Result:
    """The result of a Spec from its parts; what they took is not known here (nan)."""
    arrays = {
        "full": shown.full,
        "block_diagonal": shown.kept,
        "row_edges": shown.rows.edges,
        "column_edges": shown.columns.edges,
    }
    tables = {"summary": table, "predictions": theory, "eigenvalues": values}
    return Result("explore", spec, tables, arrays, verdicts(table, theory), np.nan, cost(spec).bytes)
