"""What every question's Spec has: it is frozen, hashable, made of plain values, and names its seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from fimcore.experiments.control import Control

Seed = Annotated[
    int,
    Field(0, ge=0, le=999_999, description="Same seed, same numbers, on any machine."),
    Control("Seed", "seed", "number", step=1, group="Seeds"),
]
Seeds = Annotated[
    int,
    Field(8, ge=1, le=32, description="Networks drawn for the spread: seed, seed + 1, …"),
    Control("Seeds", "S", "slider", step=1, group="Seeds"),
]


class QuestionSpec(BaseModel):
    """Everything that determines a result. Questions about a network build on `NetworkSpec`, the others on this.

    Every Spec declares `seed` and `seeds` at its end, where they stand in an address.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)

    if TYPE_CHECKING:
        seed: int
        seeds: int
