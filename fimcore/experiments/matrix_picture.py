"""A Fisher matrix as a picture of at most 512 x 512 cells, at any size, without ever holding the matrix.

Blocks between layers are computed in strips and pooled as they come; a cell shows the entry of largest magnitude in it (sign
kept), or the root mean square, or the sum of squares of its entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fimcore.fisher.blocks import block, diagonal
from fimcore.fisher.factors import Factors
from fimcore.parameters import ParameterLayout

FloatArray = NDArray[np.float64]
MAX_CELLS = 512
STRIP_ENTRIES = 4_000_000
REDUCTIONS = ("largest", "mean_square", "sum_square")


@dataclass(frozen=True, eq=False)
class AxisCells:
    """What the cells along one axis stand for.

    Attributes:
        edges: first parameter of each cell, and one past the last: cells + 1 numbers.
        names: readable name of each cell.
        layer_edges, unit_edges: boundaries of layers and units, in cells (fractional where a cell straddles one).
        layer_numbers: layer (1..L) of each interval between layer edges.
        dead: ranges of cells all of whose parameters have a zero diagonal.
    """

    edges: NDArray[np.int64]
    names: tuple[str, ...]
    layer_edges: tuple[float, ...]
    unit_edges: tuple[float, ...]
    layer_numbers: tuple[int, ...]
    dead: tuple[tuple[int, int], ...]

    @property
    def cells(self) -> int:
        """Number of cells."""
        return len(self.edges) - 1


@dataclass(frozen=True, eq=False)
class MatrixPicture:
    """Pooled full matrix and pooled block-diagonal matrix over the same cells.

    `pooled` is the largest number of rows and columns of entries behind one cell (1: every cell is one entry).
    """

    full: FloatArray
    kept: FloatArray
    rows: AxisCells
    columns: AxisCells
    pooled: tuple[int, int]


def parameter_edges(part: slice, cells: int = MAX_CELLS) -> NDArray[np.int64]:
    """Edges of at most `cells` cells of equal size (the last one may be smaller) over a range of parameters."""
    size = max(1, -(-(part.stop - part.start) // cells))
    return np.append(np.arange(part.start, part.stop, size), part.stop).astype(np.int64)


def axis(layout: ParameterLayout, edges: NDArray[np.int64], alive: NDArray[np.bool_], level: str) -> AxisCells:
    """Names, lines and dead ranges for given cell edges."""
    first, last = int(edges[0]), int(edges[-1])
    layers = [offset for offset in layout.layer_offsets if first < offset < last]
    units = layout.unit_offsets()
    inside = units[(units > first) & (units < last)]
    numbers = tuple(layout.locate(int(start)).layer for start in [first, *layers])
    dead_cells = np.logical_or.reduceat(alive, edges[:-1] - first) == 0 if len(alive) else np.zeros(0, bool)
    return AxisCells(
        edges,
        _names(layout, edges, level),
        _in_cells(layers, edges),
        _in_cells(inside, edges),
        numbers,
        _ranges(dead_cells),
    )


def _in_cells(offsets: Sequence[int] | NDArray[np.int64], edges: NDArray[np.int64]) -> tuple[float, ...]:
    """Parameter offsets as positions along the axis."""
    positions: list[float] = np.interp(np.asarray(offsets, dtype=np.int64), edges, np.arange(len(edges))).tolist()
    return tuple(positions)


def _names(layout: ParameterLayout, edges: NDArray[np.int64], level: str) -> tuple[str, ...]:
    if level == "layers":
        return tuple(f"layer {layout.locate(int(start)).layer}" for start in edges[:-1])
    if level == "units":
        spots = [(layout.locate(int(a)), layout.locate(int(b) - 1)) for a, b in pairwise(edges)]
        return tuple(
            f"layer {a.layer} · unit {a.unit}" + ("" if a[:2] == b[:2] else f" … layer {b.layer} · unit {b.unit}")
            for a, b in spots
        )
    return tuple(
        layout.symbol(int(a)) + ("" if b == a + 1 else f" … {layout.symbol(int(b) - 1)}") for a, b in pairwise(edges)
    )


def _ranges(flags: NDArray[np.bool_]) -> tuple[tuple[int, int], ...]:
    """Half-open ranges where flags hold."""
    padded = np.concatenate([[False], flags, [False]])
    changes = np.flatnonzero(padded[1:] != padded[:-1])
    return tuple((int(a), int(b)) for a, b in zip(changes[::2], changes[1::2], strict=True))


def picture(
    made: Factors,
    row_edges: NDArray[np.int64],
    column_edges: NDArray[np.int64],
    structure: str,
    *,
    level: str = "parameters",
    reduction: str = "largest",
    normalised: bool = False,
    progress: Callable[..., object] | None = None,
) -> MatrixPicture:
    """Pool the Fisher matrix, and the part of it that `structure` keeps, into the given cells.

    Args:
        made: factors of the matrix.
        row_edges, column_edges: sorted parameter indices that bound the cells.
        structure: "unit_blocks", "layer_blocks" or "diagonal": what the second matrix keeps.
        level: how cells are named: "parameters", "units" or "layers".
        reduction: "largest" (magnitude, sign kept), "mean_square" (its root) or "sum_square".
        normalised: entries F_ij / sqrt(F_ii F_jj) instead of F_ij (0 where a diagonal entry is 0).
        progress: called between strips; what it raises cancels.
    """
    layout = made.layout
    own = diagonal(made).double().cpu().numpy()
    scale = np.zeros_like(own)
    np.divide(1.0, np.sqrt(own), out=scale, where=own > 0)
    full, kept = (_Pool(row_edges, column_edges, reduction) for _ in range(2))
    mirrored = np.array_equal(row_edges, column_edges)
    strips = list(_strips(layout, row_edges, column_edges, mirrored))
    for done, (layer, units, other, other_units) in enumerate(strips, start=1):
        values = block(made, layer, other, units, other_units).double().cpu().numpy()
        row = layout.unit_slice(layer, units.start + 1).start
        column = layout.unit_slice(other, other_units.start + 1).start
        if normalised:
            values = values * scale[row : row + values.shape[0], None] * scale[column : column + values.shape[1]]
        mirror = mirrored and layer != other
        full.add(values, row, column, mirror)
        if layer == other:
            kept.add(_kept(values, row, column, layout, layer, structure), row, column, mirror=False)
        if progress:
            progress(done / len(strips), f"strip {done} of {len(strips)}")
    counts = [int(np.diff(edges).max()) for edges in (row_edges, column_edges)]
    axes = [axis(layout, edges, own[int(edges[0]) : int(edges[-1])] > 0, level) for edges in (row_edges, column_edges)]
    return MatrixPicture(full.result(), kept.result(), axes[0], axes[1], (counts[0], counts[1]))


def _strips(
    layout: ParameterLayout, row_edges: NDArray[np.int64], column_edges: NDArray[np.int64], mirrored: bool
) -> Iterator[tuple[int, slice, int, slice]]:
    """Unit ranges of layer pairs that cover the picture, each of a bounded number of entries."""
    for layer in range(1, layout.layers + 1):
        units = _units_between(layout, layer, int(row_edges[0]), int(row_edges[-1]))
        for other in range(1, layout.layers + 1):
            others = _units_between(layout, other, int(column_edges[0]), int(column_edges[-1]))
            if units is None or others is None or (mirrored and other < layer):
                continue
            width = (others.stop - others.start) * layout.unit_sizes[other - 1] * layout.unit_sizes[layer - 1]
            step = max(1, STRIP_ENTRIES // width)
            for start in range(units.start, units.stop, step):
                yield layer, slice(start, min(start + step, units.stop)), other, others


def _units_between(layout: ParameterLayout, layer: int, first: int, last: int) -> slice | None:
    """Units of a layer that own a parameter in first..last-1."""
    offset, size = layout.layer_offsets[layer - 1], layout.unit_sizes[layer - 1]
    start = max(0, (first - offset) // size)
    stop = min(layout.units[layer - 1], -(-(last - offset) // size))
    return slice(start, stop) if start < stop else None


def _kept(values: FloatArray, row: int, column: int, layout: ParameterLayout, layer: int, structure: str) -> FloatArray:
    """The part of a same-layer strip that the structure keeps."""
    if structure == "layer_blocks":
        return values
    size = 1 if structure == "diagonal" else layout.unit_sizes[layer - 1]
    result = np.zeros_like(values)
    for start in range(row, row + values.shape[0], size):
        if column <= start < column + values.shape[1]:
            rows, columns = slice(start - row, start - row + size), slice(start - column, start - column + size)
            result[rows, columns] = values[rows, columns]
    return result


class _Pool:
    """Cells that strips of the matrix are accumulated into."""

    def __init__(self, row_edges: NDArray[np.int64], column_edges: NDArray[np.int64], reduction: str) -> None:
        self.row_edges, self.column_edges, self.reduction = row_edges, column_edges, reduction
        self.cells = np.zeros((len(row_edges) - 1, len(column_edges) - 1))

    def add(self, values: FloatArray, row: int, column: int, mirror: bool) -> None:
        """Pool a strip whose first entry is (row, column); with `mirror` also its transpose (edges are then the same)."""
        row_part, row_cells, row_starts = _clip(len(values), row, self.row_edges)
        column_part, column_cells, column_starts = _clip(values.shape[1], column, self.column_edges)
        values = values[row_part, column_part]
        if self.reduction == "largest":
            high = _reduce(np.maximum, values, row_starts, column_starts)
            low = _reduce(np.minimum, values, row_starts, column_starts)
            pooled = np.where(high > -low, high, low)
        else:
            pooled = _reduce(np.add, np.square(values), row_starts, column_starts)
        self._merge(pooled, row_cells, column_cells)
        if mirror:
            self._merge(pooled.T, column_cells, row_cells)

    def _merge(self, pooled: FloatArray, rows: slice, columns: slice) -> None:
        target = self.cells[rows, columns]
        if self.reduction == "largest":
            np.copyto(target, pooled, where=np.abs(pooled) > np.abs(target))
        else:
            target += pooled

    def result(self) -> FloatArray:
        """The finished cells."""
        if self.reduction != "mean_square":
            return self.cells
        counts = np.outer(np.diff(self.row_edges), np.diff(self.column_edges))
        return np.sqrt(self.cells / counts)


def _clip(count: int, first: int, edges: NDArray[np.int64]) -> tuple[slice, slice, NDArray[np.int64]]:
    """Which of a strip's rows lie in the picture, the cells they fall into, and where each cell's rows begin."""
    start, stop = max(first, int(edges[0])), min(first + count, int(edges[-1]))
    cells = slice(int(np.searchsorted(edges, start, "right")) - 1, int(np.searchsorted(edges, stop, "left")))
    return slice(start - first, stop - first), cells, np.maximum(edges[cells], start) - start


def _reduce(
    operation: np.ufunc, values: FloatArray, row_starts: NDArray[np.int64], column_starts: NDArray[np.int64]
) -> FloatArray:
    """Reduce a strip over its cells in both directions, rows first: whole rows are contiguous in memory."""
    if len(row_starts) < values.shape[0]:
        values = operation.reduceat(values, row_starts, axis=0)
    if len(column_starts) < values.shape[1]:
        values = operation.reduceat(values, column_starts, axis=1)
    return values
