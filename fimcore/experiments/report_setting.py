"""How accurate mean-field theory claims to be at one setting of the sanity report, and where it claims nothing.

tolerance = floor + slope * L / n + v^2: what theory leaves out shrinks with the width and grows with the depth; v is the relative
spread of the inputs' lengths, of which theory knows only the mean.
Source: floors and slopes are read off measurements of random networks; L / n is the parameter of Hanin, Rolnick, arXiv 1803.01719.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fimcore.architecture import Architecture
from fimcore.experiments.network_spec import NetworkSpec
from fimcore.experiments.setting import InputMoments, architecture_of, input_moments

FloatArray = NDArray[np.float64]

# Group: (floor, slope) of the tolerance. Second moments are of fourth order in the signals, so they lie further off.
ACCURACY = {
    "signals": (0.02, 1.0),
    "scatter": (0.30, 3.0),
    "block sizes": (0.04, 1.5),
    "eigenvalues": (0.04, 1.5),
    "second moments": (0.08, 4.0),
    "outliers": (0.05, 3.0),
    "input metric": (0.25, 4.0),
    "kernels": (0.02, 1.0),
    "one unit": (0.02, 2.0),
    "rates": (0.02, 0.0),
    "training": (0.02, 1.0),
    "two layers": (0.05, 1.0),
}
# Beyond these, single networks are not near the mean, and inputs not near the mean length.
DEEPEST, UNEVEN = 0.15, 0.35
# Formulas for few outputs hold up to this many for every unit of a hidden layer.
FEW_OUTPUTS = 1 / 32


@dataclass(frozen=True)
class Setting:
    """A Spec with what all its predictions need. uneven: v, measured on the inputs themselves."""

    spec: NetworkSpec
    arch: Architecture
    moments: InputMoments
    uneven: float

    @property
    def narrowest(self) -> int:
        """Units of the narrowest hidden layer."""
        return min(self.arch.hidden_widths)

    @property
    def many_outputs(self) -> str:
        """Why formulas for few outputs do not apply; empty where they do."""
        outputs, width = self.arch.outputs, self.narrowest
        return "" if outputs <= max(1, FEW_OUTPUTS * width) else f"{outputs} outputs are not few beside {width} units."

    def tolerance(self, group: str) -> float:
        """Relative error that a prediction of this group is allowed."""
        floor, slope = ACCURACY[group]
        return floor + slope * self.arch.layers / self.narrowest + self.uneven**2

    @property
    def outside(self) -> str:
        """Why mean-field theory claims nothing about single networks here; empty where it does."""
        depth, width = self.arch.layers, self.narrowest
        if depth > DEEPEST * width:
            return (
                f"Depth over width is {depth}/{width} = {depth / width:.2g}; above {DEEPEST:g} networks scatter too much "
                "around the mean that theory follows."
            )
        if self.uneven > UNEVEN:
            return (
                f"The inputs differ in length by ± {100 * self.uneven:.0f} %, and theory follows one of mean length: "
                f"that is fair up to ± {100 * UNEVEN:.0f} %."
            )
        return ""


def setting_of(spec: NetworkSpec, inputs: list[FloatArray]) -> Setting:
    """From a Spec and the inputs of its networks, (M, n_0) each."""
    spreads = [_spread(np.square(x).sum(axis=1)) for x in inputs]
    return Setting(spec, architecture_of(spec), input_moments(spec), float(np.mean(spreads)))


def _spread(lengths: FloatArray) -> float:
    middle = lengths.mean()
    return float(lengths.std() / middle) if middle > 0 else 0.0
