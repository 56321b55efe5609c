"""Figures of the page Plateau: the plane with both ways through it, loss against steps, and steps to leave against distance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from colour_scales import plotly_scale
from figures import style
from numpy.typing import NDArray

from fimcore.experiments.plateau import METHODS, REACH, TEACHER

NAMES = {"gradient": "Gradient descent", "natural": "Natural gradient"}
STROKE = 0.09
SHALLOWEST = 1e-6


def plane(
    loss: NDArray[np.float64], axis: NDArray[np.float64], paths: pd.DataFrame, field: pd.DataFrame, dark: bool
) -> go.Figure:
    """log10 of the loss over p and q, the line p = q, directions as strokes, and both ways from the start."""
    made = style.figure(dark=dark, x="p", y="q", height=520)
    depth = np.log10(np.maximum(loss, SHALLOWEST))
    made.add_heatmap(
        x=axis,
        y=axis,
        z=depth.astype(np.float32),
        zmin=-4.0,
        zmax=float(depth.max()),
        colorscale=plotly_scale("magnitude", dark),
        colorbar={
            "title": {"text": "log₁₀ loss", "side": "top"},
            "orientation": "h",
            "y": -0.17,
            "yanchor": "top",
            "thickness": 12,
            "outlinewidth": 0,
            "tickfont": {"color": style.ink(dark)},
        },
        hovertemplate="p = %{x:.2f}, q = %{y:.2f}<br>log₁₀ loss %{z:.2f}<extra></extra>",
    )
    made.add_scatter(
        x=list(REACH),
        y=list(REACH),
        name="p = q",
        showlegend=False,
        mode="lines",
        line={"color": "#ffffff", "width": 2, "dash": "dash"},
        hoverinfo="skip",
    )
    x, y = _strokes(field)
    made.add_scatter(
        x=x,
        y=y,
        mode="lines",
        line={"color": "rgba(255,255,255,0.75)", "width": 1.5},
        showlegend=False,
        hoverinfo="skip",
    )
    for index, method in enumerate(METHODS):
        own = paths[paths["method"] == method]
        style.measured(made, own["p"], own["q"], NAMES[method], dark=True, index=index)
        made.data[-1].marker.size = 5
        made.data[-1].line.width = 3
    first = paths.iloc[0]
    for p, q, name, symbol in (
        (first["p"], first["q"], "Start", "circle-open"),
        (*TEACHER, "Teacher", "star"),
        (*TEACHER[::-1], "", "star"),
    ):
        made.add_scatter(
            x=[p], y=[q], name=name or "Teacher, units swapped", mode="markers", showlegend=False,
            marker={"symbol": symbol, "size": 14, "color": "#ffffff", "line": {"width": 2, "color": "#000000"}},
        )  # fmt: skip
    made.update_xaxes(range=list(REACH), showgrid=False, constrain="domain")
    made.update_yaxes(range=list(REACH), showgrid=False, scaleanchor="x", constrain="domain")
    return made


def _strokes(field: pd.DataFrame) -> tuple[list[float | None], list[float | None]]:
    """Short lines from every point along the direction, with gaps between them."""
    x: list[float | None] = []
    y: list[float | None] = []
    for p, q, along_p, along_q in field[["p", "q", "along_p", "along_q"]].to_numpy(dtype=float).tolist():
        x += [p, p + STROKE * along_p, None]
        y += [q, q + STROKE * along_q, None]
    return x, y


def losses(paths: pd.DataFrame, goal: float, dark: bool) -> go.Figure:
    """Loss against steps of both methods."""
    made = style.figure(dark=dark, x="Step", y="Loss", log_y=True, height=340)
    for index, method in enumerate(METHODS):
        own = paths[(paths["method"] == method) & (paths["loss"] > 0)]
        style.measured(
            made,
            own["step"],
            own["loss"].clip(lower=SHALLOWEST**2),
            NAMES[method],
            dark=dark,
            index=index,
            markers=False,
        )
    style.theory(made, paths["step"].iloc[[0, -1]], [goal, goal], "Has left the plateau", dark=dark, dash="dot")
    ticks, texts = style.log_ticks(SHALLOWEST**2, 1.0)
    made.update_yaxes(range=[-8, 0], tickmode="array", tickvals=ticks[::2], ticktext=texts[::2])
    return made


def leaving(table: pd.DataFrame, slope: float, dark: bool) -> go.Figure:
    """Steps to leave against the distance at the start, and the predicted slope of gradient descent through its middle."""
    made = style.figure(dark=dark, x="Distance to the line at the start", y="Steps to leave", log_x=True, height=340)
    for index, method in enumerate(METHODS):
        own = table[table["method"] == method].groupby("gap")["steps_to_leave"]
        gaps = np.array(list(own.groups))
        mean, low, high = own.mean().to_numpy(), own.min().to_numpy(), own.max().to_numpy()
        there = np.isfinite(mean)
        if there.any():
            style.band(made, gaps[there], low[there], high[there], "", dark=dark, index=index, showlegend=False)
        style.measured(made, gaps, mean, NAMES[method], dark=dark, index=index)
        if method == "gradient" and np.isfinite(slope) and there.any():
            middle = np.exp(np.log(gaps[there]).mean())
            at = float(np.interp(np.log(middle), np.log(gaps[there]), mean[there]))
            style.theory(made, gaps, at - slope * np.log(gaps / middle), "Predicted slope", dark=dark)
    made.update_yaxes(rangemode="tozero")
    ticks, texts = style.log_ticks(1e-6, 1.0)
    made.update_xaxes(tickmode="array", tickvals=ticks, ticktext=texts)
    return made
