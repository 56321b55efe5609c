"""Where statistics of the Fisher matrix may be predicted: depth over width, number of outputs, overlap of the inputs.

Source: read off measurements of random networks; the condition on the overlaps is that of Karakida, Akaho, Amari, arXiv
1806.01316 (kappa_2 > 0). K_1 and K_2 are the sums of `fisher_statistics`.
"""

from __future__ import annotations

import math

from fimcore.architecture import Architecture

__all__ = ["DEEPEST", "LEAST_OUTLIER", "MOST_OUTPUTS", "reason_for_means", "reason_for_outliers"]

# Read off measurements: the largest eigenvalue is then good to about 5 % (relu 10 %).
MOST_OUTPUTS = 3
DEEPEST = 0.01
LEAST_OUTLIER = 5.0
# Beyond this depth over width even traces scatter by tens of per cent between seeds.
DEEPEST_FOR_MEANS = 0.1
# Overlaps below this share of the activity are rounding: independent centred inputs and an odd activation.
NO_OVERLAP = 1e-10


def reason_for_means(arch: Architecture, kernel: float) -> str:
    """Why even the trace is not predicted; empty where it is."""
    if not math.isfinite(kernel):
        return "Signals or gradients grow without bound on the way through this network."
    depth, narrowest = len(arch.widths) - 1, min(arch.widths[:-1])
    if depth > DEEPEST_FOR_MEANS * narrowest:
        return (
            f"Depth over width is {depth}/{narrowest} = {depth / narrowest:.2g}; "
            f"above {DEEPEST_FOR_MEANS:g} single networks differ too much from the mean."
        )
    return ""


def reason_for_outliers(
    arch: Architecture, samples: int, kernel: float, overlap: float, signal: float, most_outputs: int = MOST_OUTPUTS
) -> str:
    """Why no eigenvalue is predicted to stand out at K_1 = kernel, K_2 = overlap; empty where one is."""
    depth, narrowest, outputs = len(arch.widths) - 1, min(arch.widths[:-1]), arch.widths[-1]
    if signal <= NO_OVERLAP * kernel:
        return (
            "Activities of different inputs do not overlap (odd activation, no bias, uncorrelated inputs), "
            "so no eigenvalue stands out."
        )
    if outputs > most_outputs:
        return f"There are {outputs} outputs; the formula for the largest eigenvalue is trusted up to {most_outputs}."
    if depth > DEEPEST * narrowest:
        enough = math.ceil(depth / DEEPEST)
        remedy = (
            f"here from width {enough} on" if arch.widths[0] >= enough else f"here from {enough} units and inputs on"
        )
        return (
            f"Depth over width is {depth}/{narrowest} = {depth / narrowest:.2g}; the formula is trusted up to "
            f"{DEEPEST:g}, {remedy}."
        )
    if samples * overlap < LEAST_OUTLIER * (kernel - overlap):
        needed = math.ceil(LEAST_OUTLIER * (kernel - overlap) / overlap) if overlap > 0.0 else None
        return f"With {samples} inputs the shared part of the spectrum is too small for one eigenvalue to stand out" + (
            f"; about {needed} inputs are needed." if needed else "."
        )
    return ""
