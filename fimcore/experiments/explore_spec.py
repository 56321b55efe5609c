"""Spec of the question `explore`: the network, and the view of its matrix."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fimcore.experiments.control import Control
from fimcore.experiments.network_spec import NetworkSpec


class Spec(NetworkSpec):
    """The network and the view of its matrix."""

    blocks: Annotated[
        Literal["unit", "layer", "diagonal"],
        Field("unit", description="Which entries the cheap version keeps."),
        Control(
            "Blocks",
            "blk",
            "choice",
            options=("unit", "layer", "diagonal"),
            names=("Unit", "Layer", "Diagonal"),
            group="Estimator",
        ),
    ]
    level: Annotated[
        Literal["parameters", "units", "layers"],
        Field("parameters", description="What one cell stands for: an entry, a pair of units, a pair of layers."),
        Control(
            "Cells",
            "lv",
            "choice",
            options=("parameters", "units", "layers"),
            names=("Parameters", "Units", "Layers"),
            group="View",
        ),
    ]
    scale: Annotated[
        Literal["linear", "signed_sqrt", "signed_log"],
        Field("signed_sqrt", description="How values become colours; the square root lifts small entries."),
        Control(
            "Scale",
            "sc",
            "choice",
            options=("linear", "signed_sqrt", "signed_log"),
            names=("Linear", "Signed √", "Signed log"),
            group="View",
        ),
    ]
    values: Annotated[
        Literal["raw", "normalised"],
        Field("raw", description="Raw F says what moves the output; F_ij/√(F_ii F_jj) says who is entangled."),
        Control("Values", "val", "choice", options=("raw", "normalised"), names=("Raw", "Normalised"), group="View"),
    ]
    pooling: Annotated[
        Literal["largest", "mean_square"],
        Field("largest", description="Largest exaggerates density; the root mean square hides single lines."),
        Control(
            "Pooling",
            "pool",
            "choice",
            options=("largest", "mean_square"),
            names=("Largest", "Mean square"),
            group="View",
        ),
    ]
    colour_range: Annotated[
        Literal["shared", "own"],
        Field("shared", description="One colour range for all panels, or each its own."),
        Control("Range", "rng", "choice", options=("shared", "own"), names=("Shared", "Own"), group="View"),
    ]
    difference: Annotated[
        bool,
        Field(False, description="A third panel: full minus block-diagonal."),
        Control("Difference", "dif", "toggle", group="View"),
    ]
    zoom: Annotated[
        str,
        Field("", pattern=r"^(\d{1,2}(\.\d{1,4})?(x\d{1,2}(\.\d{1,4})?)?)?$", description="Block shown: layer.unit."),
        Control("Zoom", "z", "none", group="View"),
    ]
    pin: Annotated[
        str,
        Field("", pattern=r"^(\d{1,9}-\d{1,9})?$", description="Pinned entry: row-column, counted from 0."),
        Control("Pinned entry", "pin", "none", group="View"),
    ]
