"""Fields that many questions share and give a default of their own: `width: Width = 32`."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from fimcore.experiments.control import Control

WIDTH_STEPS = (2, 4, 8, 16, 32, 64, 128, 256, 512)
SAMPLE_STEPS = (10, 20, 50, 100, 200, 500, 1000, 1500, 2000)
# Every activation there is: which phases exist, and which estimator wins, depends on it more than on anything else.
Activation = Literal["tanh", "erf", "sin", "relu", "leaky_relu", "elu", "gelu", "silu", "softplus", "sigmoid", "linear"]
ACTIVATIONS: tuple[str, ...] = get_args(Activation)
NAMES = ("tanh", "erf", "sin", "ReLU", "leaky ReLU", "ELU", "GELU", "SiLU", "softplus", "sigmoid", "linear")

Width = Annotated[
    int,
    Field(ge=1, le=4096, description="Units in every hidden layer. Mean-field theory speaks about n → ∞."),
    Control("Width n", "n", "steps", options=WIDTH_STEPS, group="Network"),
]
HiddenLayers = Annotated[
    int,
    Field(ge=1, le=12, description="Layers between input and output."),
    Control("Hidden layers", "L", "slider", step=1, group="Network"),
]
AnyActivation = Annotated[
    Activation,
    Field(description="Applied to every hidden unit. erf is erf(u); GELU is the exact u Φ(u)."),
    Control("Activation", "act", "select", options=ACTIVATIONS, names=NAMES, group="Network"),
]
Samples = Annotated[
    int,
    Field(ge=2, le=100_000, description="Number of inputs N in the average; at most the rows of a data set."),
    Control("Inputs N", "N", "steps", options=SAMPLE_STEPS, group="Input"),
]
TrainingSamples = Annotated[
    int,
    Field(ge=2, le=100_000, description="Number of training inputs N; at most the rows of a data set."),
    Control("Inputs N", "N", "steps", options=SAMPLE_STEPS, group="Input"),
]
Outputs = Annotated[
    int,
    Field(ge=1, le=4096, description="Number of outputs C, or of classes for softmax (2 or more)."),
    Control("Outputs C", "k", "steps", options=(1, 2, 3, 5, 10, 16, 32, 64), group="Output"),
]
# Where all estimators are compared, none is chosen.
NoEstimator = Annotated[Literal["exact"], Field(), Control("Estimator", "", "none", group="Estimator")]
NoDraws = Annotated[int, Field(ge=1, le=64), Control("Draws per input", "", "none", group="Estimator")]
Residual = Annotated[
    bool,
    Field(description="Draw measured / predicted − 1 in place of both."),
    Control("Residuals", "res", "toggle", group="View"),
]
