"""The matrix view: one to three linked matrices on canvas, with cross-hair, semantic zoom, pin and sweep.

A component of its own, because a Plotly heatmap is rebuilt on every change (zoom and pin are lost), reports no clicks
and colours in JavaScript. Here one byte per cell travels and the element is kept across reruns.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from matrix_view.encoding import Colour, payload
from matrix_view.events import EVENTS, Cell, MatrixEvents, read_events
from matrix_view.frame import Axis, Frame, Panel, Pin, Sweep
from matrix_view.scales import SCALES, Scale, colour_limit, log_floor, number_text

__all__ = [
    "SCALES",
    "Axis",
    "Cell",
    "Colour",
    "Frame",
    "MatrixEvents",
    "Panel",
    "Pin",
    "Scale",
    "Sweep",
    "colour_limit",
    "log_floor",
    "matrix_view",
    "number_text",
]

_HERE = Path(__file__).parent
# One module in the page; the pieces share a scope and are joined in reading order.
_SCRIPTS = ("decode.js", "paint.js", "panels.js", "interact.js", "sweep.js", "matrix_view.js")

_component = st.components.v2.component(
    "fimcore_matrix_view",
    html=(_HERE / "matrix_view.html").read_text(encoding="utf-8"),
    css="\n".join(
        path.read_text(encoding="utf-8") for path in (_HERE.parent / "component_style.css", _HERE / "matrix_view.css")
    ),
    js="\n".join((_HERE / name).read_text(encoding="utf-8") for name in _SCRIPTS),
)


def matrix_view(
    frame: Frame,
    *,
    scale: Scale = "signed_sqrt",
    dark: bool = False,
    tick: str,
    key: str = "matrix",
    breadcrumb: tuple[str, ...] = ("All",),
    pin: Pin | None = None,
    sweep: Sweep | None = None,
    quantity: str = "F",
    normalised: bool = False,
    colour: Colour = "diverging",
    can_dive: bool = True,
    difference: bool | None = None,
    on_event: Callable[[MatrixEvents], None] | None = None,
) -> MatrixEvents:
    """Draw a frame and return what the visitor did to it in this run.

    tick: identity of the picture; the page repeats it in `data-tick` once painted, and events carry it back.
    breadcrumb: names of the levels above and the present one; the last is where we are.
    sweep: frames to scrub in the page. Where the sweep stands at the current setting, `frame` is drawn.
    can_dive: whether a cell can be opened further. difference: state of the difference switch, None for no switch.
    on_event: called before the rerun (as widget callbacks are), so that it may set other widgets' values.

    Events are validated here, because anything may be sent by a browser: indices lie inside the drawn frame.
    """
    content = payload(
        frame,
        scale=scale,
        dark=dark,
        tick=tick,
        breadcrumb=breadcrumb,
        pin=pin,
        sweep=sweep,
        quantity=quantity,
        normalised=normalised,
        colour=colour,
        can_dive=can_dive,
        difference=difference,
    )
    shapes = {frame.tick or tick: (len(frame.rows.names), len(frame.columns.names))}
    for index, swept in enumerate(sweep.frames if sweep else ()):
        shapes.setdefault(swept.tick or f"{tick}#{index}", (len(swept.rows.names), len(swept.columns.names)))
    levels, positions = len(breadcrumb), len(sweep.frames) if sweep else 0

    def called(event: str) -> Callable[[], None]:
        def callback() -> None:
            if on_event is not None:
                raw: Any = st.session_state.get(key) or {}
                on_event(read_events({event: raw.get(event)}, shapes, levels, positions))

        return callback

    callbacks: dict[str, Any] = {f"on_{event}_change": called(event) for event in EVENTS}
    result = _component(data=content, key=key, **callbacks)
    return read_events({event: getattr(result, event, None) for event in EVENTS}, shapes, levels, positions)
