"""Spec of the question `width`: the network, and the widths it is swept over."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from fimcore.experiments.control import Control
from fimcore.experiments.network_spec import NetworkSpec

SWEEP_STEPS = (4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)


class Spec(NetworkSpec):
    """A sweep over widths; `width` itself is not used, everything else of the network is."""

    size_field: ClassVar[str] = "widest"

    outputs: Annotated[  # type: ignore[assignment]
        int | Literal["n"],
        Field(1, description='Outputs C: a fixed number, or "n" for as many outputs as units.'),
        Control("Outputs C", "C", "choice", options=(1, 10, "n"), names=("1", "10", "n"), group="View"),
    ]
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

    @field_validator("widths")
    @classmethod
    def _whole_widths(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(not 1 <= width <= 4096 for width in value):
            raise ValueError("each width must be a whole number from 1 to 4096")
        return tuple(sorted(set(value)))

    @model_validator(mode="after")
    def _ordered(self) -> Spec:
        if not self.widths and self.narrowest >= self.widest:
            raise ValueError(
                f"`narrowest` is {self.narrowest} and `widest` {self.widest}; a sweep needs narrowest below widest."
            )
        return self

    @property
    def swept(self) -> tuple[int, ...]:
        """The widths of the sweep, ascending."""
        if self.widths:
            return self.widths
        widths = [self.narrowest]
        while widths[-1] * 2 <= self.widest:
            widths.append(widths[-1] * 2)
        return (*widths, self.widest) if widths[-1] < self.widest else tuple(widths)

    @property
    def largest_network(self) -> int:
        """The last width of the sweep."""
        return self.swept[-1]

    def narrowed(self, width: int) -> Self:
        """The same sweep without the widths above this one."""
        if self.widths:
            return self.model_copy(update={"widths": tuple(w for w in self.widths if w <= width)})
        return super().narrowed(width)

    def narrower_widths(self) -> tuple[int, ...]:
        """Listed widths where there is a list, else doublings above the narrowest."""
        if self.widths:
            return self.widths[-2::-1]
        return tuple(width for width in super().narrower_widths() if width > self.narrowest)

    def at(self, width: int) -> NetworkSpec:
        """The setting of one width, with as many outputs as the Spec's rule gives it."""
        settings = {name: getattr(self, name) for name in NetworkSpec.model_fields}
        settings |= {"width": width, "outputs": width if self.outputs == "n" else self.outputs}
        return NetworkSpec.model_construct(**settings)
