"""Tables and verdicts of the question `directions`: averages over seeds, ranks, and pairs that the measures order differently."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fimcore.experiments import predicted
from fimcore.experiments.cost import layout_for
from fimcore.experiments.directions_spec import KINDS, Spec, numbers
from fimcore.experiments.over_seeds import over_seeds
from fimcore.experiments.result import Verdict, verdict
from fimcore.experiments.setting import input_dimension, sample_count
from fimcore.norms import BlockNorms

Floats = NDArray[np.float64]

NO_COSINES = (
    "mean-field theory gives averages of entries and eigenvalues; the direction depends on one gradient's share in every "
    "eigenvector, for which there is no formula at finite width"
)
NO_ERROR = "block norms are predicted for what keeps blocks of F, not for this structure."


@dataclass(frozen=True, eq=False)
class Measured:
    """One structure of one network: cosines at every damping of the sweep, relative Frobenius error, seconds, trouble."""

    kind: str
    seed: int
    cosines: Floats
    euclidean: Floats
    error: float
    build_seconds: float
    solve_seconds: float
    reason: str = ""
    population_error: float = np.nan

    @classmethod
    def nothing(cls, kind: str, seed: int, dampings: int, reason: str) -> Measured:
        """A network on which nothing can be measured."""
        missing = np.full(dampings, np.nan)
        return cls(kind, seed, missing, missing, np.nan, np.nan, np.nan, reason)


def summarise(
    spec: Spec, measured: list[Measured], left: Mapping[str, str]
) -> tuple[dict[str, pd.DataFrame], tuple[Verdict, ...]]:
    """All tables and verdicts of the networks measured so far."""
    chosen = spec.swept.index(spec.damping)
    points = pd.DataFrame(
        [
            {
                "seed": each.seed,
                "structure": each.kind,
                "cosine": each.cosines[chosen],
                "euclidean": each.euclidean[chosen],
                "error": each.error,
                "population_error": each.population_error,
                "build_seconds": each.build_seconds,
                "solve_seconds": each.solve_seconds,
                "note": each.reason,
            }
            for each in measured
        ]
    )
    norms = _norms(spec)
    structures = _structures(spec, points, left, norms)
    tables = {
        "structures": structures,
        "pairs": _pairs(structures, points),
        "sweep": _sweep(spec, measured),
        "points": points,
    }
    return tables, _verdicts(spec, points, structures, norms.reason)


def _norms(spec: Spec) -> predicted.PredictedNorms:
    """Predicted block norms, where they are about this setting."""
    found = predicted.norms(spec)
    reason = found.reason or predicted.too_deep(spec)
    if not reason and sample_count(spec) < 2:
        reason = "One input says nothing about all inputs of its law."
    return predicted.PredictedNorms(None, reason) if reason else found


def _structures(
    spec: Spec, points: pd.DataFrame, left: Mapping[str, str], norms: predicted.PredictedNorms
) -> pd.DataFrame:
    """Per structure, the one that keeps most numbers first: averages, spread, ranks, storage, seconds, and why it is left out."""
    layout = layout_for(input_dimension(spec), spec)
    rows = []
    for kind in sorted(KINDS, key=lambda kind: -numbers(layout, kind)):
        own = points[points["structure"] == kind]
        notes = [note for note in own["note"] if note]
        row: dict[str, object] = {"structure": kind}
        for name in ("cosine", "euclidean", "error"):
            row |= _over_seeds(name, own[name].to_numpy(np.float64))
        row |= {
            "seeds": int(np.isfinite(own["cosine"].to_numpy(np.float64)).sum()),
            "rank_cosine": np.nan,
            "rank_error": np.nan,
            "population_error": over_seeds(own["population_error"].to_numpy(np.float64))["measured"],
            "predicted_error": _predicted_error(spec, kind, norms.norms),
            "numbers": numbers(layout, kind),
            "build_seconds": own["build_seconds"].median(),
            "solve_seconds": own["solve_seconds"].median(),
            "note": left.get(kind, notes[0] if notes else ""),
        }
        rows.append(row)
    table = pd.DataFrame(rows)
    both = table["cosine"].notna() & table["error"].notna()
    table.loc[both, "rank_cosine"] = table.loc[both, "cosine"].rank(ascending=False, method="first")
    table.loc[both, "rank_error"] = table.loc[both, "error"].rank(method="first")
    return table


def _over_seeds(name: str, values: Floats) -> dict[str, object]:
    seen = over_seeds(values)
    return {name: seen["measured"], **{f"{name}_{end}": seen[end] for end in ("spread", "low", "high")}}


def _pairs(structures: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Pairs of which one has the smaller error, and the other the larger cosine; the clearest first."""
    usable = structures[structures["rank_cosine"].notna()].set_index("structure")
    by_seed = {name: points.pivot_table(index="seed", columns="structure", values=name) for name in ("cosine", "error")}
    rows = []
    for one, other in combinations(usable.index, 2):
        closer, better = (one, other) if usable.loc[one, "error"] < usable.loc[other, "error"] else (other, one)
        if usable.loc[better, "cosine"] <= usable.loc[closer, "cosine"]:
            continue
        holds = (by_seed["error"][closer] < by_seed["error"][better]) & (
            by_seed["cosine"][closer] < by_seed["cosine"][better]
        )
        rows.append(
            {
                "closer": closer,
                "better": better,
                "error_closer": usable.loc[closer, "error"],
                "error_better": usable.loc[better, "error"],
                "cosine_closer": usable.loc[closer, "cosine"],
                "cosine_better": usable.loc[better, "cosine"],
                "seeds_agree": int(holds.sum()),
                "seeds": len(holds),
            }
        )
    names = [
        "closer",
        "better",
        "error_closer",
        "error_better",
        "cosine_closer",
        "cosine_better",
        "seeds_agree",
        "seeds",
    ]
    table = pd.DataFrame(rows, columns=names)
    margin = (table["error_better"] - table["error_closer"]) * (table["cosine_better"] - table["cosine_closer"])
    order = (table["seeds_agree"] / table["seeds"].clip(lower=1) + 1e-9) * margin
    return table.loc[order.astype(float).sort_values(ascending=False, kind="stable").index].reset_index(drop=True)


