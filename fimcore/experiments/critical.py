"""The weight variance at which signals neither die out nor explode with depth: the edge of chaos, for the sidebar's button.

Source: Poole, Lahiri, Raghu, Sohl-Dickstein, Ganguli, Exponential expressivity in deep neural networks through transient
chaos, arXiv 1606.05340.
"""

from __future__ import annotations

from functools import lru_cache

from fimcore.meanfield import critical_point


@lru_cache(maxsize=256)
def critical_weight_variance(activation: str, bias_variance: float) -> tuple[float | None, str]:
    """sigma_w^2 with chi_1 = 1 at this bias variance, or None and the reason why there is none.

    Raises:
        ValueError: an unknown activation or a negative variance.
    """
    found = critical_point(activation, bias_variance)
    if not found.exists:
        return None, found.reason
    return float(found.weight_variance), ""
