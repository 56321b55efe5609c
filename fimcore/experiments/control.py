"""How a setting is shown and addressed: one record from which widgets, address, command-line flags and help are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class Control:
    """Presentation of one field of a Spec.

    Attributes:
        label: what a person reads beside the control, symbol included.
        url: key in the address; an empty key keeps the field out of the address (a path on this machine).
        widget: "slider", "choice" (a few), "select" (many), "steps" (a slider over listed values), "number" or "none".
        step: of sliders and number boxes.
        options: listed values of "choice", "select" and "steps".
        names: what a person reads for each option, in the same order.
        group: heading under which the control is shown.
        low, high: range of the widget where it is narrower than what the field accepts.
    """

    label: str
    url: str
    widget: str = "slider"
    step: float | None = None
    options: tuple[Any, ...] = ()
    names: tuple[str, ...] = ()
    group: str = ""
    low: float | None = None
    high: float | None = None


def control_of(field: FieldInfo) -> Control | None:
    """The `Control` in a pydantic field's metadata, if it has one."""
    return next((item for item in field.metadata if isinstance(item, Control)), None)


def bounds_of(field: FieldInfo) -> tuple[float | None, float | None]:
    """Smallest and largest value that a numeric field accepts."""
    low = next((item.ge for item in field.metadata if hasattr(item, "ge")), None)
    high = next((item.le for item in field.metadata if hasattr(item, "le")), None)
    return low, high


def controls(spec: type[BaseModel], keep: Callable[[Control], bool] = bool) -> dict[str, Control]:
    """Field name to `Control`, for the fields that have one, in the order of the Spec."""
    found = {name: control_of(field) for name, field in spec.model_fields.items()}
    return {name: control for name, control in found.items() if control is not None and keep(control)}
