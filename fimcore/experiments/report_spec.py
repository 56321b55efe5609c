"""Spec of the question `report`: the network, wide enough by default that most predictions claim to apply."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fimcore.experiments.control import Control
from fimcore.experiments.network_fields import AnyActivation
from fimcore.experiments.network_spec import NetworkSpec

WIDTH_STEPS = (8, 16, 32, 64, 128, 256, 512, 1024)
FEWEST, SEED_STEPS = 4, (4, 8, 16, 32)


class Spec(NetworkSpec):
    """One setting, held against every prediction there is for it."""

    width: Annotated[
        int,
        Field(512, ge=1, le=4096, description="Units in every hidden layer. Mean-field theory speaks about n → ∞."),
        Control("Width n", "n", "steps", options=WIDTH_STEPS, group="Network"),
    ]
    activation: AnyActivation = "tanh"  # type: ignore[assignment]
    samples: Annotated[
        int,
        Field(200, ge=4, le=100_000, description="Number of inputs N in the average; at most the rows of a data set."),
        Control("Inputs N", "N", "steps", options=(20, 50, 100, 200, 500, 1000, 1500), group="Input"),
    ]
    seeds: Annotated[
        int,
        Field(
            8, ge=FEWEST, le=32, description="Networks drawn; a comparison needs 4 or more, and is sharper with more."
        ),
        Control("Seeds", "S", "steps", options=SEED_STEPS, group="Seeds"),
    ]
