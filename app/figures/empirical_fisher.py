"""Figures of the page Empirical: eigenvalues of seven data sets, directions in the plane, and steps of one weight."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from figures import style
from plotly.subplots import make_subplots

from fimcore.experiments.empirical_fisher import DATA_SETS, FLOWS, REACH, STARTS

NAMES = {"gradient": "Gradient descent", "natural": "Natural gradient", "empirical": "With the empirical Fisher"}
# Colours of the other pages about estimators: 2 the exact Fisher, 3 the empirical one.
PLACES = {"gradient": 5, "natural": 2, "empirical": 3}
STROKE = 0.3


def eigenvalues(table: pd.DataFrame, dark: bool) -> go.Figure:
    """A row a data set: both eigenvalues over seeds, their limits as strokes, and 1 as a line."""
    made = style.figure(dark=dark, x="Eigenvalues of F⁻¹F̃", y="", log_x=True, height=480)
    rows = {data.name: len(DATA_SETS) - 1 - place for place, data in enumerate(DATA_SETS)}
    height = table["data"].map(rows).to_numpy(dtype=float)
    for index, (column, name) in enumerate((("small", "Smaller eigenvalue"), ("large", "Larger eigenvalue"))):
        shift = 0.13 - 0.26 * index
        colour = style.series(index, dark)
        made.add_scatter(
            x=table[column], y=height + shift, name=name, mode="markers",
            marker={"color": colour, "size": 9, "opacity": 0.55, "symbol": style.MARKERS[index]},
            text=table["seed"], hovertemplate="%{x:.3f} (seed %{text})<extra></extra>",
        )  # fmt: skip
        limits = table.groupby("data", sort=False)[f"predicted_{column}"].first()
        x: list[float | None] = []
        y: list[float | None] = []
        for data, value in limits.items():
            x += [value, value, None]
            y += [rows[str(data)] + shift - 0.17, rows[str(data)] + shift + 0.17, None]
        made.add_scatter(
            x=x, y=y, mode="lines", name="Limit of many samples", showlegend=index == 0,
            line={"color": style.theory_colour(dark), "width": 3}, hovertemplate="%{x:.4f}<extra></extra>",
        )  # fmt: skip
    made.add_vline(x=1, line={"color": style.ink(dark), "width": 1.5, "dash": "dot"})
    words = [f"{data.words}<br>({'right' if data.right else 'wrong'})" for data in DATA_SETS]
    made.update_yaxes(tickmode="array", tickvals=list(rows.values()), ticktext=words)
    made.update_yaxes(range=[-0.6, len(DATA_SETS) - 0.4], showgrid=False)
    values = table[["small", "large"]].to_numpy(dtype=float)
    low, high = (0.8 * np.nanmin(values), 1.25 * np.nanmax(values)) if np.isfinite(values).any() else (0.3, 6.0)
    ticks, texts = style.log_ticks(low, high)
    made.update_xaxes(tickmode="array", tickvals=ticks, ticktext=texts, range=[np.log10(low), np.log10(high)])
    return made


def plane(flow: str, tables: dict[str, pd.DataFrame], dark: bool) -> go.Figure:
    """Directions at equal length, and the ways from four starts to the optimum."""
    made = style.figure(dark=dark, x="Bias θ₁", y="Slope θ₂", height=360)
    _draw(made, flow, tables, dark)
    made.update_xaxes(range=list(REACH), showgrid=False)
    made.update_yaxes(range=list(REACH), showgrid=False)
    made.update_layout(showlegend=False)
    return made


def planes(tables: dict[str, pd.DataFrame], dark: bool) -> go.Figure:
    """The three of them side by side, as a file."""
    made = make_subplots(
        1, 3, shared_yaxes=True, subplot_titles=[NAMES[flow] for flow in FLOWS], horizontal_spacing=0.03
    )
    made.update_layout(style.figure(dark=dark, x="", y="", height=420).layout)
    for place, flow in enumerate(FLOWS):
        _draw(made, flow, tables, dark, row=1, col=place + 1)
    made.update_xaxes(range=list(REACH), showgrid=False, title_text="Bias θ₁")
    made.update_yaxes(range=list(REACH), showgrid=False, title_text="")
    made.update_yaxes(title_text="Slope θ₂", col=1)
    made.update_layout(showlegend=False, margin={"t": 40})
    return made


def _draw(made: go.Figure, flow: str, tables: dict[str, pd.DataFrame], dark: bool, **place: int) -> None:
    field, flows, best = (tables[name] for name in ("field", "flows", "optimum"))
    own, colour = field[field["flow"] == flow], style.series(PLACES[flow], dark)
    x: list[float | None] = []
    y: list[float | None] = []
    for one, two, along, up in own[["theta_1", "theta_2", "along_1", "along_2"]].to_numpy(dtype=float).tolist():
        # a stroke with a barb on either side of its tip
        tip, other = one + STROKE * along, two + STROKE * up
        for side in (0.45, -0.45):
            x += [one, tip, tip - 0.1 * (along - side * up), None]
            y += [two, other, other - 0.1 * (up + side * along), None]
    quiet = "#6f7f8c" if dark else "#9aa7b2"
    made.add_scatter(x=x, y=y, mode="lines", line={"color": quiet, "width": 1}, hoverinfo="skip", **place)
    for number in range(len(STARTS)):
        way = flows[(flows["flow"] == flow) & (flows["start"] == number)]
        made.add_scatter(
            x=way["theta_1"], y=way["theta_2"], text=way["time"].round(2), mode="lines",
            line={"color": colour, "width": 3},
            hovertemplate="time %{text}: θ₁ = %{x:.2f}, θ₂ = %{y:.2f}<extra></extra>", **place,
        )  # fmt: skip
    for at, symbol in ((STARTS, "circle"), (best.to_numpy(dtype=float), "star")):
        made.add_scatter(
            x=at[:, 0], y=at[:, 1], mode="markers", hoverinfo="skip",
            marker={"symbol": symbol, "size": 10 if symbol == "circle" else 15, "color": style.ink(dark)}, **place,
        )  # fmt: skip


def lengths(field: pd.DataFrame, dark: bool) -> go.Figure:
    """Length of each direction against the distance to the optimum."""
    made = style.figure(dark=dark, x="Distance to the optimum", y="Length of the step", height=360)
    for flow in FLOWS:
        own, index = field[field["flow"] == flow], PLACES[flow]
        made.add_scattergl(
            x=own["distance"], y=own["length"], name=NAMES[flow], mode="markers",
            marker={"color": style.series(index, dark), "size": 6, "symbol": style.MARKERS[index], "opacity": 0.8},
            hovertemplate="distance %{x:.2f}: length %{y:.2f}<extra></extra>",
        )  # fmt: skip
    made.update_xaxes(rangemode="tozero")
    made.update_yaxes(rangemode="tozero")
    return made


def diagram(orbits: pd.DataFrame, ratio: float, dark: bool) -> go.Figure:
    """Where steps end for every eta / s^2, the derived branches, and what they are in words."""
    made = style.figure(
        dark=dark, x="Step size over residual variance, η / s²", y="Residual r / s at the end", height=440
    )
    made.add_scattergl(
        x=orbits["ratio"].astype(np.float32), y=orbits["residual"].astype(np.float32), name="Where the steps end", mode="markers",
        marker={"color": style.series(PLACES["empirical"], dark), "size": 2}, hoverinfo="skip",
    )  # fmt: skip
    cycle = np.linspace(2, 4, 50)
    style.theory(made, [0.0, 2.0], [0.0, 0.0], "Derived", dark=dark)
    for sign in (1, -1):
        style.theory(made, cycle, sign * np.sqrt(cycle / 2 - 1), "Derived", dark=dark, showlegend=False)
    top = 1.25 * float(orbits["residual"].abs().max())
    for edge in (2, 4, 5):
        made.add_vline(x=edge, line={"color": style.quiet(dark), "width": 1})
    for x, text in (
        (1, "optimum"),
        (3, "two-cycle"),
        (4.5, "unequal<br>two-cycle"),
        (7, "longer cycles,<br>wandering"),
    ):
        made.add_annotation(x=x, y=top, text=text, showarrow=False, yanchor="top", font={"color": style.ink(dark)})
    if ratio <= float(orbits["ratio"].max()):
        made.add_vline(x=ratio, line={"color": style.ink(dark), "width": 1.5, "dash": "dot"})
    made.update_yaxes(range=[-top, top])
    made.update_xaxes(range=[0, float(orbits["ratio"].max())])
    return made


def steps(table: pd.DataFrame, dark: bool) -> go.Figure:
    """Distance from the optimum a step, of the first seed's start: with the empirical and with the exact Fisher."""
    made = style.figure(dark=dark, x="Step", y="Distance from the optimum |r|", log_y=True, height=440)
    own = table[table["seed"] == table["seed"].iloc[0]]
    for column, name, index in (("empirical", "Empirical Fisher", 3), ("exact", "Exact Fisher", 2)):
        values = own[column].abs()
        there = own[values > 0]
        style.measured(made, there["step"], values[values > 0].clip(upper=1e12), name, dark=dark, index=index)
        made.data[-1].marker.size = 5
    made.update_yaxes(range=[-6.3, 1.3])
    ticks, texts = style.log_ticks(1e-6, 10)
    made.update_yaxes(tickmode="array", tickvals=ticks[::2], ticktext=texts[::2])
    return made
