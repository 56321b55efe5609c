"""How large the kept and the dropped part of a block structure are, from block norms: shares of |F|^2 and ratios of RMS entries."""

from __future__ import annotations

import numpy as np

from fimcore.norms import BlockNorms


def kept_square(norms: BlockNorms, blocks: str, diagonal_square: float = np.nan) -> float:
    """Sum of squared entries that "unit", "layer" or "diagonal" blocks keep (the diagonal's own must be given)."""
    if blocks == "unit":
        return float(norms.unit_diagonal.sum())
    return float(np.trace(norms.layer_pairs)) if blocks == "layer" else diagonal_square


def kept_entries(norms: BlockNorms, blocks: str) -> tuple[float, float]:
    """Numbers of entries kept and dropped."""
    units, sizes = norms.units, norms.parameters_per_unit
    parameters = float((units * sizes).sum())
    kept = {
        "unit": float((units * sizes**2).sum()),
        "layer": float(((units * sizes) ** 2).sum()),
        "diagonal": parameters,
    }[blocks]
    return kept, parameters**2 - kept


def dropped_share(norms: BlockNorms, blocks: str, diagonal_square: float = np.nan) -> float:
    """Share of |F|_F^2 in the entries that the block structure drops; nan for a zero matrix."""
    total = float(norms.layer_pairs.sum())
    return 1 - kept_square(norms, blocks, diagonal_square) / total if total > 0 else np.nan


def entry_ratio(norms: BlockNorms, blocks: str, diagonal_square: float = np.nan) -> float:
    """RMS of a dropped entry over RMS of a kept entry; nan where there is none of either."""
    total, kept = float(norms.layer_pairs.sum()), kept_square(norms, blocks, diagonal_square)
    inside, outside = kept_entries(norms, blocks)
    if not (kept > 0 and outside > 0 and total >= kept):
        return np.nan
    return float(np.sqrt((total - kept) / outside / (kept / inside)))
