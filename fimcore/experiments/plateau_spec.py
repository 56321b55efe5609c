"""Spec of the question `plateau`: where two hidden units begin, how far apart, and how both methods step."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fimcore.experiments.control import Control
from fimcore.experiments.question_spec import QuestionSpec, Seed

GAP_STEPS = (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.03, 0.1, 0.3, 1.0)
GAP_NAMES = ("10⁻⁶", "10⁻⁵", "10⁻⁴", "0.001", "0.01", "0.03", "0.1", "0.3", "1")
RATE_STEPS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
DAMPING_STEPS = (1e-8, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1)


class Spec(QuestionSpec):
    """Two parameters p and q of two units that share them; no network of the other pages."""

    middle: Annotated[
        float,
        Field(0.3, ge=-2, le=2, description="(p + q) / 2 at the start: a place on the line where both units are one."),
        Control("Start on the line", "m", "slider", step=0.05, group="View", low=-1.0, high=1.5),
    ]
    gap: Annotated[
        float,
        Field(0.001, gt=0, le=2, description="p − q at the start: how far the units are from being the same."),
        Control("Units apart by", "gap", "steps", options=GAP_STEPS, names=GAP_NAMES, group="View"),
    ]
    rate_gradient: Annotated[
        float,
        Field(
            0.5, gt=0, le=10, description="Step size of gradient descent, as a share of its stability limit 2/λ_max."
        ),
        Control("Step, gradient descent", "eta_gd", "steps", options=RATE_STEPS, group="View"),
    ]
    rate_natural: Annotated[
        float,
        Field(0.3, gt=0, le=10, description="Step size of the natural gradient; 1 is a full step."),
        Control("Step, natural gradient", "eta_ng", "steps", options=RATE_STEPS, group="View"),
    ]
    damping: Annotated[
        float,
        Field(1e-4, gt=0, le=10, description="Added to the diagonal of F, which is singular on the line."),
        Control("Damping λ", "lam", "steps", options=DAMPING_STEPS, group="View"),
    ]
    steps: Annotated[
        int,
        Field(150, ge=10, le=2000, description="Updates of every run."),
        Control("Steps", "T", "steps", options=(50, 100, 150, 300, 600), group="View"),
    ]
    samples: Annotated[
        int,
        Field(200, ge=10, le=20_000, description="Gaussian inputs that the loss is an average over."),
        Control("Inputs N", "N", "steps", options=(50, 100, 200, 400, 1000), group="View"),
    ]
    strokes: Annotated[
        Literal["gradient", "natural"],
        Field("gradient", description="Whose direction the small strokes in the plane show."),
        Control(
            "Strokes",
            "dir",
            "choice",
            options=("gradient", "natural"),
            names=("Gradient descent", "Natural gradient"),
            group="View",
        ),
    ]
    seed: Seed
    seeds: Annotated[
        int,
        Field(4, ge=1, le=32, description="Draws of the inputs: seed, seed + 1, …"),
        Control("Seeds", "S", "slider", step=1, group="Seeds"),
    ]