def _sweep(spec: Spec, measured: list[Measured]) -> pd.DataFrame:
    rows = []
    for kind in KINDS:
        own = [each for each in measured if each.kind == kind]
        for place, damping in enumerate(spec.swept if own else ()):
            values = np.array([each.cosines[place] for each in own])
            euclidean = np.array([each.euclidean[place] for each in own])
            row: dict[str, object] = {"structure": kind, "damping": damping}
            row |= _over_seeds("cosine", values) | _over_seeds("euclidean", euclidean)
            rows.append(row | {"seeds": int(np.isfinite(values).sum())})
    return pd.DataFrame(rows)


def _predicted_error(spec: Spec, kind: str, norms: BlockNorms | None) -> float:
    """`population_error` of the predicted block norms; nan where there is no prediction."""
    return np.nan if norms is None or _unlike(spec) else population_error(kind, norms)


def population_error(kind: str, norms: BlockNorms) -> float:
    """sqrt(1 - kept share of |F|_F^2) of what keeps blocks, from block norms of all inputs; nan for what keeps none."""
    layers = np.arange(norms.layers)
    kept = {
        "block_tridiagonal": norms.layer_pairs[np.abs(layers[:, None] - layers) <= 1].sum(),
        "layer_blocks": np.trace(norms.layer_pairs),
        "unit_blocks": norms.unit_diagonal.sum(),
    }.get(kind)
    whole = norms.layer_pairs.sum()
    return float(np.sqrt(max(1 - kept / whole, 0.0))) if kept is not None and whole > 0 else np.nan


def _unlike(spec: Spec) -> str:
    """Why predicted and measured errors are not of the same thing; empty where they are."""
    if spec.estimator == "score":
        return "The prediction is about the exact matrix; sampled labels add noise to every entry."
    return "" if spec.estimator == "exact" else "The prediction is about the exact matrix."


def _verdicts(spec: Spec, points: pd.DataFrame, structures: pd.DataFrame, reason: str) -> tuple[Verdict, ...]:
    """Errors of what keeps blocks against predicted block norms; of the cosines there is no prediction, and it says why."""
    found = [Verdict("Cosines", "no prediction", f"Cosines: no prediction here, because {NO_COSINES}.")]
    reason = reason or _unlike(spec)
    for kind in ("block_tridiagonal", "layer_blocks", "unit_blocks"):
        own = points.loc[points["structure"] == kind, "population_error"].to_numpy(np.float64)
        if len(own):
            expected = float(structures.loc[structures["structure"] == kind, "predicted_error"].iloc[0])
            found.append(verdict(f"Frobenius error of {KINDS[kind].words}, for all inputs", own, expected, reason))
    found.append(
        Verdict("Other errors", "no prediction", f"Other Frobenius errors: no prediction here, because {NO_ERROR}")
    )
    return tuple(found)
