"""Spec of the question `empirical_fisher`: which of the three demonstrations, and what each of them needs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fimcore.experiments.control import Control
from fimcore.experiments.question_spec import QuestionSpec, Seed

VIEWS = ("sets", "field", "map")


class Spec(QuestionSpec):
    """Two weights, or one; no network of the other pages."""

    view: Annotated[
        Literal["sets", "field", "map"],
        Field(
            "sets", description="At the optimum of seven data sets, as a flow in the plane, or as steps of one weight."
        ),
        Control(
            "Look at",
            "view",
            "choice",
            options=VIEWS,
            names=("Seven data sets", "Directions in the plane", "Steps of one weight"),
            group="View",
        ),
    ]
    samples: Annotated[
        int,
        Field(1000, ge=20, le=20_000, description="Samples of a data set."),
        Control("Samples N", "N", "steps", options=(50, 100, 200, 500, 1000, 5000), group="View"),
    ]
    rate: Annotated[
        float,
        Field(0.5, gt=0, le=20, description="Step size η of one weight; with the exact Fisher 1 is a full step."),
        Control("Step size η", "eta", "steps", options=(0.1, 0.2, 0.3, 0.5, 0.8, 1.0, 1.5, 2.5), group="View"),
    ]
    noise: Annotated[
        float,
        Field(0.15, ge=0.001, le=20, description="Variance s² of what the model cannot explain."),
        Control(
            "Residual variance s²",
            "rv",
            "steps",
            options=(0.02, 0.05, 0.09, 0.12, 0.15, 0.2, 0.3, 0.5, 1.0),
            group="View",
        ),
    ]
    seed: Seed
    seeds: Annotated[
        int,
        Field(20, ge=1, le=100, description="Draws of the data, or of the start of one weight: seed, seed + 1, …"),
        Control("Seeds", "S", "slider", step=1, group="Seeds"),
    ]
