"""The network, its inputs and its output family: the part of every question's Spec that the sidebar shows."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from fimcore.experiments.control import Control
from fimcore.experiments.network_fields import WIDTH_STEPS, HiddenLayers, Outputs, Samples, Width
from fimcore.experiments.question_spec import QuestionSpec, Seed, Seeds

# What is proposed instead of a width that is too large.
PROPOSED_WIDTHS = (*WIDTH_STEPS, 1024, 2048)
INPUT_DIM_STEPS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512)

# Limits of an uploaded table in the dashboard and on the command line; `fimcore.inputs.load` itself takes more.
CSV_MAX_BYTES = 2_000_000
CSV_MAX_COLUMNS = 64


class NetworkSpec(QuestionSpec):
    """Everything that determines a random network, its inputs and its output family: a frozen, hashable value."""

    # The field that says how wide the largest network is: what a refusal names and proposes to lower.
    size_field: ClassVar[str] = "width"

    width: Width = 16
    hidden_layers: HiddenLayers = 3
    activation: Annotated[
        Literal["tanh", "relu", "erf", "gelu", "linear"],
        Field("tanh", description="Applied to every hidden unit. erf is erf(u); GELU is the exact u Φ(u)."),
        Control(
            "Activation",
            "act",
            "choice",
            options=("tanh", "relu", "erf", "gelu", "linear"),
            names=("tanh", "ReLU", "erf", "GELU", "linear"),
            group="Network",
        ),
    ]
    weight_variance: Annotated[
        float,
        Field(1.5, gt=0, le=100, description="Weights are drawn from N(0, σ_w² / fan-in)."),
        Control("Weight variance σ_w²", "sw2", "slider", step=0.05, group="Network", low=0.1, high=5.0),
    ]
    bias_variance: Annotated[
        float,
        Field(0.1, ge=0, le=100, description="Biases are drawn from N(0, σ_b²)."),
        Control("Bias variance σ_b²", "sb2", "slider", step=0.05, group="Network", low=0.0, high=2.0),
    ]
    inputs: Annotated[
        Literal["gaussian", "sphere", "digits", "csv"],
        Field("gaussian", description="The average in F runs over these inputs. Digits: 8 × 8 real images."),
        Control(
            "Input",
            "in",
            "select",
            options=("gaussian", "sphere", "digits", "csv"),
            names=("Gaussian", "Sphere", "Digits (real images)", "Your CSV"),
            group="Input",
        ),
    ]
    input_dim: Annotated[
        int,
        Field(0, ge=0, le=4096, description="Coordinates of a random input; 0 means as many as the width."),
        Control("Input dimension d", "d", "steps", options=INPUT_DIM_STEPS, group="Input"),
    ]
    samples: Samples = 1000
    data_file: Annotated[
        str,
        Field("", max_length=4096, description="Path of a CSV of numbers, for the input 'csv'."),
        Control("CSV file", "", "none", group="Input"),
    ]
    target: Annotated[
        int,
        Field(0, ge=0, le=CSV_MAX_COLUMNS, description="Column of the CSV (from 1) that holds the label; 0: none."),
        Control("Label column of the CSV", "y", "number", step=1, group="Input"),
    ]
    likelihood: Annotated[
        Literal["regression", "softmax"],
        Field("regression", description="Decides the noise model, hence the Fisher matrix itself."),
        Control(
            "Output family",
            "out",
            "choice",
            options=("regression", "softmax"),
            names=("Regression", "Softmax"),
            group="Output",
        ),
    ]
    outputs: Outputs = 1
    noise_variance: Annotated[
        float,
        Field(1.0, gt=0, le=1e6, description="Variance of the Gaussian noise in regression; F scales with 1/σ²."),
        Control("Noise variance σ²", "s2", "number", step=0.1, group="Output"),
    ]
    estimator: Annotated[
        Literal["exact", "score", "empirical"],
        Field("exact", description="Exact sums over labels; Monte Carlo draws them; empirical uses the data's."),
        Control(
            "Estimator",
            "est",
            "choice",
            options=("exact", "score", "empirical"),
            names=("Exact", "Monte Carlo", "Empirical"),
            group="Estimator",
        ),
    ]
    draws: Annotated[
        int,
        Field(1, ge=1, le=64, description="Labels drawn per input by the Monte Carlo estimator."),
        Control("Draws per input", "mc", "slider", step=1, group="Estimator"),
    ]
    seed: Seed
    seeds: Seeds

    @property
    def size_name(self) -> str:
        """`size_field`, or the field that takes its place in some views of a question."""
        return self.size_field

    @property
    def largest_network(self) -> int:
        """Width of the widest network that is computed."""
        return int(getattr(self, self.size_name))

    def narrowed(self, width: int) -> Self:
        """The same Spec with no network wider than this."""
        return self.model_copy(update={self.size_name: width})

    def narrower_widths(self) -> tuple[int, ...]:
        """Widths that may be proposed where the Spec is too large, the largest first."""
        return tuple(sorted((width for width in PROPOSED_WIDTHS if width < self.largest_network), reverse=True))

    @model_validator(mode="after")
    def _fits_together(self) -> NetworkSpec:
        if isinstance(self.outputs, int):  # else a sweep in which the outputs follow the width
            check_outputs(self)
        return self


def check_outputs(spec: NetworkSpec) -> None:
    """Refuse a number of outputs that the output family or the labels of the digits cannot have.

    Raises:
        ValueError: with the number that works.
    """
    if spec.likelihood == "softmax" and spec.outputs < 2:
        raise ValueError("`outputs` is 1, but softmax needs 2 classes or more: set 2, or choose regression.")
    if spec.estimator == "empirical" and spec.inputs == "digits":
        allowed = (10,) if spec.likelihood == "softmax" else (1, 10)
        if spec.outputs not in allowed:
            raise ValueError(
                f"`outputs` is {spec.outputs}, but the labels of the digits are 10 classes: set "
                f"{' or '.join(map(str, allowed))}, or choose the exact estimator."
            )
