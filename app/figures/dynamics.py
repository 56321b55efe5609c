"""Figures of the page While learning: loss and curvature against steps, spectra, block ratios, and F's size and rank.

Steps are logarithmic; the start, step 0, stands left of step 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from figures import style
from matrix_view import Axis, Frame, Panel, colour_limit
from matrix_view.encoding import Colour
from numpy.typing import ArrayLike, NDArray

from fimcore.experiments.cost import layout_for
from fimcore.experiments.dynamics_measured import MOST_PARAMETERS
from fimcore.experiments.dynamics_spec import Spec
from fimcore.experiments.matrix_picture import axis
from fimcore.experiments.setting import input_dimension
from fimcore.parameters import ParameterLayout

START = 0.6  # where step 0 stands on a logarithmic axis
SHARPNESS, TOP = "Sharpness of the loss", "λ_max of F"
# A run that leaves for good would flatten everything before: nothing is drawn further than this above the start.
HIGHEST = 1e6


def places(steps: ArrayLike) -> NDArray[np.float64]:
    """Steps on the axis."""
    whole = np.asarray(steps, dtype=np.float64)
    return np.where(whole < 1, START, whole)


def _over_steps(dark: bool, y: str, last: int, log_y: bool, height: int = 300) -> go.Figure:
    made = style.figure(dark=dark, x="Step (updates made)", y=y, height=height, log_x=True, log_y=log_y)
    ticks, texts = style.log_ticks(1, max(1, last))
    made.update_xaxes(tickmode="array", tickvals=[START, *ticks], ticktext=["0", *texts])
    made.update_xaxes(range=[np.log10(START * 0.9), np.log10(max(last, 1.2) * 1.08)])
    return made


def _log_ticks(made: go.Figure, values: NDArray[np.float64]) -> None:
    there = values[np.isfinite(values) & (values > 0)]
    if not there.size:
        return
    low, high = float(there.min()) / 1.3, float(there.max()) * 1.3
    ticks, texts = style.log_ticks(low, high)
    every = -(-len(ticks) // 7)
    made.update_yaxes(range=[np.log10(low), np.log10(high)])
    if ticks:
        made.update_yaxes(tickmode="array", tickvals=ticks[::every], ticktext=texts[::every])


def loss(losses: pd.DataFrame, outcomes: pd.DataFrame, dark: bool) -> go.Figure:
    """Loss of every update: the first network, and the others behind it; a cross where a run diverged."""
    first = int(losses["seed"].iloc[0])
    made = _over_steps(dark, "Loss", int(losses["step"].max()), True)
    start = float(losses["loss"].iloc[0])
    ceiling = start * HIGHEST if start > 0 else np.inf
    others = [own for seed, own in losses.groupby("seed") if seed != first]
    for place, own in enumerate(others):
        shown = own[np.isfinite(own["loss"]) & (own["loss"] > 0)]
        made.add_scatter(
            x=places(shown["step"]),
            y=np.minimum(shown["loss"], ceiling),
            name="Other networks",
            legendgroup="others",
            showlegend=place == 0,
            mode="lines",
            line={"color": style.series(5, dark), "width": 1},
            opacity=0.55,
            hovertemplate="step %{x:.0f}: %{y:.3g}<extra>another network</extra>",
        )
    own = losses[(losses["seed"] == first) & np.isfinite(losses["loss"]) & (losses["loss"] > 0)]
    heights = np.minimum(own["loss"].to_numpy(np.float64), ceiling)
    style.measured(
        made, places(own["step"]), heights, "This network", dark=dark, markers=False,
        hovertemplate="step %{x:.0f}: %{y:.3g}<extra></extra>",
    )  # fmt: skip
    row = outcomes.iloc[0]
    if np.isfinite(row["diverged_at"]) and len(own):
        right = row["diverged_at"] > 0.3 * max(1, losses["step"].max()) or losses["step"].max() < 30
        made.add_scatter(
            x=places([own["step"].iloc[-1]]),
            y=heights[-1:],
            mode="markers+text",
            name="Diverged",
            text=[f"diverged at step {row['diverged_at']:.0f}"],
            textposition="bottom left" if right else "bottom right",
            textfont={"color": style.ink(dark)},
            marker={
                "symbol": "x",
                "size": 13,
                "color": style.series(0, dark),
                "line": {"color": style.ink(dark), "width": 1},
            },
            showlegend=False,
            hoverinfo="text",
        )
    every = losses["loss"].to_numpy(np.float64)
    _log_ticks(made, np.minimum(every[np.isfinite(every)], ceiling))
    return made


def curvature(snapshots: pd.DataFrame, line_name: str, dark: bool) -> go.Figure:
    """Sharpness of the loss and lambda_max of F, with the line they may not exceed for long, and theory at the start."""
    top, bend = (snapshots[name].to_numpy(np.float64) for name in ("fisher_top", "sharpness"))
    steps, line, predicted = places(snapshots["step"]), float(snapshots["line"].iloc[0]), snapshots["predicted"].iloc[0]
    level = line if np.isfinite(line) else float(np.nanmax(bend[:1]))
    ceiling = HIGHEST * max(level, 1e-300)
    values = np.concatenate([top, bend, [line]])
    there = values[np.isfinite(values) & (values > 0)]
    log = bool(there.size) and float(there.max() / there.min()) > 12
    made = _over_steps(dark, "Largest eigenvalue", int(snapshots["step"].max()), log)
    if np.isfinite(line):
        ends = np.array([START * 0.9, max(1.2, float(snapshots["step"].max())) * 1.08])
        style.theory(
            made, ends, [line, line], line_name, dark=dark, hovertemplate=f"{line:.4g}<extra>{line_name}</extra>"
        )
    for name, heights, index in ((TOP, top, 1), (SHARPNESS, bend, 0)):
        style.measured(
            made, steps, np.minimum(heights, ceiling), name, dark=dark, index=index,
            hovertemplate="step %{x:.0f}: %{y:.4g}<extra></extra>",
        )  # fmt: skip
        made.data[-1].line.dash = style.DASHES[index]
        made.data[-1].marker.size = 6
    if np.isfinite(predicted):
        made.add_scatter(
            x=[START], y=[predicted], name="λ_max, predicted at the start", mode="markers",
            marker={"symbol": "diamond-open", "size": 13, "color": style.theory_colour(dark), "line": {"width": 2}},
            hovertemplate="predicted %{y:.4g}<extra></extra>",
        )  # fmt: skip
    if log:
        _log_ticks(made, np.minimum(there, ceiling))
    else:
        made.update_yaxes(range=[0, 1.12 * max(float(there.max(initial=0.0)), float(np.nan_to_num(predicted)))])
    return made


def spectra(eigenvalues: pd.DataFrame, steps: Sequence[int], dark: bool) -> go.Figure:
    """Eigenvalues against rank: a thin line for every snapshot, the start and the end in colour."""
    made = style.figure(dark=dark, x="Rank", y="Eigenvalue of F", height=320, log_x=True, log_y=True)
    grouped = dict(tuple(eigenvalues.groupby("step")))
    ends = {int(steps[0]): 3, int(steps[-1]): 0}
    for step in steps:
        own = grouped.get(step, eigenvalues.iloc[:0])
        index = ends.get(int(step))
        colour = style.quiet(dark) if index is None else style.series(index, dark)
        made.add_scatter(
            x=own["rank"].to_numpy(np.float32),
            y=own["eigenvalue"].to_numpy(np.float32),
            name=f"Step {step:,}",
            mode="lines",
            showlegend=index is not None,
            line={"color": colour, "width": 1.2 if index is None else 2.5, "dash": "dot" if index == 3 else "solid"},
            hovertemplate=f"step {step:,}: rank %{{x:.0f}}, %{{y:.3g}}<extra></extra>",
        )
    values = eigenvalues["eigenvalue"].to_numpy(np.float64)
    there = values[values > 0]
    if there.size:
        high = min(float(there.max()), HIGHEST * float(grouped[int(steps[0])]["eigenvalue"].max())) if grouped else 1.0
        _log_ticks(made, np.clip(there, high * 1e-10, high))
    if len(eigenvalues):
        ticks, texts = style.log_ticks(1, float(eigenvalues["rank"].max()))
        made.update_xaxes(tickmode="array", tickvals=ticks, ticktext=texts)
    return made


def block_ratios(ratios: pd.DataFrame, layers: int, last: int, dark: bool) -> go.Figure:
    """Entries between units over entries inside them, by layer."""
    made = _over_steps(dark, "Between / inside", last, False, 250)
    for index, layer in enumerate(sorted({int(each) for each in ratios["layer"]})):
        own, name = ratios[ratios["layer"] == layer], "Outputs" if layer == layers else f"Layer {layer}"
        style.measured(
            made, places(own["step"]), own["rms_ratio"], name, dark=dark, index=index,
            hovertemplate=f"{name}, step %{{x:.0f}}: %{{y:.3g}}<extra></extra>",
        )  # fmt: skip
        made.data[-1].line.dash = style.DASHES[index % len(style.DASHES)]
        made.data[-1].marker.size = 5
    made.update_yaxes(rangemode="tozero")
    return made


def size_and_rank(snapshots: pd.DataFrame, dark: bool) -> go.Figure:
    """Trace and effective rank, each over its value at the start."""
    values = {}
    for column, name in (("trace", "Trace of F"), ("effective_rank", "Effective rank")):
        own = snapshots[column].to_numpy(np.float64)
        values[name] = own / own[0] if own[0] > 0 else np.full(len(own), np.nan)
    every = np.concatenate(list(values.values()))
    there = every[np.isfinite(every) & (every > 0)]
    log = bool(there.size) and float(there.max() / there.min()) > 12
    made = _over_steps(dark, "Over its start", int(snapshots["step"].max()), log, 250)
    for index, (name, heights) in enumerate(values.items()):
        style.measured(
            made, places(snapshots["step"]), np.minimum(heights, HIGHEST), name, dark=dark, index=index,
            hovertemplate="step %{x:.0f}: %{y:.3g} of the start<extra></extra>",
        )  # fmt: skip
        made.data[-1].line.dash = style.DASHES[index]
        made.data[-1].marker.size = 6
    if log:
        _log_ticks(made, np.minimum(there, HIGHEST))
    else:
        made.update_yaxes(rangemode="tozero")
    return made


def colour_of(spec: Spec) -> Colour:
    """Signed entries diverge from zero; sizes of pairs of units grow from it."""
    return "diverging" if _layout(spec).parameters <= MOST_PARAMETERS else "magnitude"


def _layout(spec: Spec) -> ParameterLayout:
    used = spec.effective()
    return layout_for(input_dimension(used), used)


def frames(spec: Spec, cells: NDArray[np.float64], edges: NDArray[np.int64], steps: Sequence[int]) -> tuple[Frame, ...]:
    """One frame a snapshot, on one colour range: what the matrix grows by is seen."""
    layout = _layout(spec)
    signed = colour_of(spec) == "diverging"
    level = "parameters" if signed else "units"
    drawn = axis(layout, edges, np.ones(layout.parameters, dtype=bool), level)
    labels = tuple("out" if number == layout.layers else str(number) for number in drawn.layer_numbers)
    side = Axis(drawn.names, drawn.layer_edges, labels, drawn.unit_edges)
    limits = [colour_limit(values, 0.995) for values in cells]
    # A run that blows up would leave everything before it pale.
    limit = min(max(limits), 4 * limits[0]) if limits[0] > 0 else max(limits)
    kind = "F_ij / √(F_ii F_jj)" if spec.values == "normalised" else "F_ij"
    size = int(np.diff(edges).max())
    if not signed:
        note = f"Each cell shows the root mean square of {kind} between two units or more."
    else:
        note = (
            f"Each cell is one entry, {kind}."
            if size == 1
            else f"Each cell shows the largest of {size} × {size} entries, {kind}."
        )
    title = f"Fisher matrix, {layout.parameters:,} × {layout.parameters:,}"
    return tuple(
        Frame(
            (Panel(title, values, f"The Fisher matrix after {step} updates", "F"),),
            side,
            side,
            1.0 if spec.values == "normalised" and signed else limit,
            note=note,
            caption=f"Step {step:,}",
            tick=f"step-{step}",
        )
        for step, values in zip(steps, cells, strict=True)
    )
