"""Spec of the question `estimator_training`: a classifier of the digits, how it is trained, and where it is looked at."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fimcore.experiments.control import Control
from fimcore.experiments.network_spec import WIDTH_STEPS, NetworkSpec
from fimcore.experiments.phase_spec import ACTIVATIONS, NAMES


class Spec(NetworkSpec):
    """Digits, softmax with ten classes: the task is fixed, network and training are not."""

    width: Annotated[
        int,
        Field(32, ge=1, le=512, description="Units in every hidden layer."),
        Control("Width n", "n", "steps", options=WIDTH_STEPS, group="Network"),
    ]
    activation: Annotated[  # type: ignore[assignment]
        Literal["tanh", "erf", "sin", "relu", "leaky_relu", "elu", "gelu", "silu", "softplus", "sigmoid", "linear"],
        Field("softplus", description="Applied to every hidden unit."),
        Control("Activation", "act", "select", options=ACTIVATIONS, names=NAMES, group="Network"),
    ]
    inputs: Annotated[Literal["digits"], Field("digits"), Control("Input", "", "none", group="Input")]  # type: ignore[assignment]
    input_dim: Annotated[int, Field(0, ge=0, le=0), Control("Input dimension d", "", "none", group="Input")]
    samples: Annotated[
        int,
        Field(500, ge=10, le=1797, description="Digits to train on."),
        Control("Digits N", "N", "steps", options=(50, 100, 200, 500, 1000, 1797), group="Input"),
    ]
    likelihood: Annotated[Literal["softmax"], Field("softmax"), Control("Output family", "", "none", group="Output")]  # type: ignore[assignment]
    outputs: Annotated[int, Field(10, ge=10, le=10), Control("Classes", "", "none", group="Output")]
    noise_variance: Annotated[float, Field(1.0, gt=0, le=1e6), Control("Noise variance σ²", "", "none", group="Output")]
    estimator: Annotated[Literal["exact"], Field("exact"), Control("Estimator", "", "none", group="Estimator")]  # type: ignore[assignment]
    draws: Annotated[int, Field(1, ge=1, le=64), Control("Draws per input", "", "none", group="Estimator")]
    seeds: Annotated[
        int,
        Field(2, ge=1, le=8, description="Networks trained: seed, seed + 1, …"),
        Control("Seeds", "S", "slider", step=1, group="Seeds"),
    ]
    optimizer: Annotated[
        Literal["adam", "momentum"],
        Field("adam", description="Mini-batch updates: Adam, or gradient descent with momentum 0.9."),
        Control(
            "Optimizer", "opt", "choice", options=("adam", "momentum"), names=("Adam", "Momentum SGD"), group="View"
        ),
    ]
    rate: Annotated[
        float,
        Field(0.003, gt=0, le=10, description="Learning rate."),
        Control("Learning rate", "eta", "steps", options=(0.0003, 0.001, 0.003, 0.01, 0.03, 0.1), group="View"),
    ]
    epochs: Annotated[
        int,
        Field(20, ge=1, le=100, description="Passes over the digits."),
        Control("Epochs", "T", "steps", options=(5, 10, 20, 40), group="View"),
    ]
    batch: Annotated[
        int,
        Field(50, ge=1, le=1797, description="Digits an update sees."),
        Control("Batch size", "B", "steps", options=(10, 20, 50, 100, 200), group="View"),
    ]
    looked_at: Annotated[
        int,
        Field(100, ge=2, le=1797, description="Digits over which Fisher and variances are averaged at every epoch."),
        Control("Digits looked at", "M", "steps", options=(20, 50, 100, 200, 500), group="View"),
    ]
