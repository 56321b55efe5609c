"""Spec of the question `train`: the network, the task it learns, and the optimizers that race on it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from fimcore.experiments.control import Control
from fimcore.experiments.network_spec import WIDTH_STEPS, NetworkSpec, check_outputs

Optimizer = Literal["sgd", "adam", "ngd_exact", "ngd_unit"]
OPTIMIZERS: tuple[Optimizer, ...] = ("sgd", "adam", "ngd_exact", "ngd_unit")
# In legends and on buttons, and inside a sentence.
SHORT_NAMES = {"sgd": "SGD", "adam": "Adam", "ngd_exact": "Natural, exact", "ngd_unit": "Natural, unit-wise"}
WORDS = {"sgd": "SGD", "adam": "Adam", "ngd_exact": "exact natural gradient", "ngd_unit": "unit-wise natural gradient"}
RATE_STEPS = (0.0, 0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.0, 2.0, 5.0)
DAMPING_STEPS = (0.001, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0)
GOAL_STEPS = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.001, 1e-4)


def _rate(optimizer: str, url: str, automatic: str) -> Any:
    """Type of a step size: 0 stands for automatic."""
    return Annotated[
        float,
        Field(0.0, ge=0, le=1000, description=f"Step size η. Automatic: {automatic}."),
        Control(
            f"Step size, {SHORT_NAMES[optimizer]}",
            url,
            "steps",
            options=RATE_STEPS,
            names=("automatic", *(f"{rate:g}" for rate in RATE_STEPS[1:])),
            group="Step sizes",
        ),
    ]


def _damping(optimizer: str, url: str, default: float) -> Any:
    """Type of a damping, relative to the mean of F's diagonal."""
    return Annotated[
        float,
        Field(default, ge=1e-6, le=1e4, description="λ added to F, in units of the mean of F's diagonal at the start."),
        Control(f"Damping λ, {SHORT_NAMES[optimizer]}", url, "steps", options=DAMPING_STEPS, group="Damping"),
    ]


class Spec(NetworkSpec):
    """A race: every optimizer starts from the same networks on the same data, full batch, for the same number of steps.

    The digits task fixes input, output family and number of outputs; both tasks use the exact Fisher matrix: see `effective`.
    """

    width: Annotated[
        int,
        Field(32, ge=1, le=4096, description="Units in every hidden layer. Mean-field theory speaks about n → ∞."),
        Control("Width n", "n", "steps", options=WIDTH_STEPS, group="Network"),
    ]
    hidden_layers: Annotated[
        int,
        Field(2, ge=1, le=12, description="Layers between input and output."),
        Control("Hidden layers", "L", "slider", step=1, group="Network"),
    ]
    samples: Annotated[
        int,
        Field(100, ge=2, le=100_000, description="Number of training inputs N; at most the rows of a data set."),
        Control("Inputs N", "N", "steps", options=(10, 20, 50, 100, 200, 500, 1000, 1500, 2000), group="Input"),
    ]
    seeds: Annotated[
        int,
        Field(4, ge=1, le=32, description="Networks drawn for the spread: seed, seed + 1, …"),
        Control("Seeds", "S", "slider", step=1, group="Seeds"),
    ]
    task: Annotated[
        Literal["teacher", "digits"],
        Field("teacher", description="Learn the outputs of another random network, or real handwritten digits."),
        Control(
            "Task",
            "task",
            "choice",
            options=("teacher", "digits"),
            names=("Teacher network", "Digits"),
            group="Race",
        ),
    ]
    optimizers: Annotated[
        tuple[Optimizer, ...],
        Field(
            OPTIMIZERS, description="Natural gradients use the exact Fisher matrix, or only its blocks of single units."
        ),
        Control("Optimizers", "opt", "several", options=OPTIMIZERS, names=tuple(SHORT_NAMES.values()), group="Race"),
    ]
    steps: Annotated[
        int,
        Field(100, ge=1, le=2000, description="Updates of every run, each over the full batch."),
        Control("Steps", "T", "steps", options=(10, 20, 50, 100, 200, 500, 1000, 2000), group="Race"),
    ]
    damping_ngd_exact: _damping("ngd_exact", "lam_exact", 3.0)  # type: ignore[valid-type]
    damping_ngd_unit: _damping("ngd_unit", "lam_unit", 0.3)  # type: ignore[valid-type]
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
    lr_sgd: _rate("sgd", "eta_sgd", "3/4 of the stability limit 2/λ_max")  # type: ignore[valid-type]
    lr_adam: _rate("adam", "eta_adam", "0.03")  # type: ignore[valid-type]
    lr_ngd_exact: _rate("ngd_exact", "eta_exact", "1/4 of the stability limit, about 1/2")  # type: ignore[valid-type]
    lr_ngd_unit: _rate("ngd_unit", "eta_unit", "3/4 of the stability limit of the unit blocks")  # type: ignore[valid-type]

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
        return tuple(optimizer for optimizer in OPTIMIZERS if optimizer in value)

    @model_validator(mode="after")
    def _fits_together(self) -> Spec:
        """What the race overrides need not fit."""
        check_outputs(self.effective())
        return self

    def rate(self, optimizer: str) -> float:
        """Step size asked for; 0 stands for automatic."""
        return float(getattr(self, f"lr_{optimizer}"))

    def relative_damping(self, optimizer: str) -> float:
        """Damping in units of the mean of F's diagonal; 0 for optimizers without one."""
        return float(getattr(self, f"damping_{optimizer}", 0.0))

    def effective(self) -> Spec:
        """The settings a race really uses: the digits task decides on input and output, and the Fisher matrix is exact."""
        changes: dict[str, Any] = {"estimator": "exact", "draws": 1}
        if self.task == "digits":
            changes |= {"inputs": "digits", "likelihood": "softmax", "outputs": 10, "data_file": "", "target": 0}
        return self.model_copy(update=changes)

    def overrides(self) -> tuple[str, ...]:
        """One sentence for each setting of the network that this race does not use as it stands."""
        sentences = []
        if self.task == "digits" and (self.inputs, self.likelihood, self.outputs) != ("digits", "softmax", 10):
            sentences.append(
                "The digits task sets the input to the 8 × 8 images and the output to softmax with 10 classes."
            )
        if self.task == "teacher" and self.target:
            sentences.append("The teacher task takes its labels from a teacher network, not from a column of the CSV.")
        if self.estimator != "exact" and any(name.startswith("ngd") for name in self.optimizers):
            sentences.append(
                "Both natural gradients use the exact Fisher matrix here, whatever the estimator is set to."
            )
        return tuple(sentences)
