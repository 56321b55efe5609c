"""Spec of the question `sampling`: the network and its data, one parameter of it, and how its estimators are drawn."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fimcore.experiments.control import Control
from fimcore.experiments.network_fields import (
    SAMPLE_STEPS,
    WIDTH_STEPS,
    AnyActivation,
    HiddenLayers,
    NoEstimator,
    Outputs,
)
from fimcore.experiments.network_spec import NetworkSpec

FAMILIES = ("regression", "softmax", "bernoulli")
FAMILY_NAMES = ("Regression", "Softmax", "Bernoulli")
SHARPNESS_STEPS = (0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0)
AVERAGE_STEPS = (1, 2, 4, 8, 16, 32)
DRAW_STEPS = (100, 200, 500, 1000, 2000, 4000, 10_000, 20_000)
# Fields that no number depends on, and those that the curves against sharpness do not depend on.
LOOK = ("log_shares",)
HISTOGRAM = ("sharpness", "averaged", *LOOK)


class Spec(NetworkSpec):
    """One parameter of one network; `seeds` counts independent runs of drawn labels, all of them on the network of `seed`."""

    activation: AnyActivation = "tanh"  # type: ignore[assignment]
    hidden_layers: HiddenLayers = 2
    width: Annotated[
        int,
        Field(16, ge=1, le=4096, description="Units in every hidden layer."),
        Control("Width n", "n", "steps", options=WIDTH_STEPS, group="Network"),
    ]
    inputs: Annotated[
        Literal["gaussian", "sphere", "digits", "csv"],
        Field("digits", description="Inputs that the draws are made at. Digits: 8 × 8 real images with their labels."),
        Control(
            "Input",
            "in",
            "select",
            options=("gaussian", "sphere", "digits", "csv"),
            names=("Gaussian", "Sphere", "Digits (real images)", "Your CSV"),
            group="Input",
        ),
    ]
    samples: Annotated[
        int,
        Field(500, ge=2, le=100_000, description="Number of inputs N; at most the rows of a data set."),
        Control("Inputs N", "N", "steps", options=SAMPLE_STEPS, group="Input"),
    ]
    likelihood: Annotated[  # type: ignore[assignment]
        Literal["regression", "softmax", "bernoulli"],
        Field("softmax", description="Law of the labels. Bernoulli: several labels at once, each there or not."),
        Control("Output family", "out", "select", options=FAMILIES, names=FAMILY_NAMES, group="Output"),
    ]
    outputs: Outputs = 10
    # All estimators are drawn, none is chosen.
    estimator: NoEstimator = "exact"
    draws: Annotated[
        int,
        Field(2000, ge=10, le=20_000, description="Labels that each run draws, one after the other."),
        Control("Labels a run", "nd", "steps", options=DRAW_STEPS, group="View"),
    ]
    seeds: Annotated[
        int,
        Field(8, ge=1, le=32, description="Independent runs of drawn labels, all on the same network."),
        Control("Runs", "S", "slider", step=1, group="Seeds"),
    ]
    sharpness: Annotated[
        float,
        Field(
            1.0, ge=0.01, le=64, description="Factor β on all outputs: the larger, the more confident the predictions."
        ),
        Control("Sharpness β", "beta", "steps", options=SHARPNESS_STEPS, group="View"),
    ]
    layer: Annotated[
        int,
        Field(1, ge=1, le=13, description="Layer of the parameter; the last one is the output layer."),
        Control("Layer", "ly", "slider", step=1, group="View"),
    ]
    unit: Annotated[
        int,
        Field(0, ge=0, le=4096, description="Which unit of that layer; 0 takes the one with the largest Fisher value."),
        Control("Unit (0: largest F)", "un", "number", step=1, group="View"),
    ]
    weight: Annotated[
        int,
        Field(
            0,
            ge=0,
            le=4097,
            description="Which weight into the unit; 0 takes the one with the largest Fisher value. One more than there are: bias.",
        ),
        Control("Weight (0: largest F)", "wt", "number", step=1, group="View"),
    ]
    averaged: Annotated[
        int,
        Field(1, ge=1, le=64, description="An estimate in the histograms is an average over so many labels."),
        Control("Labels an estimate", "avg", "steps", options=AVERAGE_STEPS, group="View"),
    ]
    at: Annotated[
        Literal["all", "one"],
        Field(
            "all", description="A draw takes a random one of the inputs and a label there; or always the same input."
        ),
        Control("Drawn at", "at", "choice", options=("all", "one"), names=("Random inputs", "One input"), group="View"),
    ]
    chosen_input: Annotated[
        int,
        Field(1, ge=1, le=100_000, description="Which input, where all labels are drawn at one."),
        Control("Input number", "xi", "number", step=1, group="View"),
    ]
    log_shares: Annotated[
        bool,
        Field(True, description="Shares on a logarithmic scale, so that rare large draws are seen; off: as they are."),
        Control("Log shares", "log", "toggle", group="View"),
    ]

    @property
    def layers(self) -> int:
        """Layers with parameters: the hidden ones and the output layer."""
        return self.hidden_layers + 1

    @property
    def shown_layer(self) -> int:
        """The layer that is looked at: as set, but never beyond the output layer."""
        return min(self.layer, self.layers)
