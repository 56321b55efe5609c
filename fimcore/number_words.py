"""Numbers and counts as people read them: three significant digits, a true minus, powers of ten, spread with its count."""

from __future__ import annotations

import math

MINUS = "\u2212"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, digits: int = 3) -> str:
    """A number with `digits` significant digits: "0.148", "1,234", "4.80 × 10⁻³", "−2.50"; whole numbers stay whole."""
    if isinstance(value, bool) or math.isnan(value):
        return "no number"
    if math.isinf(value):
        return f"{MINUS if value < 0 else ''}∞"
    if value == 0:
        return "0"
    sign, size = (MINUS if value < 0 else ""), abs(value)
    if (float(size).is_integer() and size < 10**digits) or (isinstance(value, int) and size < 10**7):
        return f"{sign}{int(size):,}"
    exponent = _exponent(size, digits)
    if -3 <= exponent < 4:
        return f"{sign}{size:,.{max(0, digits - 1 - exponent)}f}"
    return f"{sign}{size / 10.0**exponent:.{digits - 1}f} × {power_of_ten(exponent)}"


def power_of_ten(exponent: int) -> str:
    """10⁻³ for -3."""
    return f"10{str(exponent).translate(_SUPERSCRIPT)}"


def with_spread(mean: float, spread: float, count: int, unit: str = "seed") -> str:
    """A mean with its spread and count: "0.148 ± 0.006 (8 seeds)", "(4.80 ± 0.12) × 10⁻³ (8 seeds)"."""
    if count < 2 or not (math.isfinite(mean) and math.isfinite(spread)):
        return f"{number(mean)} ({count_of(count, unit)})"
    largest = max(abs(mean), abs(spread))
    exponent = _exponent(largest, 3) if largest > 0 else 0
    scaled = not -3 <= exponent < 4
    factor = 10.0**-exponent if scaled else 1.0
    decimals = _decimals(mean * factor, spread * factor)
    sign = MINUS if mean < 0 else ""
    pair = f"{sign}{abs(mean) * factor:,.{decimals}f} ± {abs(spread) * factor:,.{decimals}f}"
    times = f" × {power_of_ten(exponent)}" if scaled else ""
    return f"{f'({pair})' if scaled else pair}{times} ({count_of(count, unit)})"


def percent(share: float) -> str:
    """A share as a percentage with one decimal: "72.9 %"."""
    if not math.isfinite(share):
        return "no number"
    return f"{MINUS if round(share * 100, 1) < 0 else ''}{abs(share) * 100:.1f} %"


def count_of(count: int, noun: str, plural: str | None = None) -> str:
    """A count with its noun: "1 seed", "8 seeds", "1,234 parameters"."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """As people say it: "0.1 s", "9 s", "2 min", "3 h"; anything below a tenth of a second is "under 0.1 s"."""
    if not math.isfinite(seconds):
        return "very long"
    if seconds < 0.1:
        return "under 0.1 s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.0f} h"


def about(seconds: float) -> str:
    """With its hedge: "about 9 s", "under 0.1 s"."""
    text = duration(seconds)
    return text if text.startswith("under") else f"about {text}"


def entries(count: float) -> str:
    """How many entries a matrix has: "0.7 M entries", "833 entries"."""
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= 0.1 * size and count >= 1000:
            scaled = count / size
            return f"{scaled:.1f} {unit} entries" if scaled < 100 else f"{scaled:,.0f} {unit} entries"
    return count_of(int(count), "entry", "entries")


def joined(words: list[str], last: str = "and") -> str:
    """A list as a sentence has it: "a", "a and b", "a, b and c"."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def _exponent(size: float, digits: int) -> int:
    """Power of ten of a positive number after rounding to `digits` significant digits."""
    return int(f"{size:.{digits - 1}e}".split("e")[1])


def _decimals(mean: float, spread: float) -> int:
    """Three significant digits of the mean, and enough that the spread is not shown as zero, at most six."""
    largest = max(abs(mean), abs(spread))
    decimals = 0 if largest == 0 else max(0, 2 - _exponent(largest, 3))
    if spread and round(abs(spread), decimals) == 0:
        decimals = max(decimals, -_exponent(abs(spread), 2))
    return min(decimals, 6)
