"""Spec of the question `phase`: the network, how deep it is followed, and the overlap of the two inputs at the start."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fimcore.experiments.control import Control
from fimcore.experiments.network_fields import SAMPLE_STEPS, AnyActivation, Residual, Width
from fimcore.experiments.network_spec import NetworkSpec

DEPTH_STEPS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
DATA = ("digits", "csv")


class Spec(NetworkSpec):
    """A signal's way through `hidden_layers` layers; output family and estimator play no part."""

    width: Width = 256
    hidden_layers: Annotated[
        int,
        Field(16, ge=1, le=64, description="Hidden layers that the signal is followed through."),
        Control("Hidden layers", "D", "steps", options=DEPTH_STEPS, group="View"),
    ]
    activation: AnyActivation = "tanh"  # type: ignore[assignment]
    samples: Annotated[
        int,
        Field(
            200, ge=2, le=100_000, description="Number of inputs N, taken as N/2 pairs; at most the rows of a data set."
        ),
        Control("Inputs N", "N", "steps", options=SAMPLE_STEPS, group="Input"),
    ]
    overlap: Annotated[
        float,
        Field(
            0.5, ge=-1, le=1, description="x · x′ / d of the two inputs of a pair; pairs of a data set have their own."
        ),
        Control("Overlap of the pair", "c0", "slider", step=0.05, group="View"),
    ]
    residual: Residual = False

    @property
    def from_data(self) -> bool:
        """Whether the inputs are rows of a table, with lengths and overlaps of their own."""
        return self.inputs in DATA
