"""Spec of the question `spectrum`: the network, which view of its eigenvalues, and what that view needs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from fimcore.experiments.control import Control
from fimcore.experiments.network_fields import Residual
from fimcore.experiments.network_spec import PROPOSED_WIDTHS, NetworkSpec

WIDTH_OPTIONS = (*PROPOSED_WIDTHS, 4096)
VIEWS = ("density", "blocks", "width", "inputs", "whitened", "step")
VIEW_NAMES = ("Spectrum", "Blocks", "Against width", "Against N", "Whitened", "Step size")
# Relative to the largest eigenvalue of the network's own F.
DAMPINGS = (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.03, 0.1, 0.3, 1.0)
DAMPING_NAMES = ("10⁻⁶", "10⁻⁵", "10⁻⁴", "0.001", "0.01", "0.03", "0.1", "0.3", "1")
MARGINS = (0.01, 0.02, 0.05, 0.1, 0.2)
MARGIN_NAMES = ("1 %", "2 %", "5 %", "10 %", "20 %")
INPUT_COUNTS = (10, 20, 50, 100, 200, 500, 1000, 2000)
WIDTHS_SWEPT = 6
# Fields that matter to some views only.
_OF_VIEW = {
    "density": {"centred"},
    "blocks": set[str](),
    "width": {"widest"},
    "inputs": {"most_inputs"},
    "whitened": {"damping"},
    "step": {"margin"},
}


class Spec(NetworkSpec):
    """One view of the spectrum of the Fisher matrix of the sidebar's network."""

    width: Annotated[
        int,
        Field(512, ge=1, le=4096, description="Units in every hidden layer. Mean-field theory speaks about n → ∞."),
        Control("Width n", "n", "steps", options=WIDTH_OPTIONS, group="Network"),
    ]
    samples: Annotated[
        int,
        Field(100, ge=2, le=100_000, description="Number of inputs N in the average; at most the rows of a data set."),
        Control("Inputs N", "N", "steps", options=(10, 20, 50, 100, 200, 300, 500, 1000, 2000), group="Input"),
    ]
    view: Annotated[
        Literal["density", "blocks", "width", "inputs", "whitened", "step"],
        Field("density", description="What is measured and drawn."),
        Control("View", "view", "choice", options=VIEWS, names=VIEW_NAMES, group="View"),
    ]
    residual: Residual = False
    centred: Annotated[
        bool,
        Field(False, description="Also the eigenvalues after the mean output over the inputs is taken off."),
        Control("Centre the outputs", "hkh", "toggle", group="View"),
    ]
    widest: Annotated[
        int,
        Field(1024, ge=2, le=4096, description="Largest width of the view against width; six doublings end here."),
        Control("To width", "wm", "steps", options=(128, 256, 512, 1024, 2048, 4096), group="View"),
    ]
    most_inputs: Annotated[
        int,
        Field(500, ge=10, le=100_000, description="Largest number of inputs of the view against N."),
        Control("To N", "Nm", "steps", options=(50, 100, 200, 500, 1000, 2000), group="View"),
    ]
    damping: Annotated[
        float,
        Field(1e-3, ge=1e-8, le=1e4, description="λ added to the layer blocks, in units of F's largest eigenvalue."),
        Control("Damping λ / λ_max", "damp", "steps", options=DAMPINGS, names=DAMPING_NAMES, group="View"),
    ]
    margin: Annotated[
        float,
        Field(0.05, gt=0, lt=1, description="Step sizes of the check: this share below and above 2 / λ_max."),
        Control("Distance from 2 / λ_max", "gap", "steps", options=MARGINS, names=MARGIN_NAMES, group="View"),
    ]

    @property
    def swept_widths(self) -> tuple[int, ...]:
        """Doublings up to the widest, ascending."""
        widths = [self.widest]
        while len(widths) < WIDTHS_SWEPT and widths[-1] >= 4:
            widths.append(widths[-1] // 2)
        return tuple(reversed(widths))

    @property
    def swept_dampings(self) -> tuple[float, ...]:
        """The stops of the control, and the damping that was set, ascending."""
        return tuple(sorted({*DAMPINGS, self.damping}))

    @property
    def ignored(self) -> tuple[str, ...]:
        """Fields that this view's result does not depend on."""
        mine = _OF_VIEW[self.view]
        mine = mine - {"damping"} if self.damping in DAMPINGS else mine
        return ("residual", *sorted(set().union(*_OF_VIEW.values()) - mine))

    @property
    def size_name(self) -> str:
        """The view against width has a widest network, the others have one width."""
        return "widest" if self.view == "width" else "width"

    def at(self, **changes: Any) -> NetworkSpec:
        """The network alone, with some of its fields changed."""
        return NetworkSpec.model_construct(
            **({name: getattr(self, name) for name in NetworkSpec.model_fields} | changes)
        )
