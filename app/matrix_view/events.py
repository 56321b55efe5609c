"""What a visitor did in the matrix view, read with suspicion: anything outside the drawn frame counts as nothing.

A browser can send any payload to a component; types and ranges are checked here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

EVENTS = ("dive", "rise", "pin", "sweep", "difference")


@dataclass(frozen=True)
class Cell:
    """A displayed cell; tick says in which frame, frame is the position in the sweep (None without a sweep)."""

    row: int
    column: int
    tick: str
    frame: int | None = None


@dataclass(frozen=True)
class MatrixEvents:
    """At most one of these is set in a run.

    dive: open this cell. rise: go to this level of the breadcrumb. pin: keep this cell.
    sweep: make this position of the sweep the current one. difference: show or hide the difference panel.
    """

    dive: Cell | None = None
    rise: int | None = None
    pin: Cell | None = None
    sweep: int | None = None
    difference: bool | None = None


def _whole(value: Any, stop: int) -> int | None:
    inside = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < stop
    return value if inside else None


def _cell(value: Any, shapes: Mapping[str, tuple[int, int]], positions: int) -> Cell | None:
    if not isinstance(value, Mapping) or not isinstance(value.get("tick"), str) or value["tick"] not in shapes:
        return None
    rows, columns = shapes[value["tick"]]
    row, column = _whole(value.get("row"), rows), _whole(value.get("column"), columns)
    if row is None or column is None:
        return None
    return Cell(row, column, value["tick"], _whole(value.get("frame"), positions))


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None


def read_events(
    raw: Mapping[str, Any], shapes: Mapping[str, tuple[int, int]], levels: int, positions: int
) -> MatrixEvents:
    """Checked events; shapes maps each drawn frame's tick to its rows and columns."""
    shown = _field(raw.get("difference"), "shown")
    return MatrixEvents(
        dive=_cell(raw.get("dive"), shapes, positions),
        rise=_whole(_field(raw.get("rise"), "level"), levels),
        pin=_cell(raw.get("pin"), shapes, positions),
        sweep=_whole(_field(raw.get("sweep"), "index"), positions),
        difference=shown if isinstance(shown, bool) else None,
    )
