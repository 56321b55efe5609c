"""The matrix view of the page Explore: from a picture to the component, and from what a visitor does to settings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jobs
import numpy as np
import pandas as pd
import settings
import streamlit as st
import words
from figures import explore as figures
from matrix_view import Frame, MatrixEvents, Pin, Sweep, matrix_view
from matrix_view import picture as pictures

from fimcore.experiments import explore
from fimcore.experiments.cost import layout_for
from fimcore.experiments.explore_spec import Spec
from fimcore.experiments.matrix_picture import AxisCells, MatrixPicture
from fimcore.experiments.setting import input_dimension
from fimcore.experiments.zoom import Zoom
from fimcore.parameters import ParameterLayout

SWEPT_WIDTHS = (2, 4, 8, 16, 32)
SWEEP_SECONDS = 2.0
MOST_ENTRIES = 1_000_000
SWEEP_IGNORES = ("width", "scale", "colour_range", "difference", "pin", "zoom", "seeds")
_TOUCHED = "_sweep_touched"


def draw(picture: MatrixPicture, spec: Spec, dark: bool) -> Frame:
    """Draw the linked matrices and return the frame that was drawn."""
    layout = layout_for(input_dimension(spec), spec)
    zoom = Zoom.parse(spec.zoom, layout)
    tick = _tick(picture, spec)
    caption = f"Width {spec.width}" if not zoom.depth else ""
    frame = _frame(picture, spec, layout.layers, caption, tick)
    sweep = _sweep(frame, spec, layout.layers) if not zoom.depth else None

    def on_event(event: MatrixEvents) -> None:
        _apply(event, picture, spec, layout, zoom, tick, sweep)

    matrix_view(
        frame,
        scale=spec.scale,
        dark=dark,
        tick=tick,
        key="matrix",
        breadcrumb=zoom.breadcrumb(),
        pin=_pin(picture, spec, layout),
        sweep=sweep,
        normalised=spec.values == "normalised",
        colour=figures.colour_of(picture, spec),
        can_dive=zoom.depth < 2,
        difference=spec.difference,
        on_event=on_event,
    )
    return frame


def _tick(picture: MatrixPicture, spec: Spec) -> str:
    """Identity of what is drawn: settings that change it, in the order of the address."""
    parts = (spec.width, spec.hidden_layers, spec.activation, f"{spec.weight_variance:g}", f"{spec.bias_variance:g}")
    more = (spec.inputs, spec.input_dim, spec.samples, spec.likelihood, spec.outputs, spec.estimator, spec.seed)
    view = (spec.blocks, spec.level, spec.values, spec.pooling, spec.zoom, "d" if spec.difference else "")
    size = "x".join(map(str, picture.full.shape))
    return "-".join(map(str, (*parts, *more, *view, size)))


def _frame(picture: MatrixPicture, spec: Spec, layers: int, caption: str, tick: str) -> Frame:
    """Frames are kept: the bytes that travel are remembered with the frame's panels."""
    key = (
        "frame",
        id(picture),
        spec.blocks,
        spec.pooling,
        spec.values,
        spec.difference,
        spec.colour_range,
        caption,
        tick,
    )
    found = jobs.cache.get(key)
    if found is None or found[0] is not picture:
        found = (picture, figures.frame(picture, spec, layers, caption=caption, tick=tick))
        jobs.cache.put(key, found)
    made: Frame = found[1]
    return made


def _sweep(frame: Frame, spec: Spec, layers: int) -> Sweep | None:
    """Frames over widths, once they are there."""
    pictures_by_width = jobs.cache.get(_sweep_key(spec))
    if pictures_by_width is None:
        return None
    frames = {
        width: _frame(picture, spec.model_copy(update={"zoom": ""}), layers, f"Width {width}", f"width-{width}")
        for width, picture in pictures_by_width.items()
    }
    frames[spec.width] = frame
    widths = sorted(frames)
    return Sweep("Width", tuple(frames[width] for width in widths), tuple(map(str, widths)), widths.index(spec.width))


def _sweep_key(spec: Spec) -> object:
    return jobs.key_of("part", "sweep", spec, SWEEP_IGNORES, _widths(spec))


def _widths(spec: Spec) -> tuple[int, ...]:
    """Widths whose pictures together take little time."""
    chosen: list[int] = []
    spent = 0.0
    for width in SWEPT_WIDTHS:
        spent += explore.part_seconds(spec.model_copy(update={"width": width}))["matrix"]
        if spent <= SWEEP_SECONDS:
            chosen.append(width)
    return tuple(chosen)


def prepare_sweep(spec: Spec) -> None:
    """After everything else is drawn: compute the sweep's frames and draw once more, with the scrubber."""
    if spec.zoom or jobs.cache.get(_sweep_key(spec)) is not None:
        return
    jobs.compute_part("sweep", explore.sweep, spec, _widths(spec), ignore=SWEEP_IGNORES)
    if jobs.cache.get(_sweep_key(spec)) is not None:
        st.rerun()


