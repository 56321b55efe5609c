"""Questions: one module each, with a `Spec` (everything that determines a result), `run(spec, progress=None)` and `cost(spec)`.

Here, and only here, the measured and the predicted wing meet.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

if TYPE_CHECKING:
    from fimcore.experiments import (
        directions,
        dynamics,
        empirical_fisher,
        estimator_training,
        estimators,
        explore,
        phase,
        plateau,
        report,
        sampling,
        spectrum,
        toy_descent,
        train,
        unit,
        width,
    )
    from fimcore.experiments.question_spec import QuestionSpec

QUESTIONS = (
    "explore",
    "width",
    "spectrum",
    "phase",
    "unit",
    "directions",
    "train",
    "dynamics",
    "plateau",
    "estimators",
    "sampling",
    "estimator_training",
    "toy_descent",
    "empirical_fisher",
    "report",
)

__all__ = [
    "QUESTIONS",
    "SpecError",
    "directions",
    "dynamics",
    "empirical_fisher",
    "estimator_training",
    "estimators",
    "explore",
    "load",
    "phase",
    "plateau",
    "report",
    "sampling",
    "spec_from_mapping",
    "spectrum",
    "toy_descent",
    "train",
    "unit",
    "width",
]


class SpecError(ValueError):
    """Settings that cannot be used: `faults` maps field names to one sentence each."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        self.faults = dict(faults)
        super().__init__("\n".join(self.lines))

    @property
    def lines(self) -> list[str]:
        """One line per fault: the field, what is wrong, the value received."""
        return [f"{name}: {sentence}" if name else sentence for name, sentence in self.faults.items()]


def load(question: str) -> ModuleType:
    """The module of a question.

    Raises:
        ValueError: no such question.
    """
    if question not in QUESTIONS:
        raise ValueError(f"`question` is {question!r}; choose one of {', '.join(QUESTIONS)}.")
    return import_module(f"fimcore.experiments.{question}")


def spec_from_mapping(question: str, settings: Mapping[str, Any]) -> QuestionSpec:
    """A question's Spec from plain values (text is converted), with every fault reported at once.

    Raises:
        SpecError: one sentence per field that is wrong.
    """
    try:
        spec: QuestionSpec = load(question).Spec.model_validate(dict(settings))
    except ValidationError as error:
        raise SpecError(faults_of(error)) from error
    return spec


def faults_of(error: ValidationError) -> dict[str, str]:
    """Field name to one sentence with the value received, from pydantic's report."""
    faults: dict[str, str] = {}
    for item in error.errors():
        name = ".".join(str(part) for part in item["loc"][:1])
        message = item["msg"].removeprefix("Value error, ")
        received = repr(item["input"])
        if name:
            message = f"{message} (received {received if len(received) <= 60 else received[:57] + '...'})"
        faults.setdefault(name, message)
    return faults


def __getattr__(name: str) -> ModuleType:
    """Load a question's module on first use."""
    if name in QUESTIONS:
        return load(name)
    raise AttributeError(f"module 'fimcore.experiments' has no attribute {name!r}")
