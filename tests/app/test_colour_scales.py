"""The colour scales keep their promises: sign does not change lightness, magnitude always does."""

from __future__ import annotations

import numpy as np
import pytest
from colour_scales import CIVIDIS, colours_at, diverging_stops, plotly_scale


def lightness(colours: np.ndarray) -> np.ndarray:
    """CIELAB L* of sRGB colours (k, 3) in 0 … 255."""
    channel = colours / 255.0
    linear = np.where(channel <= 0.04045, channel / 12.92, ((channel + 0.055) / 1.055) ** 2.4)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    return 116.0 * np.where(luminance > 0.008856, np.cbrt(luminance), 7.787 * luminance + 16 / 116) - 16.0


@pytest.mark.parametrize("dark", [False, True])
def test_equal_sizes_of_either_sign_are_equally_light(dark):
    size = np.linspace(0.0, 0.5, 65)
    stops = diverging_stops(dark)
    difference = lightness(colours_at(stops, 0.5 + size)) - lightness(colours_at(stops, 0.5 - size))
    assert np.abs(difference).max() < 3.0
    steps = np.diff(lightness(colours_at(stops, 0.5 + size)))
    assert (steps > 0).all() if dark else (steps < 0).all()


def test_magnitudes_become_lighter():
    assert (np.diff(lightness(colours_at(CIVIDIS, np.linspace(0, 1, 64)))) > 0).all()


def test_plotly_scales_cover_the_range_and_refuse_other_names():
    for name in ("diverging", "magnitude"):
        scale = plotly_scale(name)
        assert (scale[0][0], scale[-1][0]) == (0.0, 1.0)
    with pytest.raises(ValueError, match='choose "diverging" or "magnitude"'):
        plotly_scale("rainbow")