def margin_note() -> None:
    """The one gesture that matters, until it was made."""
    if not st.session_state.get(_TOUCHED):
        st.caption(
            ":material/touch_app: Drag the width above the picture. Watch the off-diagonal pale, and the number refuse to vanish."
        )


def _apply(
    event: MatrixEvents,
    picture: MatrixPicture,
    spec: Spec,
    layout: ParameterLayout,
    zoom: Zoom,
    tick: str,
    sweep: Sweep | None,
) -> None:
    """What a visitor did, as settings."""
    if event.sweep is not None and sweep is not None:
        st.session_state[_TOUCHED] = True
        settings.apply({"n": int(sweep.positions[event.sweep])})
    if event.difference is not None:
        settings.apply({"dif": event.difference})
    if event.rise is not None:
        settings.apply({"z": str(zoom.rise(event.rise))})
    if event.dive is not None and event.dive.tick == tick:
        row, column = (int(axis.edges[place]) for axis, place in _places(picture, event.dive.row, event.dive.column))
        settings.apply({"z": str(zoom.dive(layout, row, column))})
    if event.pin is not None and event.pin.tick == tick:
        spans = [
            (int(axis.edges[place]), int(axis.edges[place + 1]))
            for axis, place in _places(picture, event.pin.row, event.pin.column)
        ]
        if np.prod([stop - start for start, stop in spans]) > MOST_ENTRIES:  # too many to look through for one click
            settings.apply({"z": str(zoom.dive(layout, spans[0][0], spans[1][0]))})
            return
        row, column = explore.strongest_entry(spec, spans[0], spans[1])
        settings.apply({"pin": f"{row}-{column}"})


def _places(picture: MatrixPicture, row: int, column: int) -> Sequence[tuple[AxisCells, int]]:
    return ((picture.rows, row), (picture.columns, column))


def _pin(picture: MatrixPicture, spec: Spec, layout: ParameterLayout) -> Pin | None:
    """The pinned entry, exactly, where it lies inside the picture."""
    if not spec.pin:
        return None
    indices = [int(part) for part in spec.pin.split("-")]
    if max(indices) >= layout.parameters:
        return None
    cells = []
    for axis, index in zip((picture.rows, picture.columns), indices, strict=True):
        if not axis.edges[0] <= index < axis.edges[-1]:
            return None
        cells.append(int(np.searchsorted(axis.edges, index, "right")) - 1)
    found = jobs.compute_part("pin", explore.pinned_entry, spec, *indices, ignore=("pin", "scale", "seeds"))
    return None if found is None else Pin(cells[0], cells[1], pinned_text(found))


def pinned_text(found: dict[str, float | str]) -> str:
    """Names, the exact entry, what it is made of, and the formula with its numbers."""
    number = {name: words.number(float(value), 6) for name, value in found.items() if isinstance(value, float)}
    return (
        f"{found['row_symbol']} with {found['column_symbol']}: "
        f"F_ij = (1/N) Σₓ ∂ᵢf·Q·∂ⱼf = {number['value']}; F_ii = {number['row_diagonal']}, "
        f"F_jj = {number['column_diagonal']}; normalised F_ij / √(F_ii F_jj) = {number['normalised']}; "
        f"block-diagonal keeps {number['kept']}"
    )


def files(frame: Frame, spec: Spec, picture: MatrixPicture, captions: Sequence[str], dark: bool) -> dict[str, Any]:
    """The picture as PNG and SVG, as it is on screen, with settings and link; nothing is drawn before it is asked for."""
    look: dict[str, Any] = {
        "settings_lines": captions,
        "scale": spec.scale,
        "normalised": spec.values == "normalised",
        "colour": figures.colour_of(picture, spec),
        "dark": dark,
    }
    return {"png": partial(pictures.png, frame, **look), "svg": partial(pictures.svg, frame, **look)}


def largest_cells(picture: MatrixPicture, most: int = 1000) -> pd.DataFrame:
    """The cells of largest magnitude, as a table that a person can read."""
    table = cells(picture)
    order = np.argsort(-np.abs(table["full"].to_numpy()), kind="stable")[:most]
    return table.iloc[order]


def cells(picture: MatrixPicture) -> pd.DataFrame:
    """The cells on screen as a long table: row, column, full, block-diagonal."""
    rows, columns = picture.full.shape
    return pd.DataFrame(
        {
            "row": np.repeat(picture.rows.names, columns),
            "column": np.tile(picture.columns.names, rows),
            "full": picture.full.ravel(),
            "block_diagonal": picture.kept.ravel(),
        }
    )
