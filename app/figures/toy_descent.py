"""Figures of the page Toy descent: four ways through the plane, blow-ups against damping, test loss, and variances."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from figures import style
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from fimcore.experiments.toy_descent import ESTIMATORS, RANGES, STARTS, TRUTHS

NAMES = {"score": "Squared score", "hessian": "Minus Hessian", "exact": "Exact Fisher", "empirical": "Empirical Fisher"}
# Points of different estimators at the same damping stand side by side.
APART = 1.07
CONTOURS = 14


def _faint(colour: str, alpha: float) -> str:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def planes(
    model: str, arrays: dict[str, NDArray[np.float64]], paths: pd.DataFrame, shares: pd.DataFrame, dark: bool
) -> go.Figure:
    """A panel an estimator: contours of the loss, every seed's way faintly, the first seed's boldly."""
    counts = dict(zip(shares["estimator"], shares["blown_up"].tolist(), strict=True))
    titles = [f"<b>{NAMES[name]}</b><br>{counts[name]} blow up" for name in ESTIMATORS]
    blank = style.figure(dark=dark, x="", y="", height=640)
    made = make_subplots(
        2,
        2,
        shared_xaxes=True,
        shared_yaxes=True,
        subplot_titles=titles,
        horizontal_spacing=0.04,
        vertical_spacing=0.11,
    )
    made.update_layout(blank.layout)
    depth = np.log10(arrays["loss"] - arrays["loss"].min() + 0.02)
    (left, right), (low, high) = RANGES[model]
    first = int(paths["seed"].iloc[0])
    for index, name in enumerate(ESTIMATORS):
        place = {"row": index // 2 + 1, "col": index % 2 + 1}
        colour = style.series(index, dark)
        made.add_contour(
            x=arrays["theta_1"],
            y=arrays["theta_2"],
            z=depth.astype(np.float32),
            ncontours=CONTOURS,
            contours={"coloring": "none"},
            line={"color": "#5b6b78" if dark else "#aab6c0", "width": 1},
            showscale=False,
            hoverinfo="skip",
            **place,
        )
        own = paths[paths["estimator"] == name]
        x, y = _broken(own[own["seed"] != first])
        made.add_scatter(
            x=x, y=y, mode="lines", line={"color": _faint(colour, 0.25), "width": 1}, hoverinfo="skip", **place
        )
        one = own[own["seed"] == first]
        made.add_scatter(
            x=one["theta_1"], y=one["theta_2"], text=one["step"], name=NAMES[name], mode="lines+markers",
            line={"color": colour, "width": 2.5}, marker={"color": colour, "size": 5},
            hovertemplate="step %{text}: θ₁ = %{x:.2f}, θ₂ = %{y:.2f}<extra></extra>", **place,
        )  # fmt: skip
        for at, symbol in ((STARTS[model], "circle-open"), (TRUTHS[model], "star")):
            made.add_scatter(
                x=[at[0]], y=[at[1]], mode="markers", hoverinfo="skip",
                marker={"symbol": symbol, "size": 13, "color": style.ink(dark), "line": {"width": 2, "color": style.ink(dark)}},
                **place,
            )  # fmt: skip
    axis = blank.layout.xaxis.to_plotly_json()
    axis.pop("title")
    made.update_layout(showlegend=False, margin={"l": 56, "r": 8, "t": 48, "b": 48})
    made.update_xaxes({**axis, "range": [left, right], "showgrid": False})
    made.update_yaxes({**axis, "range": [low, high], "showgrid": False})
    made.update_xaxes(title_text="First weight θ₁", row=2)
    made.update_yaxes(title_text="Second weight θ₂", col=1)
    made.update_annotations(font={"size": 14, "color": style.ink(dark)})
    return made


def _broken(paths: pd.DataFrame) -> tuple[list[float], list[float]]:
    """All ways in one line, with a gap after every seed."""
    x: list[float] = []
    y: list[float] = []
    for _, one in paths.groupby("seed"):
        x += [*one["theta_1"], np.nan]
        y += [*one["theta_2"], np.nan]
    return x, y


def damping(swept: pd.DataFrame, chosen: float, dark: bool) -> go.Figure:
    """Share of runs that blow up against damping, with 95 % intervals, and a line at the damping of the other pictures."""
    made = style.figure(dark=dark, x="Damping λ", y="Runs that blow up, %", log_x=True, height=310)
    for index, name in enumerate(ESTIMATORS):
        own = swept[swept["estimator"] == name]
        share = 100 * own["share"].to_numpy()
        style.measured(
            made, own["damping"] * APART ** (index - 1.5), share, NAMES[name], dark=dark, index=index,
            error_y={
                "array": 100 * own["high"].to_numpy() - share, "arrayminus": share - 100 * own["low"].to_numpy(),
                "thickness": 1.5, "width": 3,
            },
        )  # fmt: skip
    ticks, texts = style.log_ticks(swept["damping"].min(), swept["damping"].max())
    made.update_xaxes(tickmode="array", tickvals=ticks, ticktext=texts)
    made.update_yaxes(range=[-4, 104])
    if swept["damping"].min() <= chosen <= swept["damping"].max():
        made.add_vline(x=chosen, line={"color": style.ink(dark), "width": 1.5, "dash": "dot"})
    return made


def losses(table: pd.DataFrame, dark: bool) -> go.Figure:
    """Median test loss of every estimator against steps, with a band over seeds."""
    made = style.figure(dark=dark, x="Step", y="Test loss, nats", log_y=True, height=310)
    top = 30 * float(table["median"][table["step"] == 0].max())
    bottom = 0.8 * float(table["low"].min())
    _bands(made, table, top, dark)
    ticks, texts = style.log_ticks(bottom, top)
    made.update_yaxes(range=[np.log10(bottom), np.log10(top)], tickmode="array", tickvals=ticks, ticktext=texts)
    return made


def variances(table: pd.DataFrame, dark: bool) -> go.Figure:
    """Summed variance of both estimates at the same places, with bands over seeds."""
    made = style.figure(dark=dark, x="Step", y="Variance of the estimate", log_y=True, height=300)
    low, high = 0.7 * float(table["low"].min()), 1.4 * float(table["high"].max())
    _bands(made, table, high, dark)
    ticks, texts = style.log_ticks(low, high)
    made.update_yaxes(range=[np.log10(low), np.log10(high)], tickmode="array", tickvals=ticks, ticktext=texts)
    return made


def _bands(made: go.Figure, table: pd.DataFrame, top: float, dark: bool) -> None:
    """Lines of medians over bands; a band whose upper end is lost leaves the picture at the top."""
    for index, name in enumerate(ESTIMATORS):
        own = table[table["estimator"] == name]
        there = own[own["low"].notna()]
        if there.empty:
            continue
        upper = there["high"].fillna(10 * top).clip(upper=10 * top)
        lower = there["low"].clip(upper=10 * top)
        style.band(made, there["step"], lower, upper, "", dark=dark, index=index, showlegend=False)
        style.measured(
            made, own["step"], own["median"].clip(upper=10 * top), NAMES[name], dark=dark, index=index, markers=False
        )
        made.data[-1].line.dash = style.DASHES[index]
