"""Semantic zoom: which rows and columns of the matrix are shown, as short text for the address.

"" is everything, "2" the block of layer 2 with itself, "2x1" rows of layer 2 and columns of layer 1, "2.7x1.3" one pair of units.
"""

from __future__ import annotations

from dataclasses import dataclass

from fimcore.parameters import ParameterLayout


@dataclass(frozen=True)
class Place:
    """Everything (layer None), one layer, or one unit of a layer; counted from 1."""

    layer: int | None = None
    unit: int | None = None

    def __str__(self) -> str:
        if self.layer is None:
            return ""
        return str(self.layer) if self.unit is None else f"{self.layer}.{self.unit}"

    @property
    def depth(self) -> int:
        """0 for everything, 1 for a layer, 2 for a unit."""
        return (self.layer is not None) + (self.unit is not None)

    def part(self, layout: ParameterLayout) -> slice:
        """The parameters of this place."""
        if self.layer is None:
            return slice(0, layout.parameters)
        return layout.layer_slice(self.layer) if self.unit is None else layout.unit_slice(self.layer, self.unit)

    def inside(self, layout: ParameterLayout) -> Place:
        """The nearest place that exists in this network: a unit or layer it does not have becomes its parent."""
        if self.layer is None or not 1 <= self.layer <= layout.layers:
            return Place()
        if self.unit is not None and not 1 <= self.unit <= layout.units[self.layer - 1]:
            return Place(self.layer)
        return self

    def words(self) -> str:
        """Readable name."""
        if self.layer is None:
            return "All"
        return f"layer {self.layer}" if self.unit is None else f"unit {self.unit}"


@dataclass(frozen=True)
class Zoom:
    """Rows and columns shown."""

    rows: Place = Place()
    columns: Place = Place()

    @classmethod
    def parse(cls, text: str, layout: ParameterLayout) -> Zoom:
        """From the address; what this network does not have is left out."""
        first, _, second = text.partition("x")
        rows = _place(first).inside(layout)
        columns = _place(second).inside(layout) if second else rows
        depth = min(rows.depth, columns.depth)
        return cls(_upto(rows, depth), _upto(columns, depth))

    def __str__(self) -> str:
        rows, columns = str(self.rows), str(self.columns)
        return rows if rows == columns else f"{rows}x{columns}"

    @property
    def depth(self) -> int:
        """0 for everything, 1 for a pair of layers, 2 for a pair of units."""
        return self.rows.depth

    def dive(self, layout: ParameterLayout, row: int, column: int) -> Zoom:
        """One level deeper, into the layer or unit that owns the parameters `row` and `column` (0..P-1)."""
        if self.depth == 2:
            return self
        places = []
        for index in (row, column):
            spot = layout.locate(index)
            places.append(Place(spot.layer, None if self.depth == 0 else spot.unit))
        return Zoom(*places)

    def rise(self, level: int) -> Zoom:
        """Back to a level of the breadcrumb: 0 everything, 1 layers."""
        return Zoom(_upto(self.rows, level), _upto(self.columns, level))

    def breadcrumb(self) -> tuple[str, ...]:
        """Names of the levels from everything to here: ("All", "layer 2 × layer 1", "unit 7 × unit 3")."""
        levels = [Zoom(_upto(self.rows, depth), _upto(self.columns, depth)) for depth in range(self.depth + 1)]
        return tuple(
            z.rows.words() if z.rows == z.columns else f"{z.rows.words()} × {z.columns.words()}" for z in levels
        )


def _place(text: str) -> Place:
    layer, _, unit = text.partition(".")
    return Place(int(layer) if layer else None, int(unit) if unit else None)


def _upto(place: Place, depth: int) -> Place:
    return Place(place.layer if depth >= 1 else None, place.unit if depth >= 2 else None)
