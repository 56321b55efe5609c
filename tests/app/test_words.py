from __future__ import annotations

import math

import pytest
import words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1482, "0.148"),
        (0, "0"),
        (0.0, "0"),
        (833, "833"),
        (12545, "12,545"),
        (1234567, "1,234,567"),
        (8.0, "8"),
        (4.83, "4.83"),
        (-2.5, "−2.50"),
        (0.0048, "0.00480"),
        (0.00048, "4.80 × 10⁻⁴"),
        (0.01, "0.0100"),
        (9999.6, "1.00 × 10⁴"),
        (1.23e9, "1.23 × 10⁹"),
        (-1.23e-12, "−1.23 × 10⁻¹²"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (math.nan, "no number"),
    ],
)
def test_number(value: float, text: str) -> None:
    assert words.number(value) == text


def test_mean_with_spread_and_count() -> None:
    assert words.with_spread(0.148, 0.006, 8) == "0.148 ± 0.006 (8 seeds)"
    assert words.with_spread(4.8e-5, 1.2e-6, 8) == "(4.80 ± 0.12) × 10⁻⁵ (8 seeds)"
    assert words.with_spread(-2.5, 0.25, 4) == "−2.50 ± 0.25 (4 seeds)"
    assert words.with_spread(12.3, 0.001, 2) == "12.300 ± 0.001 (2 seeds)"
    assert words.with_spread(3.0, 0.0, 1) == "3 (1 seed)"
    assert words.with_spread(math.nan, 0.1, 8) == "no number (8 seeds)"


def test_counts_shares_times() -> None:
    assert words.percent(0.7294) == "72.9 %"
    assert words.percent(-0.00001) == "0.0 %"
    assert words.count_of(1, "seed") == "1 seed"
    assert words.count_of(1234, "entry", "entries") == "1,234 entries"
    assert words.duration(0.02) == "under 0.1 s"
    assert words.duration(9.4) == "9.4 s"
    assert words.duration(42) == "42 s"
    assert words.duration(300) == "5 min"
    assert words.duration(10_000) == "3 h"
    assert words.entries(833**2) == "0.7 M entries"
    assert words.entries(25) == "25 entries"
    assert words.joined(["a", "b", "c"]) == "a, b and c"
