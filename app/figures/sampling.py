"""Figures of the page Watch one: histograms beside exact laws, running means with their band, deviations against sharpness."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import words
from figures import style
from figures.spectrum import log_range

NAMES = {"score": "Squared score", "hessian": "Minus Hessian", "probe": "Probe"}
# Places in the order of colours, those of the other pages about estimators.
COLOURS = {"score": 1, "hessian": 2, "probe": 3}
# Sharpness at which the axis has a tick.
TICKS = (0.25, 0.5, 1, 2, 4, 8)


def histogram(
    table: pd.DataFrame, estimator: str, labels: str, mean: float, dark: bool, averaged: int = 1, log: bool = True
) -> go.Figure:
    """Shares of one panel's estimates as a filled outline, the law dashed, F and the mean of the estimates as lines.

    Panels of one estimator have the same axes; without the logarithm each has its own height.
    """
    beside = table[table["estimator"] == estimator]
    bins = beside[beside["labels"] == labels]
    what = "Estimate / F" if averaged == 1 else f"Average of {averaged} / F"
    made = style.figure(dark=dark, x=what, y="Share, log scale" if log else "Share", log_y=log, height=270)
    shares = bins["share"].to_numpy(float)
    exact = bins["exact"].to_numpy(float)
    seen = beside["share"].to_numpy(float)
    top = float((beside if log else bins)[["share", "exact"]].max().max())
    floor, height = (10 ** np.floor(np.log10(seen[seen > 0].min())), 2.2 * top) if log else (0.0, 1.12 * top)
    x, y = outline(bins, shares, floor)
    style.band(made, x, y, np.full(len(y), floor), "Drawn", dark=dark, index=COLOURS[estimator], showlegend=True)
    made.add_scatter(
        x=x.astype(np.float32),
        y=y.astype(np.float32),
        mode="lines",
        line={"color": style.series(COLOURS[estimator], dark), "width": 1.5},
        hovertemplate="%{x:.3g} F: share %{y:.2g}<extra></extra>",
        showlegend=False,
    )
    if np.isfinite(exact).all():
        name = "Exact law" if labels == "none" else "Exact law, model's labels"
        style.theory(made, *outline(bins, exact, floor), name, dark=dark)
        made.data[-1].line.width = 1.5
    low, high = float(bins["low"].min()), float(bins["high"].max())
    near = [1.0] if not low <= mean <= high or not mean_apart(mean, bins) else [1.0, mean]
    for value in near:
        truth, share = value == 1.0, (value - low) / (high - low)
        colour = style.ink(dark) if truth else style.series(COLOURS[estimator], dark)
        # beside the line, away from the other one where there is room
        right = share < 0.14 or (value >= max(near) and share < 0.8)
        text = "F" if truth else "mean"
        if right and value < max(near) and max(near) - value < 0.14 * (high - low):
            text = ""
        made.add_scatter(
            x=[value, value],
            y=[floor, height],
            mode="lines+text",
            text=["", f" {'F, mean' if near == [1.0] and low <= mean <= high else text} "],
            textposition="bottom right" if right else "bottom left",
            textfont={"color": style.ink(dark)},
            line={"color": colour, "width": 2.5, "dash": "dash" if truth else "solid"},
            hovertemplate=f"{'F' if truth else 'mean'}: {words.number(value)} F<extra></extra>",
            showlegend=False,
        )
    made.update_xaxes(range=[low, high])
    if log:
        powers = range(round(np.log10(floor)), 1)
        made.update_yaxes(range=[np.log10(floor), np.log10(height)])
        made.update_yaxes(tickvals=[10.0**power for power in powers], ticktext=[_share(power) for power in powers])
    else:
        made.update_yaxes(range=[floor, height], tickformat=".0%")
    return made


def _share(power: int) -> str:
    return f"{100 * 10.0**power:g} %"


def mean_apart(mean: float, bins: pd.DataFrame) -> bool:
    """Whether two lines for F and the mean can be told apart."""
    return abs(mean - 1) > 0.02 * float(bins["high"].max() - bins["low"].min())


def outline(bins: pd.DataFrame, shares: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """A histogram as one line of steps; empty bins lie on the floor."""
    x = np.column_stack([bins["low"], bins["high"]]).reshape(-1)
    y = np.repeat(np.maximum(shares, floor), 2)
    return np.concatenate([x[:1], x, x[-1:]]), np.concatenate([[floor], y, [floor]])


def running(table: pd.DataFrame, estimator: str, limit: float, dark: bool) -> go.Figure:
    """Means of the first draws of every run, in the band that holds 95 % of them."""
    own = table[table["estimator"] == estimator]
    made = style.figure(dark=dark, x="Draws", y="Mean / F", log_x=True, height=260)
    first = own[own["run"] == own["run"].min()]
    colour = COLOURS[estimator]
    style.band(
        made, first["draws"], first["low"], first["high"], "95 %, exact", dark=dark, index=colour, showlegend=False
    )
    for run, rows in own.groupby("run"):
        made.add_scatter(
            x=rows["draws"],
            y=rows["mean"].astype(np.float32),
            showlegend=False,
            mode="lines",
            line={"color": style.series(colour, dark), "width": 1.2},
            hovertemplate=f"run {run}: %{{y:.3g}} F after %{{x:,}} draws<extra></extra>",
        )
    style.theory(made, first["draws"].iloc[[0, -1]], [1, 1], "F", dark=dark, showlegend=False)
    made.update_yaxes(range=[1 - limit, 1 + limit])
    low, high = float(own["draws"].min()), float(own["draws"].max())
    made.update_xaxes(range=[np.log10(low), np.log10(high)])
    powers = range(int(np.log10(high)) + 1)
    made.update_xaxes(tickvals=[10**power for power in powers], ticktext=[f"{10**power:,}" for power in powers])
    return made


def running_limit(table: pd.DataFrame) -> float:
    """Half the height of the running means' charts: the widest band after ten draws."""
    at = table[table["draws"] >= 10]
    return max(0.1, float((at if len(at) else table)["high"].max() - 1))


