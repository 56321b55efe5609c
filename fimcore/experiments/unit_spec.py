"""Spec of the question `unit`: the network, which of its units is looked at, and how the matrices are shown."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fimcore.experiments.control import Control
from fimcore.experiments.directions_spec import DAMPING_NAMES, DAMPINGS
from fimcore.experiments.network_fields import WIDTH_STEPS, AnyActivation
from fimcore.experiments.network_spec import NetworkSpec
from fimcore.experiments.question_spec import Seeds

SAMPLE_STEPS = (20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)
# Units of a layer that are measured for the averages: all of them up to this many, else the first ones.
MOST_UNITS = 32


class Spec(NetworkSpec):
    """One unit of one hidden layer in detail, and how well the closed form does in every layer."""

    width: Annotated[
        int,
        Field(32, ge=1, le=4096, description="Units in every hidden layer; a unit's matrix has as many rows, and one."),
        Control("Width n", "n", "steps", options=WIDTH_STEPS, group="Network"),
    ]
    activation: AnyActivation = "tanh"  # type: ignore[assignment]
    samples: Annotated[
        int,
        Field(2000, ge=4, le=100_000, description="Number of inputs N in the average; at most the rows of a data set."),
        Control("Inputs N", "N", "steps", options=SAMPLE_STEPS, group="Input"),
    ]
    seeds: Seeds = 4
    layer: Annotated[
        int,
        Field(1, ge=1, le=12, description="Hidden layer of the unit that is looked at."),
        Control("Layer", "l", "slider", step=1, group="View"),
    ]
    unit: Annotated[
        int,
        Field(1, ge=1, le=4096, description="Which unit of that layer."),
        Control("Unit", "u", "number", step=1, group="View"),
    ]
    isotropic: Annotated[
        bool,
        Field(True, description="One variance for all inputs of the layer; off: their exact covariance."),
        Control("Isotropic", "iso", "toggle", group="View"),
    ]
    along: Annotated[
        bool,
        Field(
            True,
            description="Turn the axes so that the first is the unit's own weight vector and the second its bias.",
        ),
        Control("Axes along w", "rot", "toggle", group="View"),
    ]
    damping: Annotated[
        float,
        Field(
            1e-3,
            ge=1e-6,
            le=1e4,
            description="λ for inverse and natural gradient, in units of a block's mean diagonal.",
        ),
        Control("Damping λ", "lam", "steps", options=DAMPINGS, names=DAMPING_NAMES, group="View"),
    ]

    @property
    def shown_layer(self) -> int:
        """The layer that is looked at: as set, but never deeper than the network."""
        return min(self.layer, self.hidden_layers)

    @property
    def shown_unit(self) -> int:
        """The unit that is looked at: as set, but never beyond the width."""
        return min(self.unit, self.width)

    @property
    def measured_units(self) -> int:
        """Units of every layer that averages run over."""
        return min(self.width, MOST_UNITS)

    @property
    def law_known(self) -> bool:
        """Whether the inputs are drawn with mean 0 and variance 1 in every direction, so that layer 1 needs no fit."""
        return self.inputs in ("gaussian", "sphere")
