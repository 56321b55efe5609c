"""Figures of the page Two estimators: deviations layer by layer, and bounds beside what they bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from figures import style

# Column, name, place in the page's order of colours; the same as in Through training.
SHOWN = (("fisher", "Fisher diagonal F", 0), ("score", "SD of squared score", 1), ("hessian", "SD of minus Hessian", 2))
OFFSET = 0.22
HALF = 0.05  # width of a bar from lower to upper bound, either way
FEW_LAYERS = 6  # with more, what is written below each layer would overlap
DECADES = 9.0  # the logarithmic axis reaches no further below its top


def tint(colour: str, alpha: float) -> str:
    """A colour that lets what lies behind it through."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def layer_axis(made: go.Figure, texts: Sequence[str]) -> None:
    """One place for every layer, the output layer last."""
    count = len(texts)
    made.update_xaxes(
        tickmode="array",
        tickvals=list(range(1, count + 1)),
        ticktext=list(texts),
        range=[0.4, count + 0.6],
        tickangle=0,
    )


def layer_texts(count: int) -> list[str]:
    """ "1", "2", "output"."""
    return [*(str(layer) for layer in range(1, count)), "output" if count <= FEW_LAYERS else "out"]


def log_axis(made: go.Figure, axis: str, low: float, high: float) -> None:
    """A logarithmic axis from low to high with readable ticks."""
    ticks, texts = style.log_ticks(low, high)
    if len(ticks) < 4:
        every_step = [step * 10.0**power for power in range(-9, 10) for step in (1, 2, 5)]
        ticks = [tick for tick in every_step if low <= tick <= high]
        texts = [f"{tick:g}" for tick in ticks]
    every = -(-len(ticks) // 9)
    change: Mapping[str, Any] = {
        "type": "log",
        "range": [float(np.log10(low)), float(np.log10(high))],
        "tickmode": "array",
        "tickvals": ticks[::every],
        "ticktext": texts[::every],
    }
    (made.update_xaxes if axis == "x" else made.update_yaxes)(**change)


def segments(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    gaps = np.full(len(x), np.nan)
    return (
        np.column_stack([x, x, gaps]).reshape(-1).astype(np.float32),
        np.column_stack([low, high, gaps]).reshape(-1).astype(np.float32),
    )


def deviations(layers: pd.DataFrame, below: Sequence[str], dark: bool) -> go.Figure:
    """F and both standard deviations by layer: points, the range over networks, and behind them from lower to upper bound.

    below: what is written under every layer. A deviation that is exactly zero stands at the lower edge as a triangle.
    """
    wide = layers.pivot_table(index="layer", columns="quantity", values=["measured", "low", "high"], dropna=False)
    made = style.figure(dark=dark, x="Layer", y="Layer mean (units of F)", height=440)
    values = np.array([wide["measured"][name].to_numpy(float) for name, _, _ in SHOWN])
    limits = np.array(
        [wide["measured"][f"{name}_{end}"].to_numpy(float) for name, _, _ in SHOWN for end in ("lower", "upper")]
    )
    seen = np.concatenate([values.ravel(), limits.ravel()])
    seen = seen[np.isfinite(seen) & (seen > 0)]
    top = 2.0 * float(seen.max()) if len(seen) else 1.0
    kept = seen[seen > top * 10.0**-DECADES] if len(seen) else np.array([0.1])
    floor = float(kept.min()) / 3
    for name, label, index in SHOWN:
        colour, x = style.series(index, dark), wide.index.to_numpy(float) + OFFSET * (index - 1)
        middle = wide["measured"][name].to_numpy(float)
        low, high = (wide["measured"][f"{name}_{end}"].to_numpy(float) for end in ("lower", "upper"))
        there = (middle > 0) & (high > 0)
        for place, start, end in zip(x[there], np.maximum(low[there], floor), high[there], strict=True):
            made.add_scatter(
                x=(place + HALF * np.array([-1, 1, 1, -1, -1])).astype(np.float32),
                y=np.array([start, start, end, end, start], dtype=np.float32),
                mode="lines",
                fill="toself",
                fillcolor=tint(colour, 0.42 if dark else 0.28),
                line={"width": 0},
                showlegend=False,
                hoverinfo="skip",
            )
        at, span = segments(
            x[there], wide["low"][name].to_numpy(float)[there], wide["high"][name].to_numpy(float)[there]
        )
        made.add_scatter(
            x=at, y=span, mode="lines", line={"color": colour, "width": 2}, showlegend=False, hoverinfo="skip"
        )
        made.add_scatter(
            x=x[there].astype(np.float32),
            y=middle[there].astype(np.float32),
            name=label,
            mode="markers",
            marker={
                "color": colour,
                "size": 11,
                "symbol": style.MARKERS[index],
                "line": {"color": style.ink(dark), "width": 1},
            },
            customdata=np.column_stack([low[there], high[there]]),
            hovertemplate=f"{label}: %{{y:.3g}}<br>bounds %{{customdata[0]:.3g}} to %{{customdata[1]:.3g}}<extra></extra>",
        )
        zero = middle == 0
        if zero.any():
            made.add_scatter(
                x=x[zero].astype(np.float32),
                y=np.full(int(zero.sum()), floor * 1.15, dtype=np.float32),
                name=f"{label}: exactly 0",
                mode="markers",
                marker={"color": colour, "size": 12, "symbol": "triangle-down-open", "line": {"width": 2.5}},
                hovertemplate=f"{label}: exactly 0<extra></extra>",
                showlegend=not there.any(),
            )
            zeros = x[zero].tolist()
            texts(made, zeros, [floor * 1.3] * len(zeros), ["exactly 0"] * len(zeros), "top center", dark, colour)
    log_axis(made, "y", floor, top)
    layer_axis(made, list(below))
    made.update_xaxes(title={"standoff": 14})
    return made


def bounds(forms: pd.DataFrame, best: Mapping[str, float], layer: int, dark: bool, index: int) -> go.Figure:
    """Every bound over what it bounds, at 1 where it is attained: the chosen layer as points, the others as ticks.

    forms: rows of one quantity; best: "lower" and "upper", the best bound of every parameter by itself, over the value.
    """
    own = forms[forms["layer"] == layer]
    ranked = own.sort_values("tightness", ascending=False).to_dict("records")  # the tightest beside the best of all
    names = [(row["side"], row["form"]) for row in ranked if row["side"] == "upper"]
    names += [(row["side"], row["form"]) for row in reversed(ranked) if row["side"] == "lower"]
    order = [("upper", ""), *names, ("lower", "")]
    place = {name: -float(number) for number, name in enumerate(order)}
    made = style.figure(dark=dark, x="Bound ÷ exact value", y="", height=130 + 26 * len(order))
    colour = style.series(index, dark)
    rows = forms[forms["tightness"] > 10.0**-DECADES]
    over = np.where(rows["side"] == "upper", 1 / rows["tightness"], rows["tightness"])
    height = np.array([place[side, form] for side, form in zip(rows["side"], rows["form"], strict=True)])
    here = (rows["layer"] == layer).to_numpy()
    faint = {"color": style.quiet(not dark), "size": 8, "symbol": "circle", "opacity": 0.55}
    bold = {"color": colour, "size": 11, "symbol": style.MARKERS[index], "line": {"color": style.ink(dark), "width": 1}}
    for which, marker, name in ((~here, faint, "Other layers"), (here, bold, "This layer")):
        if which.any():
            made.add_scatter(
                x=over[which].astype(np.float32),
                y=height[which].astype(np.float32),
                name=name,
                mode="markers",
                marker=marker,
                customdata=np.column_stack([rows["formula"][which], rows["layer"][which]]),
                hovertemplate="%{customdata[0]}, layer %{customdata[1]}: %{x:.3g} times the value<extra></extra>",
            )
    ends = {side: value for side, value in best.items() if 10.0**-DECADES < value < 10.0**DECADES}
    made.add_scatter(
        x=list(ends.values()),
        y=[place[side, ""] for side in ends],
        name="Best form of every parameter",
        mode="markers",
        marker={**bold, "size": 15},
        hovertemplate="%{x:.3g} times the value<extra></extra>",
    )
    seen = np.concatenate([over, list(ends.values()), [0.7, 1.5]])
    low, high = float(seen.min()) * 0.7, float(seen.max()) * 1.4
    far = own[~(own["tightness"] > 10.0**-DECADES)].to_dict("records")
    for side, x, text in (("lower", low, " 0: says nothing"), ("upper", high, "far beyond ")):
        rows_of_side = [place[side, row["form"]] for row in far if row["side"] == side]
        if rows_of_side:
            where = "middle right" if side == "lower" else "middle left"
            texts(made, [x] * len(rows_of_side), rows_of_side, [text] * len(rows_of_side), where, dark)
    style.theory(made, [1.0, 1.0], [0.7, 0.3 - len(order)], "Exact value", dark=dark, hoverinfo="skip")
    log_axis(made, "x", low, high)
    names_of_rows = [f"best {side}" if not form else f"{form}, {side}" for side, form in order]
    made.update_yaxes(
        tickmode="array",
        tickvals=list(place.values()),
        ticktext=names_of_rows,
        title=None,
        range=[0.3 - len(order), 0.7],
    )
    return made


def texts(
    made: go.Figure,
    x: Sequence[float],
    y: Sequence[float],
    said: Sequence[str],
    where: str,
    dark: bool,
    colour: str = "",
) -> None:
    """Words inside a picture; where: as Plotly's `textposition`."""
    made.add_scatter(
        x=list(x),
        y=list(y),
        text=list(said),
        mode="text",
        textposition=where,
        textfont={"color": colour or style.ink(dark), "size": 13},
        showlegend=False,
        hoverinfo="skip",
        cliponaxis=False,
    )
