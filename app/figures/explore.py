"""Figures of the page Explore: the linked matrices as a frame of the matrix view, and the eigenvalues."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import words
from figures import style
from matrix_view import Axis, Frame, Panel, colour_limit
from matrix_view.encoding import Colour

from fimcore.experiments.explore_spec import Spec
from fimcore.experiments.matrix_picture import AxisCells, MatrixPicture

BLOCK_WORDS = {"unit": "Block-diagonal by unit", "layer": "Block-diagonal by layer", "diagonal": "Diagonal only"}
BETWEEN = {"unit": "two different units", "layer": "two different layers", "diagonal": "two different parameters"}
INSIDE = {"unit": "one unit", "layer": "one layer", "diagonal": "a parameter and itself"}
REDUCTION_WORDS = {"largest": "the largest", "mean_square": "the root mean square"}
MOST_POINTS = 400


def level_of(picture: MatrixPicture) -> str:
    """What one cell stands for, read off its names."""
    name = picture.rows.names[0]
    if not name.startswith("layer"):
        return "parameters"
    return "units" if "unit" in name else "layers"


def colour_of(picture: MatrixPicture, spec: Spec) -> Colour:
    """Signed entries diverge from zero; sizes grow from it."""
    signed = level_of(picture) == "parameters" and spec.pooling == "largest"
    return "diverging" if signed else "magnitude"


def _axis(cells: AxisCells, layers: int) -> Axis:
    labels = tuple("out" if number == layers else str(number) for number in cells.layer_numbers)
    return Axis(cells.names, cells.layer_edges, labels, cells.unit_edges, cells.dead)


def frame(picture: MatrixPicture, spec: Spec, layers: int, *, caption: str = "", tick: str = "") -> Frame:
    """Full matrix, block-diagonal matrix and, if asked for, their difference."""
    level = level_of(picture)
    full, kept = picture.full, picture.kept
    if level == "layers":
        total = float(full.sum()) or 1.0
        full, kept = full / total, kept / total
    sizes = [int(cells.edges[-1] - cells.edges[0]) for cells in (picture.rows, picture.columns)]
    shown = [
        (f"Full, {sizes[0]:,} × {sizes[1]:,}", "full", full, f"The full Fisher matrix, {sizes[0]:,} by {sizes[1]:,}"),
        (
            BLOCK_WORDS[spec.blocks],
            "block-diagonal",
            kept,
            f"The same matrix with only the entries within {INSIDE[spec.blocks]}",
        ),
    ]
    if spec.difference:
        signed = level == "layers" or (level == "parameters" and spec.pooling == "largest")
        dropped = full - kept if signed else np.sqrt(np.maximum(full**2 - kept**2, 0))
        shown.append(("Difference", "difference", dropped, f"The entries between {BETWEEN[spec.blocks]}"))
    panels = tuple(
        Panel(title, values, alt, name, _shares(values) if level == "layers" else None)
        for title, name, values, alt in shown
    )
    # A few tiles show their whole range; among many cells a few outliers would leave the rest pale.
    quantile = 1.0 if level == "layers" else 0.995
    own = tuple(colour_limit(panel.values, quantile) for panel in panels)
    limit = own[0] if spec.colour_range == "shared" else own
    rows, columns = (_axis(cells, layers) for cells in (picture.rows, picture.columns))
    return Frame(panels, rows, columns, limit, note=note(picture, spec), caption=caption, tick=tick)


def _shares(values: np.ndarray) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(words.percent(float(value)) for value in row) for row in values)


def note(picture: MatrixPicture, spec: Spec) -> str:
    """What one cell is, in a sentence: pooling is always declared."""
    kind = "F_ij / √(F_ii F_jj)" if spec.values == "normalised" else "F_ij"
    level = level_of(picture)
    if level == "layers":
        return f"Each cell shows one pair of layers and its share of the sum of all squared entries ({kind})."
    if level == "units":
        return f"Each cell shows the root mean square entry ({kind}) between two units."
    rows, columns = picture.pooled
    if rows == columns == 1:
        return f"Each cell is one entry, {kind}."
    return f"Each cell shows {REDUCTION_WORDS[spec.pooling]} of {rows} × {columns} entries, {kind}."


def eigenvalues(table: pd.DataFrame, theory: Mapping[str, float], spec: Spec, dark: bool) -> go.Figure:
    """Eigenvalues of both matrices against their rank, with the predictions that hold as dashed lines."""
    made = style.figure(dark=dark, x="Rank", y="Eigenvalue", log_x=True, log_y=True)
    last = 1
    for number, structure in enumerate(table["structure"].unique()):
        rows = table[table["structure"] == structure]
        last = max(last, len(rows))
        chosen = np.unique(np.geomspace(1, len(rows), MOST_POINTS).round().astype(int)) - 1
        name = "Full" if structure == "dense" else BLOCK_WORDS[spec.blocks]
        few = rows.iloc[chosen]
        style.measured(made, few["rank"], few["eigenvalue"], name, dark=dark, index=number, markers=False)
    for (name, value), dash in zip(theory.items(), ("dash", "dashdot"), strict=False):
        if np.isfinite(value) and value > 0:
            style.theory(made, [1, last], [value, value], f"{name}, predicted", dark=dark, dash=dash)
    return made
