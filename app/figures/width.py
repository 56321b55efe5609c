"""Figures of the page Width: an observable against width or outputs, its small pictures, and shares of the sum of squares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from figures import style

from fimcore.experiments.width_observables import MEANINGS

PARTS = {"in_unit": "Inside one unit", "same_layer": "Same layer, other unit", "cross_layer": "Between layers"}
AXES = {"width": "Width n", "outputs": "Outputs C"}
TITLES = {
    "ratio": "RMS between units / RMS inside a unit",
    "normalised": "RMS of F / √(F F) between units",
    "normalised_ratio": "Between units / inside, both normalised",
    "mass": "Share of ‖F‖² inside units",
    "spectral": "‖F − F_blocks‖₂ / ‖F‖₂",
    "layer_pairs": "Layer-pair correlation",
}
# Where a fall of the square root is the well-known claim.
FALLING = ("ratio", "normalised", "normalised_ratio")
# Where, in widths of the widest network, its mark stands.
BEYOND = (1.1, 1.4)
SLOPE, PLATEAU = "Slope −1/2", "Plateau, n → ∞"


def observable(table: pd.DataFrame, name: str, axis: str, dark: bool, residual: bool = False) -> go.Figure:
    """One observable in every part of the network: measured with its band over networks, predicted, and two guide lines."""
    rows = table[table["observable"] == name]
    y = "Measured / predicted − 1" if residual else TITLES[name]
    made = style.figure(dark=dark, x=AXES[axis], y=y, log_x=True, log_y=not residual, height=420)
    shown = _residuals(rows) if residual else rows
    if not residual and name in FALLING:
        _slope_guide(made, rows, axis, dark)
    _lines(made, shown, axis, dark, above_zero=not residual)
    if not residual:
        _plateaus(made, rows, axis, dark)
    style.doubling_axis(made, sorted(rows[axis].unique().tolist()))
    if residual:
        made.update_yaxes(tickformat=".0%")
    else:
        guide = [each for trace in made.data if trace.name == SLOPE for each in trace.y]
        values = rows[["measured", "low", "high", "predicted"]].to_numpy(dtype=float)
        _decades(made, np.concatenate([values.reshape(-1), guide]))
    return made


def small(table: pd.DataFrame, name: str, axis: str, dark: bool) -> go.Figure:
    """The same without words: one of a set of small pictures."""
    rows = table[table["observable"] == name]
    made = style.figure(dark=dark, x="", y="", log_x=True, log_y=True, height=170)
    _lines(made, rows, axis, dark, above_zero=True)
    places = sorted(rows[axis].unique().tolist())
    style.doubling_axis(made, [places[0], places[-1]] if len(places) > 1 else places)
    _decades(made, rows[["measured", "low", "high", "predicted"]].to_numpy(dtype=float), decades=1.0, at_most=4)
    made.update_layout(showlegend=False, margin={"l": 40, "r": 12, "t": 6, "b": 22})
    made.update_traces(marker={"size": 5}, line={"width": 2})
    return made


def _lines(made: go.Figure, table: pd.DataFrame, axis: str, dark: bool, *, above_zero: bool) -> None:
    """Measured, band and predicted of every part; all predictions share one entry of the legend."""
    shown_theory = False
    for number, part in enumerate(dict.fromkeys(table["part"])):
        here = table[table["part"] == part]
        rows = here[here["measured"] > 0] if above_zero else here[here["measured"].notna()]
        name = part[0].upper() + part[1:]
        around = rows[((rows["low"] > 0) | (not above_zero)) & rows["high"].notna()]
        if len(around):
            band = {"showlegend": False, "legendgroup": name}
            style.band(
                made, around[axis], around["low"], around["high"], f"{name}, seeds", dark=dark, index=number, **band
            )
        style.measured(made, rows[axis], rows["measured"], name, dark=dark, index=number, legendgroup=name)
        theory = here[here["predicted"] > 0] if above_zero else here[here["predicted"].notna()]
        if len(theory):
            more: dict[str, Any] = {"legendgroup": "theory", "legendrank": 2000, "showlegend": not shown_theory}
            style.theory(made, theory[axis], theory["predicted"], "Predicted", dark=dark, **more)
            shown_theory = True


def _residuals(rows: pd.DataFrame) -> pd.DataFrame:
    """Everything over the prediction, less one; the prediction itself becomes zero."""
    there = rows[rows["predicted"] > 0]
    over = {name: there[name] / there["predicted"] - 1 for name in ("measured", "low", "high")}
    return there.assign(**over, predicted=0.0)


def _slope_guide(made: go.Figure, rows: pd.DataFrame, axis: str, dark: bool) -> None:
    """What a fall with the square root would be, from where the sweep begins."""
    there = rows[rows["measured"] > 0]
    if there[axis].nunique() < 2:
        return
    places = np.array([there[axis].min(), there[axis].max()], dtype=float)
    start = np.exp(np.log(there[there[axis] == places[0]]["measured"]).mean())
    style.theory(
        made,
        places,
        start * np.sqrt(places[0] / places),
        SLOPE,
        dark=dark,
        dash="dashdot",
        opacity=0.45,
        legendrank=2002,
    )
    made.data[-1].line.width = 1.2


def _plateaus(made: go.Figure, rows: pd.DataFrame, axis: str, dark: bool) -> None:
    """Limits for infinite width: a curve over the outputs; over the width a mark beyond the widest network."""
    shown = False
    for part in dict.fromkeys(rows["part"]):
        there = rows[(rows["part"] == part) & (rows["plateau"] > 0)]
        if len(there) < 2:
            continue
        places, values = there[axis].to_numpy(dtype=float), there["plateau"].to_numpy()
        if axis == "width":
            places, values = places.max() * np.array(BEYOND), values[-1] * np.ones(2)
        more: dict[str, Any] = {"legendgroup": "plateau", "legendrank": 2001, "showlegend": not shown}
        style.theory(made, places, values, PLATEAU, dark=dark, dash="dot", **more)
        shown = True


def _decades(made: go.Figure, values: np.ndarray, decades: float = 1.0, at_most: int = 8) -> None:
    """A flat line shall look flat: at least one decade of height, with readable ticks."""
    positive = values[np.isfinite(values) & (values > 0)]
    if not positive.size:
        return
    low, high = np.log10(positive.min()), np.log10(positive.max())
    missing = max(0.0, decades - (high - low)) / 2 + 0.05
    low, high = low - missing, high + missing
    ticks, texts = style.log_ticks(10.0**low, 10.0**high)
    every = -(-len(ticks) // at_most)
    made.update_yaxes(range=[low, high], tickmode="array", tickvals=ticks[::every], ticktext=texts[::every])


def shares(table: pd.DataFrame, layers: str, dark: bool) -> go.Figure:
    """Shares of the sum of squared entries against width, stacked: measured areas, predicted boundaries."""
    made = style.figure(dark=dark, x="Width n", y="Share of ‖F‖²", log_x=True)
    chosen = table[(table["layers"] == layers) & table["measured"].notna()]
    widths = np.array(sorted(chosen["width"].unique()))
    columns = {part: chosen[chosen["part"] == part].sort_values("width") for part in PARTS}
    floor = np.zeros(len(widths))
    for number, (part, name) in enumerate(PARTS.items()):
        top = floor + columns[part]["measured"].to_numpy()
        style.band(made, widths, floor, top, name, dark=dark, index=number, showlegend=False, legendgroup=part)
        last = number == len(PARTS) - 1  # its upper boundary is 1 whatever was measured
        style.measured(made, widths, top, name, dark=dark, index=number, legendgroup=part, markers=not last)
        floor = top
    expected = np.cumsum([columns[part]["predicted"].to_numpy() for part in PARTS], axis=0)
    for place in range(2):  # the last boundary is 1 whatever is predicted
        if np.isfinite(expected[place]).any():
            more: dict[str, Any] = {"legendgroup": "theory", "legendrank": 2000, "showlegend": place == 0}
            style.theory(made, widths, expected[place], "Predicted", dark=dark, **more)
    style.doubling_axis(made, widths.tolist())
    made.update_yaxes(tickformat=".0%", range=[-0.01, 1.03])
    return made


def title_of(name: str) -> str:
    """The title of an observable's file."""
    return MEANINGS[name]
