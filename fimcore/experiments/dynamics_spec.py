"""Spec of the question `dynamics`: one run of one optimizer, along which the Fisher matrix is measured."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from fimcore.experiments.control import Control
from fimcore.experiments.network_fields import HiddenLayers, TrainingSamples, Width
from fimcore.experiments.network_spec import NetworkSpec, check_outputs

Optimizer = Literal["sgd", "momentum", "adam", "ngd_exact", "ngd_unit"]
OPTIMIZERS: tuple[Optimizer, ...] = ("sgd", "momentum", "adam", "ngd_exact", "ngd_unit")
NAMES = ("Gradient descent", "Momentum 0.9", "Adam", "Natural, exact", "Natural, unit-wise")
WORDS = {
    "sgd": "gradient descent",
    "momentum": "gradient descent with momentum",
    "adam": "Adam",
    "ngd_exact": "exact natural gradient",
    "ngd_unit": "unit-wise natural gradient",
}
# Heavy-ball momentum beta is stable up to 2 (1 + beta) / lambda. The others rescale the gradient and have no such line.
LINES = {"sgd": 2.0, "momentum": 3.8}
SHARES = (0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 8.0)


class Spec(NetworkSpec):
    """One run, full batch, from the first seed's network; the other seeds repeat it without pictures.

    The tasks curve and digits decide on inputs and outputs: see `effective`.
    """

    width: Width = 16
    hidden_layers: HiddenLayers = 2
    samples: TrainingSamples = 50
    seeds: Annotated[
        int,
        Field(4, ge=1, le=32, description="Networks that make the run: pictures show the first, counts speak of all."),
        Control("Seeds", "S", "slider", step=1, group="Seeds"),
    ]
    task: Annotated[
        Literal["curve", "teacher", "digits"],
        Field("curve", description="Learn a sine over a line, another random network's outputs, or real digits."),
        Control(
            "Task",
            "task",
            "choice",
            options=("curve", "teacher", "digits"),
            names=("Sine curve", "Teacher network", "Digits"),
            group="Run",
        ),
    ]
    optimizer: Annotated[
        Optimizer,
        Field("sgd", description="Every update sees all inputs."),
        Control("Optimizer", "opt", "select", options=OPTIMIZERS, names=NAMES, group="Run"),
    ]
    share: Annotated[
        float,
        Field(
            0.9,
            gt=0,
            le=100,
            description="1: the largest step that is stable at the start, 2/λ_max(F) for gradient descent. Adam: 0.01.",
        ),
        Control("Step size η, in stable steps at the start", "eta", "steps", options=SHARES, group="Run"),
    ]
    steps: Annotated[
        int,
        Field(500, ge=1, le=20_000, description="Updates of the run."),
        Control("Steps", "T", "steps", options=(20, 50, 100, 200, 500, 1000, 2000, 5000), group="Run"),
    ]
    damping: Annotated[
        float,
        Field(
            1.0,
            ge=1e-6,
            le=1e4,
            description="λ of natural gradients, in units of the mean of F's diagonal at the start.",
        ),
        Control("Damping λ", "lam", "steps", options=(0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0), group="Run"),
    ]
    snapshots: Annotated[
        int,
        Field(40, ge=2, le=100, description="Moments at which F is measured, most of them early."),
        Control("Snapshots", "snap", "steps", options=(10, 20, 40, 80), group="Run"),
    ]
    values: Annotated[
        Literal["entries", "normalised"],
        Field("entries", description="Entries F_ij, or F_ij / √(F_ii F_jj), which forgets how large the matrix is."),
        Control(
            "Heat map",
            "map",
            "choice",
            options=("entries", "normalised"),
            names=("Entries", "Normalised"),
            group="Run",
        ),
    ]

    @model_validator(mode="after")
    def _fits_together(self) -> Spec:
        """What the task overrides need not fit."""
        check_outputs(self.effective())
        return self

    def effective(self) -> Spec:
        """The settings the run really uses: the task decides on inputs and outputs, and the Fisher matrix is exact."""
        changes: dict[str, Any] = {"estimator": "exact", "draws": 1}
        if self.task == "digits":
            changes |= {"inputs": "digits", "outputs": 10, "data_file": "", "target": 0}
        if self.task == "curve":
            changes |= {
                "inputs": "gaussian",
                "input_dim": 1,
                "outputs": 1,
                "likelihood": "regression",
                "data_file": "",
                "target": 0,
            }
        return self.model_copy(update=changes)

    def overrides(self) -> tuple[str, ...]:
        """One sentence for each setting of the network that this run does not use as it stands."""
        found = []
        if self.task == "digits" and (self.inputs, self.outputs) != ("digits", 10):
            found.append("The digits set the input to 8 × 8 images and the outputs to 10, one a class.")
        own = self.inputs == "gaussian" and self.input_dim in (0, 1) and self.outputs == 1
        if self.task == "curve" and not (own and self.likelihood == "regression"):
            found.append("The sine sets the input to N points on a line and the output to regression with C = 1.")
        if self.task == "teacher" and self.target:
            found.append("The teacher task takes its labels from a teacher network, not from a column of the CSV.")
        if self.estimator != "exact":
            found.append("The Fisher matrix is exact here, whatever the estimator is set to.")
        return tuple(found)

    def line(self) -> float:
        """k of the line k / eta that the largest curvature may not exceed for long: 2, or 3.8 with momentum; nan: none."""
        return LINES.get(self.optimizer, float("nan"))


def snapshot_steps(steps: int, count: int) -> tuple[int, ...]:
    """Step 0, the last one, and others in between at about equal ratios."""
    ratio_steps = {0, steps}
    for place in range(count):
        ratio_steps.add(round(steps ** (place / max(1, count - 1))))
    missing = count - len(ratio_steps)
    # Early on, several fall on the same step: the free ones go where the gaps are widest.
    while missing > 0 and len(ratio_steps) <= steps:
        ordered = sorted(ratio_steps)
        gaps = [((b + 1) / (a + 1), a, b) for a, b in pairwise(ordered) if b - a > 1]
        if not gaps:
            break
        _, low, high = max(gaps)
        ratio_steps.add(round(((low + 1) * (high + 1)) ** 0.5 - 1) if high - low > 2 else low + 1)
        missing -= 1
    return tuple(sorted(ratio_steps))
