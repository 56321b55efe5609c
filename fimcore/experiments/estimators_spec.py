"""Spec of the question `estimators`: the network, its data and output family, and what the samples must achieve."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from fimcore.experiments.control import Control
from fimcore.experiments.network_fields import WIDTH_STEPS, AnyActivation, NoDraws, NoEstimator, Outputs, Samples
from fimcore.experiments.network_spec import NetworkSpec
from fimcore.experiments.question_spec import Seeds

FAMILIES = ("regression", "softmax", "bernoulli", "poisson", "heteroscedastic")
FAMILY_NAMES = ("Regression", "Softmax", "Bernoulli", "Poisson", "Mean and variance")
LABEL_STEPS = (1, 2, 4, 8, 16, 32, 64)
# Fields that only the calculator of samples, and those that only a picture depends on.
CALCULATOR = ("relative_error", "confidence", "method", "pairs")
SHOWN = ("view", "layer", "part", "quantity")
VIEWS = ("deviations", "bounds", "units", "causes", "split", "samples")
VIEW_NAMES = ("Who wins", "Bounds", "Units", "Causes", "Inputs or labels", "Samples needed")


class Spec(NetworkSpec):
    """A random network, its data and its output family; labels are drawn from the model, so that those of the data play no part."""

    width: Annotated[
        int,
        Field(32, ge=1, le=4096, description="Units in every hidden layer."),
        Control("Width n", "n", "steps", options=WIDTH_STEPS, group="Network"),
    ]
    activation: AnyActivation = "tanh"  # type: ignore[assignment]
    samples: Samples = 100
    likelihood: Annotated[  # type: ignore[assignment]
        Literal["regression", "softmax", "bernoulli", "poisson", "heteroscedastic"],
        Field("softmax", description="Law of the labels. Mean and variance: regression that learns its noise too."),
        Control("Output family", "out", "select", options=FAMILIES, names=FAMILY_NAMES, group="Output"),
    ]
    outputs: Outputs = 10
    # Both estimators are compared, each in closed form: neither is chosen, and nothing is drawn.
    estimator: NoEstimator = "exact"
    draws: NoDraws = 1
    seeds: Seeds = 4
    view: Annotated[
        Literal["deviations", "bounds", "units", "causes", "split", "samples"],
        Field("deviations", description="What is drawn; every view is of the same networks."),
        Control("View", "view", "choice", options=VIEWS, names=VIEW_NAMES, group="View"),
    ]
    quantity: Annotated[
        Literal["fisher", "score", "hessian"],
        Field("score", description="Whose bounds are drawn."),
        Control(
            "Bounds of",
            "bq",
            "choice",
            options=("fisher", "score", "hessian"),
            names=("Fisher diagonal", "Squared score", "Minus Hessian"),
            group="View",
        ),
    ]
    layer: Annotated[
        int,
        Field(1, ge=1, le=13, description="Layer of the parameters; the last one is the output layer."),
        Control("Layer", "ly", "slider", step=1, group="View"),
    ]
    part: Annotated[
        Literal["score", "hessian", "mixture"],
        Field(
            "score", description="Whose variance is taken apart; the mixture is the best one of both, label by label."
        ),
        Control(
            "Estimator",
            "of",
            "choice",
            options=("score", "hessian", "mixture"),
            names=("Squared score", "Minus Hessian", "Best mixture"),
            group="View",
        ),
    ]
    labels: Annotated[
        int,
        Field(
            1,
            ge=1,
            le=64,
            description="Labels drawn per input.",
        ),
        Control("Labels per input m", "m", "steps", options=LABEL_STEPS, group="View"),
    ]
    relative_error: Annotated[
        float,
        Field(0.1, ge=0.001, le=10, description="The estimate shall lie within this share of the Fisher diagonal."),
        Control("Relative error ε", "eps", "steps", options=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0), group="View"),
    ]
    confidence: Annotated[
        float,
        Field(0.95, ge=0.01, le=0.9999, description="With this probability or more."),
        Control("Confidence", "conf", "steps", options=(0.5, 0.8, 0.9, 0.95, 0.99, 0.999), group="View"),
    ]
    method: Annotated[
        Literal["clt", "chebyshev", "exact"],
        Field(
            "clt",
            description="Normal: central limit theorem. Chebyshev: safe for any law. Exact: where the law is known.",
        ),
        Control(
            "Method",
            "meth",
            "choice",
            options=("clt", "chebyshev", "exact"),
            names=("Normal", "Chebyshev", "Exact law"),
            group="View",
        ),
    ]
    pairs: Annotated[
        Literal["fixed", "random"],
        Field("fixed", description="Labels at the given inputs, or fresh pairs of input and label."),
        Control(
            "A sample is",
            "smp",
            "choice",
            options=("fixed", "random"),
            names=("a label", "an input with its label"),
            group="View",
        ),
    ]

    @property
    def layers(self) -> int:
        """Layers with parameters: the hidden ones and the output layer."""
        return self.hidden_layers + 1

    @property
    def shown_layer(self) -> int:
        """The layer that is looked at: as set, but never beyond the output layer."""
        return min(self.layer, self.layers)

    @property
    def ignored(self) -> tuple[str, ...]:
        """Fields that no table but "needed" depends on; labels beyond the usual stops have rows of their own in "split"."""
        return (*SHOWN, *CALCULATOR, *(("labels",) if self.labels in LABEL_STEPS else ()))

    @property
    def negative_exact(self) -> bool:
        """Whether the share of negative values has a closed form; else it is counted among drawn labels."""
        return self.likelihood in ("regression", "softmax")

    @model_validator(mode="after")
    def _pairs_of_outputs(self) -> Spec:
        if self.likelihood == "heteroscedastic" and self.outputs % 2:
            raise ValueError(
                f"`outputs` is {self.outputs}, but this family has a mean and a variance for every label: set "
                f"{self.outputs + 1}, or choose regression."
            )
        return self
