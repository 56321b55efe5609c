"""Figures of the page Phase: signals layer by layer, the phase diagram, and the two maps behind both."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import words
from colour_scales import plotly_scale
from figures import style

from fimcore.experiments.phase_theory import Diagram

TITLES = {
    "length": "Length q = ‖u‖² / n",
    "correlation": "Overlap c of two inputs",
    "gradient": "Gradient ‖∂f/∂u‖²",
}
LARGEST_WEIGHT, LARGEST_BIAS = 5.0, 2.0
HERE, CLICKS = "Current setting", "Settings to click"
# Values further apart than this are drawn on a logarithmic axis.
WIDE_RANGE = 30.0


def signal(table: pd.DataFrame, quantity: str, limit: float, dark: bool, residual: bool) -> go.Figure:
    """One quantity in every layer: measured with its band over networks, predicted, and where it tends (nan: nowhere)."""
    rows = table[table["quantity"] == quantity]
    columns = rows[["measured", "low", "high", "predicted"]].to_numpy(dtype=float)
    if residual:
        with np.errstate(divide="ignore", invalid="ignore"):
            columns = np.where(columns[:, 3:] == 0, np.nan, columns / columns[:, 3:] - 1)
    values = columns[np.isfinite(columns)]
    log = not residual and quantity != "correlation" and _is_wide(values)
    y = "Measured / predicted − 1" if residual else TITLES[quantity]
    made = style.figure(dark=dark, x="Layer", y=y, log_y=log, height=320)
    layers = rows["layer"].to_numpy()
    measured, low, high, predicted = columns.T
    there = np.isfinite(low) & np.isfinite(high) & ((low > 0) | (not log))
    if there.any():
        style.band(made, layers[there], low[there], high[there], "Networks", dark=dark, showlegend=False)
    style.measured(made, layers, measured, "Measured", dark=dark)
    made.data[-1].marker.size = 6 if len(layers) <= 24 else 4
    style.theory(made, layers, predicted, "Predicted", dark=dark)
    if np.isfinite(limit) and not residual and not log:
        style.theory(
            made, layers[[0, -1]], [limit, limit], "Fixed point", dark=dark, dash="dot", opacity=0.75, showlegend=False
        )
    if residual:
        made.update_yaxes(tickformat=".0%")
    elif log:
        _log_axis(made, values)
    elif quantity == "length" and values.size:
        made.update_yaxes(range=[0, 1.1 * max(float(values.max()), limit if np.isfinite(limit) else 0.0) or 1.0])
    made.update_xaxes(range=[0.5, layers.max() + 0.5])
    return _narrow(made)


def _narrow(made: go.Figure) -> go.Figure:
    """Charts side by side have little room: short legends, slim margins."""
    made.update_layout(legend={"itemwidth": 30, "font": {"size": 13}}, margin={"l": 40, "r": 8})
    return made


def _is_wide(values: np.ndarray) -> bool:
    positive = values[values > 0]
    return bool(positive.size) and bool(positive.max() > WIDE_RANGE * positive.min())


def _log_axis(made: go.Figure, values: np.ndarray) -> None:
    positive = values[values > 0]
    low, high = np.log10(positive.min()) - 0.1, np.log10(positive.max()) + 0.1
    ticks, texts = style.log_ticks(10.0**low, 10.0**high)
    every = -(-len(ticks) // 8)
    made.update_yaxes(range=[low, high], tickmode="array", tickvals=ticks[::every], ticktext=texts[::every])


def diagram(found: Diagram, weight: float, bias: float, dark: bool) -> go.Figure:
    """chi_1 over both variances, the critical line (solid where the fixed point attracts), and the current setting."""
    cells = found.cells
    made = style.figure(dark=dark, x="Weight variance σ_w²", y="Bias variance σ_b²", height=460)
    bounded = np.isfinite(cells.q)
    stretch = np.where(bounded, np.clip(cells.chi - 1, -1, 1), np.nan)
    made.add_heatmap(
        x=cells.weight_variances,
        y=cells.bias_variances,
        z=stretch.astype(np.float32),
        zmin=-1,
        zmax=1,
        colorscale=plotly_scale("diverging", dark),
        colorbar={
            "title": {"text": "χ₁"},
            "tickvals": [-1, -0.5, 0, 0.5, 1],
            "ticktext": ["0", "0.5", "1", "1.5", "2 +"],
            "thickness": 12,
            "outlinewidth": 0,
            "tickfont": {"color": style.ink(dark)},
        },
        hoverinfo="skip",
    )
    if not bounded.all():
        _unbounded(made, found, bounded, dark)
    _critical(made, found, dark)
    _places_to_click(made, found)
    made.add_scatter(
        x=[weight],
        y=[bias],
        name=HERE,
        mode="markers",
        marker={
            "symbol": "circle",
            "size": 15,
            "color": style.series(0, dark),
            "line": {"color": "#ffffff", "width": 3},
        },
        hovertemplate=f"You are here: σ_w² = {weight:g}, σ_b² = {bias:g}<extra></extra>",
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
        cliponaxis=False,
    )
    made.update_xaxes(range=[0.05, LARGEST_WEIGHT], showgrid=False, fixedrange=True)
    made.update_yaxes(range=[0, LARGEST_BIAS], showgrid=False, fixedrange=True)
    made.update_layout(dragmode=False, clickmode="event+select")
    return made


def _unbounded(made: go.Figure, found: Diagram, bounded: np.ndarray, dark: bool) -> None:
    """Where the length has no fixed point to end at: one flat colour, and an entry of the legend."""
    colour = "#5a6672" if dark else "#aab4be"
    made.add_heatmap(
        x=found.cells.weight_variances,
        y=found.cells.bias_variances,
        z=np.where(bounded, np.nan, 0.0).astype(np.float32),
        zmin=0,
        zmax=1,
        colorscale=((0.0, colour), (1.0, colour)),
        showscale=False,
        hoverinfo="skip",
    )
    made.add_scatter(
        x=[None],
        y=[None],
        name="Length grows without bound",
        mode="markers",
        marker={"symbol": "square", "size": 12, "color": colour},
    )


def _critical(made: go.Figure, found: Diagram, dark: bool) -> None:
    line = found.line
    colour = style.theory_colour(dark)
    if line.q.size == 1:
        made.add_scatter(
            x=line.weight_variances,
            y=line.bias_variances,
            name="Critical point χ₁ = 1",
            mode="markers",
            marker={"symbol": "diamond", "size": 13, "color": colour},
            cliponaxis=False,
            hovertemplate="Critical: σ_w² = %{x:.4g}, σ_b² = %{y:.4g}<extra></extra>",
        )
        return
    for attracts, name, dash in ((True, "Critical, fixed point attracts", "solid"), (False, "… repels", "dash")):
        weights, biases = _inside(found, attracts)
        if np.isfinite(weights).sum() > 1:
            style.theory(made, weights, biases, name, dark=dark, dash=dash, hoverinfo="skip")
            made.data[-1].line.width = 3


def _inside(found: Diagram, attracts: bool) -> tuple[np.ndarray, np.ndarray]:
    """The part of the line with that stability, up to the edges of the diagram, in steps finer than its table."""
    line = found.line
    if line.q.size < 2:
        return np.array([]), np.array([])
    fine = np.linspace(0, line.q.size - 1, 8 * line.q.size)
    coarse = np.arange(line.q.size)
    weights, biases = (np.interp(fine, coarse, each) for each in (line.weight_variances, line.bias_variances))
    kept = line.attracts[np.round(fine).astype(int)] == attracts
    kept &= (weights <= LARGEST_WEIGHT) & (biases <= LARGEST_BIAS)
    return np.where(kept, weights, np.nan), np.where(kept, biases, np.nan)


def _places_to_click(made: go.Figure, found: Diagram) -> None:
    """A heat map tells no clicks: unseen points do, at stops of both sliders."""
    cells = found.cells
    weights, biases = np.round(np.arange(0.1, 5.01, 0.1), 2), np.round(np.arange(0.0, 2.01, 0.05), 2)
    columns = np.abs(cells.weight_variances[None, :] - weights[:, None]).argmin(axis=1)
    rows = np.abs(cells.bias_variances[None, :] - biases[:, None]).argmin(axis=1)
    chi, q = cells.chi[np.ix_(rows, columns)].ravel(), cells.q[np.ix_(rows, columns)].ravel()
    x, y = np.meshgrid(weights, biases)
    made.add_scatter(
        x=x.ravel(),
        y=y.ravel(),
        name=CLICKS,
        mode="markers",
        marker={"size": 2, "opacity": 0, "color": "rgba(0,0,0,0)"},
        showlegend=False,
        text=[f"χ₁ = {words.number(a)}, q* = {words.number(b)}" for a, b in zip(chi.tolist(), q.tolist(), strict=True)],
        hovertemplate="σ_w² = %{x}, σ_b² = %{y}<br>%{text}<br>Click to go there<extra></extra>",
        selected={"marker": {"opacity": 0}},
        unselected={"marker": {"opacity": 0}},
    )


def layer_map(
    table: pd.DataFrame, signals: pd.DataFrame, quantity: str, marks: list[tuple[float, bool]], dark: bool
) -> go.Figure:
    """The next layer's value against this layer's: predicted map, diagonal, fixed points, and measured pairs of layers."""
    letter = "q" if quantity == "length" else "c"
    made = style.figure(dark=dark, x=f"{letter} of one layer", y=f"{letter} of the next layer", height=360)
    low, high = float(table["value"].min()), float(table["value"].max())
    quiet: dict[str, Any] = {"line": {"color": style.ink(dark), "width": 1}, "opacity": 0.6, "hoverinfo": "skip"}
    made.add_scatter(x=[low, high], y=[low, high], name="No change", mode="lines", **quiet)
    style.theory(made, table["value"], table["next"], "Predicted map", dark=dark)
    rows = signals[signals["quantity"] == quantity]["measured"].to_numpy(dtype=float)
    here, after = rows[:-1], rows[1:]
    inside = (here >= low) & (here <= high) & (after <= 1.3 * high)
    style.measured(made, here[inside], after[inside], "Measured", dark=dark)
    made.data[-1].mode = "markers"
    for attracts, name, symbol in ((True, "Attracts", "square"), (False, "Repels", "x")):
        places = [place for place, stable in marks if stable == attracts and low <= place <= high]
        if places:
            made.add_scatter(
                x=places,
                y=places,
                name=name,
                mode="markers",
                marker={"symbol": symbol, "size": 12, "color": style.series(1, dark)},
                cliponaxis=False,
            )
    top = float(np.nanmax([high, table["next"].max()]))
    made.update_xaxes(range=[low, high * 1.02])
    made.update_yaxes(range=[min(low, float(table["next"].min())), top * 1.02])
    return _narrow(made)
