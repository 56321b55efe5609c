"""A number over seeds: mean, spread, smallest and largest of what is a number, and how many there are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def over_seeds(values: NDArray[np.float64]) -> dict[str, float | int]:
    """Columns "measured", "spread" (standard deviation, n - 1), "low", "high", "seeds"; nan where too few are finite."""
    own = values[np.isfinite(values)]
    return {
        "measured": float(own.mean()) if len(own) else np.nan,
        "spread": float(own.std(ddof=1)) if len(own) > 1 else np.nan,
        "low": float(own.min()) if len(own) else np.nan,
        "high": float(own.max()) if len(own) else np.nan,
        "seeds": len(own),
    }
