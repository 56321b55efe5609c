"""Spec of the question `train`: the network, the task it learns, and the optimizers that race on it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from fimcore.experiments.control import Control
from fimcore.experiments.network_fields import HiddenLayers, TrainingSamples, Width
from fimcore.experiments.network_spec import check_outputs
from fimcore.experiments.question_spec import Seeds
from fimcore.experiments.train_names import (
    DAMPING_KEYS,
    OPTIMIZERS,
    SHORT_NAMES,
    TASK_NAMES,
    TASKS,
    WORDS,
    Optimizer,
)
from fimcore.experiments.train_numbers import Numbers

__all__ = ["DEFAULT_OPTIMIZERS", "MOST_OPTIMIZERS", "OPTIMIZERS", "SHORT_NAMES", "WORDS", "Spec", "View"]

DEFAULT_OPTIMIZERS: tuple[Optimizer, ...] = ("sgd", "adam", "ngd_exact", "ngd_unit")
# As many lines as a picture can hold and people can tell apart.
MOST_OPTIMIZERS = 6
GOAL_STEPS = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.001, 1e-4)
BATCH_STEPS = (0, 5, 10, 20, 50, 100, 200, 500)


class Spec(Numbers):
    """A race: every optimizer starts from the same networks on the same data, for the same number of steps.

    Some tasks fix parts of the network and its data: see `effective`. The estimator is that of the diagonal natural gradient;
    all others take the exact Fisher matrix, or the empirical one where that is what they are about.
    """

    width: Width = 32
    hidden_layers: HiddenLayers = 2
    samples: TrainingSamples = 100
    seeds: Seeds = 3
    task: Annotated[
        Literal["teacher", "curve", "digits", "plateau", "table"],
        Field("teacher", description="What is learned: another random network, a curve, images, or a column of a CSV."),
        Control("Task", "task", "choice", options=TASKS, names=TASK_NAMES, group="Race"),
    ]
    view: Annotated[
        Literal["race", "rates"],
        Field(
            "race", description="One step size each; or the loss at the end against the step size, which takes longer."
        ),
        Control("View", "view", "choice", options=("race", "rates"), names=("Race", "Step sizes"), group="Race"),
    ]
    optimizers: Annotated[
        tuple[Optimizer, ...],
        Field(DEFAULT_OPTIMIZERS, description="Up to six. Natural gradients differ in what they keep of F."),
        Control("Optimizers", "opt", "several", options=OPTIMIZERS, names=tuple(SHORT_NAMES.values()), group="Race"),
    ]
    steps: Annotated[
        int,
        Field(100, ge=1, le=2000, description="Updates of every run."),
        Control("Steps", "T", "steps", options=(10, 20, 50, 100, 200, 500, 1000, 2000), group="Race"),
    ]
    goal: Annotated[
        float,
        Field(0.01, gt=0, lt=1, description="The loss to reach, as a share of the loss at the start."),
        Control(
            "Goal",
            "goal",
            "steps",
            options=GOAL_STEPS,
            names=tuple(f"{100 * share:g} % of the start" for share in GOAL_STEPS),
            group="Race",
        ),
    ]
    batch_size: Annotated[
        int,
        Field(0, ge=0, le=100_000, description="Inputs an update sees; the loss is over all of them all the same."),
        Control(
            "Batch size",
            "bs",
            "steps",
            options=BATCH_STEPS,
            names=("full", *map(str, BATCH_STEPS[1:])),
            group="Race",
        ),
    ]
    curve: Annotated[
        Literal["sine", "step", "chirp"],
        Field("sine", description="sin 2πx, tanh 10x or sin 2π(x+1)² from evenly spaced points on [−1, 1]."),
        Control(
            "Curve",
            "curve",
            "choice",
            options=("sine", "step", "chirp"),
            names=("Sine", "Step", "Chirp"),
            group="Race",
        ),
    ]
    rescaled: Annotated[
        bool,
        Field(False, description="Divide steps by the α of a structure: with η = 1/2 all of them halve residuals."),
        Control("Divide steps by α", "al", "toggle", group="Advanced"),
    ]
    form: Annotated[
        Literal["factored", "exact"],
        Field("factored", description="Damping of K-FAC: each factor, as its authors do, or the matrix itself."),
        Control(
            "K-FAC damping",
            "form",
            "choice",
            options=("factored", "exact"),
            names=("Factored", "Exact"),
            group="Advanced",
        ),
    ]
    isotropic: Annotated[
        bool,
        Field(
            True, description="Closed form: a layer's inputs count as isotropic, O(n) a unit; off: their covariance."
        ),
        Control("Isotropic closed form", "iso", "toggle", group="Advanced"),
    ]

    @field_validator("optimizers", mode="before")
    @classmethod
    def _list_of_names(cls, value: Any) -> Any:
        """Comma text as in an address ("sgd,adam"), a list or a tuple."""
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("optimizers")
    @classmethod
    def _each_once(cls, value: tuple[Optimizer, ...]) -> tuple[Optimizer, ...]:
        """In the order of the house, each once."""
        if not value:
            raise ValueError(f"choose at least one of {', '.join(OPTIMIZERS)}")
        if len(set(value)) > MOST_OPTIMIZERS:
            raise ValueError(f"choose at most {MOST_OPTIMIZERS}")
        return tuple(optimizer for optimizer in OPTIMIZERS if optimizer in value)

    @model_validator(mode="after")
    def _fits_together(self) -> Spec:
        """What the race overrides need not fit."""
        check_outputs(self.effective())
        return self

    def effective(self) -> Spec:
        """The settings a race really uses: some tasks decide on input and output, and the Fisher matrix is exact."""
        changes: dict[str, Any] = {"estimator": "exact", "draws": 1}
        one_number: dict[str, Any] = {"inputs": "gaussian", "likelihood": "regression", "outputs": 1, "data_file": ""}
        if self.task == "digits":
            changes |= {"inputs": "digits", "likelihood": "softmax", "outputs": 10, "data_file": "", "target": 0}
        elif self.task == "curve":
            changes |= one_number | {"input_dim": 1, "target": 0}
        elif self.task == "plateau":
            small = {"input_dim": 2, "width": 2, "hidden_layers": 1, "activation": "tanh", "target": 0}
            changes |= one_number | small
        elif self.task == "table" and self.likelihood == "regression":
            changes |= {"outputs": 1}
        return self.model_copy(update=changes)

    def overrides(self) -> tuple[str, ...]:
        """One sentence for each setting of the network that this race does not use as it stands."""
        sentences = []
        if self.task == "digits" and (self.inputs, self.likelihood, self.outputs) != ("digits", "softmax", 10):
            sentences.append(
                "The digits task sets the input to the 8 × 8 images and the output to softmax with 10 classes."
            )
        if self.task == "curve":
            sentences.append("The curve takes one number in and gives one out: N points on [−1, 1], regression.")
        if self.task == "plateau":
            sentences.append(
                "The plateau has a network of its own: two tanh units that begin almost as one, "
                "and a teacher's far apart."
            )
        if self.task == "teacher" and self.target:
            sentences.append("The teacher task takes its labels from a teacher network, not from a column of the CSV.")
        if self.estimator != "exact" and "ngd_diagonal" not in self.optimizers:
            sentences.append("The estimator is that of the diagonal natural gradient only, which does not race here.")
        return tuple(sentences)

    @property
    def ignored(self) -> tuple[str, ...]:
        """Fields that the result does not depend on: step sizes and dampings of those that do not race, and so on."""
        away = [name for name in OPTIMIZERS if name not in self.optimizers]
        unused = [f"lr_{name}" for name in OPTIMIZERS if name in away or self.view == "rates"]
        unused += [f"damping_{name}" for name in DAMPING_KEYS if name in away]
        unused += ["curve"] if self.task != "curve" else []
        unused += ["form"] if "kfac" in away else []
        unused += ["isotropic"] if "ngd_closed_form" in away else []
        return tuple(unused)


class View(BaseModel):
    """What the page draws of a race."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    against: Annotated[
        Literal["seconds", "products"],
        Field(
            "seconds",
            description="Seconds are measured here; products of F with a vector count arithmetic on any machine.",
        ),
        Control(
            "Right picture, per",
            "per",
            "choice",
            options=("seconds", "products"),
            names=("Second", "Product"),
            group="View",
        ),
    ]
