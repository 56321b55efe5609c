"""The observables of the question `width`: each a number per part of the network, from measured or from predicted norms.

Whether entries outside of units' blocks decay with width depends on which of these is looked at.
Source: Amari, Karakida, Oizumi, arXiv 1808.07172 (blocks); Karakida, Akaho, Amari, arXiv 1806.01316 (norms of blocks).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from fimcore.experiments.width_measure import Point
from fimcore.experiments.width_spec import OBSERVABLE_NAMES, OBSERVABLES
from fimcore.fisher.normalised_entries import NormalisedEntries
from fimcore.norms import BlockNorms

__all__ = ["MEANINGS", "NAMES", "NOT_PREDICTED", "averages", "layer_pairs", "values_of"]

NAMES = dict(zip(OBSERVABLES, OBSERVABLE_NAMES, strict=True))
MEANINGS = {
    "ratio": "RMS entry between units / RMS entry inside a unit",
    "normalised": "RMS of F_pq / √(F_pp F_qq) between units",
    "normalised_ratio": "RMS of F_pq / √(F_pp F_qq) between units / the same inside a unit",
    "mass": "Share of ‖F‖² inside units' own blocks",
    "spectral": "‖F − F_blocks‖₂ / ‖F‖₂, blocks of units",
    "layer_pairs": "‖F between two layers‖ / geometric mean of the layers' own",
}
NOT_PREDICTED = {
    "normalised": "Theory here is about squared entries, not about entries over their diagonals.",
    "normalised_ratio": "Theory here is about squared entries, not about entries over their diagonals.",
    "spectral": "Theory here is about Frobenius norms of blocks, not about the spectral norm.",
}
# Every pair of this many hidden layers is shown; of more, neighbours, and the first with the last.
FEW_LAYERS = 3

Values = dict[tuple[str, str], float]


def layer_pairs(hidden: int) -> list[tuple[int, int]]:
    """The pairs of hidden layers that are followed, from 1."""
    if hidden <= FEW_LAYERS:
        return list(combinations(range(1, hidden + 1), 2))
    return [*((layer, layer + 1) for layer in range(1, hidden)), (1, hidden)]


def values_of(norms: BlockNorms, normalised: Sequence[NormalisedEntries] = (), spectral: float = np.nan) -> Values:
    """(observable, part) to its value; nan where it does not exist."""
    hidden, ratio, mass, pairs = norms.layers - 1, norms.rms_ratio, norms.mass, norms.layer_correlation
    found: Values = {("ratio", f"layer {layer}"): float(ratio[layer - 1]) for layer in range(1, hidden + 1)}
    for layer in range(1, hidden + 1):
        entries = normalised[layer - 1] if normalised else NormalisedEntries(np.nan, np.nan)
        off, own = (np.sqrt(value) if value >= 0 else np.nan for value in (entries.off_unit, entries.in_unit))
        found["normalised", f"layer {layer}"] = float(off)
        found["normalised_ratio", f"layer {layer}"] = float(off / own) if own > 0 else np.nan
    for place, layers in enumerate(mass["layers"]):
        found["mass", str(layers)] = float(mass["in_unit"].iloc[place])
    found["spectral", "all layers"] = spectral
    for first, second in layer_pairs(hidden):
        found["layer_pairs", f"layers {first} and {second}"] = float(pairs[first - 1, second - 1])
    return found


def own_values(point: Point) -> Values:
    """What one network has."""
    return values_of(point.norms, point.normalised, point.spectral)


def averages(points: Sequence[Point]) -> tuple[BlockNorms, Values]:
    """Squares averaged over networks before anything is divided: what predicted averages are compared with."""
    norms = mean_norms(points)
    layers = zip(*(point.normalised for point in points), strict=True)
    normalised = [NormalisedEntries(*(_mean(column) for column in zip(*entries, strict=True))) for entries in layers]
    return norms, values_of(norms, normalised, _mean([point.spectral for point in points]))


def mean_norms(points: Sequence[Point]) -> BlockNorms:
    """Block norms averaged over the networks whose numbers are finite."""
    kept = [point.norms for point in points if not point.overflows] or [points[0].norms]
    pairs = np.mean([norms.layer_pairs for norms in kept], axis=0)
    return BlockNorms(pairs, np.mean([norms.unit_diagonal for norms in kept], axis=0), kept[0].widths)


def _mean(values: Sequence[float]) -> float:
    kept = [value for value in values if np.isfinite(value)]
    return float(np.mean(kept)) if kept else np.nan
