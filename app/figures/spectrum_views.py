"""Figures of the page Spectrum, second part: blocks, against width and N, and whitened."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from figures import style
from figures.spectrum import log_range, ranges, segments

LABELS = {
    "full": "Full matrix",
    "layer_blocks": "Layer blocks",
    "unit_blocks": "Unit blocks",
    "hidden_units": "Hidden unit blocks",
    "diagonal": "Diagonal",
}

AXES = {
    "outlier": "Largest eigenvalue",
    "bulk": "Mean of the bulk",
    "mean": "Mean eigenvalue, trace F / P",
    "second_moment": "Second moment, trace F² / P",
}


def staircase(table: pd.DataFrame, dark: bool) -> go.Figure:
    """Layers' largest eigenvalues as steps, each standing on the ones before: where the last ends, the full matrix should be."""
    made = style.figure(dark=dark, x="Layer", y="Largest eigenvalue", height=380)
    layers = table[~table["layer"].isin(["sum", "full"])]
    whole = table[table["layer"] == "full"].iloc[0]
    sizes = layers["measured"].to_numpy(dtype=float)
    tops = np.concatenate([[0.0], np.cumsum(sizes)])
    bases = np.concatenate([tops[:-1], [0.0]])
    ends = np.concatenate([tops[1:], [float(whole["measured"])]])
    places = np.arange(1, len(ends) + 1, dtype=float)
    colour = style.series(0, dark)
    for number, (place, base, end) in enumerate(zip(places, bases, ends, strict=True)):
        sides = [place - 0.38, place + 0.38]
        style.band(made, sides, [base, base], [end, end], "Measured", dark=dark, showlegend=False)
        made.add_scatter(
            x=[sides[0], sides[1], sides[1], sides[0], sides[0]],
            y=[base, base, end, end, base],
            mode="lines",
            line={"color": colour, "width": 2},
            name="Measured",
            showlegend=number == 0,
            hoverinfo="skip",
        )
    low = bases[:-1] + layers["low"].to_numpy(dtype=float)
    high = bases[:-1] + layers["high"].to_numpy(dtype=float)
    ranges(
        made,
        places,
        pd.Series([*low, float(whole["low"])]),
        pd.Series([*high, float(whole["high"])]),
        dark,
    )
    made.add_scatter(
        x=places.astype(np.float32),
        y=ends.astype(np.float32),
        mode="markers",
        marker={"color": colour, "size": 7},
        showlegend=False,
        text=[f"{value:.4g}" for value in [*sizes, float(whole["measured"])]],
        hovertemplate="%{text}<extra></extra>",
    )
    theory = np.array([*(bases[:-1] + layers["predicted"].to_numpy(dtype=float)), float(whole["predicted"])])
    known = np.isfinite(theory)
    segments(made, places[known], pd.Series(theory[known]), "Predicted", dark, half=0.44)
    if len(sizes):
        made.add_scatter(
            x=[places[-2] - 0.38, places[-1] + 0.44],
            y=[tops[-1], tops[-1]],
            mode="lines",
            name="Sum over the layers",
            line={"color": style.series(1, dark), "width": 2, "dash": "dot"},
            hoverinfo="skip",
        )
    made.update_xaxes(
        tickmode="array",
        tickvals=places.tolist(),
        ticktext=[*layers["layer"], "Full"],
        range=[0.45, len(places) + 0.55],
    )
    made.update_yaxes(rangemode="tozero")
    return made


def structures(table: pd.DataFrame, dark: bool) -> go.Figure:
    """Largest eigenvalue of every block-diagonal approximation beside that of the full matrix, on a logarithmic axis."""
    made = style.figure(dark=dark, x="Largest eigenvalue", y="", log_x=True, height=380)
    heights = np.arange(len(table), dtype=float)[::-1]
    colour = style.series(0, dark)
    gap = np.full(len(table), np.nan)
    there = (table["low"] > 0).to_numpy()
    low, high = (np.where(there, table[name].to_numpy(dtype=float), np.nan) for name in ("low", "high"))
    made.add_scatter(
        x=np.column_stack([low, high, gap]).reshape(-1).astype(np.float32),
        y=np.column_stack([heights, heights, gap]).reshape(-1).astype(np.float32),
        mode="lines",
        line={"color": colour, "width": 2.5},
        showlegend=False,
        hoverinfo="skip",
    )
    made.add_scatter(
        x=np.where(there, table["measured"], np.nan).astype(np.float32),
        y=heights.astype(np.float32),
        name="Measured",
        mode="markers",
        marker={"color": colour, "size": 10},
        text=[f"{100 * share:.3g} % of the full one" for share in table["share"]],
        hovertemplate="%{x:.4g}, %{text}<extra></extra>",
    )
    known = table["predicted"].notna().to_numpy()
    if known.any():
        x = np.repeat(table.loc[known, "predicted"].to_numpy(dtype=float), 3)
        x[2::3] = np.nan
        up = np.column_stack([heights[known] - 0.35, heights[known] + 0.35, np.full(known.sum(), np.nan)]).reshape(-1)
        style.theory(made, x, up, "Predicted", dark=dark, dash="dot", hovertemplate="predicted %{x:.4g}<extra></extra>")
    made.update_yaxes(
        tickmode="array",
        tickvals=heights.tolist(),
        ticktext=[LABELS[name] for name in table["structure"]],
        range=[-0.6, len(table) - 0.4],
        ticks="",
        title=None,
    )
    values = np.concatenate([low[there], high[there], table.loc[known, "predicted"]])
    if len(values):
        log_range(made.update_xaxes, float(values.min()) / 1.6, float(values.max()) * 1.6)
    return made