def curves(table: pd.DataFrame, sharpness: float, dark: bool) -> go.Figure:
    """Standard deviation of one draw over F against sharpness: exact lines, drawn points, the present setting."""
    made = style.figure(
        dark=dark,
        x="Sharpness β" + (", mean top probability" if confident(table) else ""),
        y="Deviation of one draw / F",
        log_x=True,
        log_y=True,
        height=420,
    )
    for name, index in COLOURS.items():
        own = table[table["estimator"] == name]
        style.measured(
            made, own["sharpness"], positive(own["exact"]), NAMES[name], dark=dark, index=index, markers=False
        )
        drawn = own[own["draws"] > 0]
        values, errors = positive(drawn["drawn"]), drawn["error"].to_numpy(float)
        made.add_scatter(
            x=drawn["sharpness"],
            y=values,
            error_y={"array": np.nan_to_num(errors), "color": style.series(index, dark), "thickness": 1.5, "width": 4},
            mode="markers",
            name=f"{NAMES[name]}, drawn",
            showlegend=False,
            marker={"color": style.series(index, dark), "size": 9, "symbol": style.MARKERS[index]},
            hovertemplate="β = %{x:.3g}: drawn %{y:.3g} F<extra></extra>",
        )
    between = table[table["estimator"] == "score"]
    if (between["between_inputs"] > 0).any():
        values = positive(between["between_inputs"])
        style.theory(made, between["sharpness"], values, "Choice of the input alone", dark=dark, dash="dot")
    shown = np.concatenate([np.asarray(trace.y, float) for trace in made.data])
    shown = shown[np.isfinite(shown)]
    if len(shown) and table["sharpness"].min() <= sharpness <= table["sharpness"].max():
        ends = [float(shown.min()) / 1.1, float(shown.max()) * 1.12]
        made.add_scatter(
            x=[sharpness, sharpness],
            y=ends,
            mode="lines+text",
            text=["", f" β = {sharpness:g} "],
            textposition="bottom right" if sharpness < 4 else "bottom left",
            textfont={"color": style.ink(dark)},
            line={"color": style.ink(dark), "width": 1.5, "dash": "dash"},
            hoverinfo="skip",
            showlegend=False,
        )
    labels = [tick_label(value, between) for value in TICKS]
    made.update_xaxes(tickvals=list(TICKS), ticktext=labels, range=[np.log10(0.23), np.log10(8.7)])
    log_range(made.update_yaxes, float(np.min(shown, initial=1.0)) / 1.15, float(np.max(shown, initial=1.0)) * 1.15)
    return made


def positive(values: pd.Series) -> np.ndarray:
    """Values for a logarithmic axis: zero, to rounding, has no place there."""
    return values.where(values > 1e-6).to_numpy(np.float32)


def confident(table: pd.DataFrame) -> bool:
    """Whether predictions have a largest probability."""
    return bool(table["confidence"].notna().any())


def tick_label(sharpness: float, own: pd.DataFrame) -> str:
    """The sharpness, and below it the mean largest probability there."""
    at = float(np.interp(np.log(sharpness), np.log(own["sharpness"]), own["confidence"]))
    return f"{sharpness:g}" + (f"<br>{100 * at:.0f} %" if np.isfinite(at) else "")
