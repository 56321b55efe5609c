"""Spec of the question `phase`: the network, how deep it is followed, and the overlap of the two inputs at the start."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fimcore.experiments.control import Control
from fimcore.experiments.network_spec import INPUT_DIM_STEPS, WIDTH_STEPS, NetworkSpec

DEPTH_STEPS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
# Every activation there is: which phases exist depends on it more than on anything else.
ACTIVATIONS = ("tanh", "erf", "sin", "relu", "leaky_relu", "elu", "gelu", "silu", "softplus", "sigmoid", "linear")
NAMES = ("tanh", "erf", "sin", "ReLU", "leaky ReLU", "ELU", "GELU", "SiLU", "softplus", "sigmoid", "linear")
DATA = ("digits", "csv")


class Spec(NetworkSpec):
    """A signal's way through `hidden_layers` layers; output family and estimator play no part."""

    width: Annotated[
        int,
        Field(256, ge=1, le=4096, description="Units in every hidden layer. Mean-field theory speaks about n → ∞."),
        Control("Width n", "n", "steps", options=WIDTH_STEPS, group="Network"),
    ]
    hidden_layers: Annotated[
        int,
        Field(16, ge=1, le=64, description="Hidden layers that the signal is followed through."),
        Control("Hidden layers", "D", "steps", options=DEPTH_STEPS, group="View"),
    ]
    activation: Annotated[  # type: ignore[assignment]
        Literal["tanh", "erf", "sin", "relu", "leaky_relu", "elu", "gelu", "silu", "softplus", "sigmoid", "linear"],
        Field("tanh", description="Applied to every hidden unit. erf is erf(u); GELU is the exact u Φ(u)."),
        Control("Activation", "act", "select", options=ACTIVATIONS, names=NAMES, group="Network"),
    ]
    input_dim: Annotated[
        int,
        Field(0, ge=0, le=4096, description="Coordinates of a random input; 0 means as many as the width."),
        Control("Input dimension d", "d", "steps", options=INPUT_DIM_STEPS, group="Input"),
    ]
    samples: Annotated[
        int,
        Field(
            200, ge=2, le=100_000, description="Number of inputs N, taken as N/2 pairs; at most the rows of a data set."
        ),
        Control("Inputs N", "N", "steps", options=(10, 20, 50, 100, 200, 500, 1000, 1500, 2000), group="Input"),
    ]
    overlap: Annotated[
        float,
        Field(
            0.5, ge=-1, le=1, description="x · x′ / d of the two inputs of a pair; pairs of a data set have their own."
        ),
        Control("Overlap of the pair", "c0", "slider", step=0.05, group="View"),
    ]
    residual: Annotated[
        bool,
        Field(False, description="Draw measured / predicted − 1 in place of both."),
        Control("Residuals", "res", "toggle", group="View"),
    ]

    @property
    def from_data(self) -> bool:
        """Whether the inputs are rows of a table, with lengths and overlaps of their own."""
        return self.inputs in DATA
