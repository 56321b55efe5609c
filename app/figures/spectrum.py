"""Figures of the page Spectrum, first part: density and ranks of the eigenvalues, those that stand out, and residuals.

Both ends are readable because both pictures are logarithmic; predictions are lines at the values they predict.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import words
from figures import style

# Quantity: label of its line, dash, and the power that brings it to the scale of eigenvalues.
LINES = {
    "outlier": ("largest", "dash", 1.0),
    "bulk": ("bulk", "dot", 1.0),
    "second_moment": ("√ second moment", "longdash", 0.5),
    "mean": ("mean", "dashdot", 1.0),
}
# A predicted line further from the eigenvalues than this factor would squeeze them into a corner of the density.
NEAR = 3.0
# Axes that span less than this factor have ticks at 2 and 5 as well.
CLOSE = 400.0
CENTRED = "Outputs centred"


def density(result_tables: Mapping[str, pd.DataFrame], seeds: int, dark: bool) -> go.Figure:
    """Eigenvalues per network in bins of log lambda, on a logarithmic scale, so that a single outlier is as visible as the bulk."""
    table = result_tables["density"]
    made = style.figure(
        dark=dark, x="Eigenvalue λ", y="Eigenvalues per network and bin", log_x=True, log_y=True, height=380
    )
    if not len(table):
        return made
    floor = 0.5 / max(seeds, 1)
    _steps(made, table, "count", "Measured", floor, dark, 0)
    if "centred_count" in table.columns:
        _steps(made, table, "centred_count", CENTRED, floor, dark, 1)
    counts = table[[name for name in ("count", "centred_count") if name in table.columns]].to_numpy(dtype=float)
    top = max(float(counts.max()), 1.0) * 2.2
    low, high = float(table["low"].min()), float(table["high"].max())
    lines = {
        name: value
        for name, value in predicted(result_tables["statistics"]).items()
        if low / NEAR < value < high * NEAR
    }
    low, high = min([low, *lines.values()]), max([high, *lines.values()])
    middle = (low * high) ** 0.5
    for number, (name, value) in enumerate(lines.items()):
        label, dash, _ = LINES[name]
        style.theory(made, [value, value], [floor, top], "Predicted", dark=dark, dash=dash, showlegend=number == 0)
        # beside the line, towards the middle of the picture
        _label(made, value, top / 1.05, f" {label} ", "bottom right" if value < middle else "bottom left", dark)
    log_range(made.update_xaxes, low / 1.15, high * 1.15)
    log_range(made.update_yaxes, floor, top)
    return made


def predicted(statistics: pd.DataFrame) -> dict[str, float]:
    """What is predicted, on the scale of eigenvalues."""
    known = statistics[statistics["quantity"].isin(list(LINES)) & statistics["predicted"].notna()]
    values = dict(zip(known["quantity"], known["predicted"], strict=True))
    return {name: values[name] ** LINES[name][2] for name in LINES if values.get(name, 0) > 0}


def _steps(made: go.Figure, table: pd.DataFrame, column: str, name: str, floor: float, dark: bool, index: int) -> None:
    """A histogram as one filled outline; empty bins lie on the floor."""
    x = np.column_stack([table["low"], table["high"]]).reshape(-1)
    y = np.repeat(np.maximum(table[column].to_numpy(dtype=float), floor), 2)
    x, y = np.concatenate([x[:1], x, x[-1:]]), np.concatenate([[floor], y, [floor]])
    if index == 0:  # two fills on top of each other would mix their colours
        style.band(made, x, y, np.full(len(y), floor), name, dark=dark, index=index, showlegend=False)
    colour = style.series(index, dark)
    made.add_scatter(
        x=x.astype(np.float32),
        y=y.astype(np.float32),
        name=name,
        mode="lines",
        line={"color": colour, "width": 2.5 if index == 0 else 2},
        hovertemplate="λ ≈ %{x:.3g}: %{y:.3g} per network<extra></extra>",
    )


def ranks(result_tables: Mapping[str, pd.DataFrame], outliers: int, dark: bool) -> go.Figure:
    """Non-zero eigenvalues by rank, with the band over networks, and predictions as levels."""
    table = result_tables["eigenvalues"]
    made = style.figure(dark=dark, x="Rank", y="Eigenvalue λ", log_x=True, log_y=True, height=380)
    if not len(table):
        return made
    for index, (column, name) in enumerate((("eigenvalue", "Measured"), ("centred", CENTRED))):
        if column not in table.columns:
            continue
        rows = table[table[f"{column}_low"] > 0]
        if not len(rows):
            continue
        style.band(
            made,
            rows["rank"],
            rows[f"{column}_low"],
            rows[f"{column}_high"],
            f"{name}, networks",
            dark=dark,
            index=index,
            showlegend=False,
        )
        style.measured(made, rows["rank"], rows[column], name, dark=dark, index=index)
        made.data[-1].marker.size = 6 if len(rows) <= 120 else 4
    last = float(table["rank"].max())
    own = table[table["eigenvalue_low"] > 0]
    values = [float(own["eigenvalue_low"].min()), float(own["eigenvalue_high"].max())] if len(own) else []
    if "centred_low" in table.columns:
        there = table.loc[table["centred_low"] > 0, "centred_low"]
        values += [float(there.min())] if len(there) else []
    named = False
    for name, value in predicted(result_tables["statistics"]).items():
        label, dash, _ = LINES[name]
        # the outliers are the first ranks, the bulk is all that follows, and the two averages are over everything
        begin, end = {"outlier": (0.8, outliers + 0.6), "bulk": (outliers + 0.6, last * 1.2)}.get(
            name, (0.8, last * 1.2)
        )
        style.theory(made, [begin, end], [value, value], "Predicted", dark=dark, dash=dash, showlegend=not named)
        named = True
        side = "middle right" if name == "outlier" and 4 * end < last else "top left"
        _label(made, end, value, f" {label}", side, dark)
        values.append(value)
    log_range(made.update_xaxes, 0.8, max(last, 2.0) * 1.2)
    if values:
        log_range(made.update_yaxes, min(values) / 1.5, max(values) * 1.5)
    return made


def _label(made: go.Figure, x: float, y: float, text: str, where: str, dark: bool) -> None:
    """Words beside a line."""
    made.add_scatter(
        x=[x],
        y=[y],
        mode="text",
        text=[text],
        textposition=where,
        textfont={"color": style.ink(dark), "size": 13},
        showlegend=False,
        hoverinfo="skip",
    )


def log_range(update: Callable[..., object], low: float, high: float) -> None:
    """Range and ticks of a logarithmic axis: as many ticks as fit, 2 and 5 between the powers of ten where these are few."""
    ticks, texts = style.log_ticks(low, high)
    if high < CLOSE * low:
        powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
        every = [(step * 10.0**power) for power in powers for step in (1, 2, 5)]
        ticks = [tick for tick in every if low * 0.999 <= tick <= high * 1.001]
        texts = [words.number(tick, 1) for tick in ticks]
    skip = -(-len(ticks) // 8)
    update(
        range=[float(np.log10(low)), float(np.log10(high))],
        tickmode="array",
        tickvals=ticks[::skip],
        ticktext=texts[::skip],
    )


def outliers(table: pd.DataFrame, dark: bool) -> go.Figure:
    """The eigenvalues that are expected to stand out, and the next one: measured with its range, and predicted."""
    made = style.figure(dark=dark, x="Place", y="Eigenvalue λ", height=320)
    places = table["place"].to_numpy(dtype=float)
    ranges(made, places, table["low"], table["high"], dark)
    style.measured(made, places, table["measured"], "Measured", dark=dark)
    made.data[-1].mode = "markers"
    known = table["predicted"].notna()
    segments(made, places[known], table.loc[known, "predicted"], "Predicted", dark)
    made.update_xaxes(tickmode="array", tickvals=places.tolist(), ticktext=[f"{int(place)}" for place in places])
    made.update_yaxes(rangemode="tozero")
    return made


def ranges(made: go.Figure, x: Sequence[float] | np.ndarray, low: pd.Series, high: pd.Series, dark: bool) -> None:
    """A line from the smallest to the largest network at every place."""
    places = np.asarray(x, dtype=float)
    gap = np.full(len(places), np.nan)
    made.add_scatter(
        x=np.column_stack([places, places, gap]).reshape(-1).astype(np.float32),
        y=np.column_stack([low, high, gap]).reshape(-1).astype(np.float32),
        mode="lines",
        line={"color": style.series(0, dark), "width": 2.5},
        showlegend=False,
        hoverinfo="skip",
    )


def segments(made: go.Figure, x: np.ndarray, y: pd.Series, name: str, dark: bool, half: float = 0.32) -> None:
    """A short dashed level at every place: what is predicted there."""
    if not len(x):
        return
    gap = np.full(len(x), np.nan)
    across = np.column_stack([x - half, x + half, gap]).reshape(-1)
    up = np.column_stack([y, y, gap]).reshape(-1)
    style.theory(made, across, up, name, dark=dark, hovertemplate="predicted %{y:.4g}<extra></extra>")


def residuals(table: pd.DataFrame, names: Sequence[str], dark: bool) -> go.Figure:
    """Measured / predicted - 1 per row of a table, with its range over networks; rows without a prediction are left empty."""
    made = style.figure(dark=dark, x="", y="Measured / predicted − 1", height=340)
    places = np.arange(len(table), dtype=float)
    theory = table["predicted"].to_numpy(dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = (table[name].to_numpy(dtype=float) / theory - 1 for name in ("low", "high"))
    ranges(made, places, pd.Series(low), pd.Series(high), dark)
    style.measured(made, places, table["residual"], "Mean over networks", dark=dark)
    made.data[-1].mode = "markers"
    style.theory(made, [-0.5, len(table) - 0.5], [0.0, 0.0], "Predicted", dark=dark)
    made.update_xaxes(
        tickmode="array", tickvals=places.tolist(), ticktext=list(names), range=[-0.5, len(table) - 0.5], title=None
    )
    most = np.nanmax(np.abs([*low, *high, 0.1]))
    made.update_yaxes(tickformat=".0%", range=[-1.15 * most, 1.15 * most])
    return made
