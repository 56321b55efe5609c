"""A Plotly heat map as shapes for a file: runs of cells in one colour, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from colour_scales import colours_at
from drawing import Area

STEPS = 40  # more shades than this an eye cannot tell apart on paper


def heatmap_shapes(
    trace: Any, x: np.ndarray, y: np.ndarray, window: tuple[float, float, float, float]
) -> Iterator[Area]:
    """Cells centred at pixels x, y, cut at `window` (left, right, top, bottom); cells without a value stay open."""
    left, right, top, bottom = window
    values = np.asarray(trace.z, dtype=np.float64)
    span = (float(trace.zmax) - float(trace.zmin)) or 1.0
    steps = np.where(np.isfinite(values), np.clip((values - trace.zmin) / span, 0, 1) * STEPS, -1).round().astype(int)
    stops = tuple(str(colour) for _, colour in trace.colorscale)
    colours = colours_at(stops, np.linspace(0, 1, STEPS + 1))
    across, down = np.clip(_edges(x), left, right), np.clip(_edges(y), top, bottom)
    for row, levels in enumerate(steps):
        ends = np.flatnonzero(np.diff(levels)) + 1
        for begin, end in zip([0, *ends], [*ends, len(levels)], strict=True):
            if levels[begin] < 0:
                continue
            colour = "#" + "".join(f"{channel:02x}" for channel in colours[levels[begin]])
            low, high = float(across[begin]), float(across[end])
            first, last = float(down[row]), float(down[row + 1])
            yield Area(((low, first), (high, first), (high, last), (low, last)), colour)


def _edges(centres: np.ndarray) -> np.ndarray:
    """Half-way between neighbours, and as far beyond the first and the last."""
    middle = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])
