"""Spec of the question `estimator_training`: a classifier of images, how it is trained, and where it is looked at."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fimcore.experiments.control import Control
from fimcore.experiments.network_fields import ACTIVATIONS, NAMES, WIDTH_STEPS, NoDraws, NoEstimator
from fimcore.experiments.network_spec import NetworkSpec
from fimcore.inputs import InputError

RATES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)


class Spec(NetworkSpec):
    """Softmax with ten classes on images with labels; with 3 hidden layers, the four layers of the paper's classifier."""

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
    inputs: Annotated[  # type: ignore[assignment]
        Literal["digits", "images"],
        Field("digits", description="Digits: 8 × 8 real images. Your images: IDX files, the format of MNIST."),
        Control(
            "Input",
            "in",
            "select",
            options=("digits", "images"),
            names=("Digits (real images)", "Your images (MNIST)"),
            group="Input",
        ),
    ]
    input_dim: Annotated[int, Field(0, ge=0, le=0), Control("Input dimension d", "", "none", group="Input")]
    samples: Annotated[
        int,
        Field(500, ge=10, le=10_000, description="Images to train on; at most as many as there are."),
        Control("Images N", "N", "steps", options=(50, 100, 200, 500, 1000, 1797, 5000), group="Input"),
    ]
    data_file: Annotated[
        str,
        Field("", max_length=4096, description="IDX file of images, its labels beside it, for the input 'images'."),
        Control("IDX file", "", "none", group="Input"),
    ]
    target: Annotated[int, Field(0, ge=0, le=0), Control("Label column", "", "none", group="Input")]
    likelihood: Annotated[Literal["softmax"], Field("softmax"), Control("Output family", "", "none", group="Output")]
    outputs: Annotated[int, Field(10, ge=10, le=10), Control("Classes", "", "none", group="Output")]
    noise_variance: Annotated[float, Field(1.0, gt=0, le=1e6), Control("Noise variance σ²", "", "none", group="Output")]
    estimator: NoEstimator = "exact"
    draws: NoDraws = 1
    seeds: Annotated[
        int,
        Field(3, ge=1, le=8, description="Networks trained, each on images of its own: seed, seed + 1, …"),
        Control("Seeds", "S", "slider", step=1, group="Seeds"),
    ]
    optimizer: Annotated[
        Literal["adam", "momentum"],
        Field("adam", description="Mini-batch updates: Adam, or gradient descent with momentum 0.9."),
        Control(
            "Optimizer", "upd", "choice", options=("adam", "momentum"), names=("Adam", "Momentum SGD"), group="View"
        ),
    ]
    rate: Annotated[
        float,
        Field(0.003, gt=0, le=10, description="Learning rate."),
        Control("Learning rate", "eta", "steps", options=RATES, group="View"),
    ]
    epochs: Annotated[
        int,
        Field(20, ge=1, le=100, description="Passes over the images."),
        Control("Epochs", "ep", "steps", options=(5, 10, 20, 40), group="View"),
    ]
    batch: Annotated[
        int,
        Field(50, ge=1, le=10_000, description="Images an update sees."),
        Control("Batch size", "B", "steps", options=(10, 20, 50, 100, 200), group="View"),
    ]
    looked_at: Annotated[
        int,
        Field(100, ge=2, le=2000, description="Images over which Fisher and variances are averaged at every epoch."),
        Control("Images looked at", "M", "steps", options=(20, 50, 100, 200, 500), group="View"),
    ]
    all_bounds: Annotated[
        bool,
        Field(False, description="Draw lower bounds too, and those of F."),
        Control("All bounds", "all", "toggle", group="View"),
    ]

    @property
    def file(self) -> str:
        """Path of the images; empty for the digits.

        Raises:
            InputError: a file is asked for and none is named.
        """
        if self.inputs == "images" and not self.data_file:
            raise InputError("`data_file` is empty; the input 'images' needs an IDX file, as MNIST has it.")
        return self.data_file if self.inputs == "images" else ""
