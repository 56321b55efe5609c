"""Spec of the question `toy_descent`: which regression, how many inputs an estimate sees, how it is damped and stepped."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fimcore.experiments.control import Control
from fimcore.experiments.question_spec import QuestionSpec, Seed

DAMPING_STEPS = (0.0, 1e-4, 1e-3, 0.01, 0.03, 0.1, 0.3, 1.0)


class Spec(QuestionSpec):
    """Two weights of a linear or a logistic regression; no network of the other pages."""

    model: Annotated[
        Literal["linear", "logistic"],
        Field("linear", description="Linear regression with unit noise, or logistic regression of two classes."),
        Control(
            "Model",
            "model",
            "choice",
            options=("linear", "logistic"),
            names=("Linear regression", "Logistic regression"),
            group="View",
        ),
    ]
    damping: Annotated[
        float,
        Field(0.01, ge=0, le=100, description="Added to the diagonal of the estimate before it is inverted."),
        Control("Damping λ", "lam", "steps", options=DAMPING_STEPS, group="View"),
    ]
    drawn: Annotated[
        int,
        Field(8, ge=1, le=500, description="Inputs drawn for an estimate, anew at every step, with one label each."),
        Control("Inputs an estimate sees, N", "N", "steps", options=(2, 4, 8, 16, 32, 64, 128), group="View"),
    ]
    rate: Annotated[
        float,
        Field(
            0.5, gt=0, le=10, description="Step size η; with the exact Fisher of linear regression 1 is a full step."
        ),
        Control("Step size η", "eta", "steps", options=(0.1, 0.2, 0.5, 1.0, 1.5), group="View"),
    ]
    steps: Annotated[
        int,
        Field(40, ge=5, le=400, description="Updates of every run."),
        Control("Steps", "T", "steps", options=(20, 40, 80, 160), group="View"),
    ]
    seed: Seed
    seeds: Annotated[
        int,
        Field(
            40, ge=1, le=200, description="Runs of every kind: draws of data, inputs and labels at seed, seed + 1, …"
        ),
        Control("Seeds", "S", "slider", step=1, group="Seeds"),
    ]
