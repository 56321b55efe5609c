"""Colour ramps: a diverging ramp with zero at the page colour, and cividis for magnitudes.

Cividis: Nuñez, Anderton and Renslow, "Optimizing colormaps with consideration for color vision deficiency" (2018),
arXiv 1712.01662. The diverging ramps have equal lightness at equal distance from zero, so sign is read from hue and
size from lightness, also under simulated colour vision deficiency.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Colours = NDArray[np.uint8]

# Zero maps to the page colour, therefore dark pages need a ramp of their own.
DIVERGING_LIGHT = ("#084580", "#5e98ca", "#f7f7f7", "#d08446", "#803004")
DIVERGING_DARK = ("#78beff", "#5492d6", "#182029", "#da7c30", "#ffa654")
CIVIDIS = (
    "#00224e",
    "#123570",
    "#3b496c",
    "#575d6d",
    "#707173",
    "#8a8678",
    "#a59c74",
    "#c3b369",
    "#e1cc55",
    "#fee838",
)


def colours_at(stops: tuple[str, ...], positions: NDArray[np.float64]) -> Colours:
    """Colours (k, 3) of a ramp with equally spaced stops at positions (k,) in [0, 1], piecewise linear in sRGB."""
    knots = np.array([[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in stops], dtype=np.float64)
    grid = np.linspace(0.0, 1.0, len(stops))
    channels = [np.interp(positions, grid, knots[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=1).round().astype(np.uint8)


def diverging_stops(dark: bool) -> tuple[str, ...]:
    """Five stops from the most negative to the most positive value."""
    return DIVERGING_DARK if dark else DIVERGING_LIGHT


@lru_cache(maxsize=8)
def plotly_scale(name: str, dark: bool = False) -> tuple[tuple[float, str], ...]:
    """A ramp in Plotly's form, for figures: `name` is "diverging" or "magnitude"."""
    if name not in ("diverging", "magnitude"):
        raise ValueError(f'`name` is {name!r}; choose "diverging" or "magnitude"')
    stops = diverging_stops(dark) if name == "diverging" else CIVIDIS
    return tuple((i / (len(stops) - 1), stop) for i, stop in enumerate(stops))
