"""What the page Explore shows of one matrix: the pooled picture at a zoom, a sweep of pictures, and single entries exactly.

F_ij = (1/N) sum_x d_i f^T Q d_j f, from factors; the matrix is never held as a whole.
Source: Amari, Karakida, Oizumi, Fisher Information and Natural Gradient Learning of Random Deep Networks, arXiv 1808.07172.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from fimcore.experiments.explore_spec import Spec
from fimcore.experiments.matrix_picture import MAX_CELLS, MatrixPicture, parameter_edges, picture
from fimcore.experiments.setting import factors_of
from fimcore.experiments.zoom import Zoom
from fimcore.fisher import Factors, entry, gradient

Progress = Callable[..., object]
STRUCTURE = {"unit": "unit_blocks", "layer": "layer_blocks", "diagonal": "diagonal"}
SWEEP_CELLS = 256


def matrix(spec: Spec, progress: Progress | None = None, cells: int = MAX_CELLS) -> MatrixPicture:
    """The full matrix and its block-diagonal part in at most `cells` x `cells`, at the Spec's zoom, level and pooling."""
    made = factors_of(spec)
    layout = made.layout
    zoom = Zoom.parse(spec.zoom, layout)
    rows, columns = zoom.rows.part(layout), zoom.columns.part(layout)
    level = _level(spec.level, zoom.depth)
    reduction = {"layers": "sum_square", "units": "mean_square"}.get(level, spec.pooling)
    return picture(
        made,
        _edges(made, rows, level, cells),
        _edges(made, columns, level, cells),
        STRUCTURE[spec.blocks],
        level=level,
        reduction=reduction,
        normalised=spec.values == "normalised",
        progress=progress,
    )


def _level(level: str, depth: int) -> str:
    """The finest of the chosen level and what the zoom leaves room for: inside one layer there are no layers to compare."""
    return ("layers", "units", "parameters")[max(("layers", "units", "parameters").index(level), depth)]


def _edges(made: Factors, part: slice, level: str, cells: int) -> NDArray[np.int64]:
    if level == "parameters":
        return parameter_edges(part, cells)
    offsets = made.layout.unit_offsets() if level == "units" else np.array(made.layout.layer_offsets)
    inside = offsets[(offsets >= part.start) & (offsets <= part.stop)]
    size = -(-(len(inside) - 1) // cells)
    return np.append(inside[:-1][::size], inside[-1]).astype(np.int64)


def sweep(spec: Spec, widths: tuple[int, ...], progress: Progress | None = None) -> dict[int, MatrixPicture]:
    """The whole matrix at several widths, in at most 256 x 256 cells each, for scrubbing."""
    found = {}
    for place, width in enumerate(widths):
        found[width] = matrix(
            spec.model_copy(update={"width": width, "zoom": ""}), within(progress, place, len(widths)), SWEEP_CELLS
        )
    return found


def strongest_entry(spec: Spec, rows: tuple[int, int], columns: tuple[int, int]) -> tuple[int, int]:
    """The parameters (0..P-1) of the entry of largest magnitude in a cell that spans half-open ranges of parameters."""
    made = factors_of(spec)
    sides = [torch.stack([gradient(made, index) for index in range(*part)]) for part in (rows, columns)]
    entries = (sides[0] @ sides[1].T).abs()
    row, column = divmod(int(entries.argmax()), entries.shape[1])
    return rows[0] + row, columns[0] + column


def pinned_entry(spec: Spec, row: int, column: int) -> dict[str, float | str]:
    """One entry exactly, with what it is made of: F_ij, F_ii, F_jj, the normalised entry, and both names."""
    made = factors_of(spec)
    layout = made.layout
    value, own_row, own_column = (entry(made, *pair) for pair in ((row, column), (row, row), (column, column)))
    scale = (own_row * own_column) ** 0.5
    a, b = layout.locate(row), layout.locate(column)
    keeps = {"unit": a[:2] == b[:2], "layer": a.layer == b.layer, "diagonal": row == column}[spec.blocks]
    return {
        "row": layout.name(row),
        "column": layout.name(column),
        "row_symbol": layout.symbol(row),
        "column_symbol": layout.symbol(column),
        "value": value,
        "kept": value if keeps else 0.0,
        "row_diagonal": own_row,
        "column_diagonal": own_column,
        "normalised": value / scale if scale > 0 else float("nan"),
    }


def within(progress: Progress | None, number: int, count: int) -> Progress | None:
    """Progress of one seed as progress of the whole."""
    if progress is None:
        return None
    return lambda fraction, message: progress((number + fraction) / count, f"network {number + 1} of {count}")