def sweep(table: pd.DataFrame, lines: pd.DataFrame, quantity: str, dark: bool, residual: bool) -> go.Figure:
    """One quantity against width or N: points with their band over networks, and the prediction where there is one."""
    field = table.columns[0]
    rows = table[(table["quantity"] == quantity) & (table["measured"] > 0)]
    title = "Measured / predicted − 1" if residual else AXES[quantity]
    x = "Width n" if field == "width" else "Inputs N"
    made = style.figure(dark=dark, x=x, y=title, log_x=True, log_y=not residual, height=320)
    columns = rows[["measured", "low", "high"]].to_numpy(dtype=float)
    places = rows[field].to_numpy()
    if residual:
        columns = columns / rows[["predicted"]].to_numpy(dtype=float) - 1
    there = np.isfinite(columns).all(axis=1) & (residual | (columns > 0).all(axis=1))
    if there.any():
        style.band(made, places[there], columns[there, 1], columns[there, 2], "Networks", dark=dark, showlegend=False)
    style.measured(made, places, columns[:, 0], "Measured", dark=dark)
    line = lines[(lines["quantity"] == quantity) & lines["predicted"].notna()]
    style.theory(
        made,
        line[field],
        np.zeros(len(line)) if residual else line["predicted"],
        "Predicted" if len(line) else "No prediction in this range",
        dark=dark,
    )
    style.doubling_axis(made, places.tolist())
    if residual:
        most = np.nanmax(np.abs([*columns[np.isfinite(columns)], 0.05]))
        made.update_yaxes(tickformat=".0%", range=[-1.15 * most, 1.15 * most])
    else:
        values = np.concatenate([columns[there].reshape(-1), line["predicted"]])
        if len(values):
            log_range(made.update_yaxes, float(values.min()) / 1.25, float(values.max()) * 1.25)
    made.update_layout(margin={"l": 40, "r": 8})
    return made


def whitened(bins: pd.DataFrame, limit: int, dark: bool) -> go.Figure:
    """Density of the whitened spectrum on [0, L], with a line at L."""
    made = style.figure(dark=dark, x="Whitened eigenvalue", y="Eigenvalues per network and bin", height=360)
    x = np.column_stack([bins["low"], bins["high"]]).reshape(-1)
    y = np.repeat(bins["count"].to_numpy(dtype=float), 2)
    x, y = np.concatenate([x[:1], x, x[-1:]]), np.concatenate([[0.0], y, [0.0]])
    style.band(made, x, y, np.zeros(len(y)), "Measured", dark=dark, showlegend=False)
    made.add_scatter(
        x=x.astype(np.float32),
        y=y.astype(np.float32),
        name="Measured",
        mode="lines",
        line={"color": style.series(0, dark), "width": 2.5},
        hovertemplate="%{x:.3g}: %{y:.3g} per network<extra></extra>",
    )
    top = 1.1 * float(bins["count"].max() or 1.0)
    style.theory(made, [limit, limit], [0.0, top], f"L = {limit}", dark=dark)
    made.update_xaxes(range=[-0.02 * limit, 1.06 * limit])
    made.update_yaxes(range=[0.0, top])
    return made


def dampings(table: pd.DataFrame, damping: float, dark: bool) -> go.Figure:
    """Largest, median and smallest whitened eigenvalue against the damping, the line at L, and the damping above."""
    made = style.figure(dark=dark, x="Damping λ / λ_max", y="Whitened eigenvalue", log_x=True, height=360)
    for index, name in enumerate(("largest", "median", "smallest")):
        style.band(
            made,
            table["damping"],
            table[f"{name}_low"],
            table[f"{name}_high"],
            name,
            dark=dark,
            index=index,
            showlegend=False,
        )
        style.measured(made, table["damping"], table[name], name.capitalize(), dark=dark, index=index)
    limit = float(table["limit"].iloc[0])
    ends = [float(table["damping"].min()), float(table["damping"].max())]
    style.theory(made, ends, [limit, limit], f"L = {limit:g}", dark=dark)
    made.add_scatter(
        x=[damping, damping],
        y=[0.0, limit],
        name="Damping above",
        mode="lines",
        line={"color": style.ink(dark), "width": 1},
        opacity=0.6,
        hoverinfo="skip",
    )
    log_range(made.update_xaxes, ends[0] / 1.5, ends[1] * 1.5)
    made.update_yaxes(range=[0.0, 1.08 * limit])
    return made
