"""Spec of the question `width`: the network, the widths or the numbers of outputs it is swept over, and what is looked at."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from fimcore.experiments.control import Control
from fimcore.experiments.network_fields import WIDTH_STEPS, Residual
from fimcore.experiments.network_spec import NetworkSpec, check_outputs
from fimcore.experiments.question_spec import Seeds

SWEEP_STEPS = (4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
SAMPLE_STEPS = (16, 32, 64, 128, 256, 512, 1024, 2048)
VIEWS = ("width", "outputs", "shares")
OBSERVABLES = ("ratio", "normalised", "normalised_ratio", "mass", "spectral", "layer_pairs")
OBSERVABLE_NAMES = (
    "RMS ratio",
    "Diagonal-normalised entry",
    "Diagonal-normalised ratio",
    "In-unit share of ‖F‖²",
    "Spectral norm outside blocks",
    "Layer-pair correlation",
)


class Spec(NetworkSpec):
    """A sweep over widths, or (view "outputs") over numbers of outputs at one width.

    `width` is that one width; sweeps over widths do not use it.
    """

    size_field: ClassVar[str] = "widest"

    width: Annotated[
        int,
        Field(64, ge=1, le=4096, description="Units in every hidden layer while the number of outputs is varied."),
        Control("Width n", "n", "steps", options=WIDTH_STEPS, group="Network"),
    ]
    samples: Annotated[
        int,
        Field(512, ge=2, le=100_000, description="Number of inputs N in the average; wide networks may take fewer."),
        Control("Inputs N", "N", "steps", options=SAMPLE_STEPS, group="Input"),
    ]
    outputs: Annotated[  # type: ignore[assignment]
        int | Literal["n"],
        Field(1, description='Outputs C: a fixed number, or "n" for as many outputs as units.'),
        Control("Outputs C", "C", "choice", options=(1, 10, "n"), names=("1", "10", "n"), group="View"),
    ]
    seeds: Seeds = 4
    narrowest: Annotated[
        int,
        Field(16, ge=2, le=4096, description="Smallest width of the sweep; widths double from here."),
        Control("From width", "w0", "steps", options=SWEEP_STEPS, group="View"),
    ]
    widest: Annotated[
        int,
        Field(512, ge=2, le=4096, description="Largest width of the sweep."),
        Control("To width", "w1", "steps", options=SWEEP_STEPS, group="View"),
    ]
    widths: Annotated[
        tuple[int, ...],
        Field((), max_length=24, description="Widths of the sweep, if not doubling from narrowest to widest."),
    ]
    view: Annotated[
        Literal["width", "outputs", "shares"],
        Field(
            "width",
            description="Sweep the width, sweep the outputs at one width, or show where the sum of squares lies.",
        ),
        Control(
            "View",
            "view",
            "choice",
            options=VIEWS,
            names=("Against width", "Against outputs", "Shares of the whole"),
            group="View",
        ),
    ]
    observable: Annotated[
        Literal["ratio", "normalised", "normalised_ratio", "mass", "spectral", "layer_pairs"],
        Field("ratio", description="What is measured: the answer depends on it."),
        Control("Observable", "obs", "select", options=OBSERVABLES, names=OBSERVABLE_NAMES, group="View"),
    ]
    residual: Residual = False

    @field_validator("outputs", mode="before")
    @classmethod
    def _number_or_n(cls, value: Any) -> Any:
        return int(value) if isinstance(value, str) and value.isdigit() else value

    @field_validator("outputs")
    @classmethod
    def _positive(cls, value: int | str) -> int | str:
        if isinstance(value, int) and not 1 <= value <= 4096:
            raise ValueError("give a number of outputs from 1 to 4096, or n for as many outputs as units")
        return value

    @field_validator("hidden_layers", mode="before")
    @classmethod
    def _some_hidden_layer(cls, value: Any) -> Any:
        if str(value).strip() == "0":
            raise ValueError("without a hidden layer a network has no width; give 1 or more")
        return value

    @field_validator("widths")
    @classmethod
    def _whole_widths(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(not 1 <= width <= 4096 for width in value):
            raise ValueError("each width must be a whole number from 1 to 4096")
        return tuple(sorted(set(value)))

    @model_validator(mode="after")
    def _fits_together(self) -> Spec:
        if self.view != "outputs" and isinstance(self.outputs, int):  # else they are varied
            check_outputs(self)
        return self

    @model_validator(mode="after")
    def _ordered(self) -> Spec:
        if self.view != "outputs" and not self.widths and self.narrowest >= self.widest:
            raise ValueError(
                f"`narrowest` is {self.narrowest} and `widest` {self.widest}; a sweep needs narrowest below widest."
            )
        return self

    @property
    def size_name(self) -> str:
        """A sweep over widths has a widest network, one over outputs has one width."""
        return "width" if self.view == "outputs" else "widest"

    @property
    def ignored(self) -> tuple[str, ...]:
        """Fields that this view's result does not depend on; shares come from the sweep over widths."""
        if self.view == "outputs":
            return ("observable", "residual", "outputs", "narrowest", "widest", "widths")
        return ("observable", "residual", "view", "width")

    @property
    def axis(self) -> str:
        """What is varied: "width" or "outputs"."""
        return "outputs" if self.view == "outputs" else "width"

    @property
    def swept(self) -> tuple[int, ...]:
        """The widths of a sweep over widths, ascending."""
        return self.widths or _doubling(self.narrowest, self.widest)

    @property
    def settings(self) -> tuple[NetworkSpec, ...]:
        """The settings of the sweep, the cheapest first."""
        if self.view != "outputs":
            return tuple(self.at(width) for width in self.swept)
        fewest = 2 if self.likelihood == "softmax" else 1
        return tuple(self.at(self.width, outputs) for outputs in _doubling(fewest, self.width))

    @property
    def largest_network(self) -> int:
        """The width, or the last one of the sweep."""
        return self.width if self.view == "outputs" else self.swept[-1]

    def narrowed(self, width: int) -> Self:
        """The same sweep without the widths above this one."""
        if self.widths and self.view != "outputs":
            return self.model_copy(update={"widths": tuple(w for w in self.widths if w <= width)})
        return super().narrowed(width)

    def narrower_widths(self) -> tuple[int, ...]:
        """Listed widths where there is a list, else doublings above the narrowest."""
        if self.view == "outputs":
            return super().narrower_widths()
        if self.widths:
            return self.widths[-2::-1]
        return tuple(width for width in super().narrower_widths() if width > self.narrowest)

    def at(self, width: int, outputs: int | None = None) -> NetworkSpec:
        """The setting of one width, with as many outputs as asked, or as the Spec's rule gives it."""
        settings = {name: getattr(self, name) for name in NetworkSpec.model_fields}
        ruled = width if self.outputs == "n" else self.outputs
        return NetworkSpec.model_construct(**settings | {"width": width, "outputs": outputs or ruled})


def _doubling(first: int, last: int) -> tuple[int, ...]:
    """first, 2 first, 4 first, ... and last."""
    values = [first]
    while values[-1] * 2 <= last:
        values.append(values[-1] * 2)
    return (*values, last) if values[-1] < last else tuple(values)
