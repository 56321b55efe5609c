"""A page with nothing but the two components and synthetic matrices, for the browser tests of the components."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import streamlit as st

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "app"))

from matrix_view import Axis, Frame, MatrixEvents, Panel, Pin, Sweep, colour_limit, matrix_view
from player import Chart, player

SUBSCRIPT = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
WIDTHS = (4, 6, 8, 12, 16)
st.set_page_config(page_title="Components", layout="wide")


def axis(width: int, level: str) -> Axis:
    sizes = [(width, width)] * 3 + [(1, width)]
    names: list[str] = []
    edges, units, at = [0.0], [0.0], 0
    for layer, (outputs, inputs) in enumerate(sizes, start=1):
        for unit in range(1, outputs + 1):
            if level == "units":
                names.append(f"layer {layer} · unit {unit}")
                at += 1
            else:
                names += [f"w{str(layer).translate(SUBSCRIPT)}[{unit}←{k}]" for k in range(1, inputs + 1)]
                names.append(f"b{str(layer).translate(SUBSCRIPT)}[{unit}]")
                at += inputs + 1
            units.append(float(at))
        edges.append(float(at))
    return Axis(tuple(names), tuple(edges), ("1", "2", "3", "out"), tuple(units))


@st.cache_resource
def frame(width: int, level: str, panels: int, variant: str) -> Frame:
    """A synthetic Fisher-like matrix: signals per layer, strong inside a unit, pale between units."""
    rng = np.random.default_rng(width)
    if level == "layers":
        share = np.array(
            [[0.31, 0.11, 0.05, 0.02], [0.11, 0.2, 0.08, 0.03], [0.05, 0.08, 0.12, 0.04], [0.02, 0.03, 0.04, 0.3]]
        )
        names = Axis(("layer 1", "layer 2", "layer 3", "output layer"), (1, 2, 3), ("1", "2", "3", "out"))
        text = tuple(tuple(f"{100 * value:.0f} %" for value in row) for row in share)
        block = np.diag(np.diag(share))
        kept = tuple(tuple(f"{100 * value:.0f} %" if value else "" for value in row) for row in block)
        return Frame(
            (
                Panel("Full", share, "Four layers share the matrix", cell_text=text),
                Panel("Block-diagonal", block, "Only the diagonal", cell_text=kept),
            ),
            names,
            names,
            0.4,
        )
    rows = axis(width, level)
    size = len(rows.names)
    signals = rng.standard_normal((size, 60))
    bounds = [int(edge) for edge in rows.unit_edges]
    for start, stop in pairwise(bounds):
        signals[start:stop] += 1.1 * rng.standard_normal(60) * rng.standard_normal((stop - start, 1))
    signals *= np.exp(rng.normal(0, 0.5, (size, 1)))
    full = signals @ signals.T / 60
    if variant == "dead":
        full[bounds[2] : bounds[3]] = full[:, bounds[2] : bounds[3]] = 0
        rows = Axis(rows.names, rows.layer_edges, rows.layer_labels, rows.unit_edges, ((bounds[2], bounds[3]),))
    if variant == "nan":
        full[3:9, 12:20] = np.nan
    if variant == "zero":
        full = np.zeros_like(full)
    mask = np.zeros((size, size), dtype=bool)
    for start, stop in pairwise(bounds):
        mask[start:stop, start:stop] = True
    block = np.where(mask, full, 0.0)
    columns = rows
    if variant == "tall":
        last = int(rows.boundaries[1])
        full, block = full[:, :last], block[:, :last]
        columns = Axis(rows.names[:last], (), ("1",), tuple(edge for edge in rows.unit_edges if edge <= last))
    shown = [
        Panel(f"Full, {size} × {size}", full, f"Full matrix of {size} parameters: pale but dense off the diagonal"),
        Panel("Block-diagonal", block, "The same matrix keeping only the blocks of single units"),
        Panel("Difference", full - block, "What the block-diagonal matrix leaves out"),
    ][:panels]
    limit = colour_limit(full)
    return Frame(
        tuple(shown),
        rows,
        columns,
        (limit, limit / 3)[:panels] if variant == "own" else limit,
        note="Each cell is one entry.",
        caption=f"Width {width}",
    )


query = st.query_params
level, variant = st.session_state.setdefault("level", query.get("level", "parameters")), query.get("variant", "")
dark = st.context.theme.type == "dark"
st.session_state.setdefault("log", "nothing yet")
st.session_state.setdefault("width", 8)
st.session_state.setdefault("difference", "panels" in query)


def note(events: MatrixEvents) -> None:
    st.session_state.log = repr(events)
    if events.dive:
        st.session_state.level = "parameters" if level == "units" else "units"
    if events.rise is not None:
        st.session_state.level = ("layers", "units", "parameters")[events.rise]
    if events.pin:
        st.session_state.pin = (events.pin.row, events.pin.column)
    if events.sweep is not None:
        st.session_state.width = WIDTHS[events.sweep]
    if events.difference is not None:
        st.session_state.difference = events.difference


st.title("Components")
scale = st.segmented_control(
    "Scale", ["linear", "signed_sqrt", "signed_log"], default="signed_sqrt", required=True, key="scale"
)
width = st.select_slider("Width", WIDTHS, key="width")
level = st.session_state.level
panels = 3 if st.session_state.difference else 2
pin = Pin(*st.session_state.pin, text="F = −0.0213, the exact value") if "pin" in st.session_state else None
one = frame(width, level, panels, variant)
if pin and pin.row >= len(one.rows.names):
    pin = None
sweep = None
if "sweep" in query:
    frames = tuple(frame(w, level, panels, variant) for w in WIDTHS)
    sweep = Sweep("Width", frames, tuple(map(str, WIDTHS)), WIDTHS.index(width), trigger="trigger" in query)
matrix_view(
    one,
    scale=scale,
    dark=dark,
    tick=f"{level}-{width}-{scale}-{panels}",
    breadcrumb={"layers": ("All",), "units": ("All", "layer 2"), "parameters": ("All", "layer 2", "unit 7")}[level],
    pin=pin,
    sweep=sweep,
    difference=st.session_state.difference,
    on_event=note,
    colour="magnitude" if variant == "magnitude" else "diverging",
)
st.text(f"Event: {st.session_state.log}")
if "player" in query:
    steps = np.arange(0, 101)
    seconds = {"plain descent": 0.02 * steps, "natural gradient": 0.09 * steps}
    losses = {
        name: np.exp(-rate * steps) + 0.01 for (name, rate) in (("plain descent", 0.03), ("natural gradient", 0.12))
    }
    st.header("Training")
    left, right = st.columns(2)
    for place, name, x in ((left, "by_step", dict.fromkeys(losses, steps)), (right, "by_second", seconds)):
        figure = go.Figure([go.Scatter(x=x[one], y=losses[one], name=one, mode="lines") for one in losses])
        figure.update_layout(height=300, yaxis_type="log", xaxis_title=name.replace("_", " "), showlegend=True)
        with place:
            st.plotly_chart(figure, key=name, alt=f"Loss {name}")
    player(
        steps=steps,
        charts=(Chart("by_step", (steps, steps)), Chart("by_second", tuple(seconds.values()))),
        values={name: losses[name] for name in losses},
        quantity="loss",
        key="player",
    )
