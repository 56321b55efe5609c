"""Figures of the page Width: size of entries between units against width, and shares of the sum of squares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from figures import style

PARTS = {"in_unit": "Inside one unit", "same_layer": "Same layer, other unit", "cross_layer": "Between layers"}


def ratios(table: pd.DataFrame, dark: bool) -> go.Figure:
    """RMS entry between units over RMS entry inside a unit, per hidden layer, with spread over seeds and prediction."""
    made = style.figure(
        dark=dark, x="Width n", y="RMS between units / RMS inside a unit", log_x=True, log_y=True, height=420
    )
    widths = sorted(table["width"].unique().tolist())
    shown_theory = False
    for number, layer in enumerate(sorted(table["layer"].unique().tolist())):
        rows = table[(table["layer"] == layer) & (table["measured"] > 0)]
        name = f"Layer {layer}"
        around = rows[(rows["low"] > 0) & (rows["high"] > 0)]
        if len(around):
            band = {"showlegend": False, "legendgroup": name}
            style.band(
                made, around["width"], around["low"], around["high"], f"{name}, seeds", dark=dark, index=number, **band
            )
        style.measured(made, rows["width"], rows["measured"], name, dark=dark, index=number, legendgroup=name)
        theory = table[(table["layer"] == layer) & (table["predicted"] > 0)]
        if len(theory):
            _prediction(made, theory, dark, named=not shown_theory)
            shown_theory = True
    style.doubling_axis(made, widths)
    _decades(made, table[["measured", "low", "high", "predicted"]].to_numpy(dtype=float))
    return made


def _prediction(made: go.Figure, table: pd.DataFrame, dark: bool, *, named: bool) -> None:
    """One predicted line; all of them share one entry, the last of the legend."""
    more: dict[str, Any] = {"legendgroup": "theory", "legendrank": 2000}
    style.theory(made, table["width"], table["predicted"], "Predicted", dark=dark, showlegend=named, **more)


def _decades(made: go.Figure, values: np.ndarray) -> None:
    """A flat line shall look flat: at least one decade of height, with readable ticks."""
    positive = values[np.isfinite(values) & (values > 0)]
    if not positive.size:
        return
    low, high = np.log10(positive.min()), np.log10(positive.max())
    missing = max(0.0, 1.0 - (high - low)) / 2 + 0.05
    low, high = low - missing, high + missing
    ticks, texts = style.log_ticks(10.0**low, 10.0**high)
    made.update_yaxes(range=[low, high], tickmode="array", tickvals=ticks, ticktext=texts)


def mass(table: pd.DataFrame, layers: str, dark: bool) -> go.Figure:
    """Shares of the sum of squared entries against width, for hidden layers or for all layers."""
    made = style.figure(dark=dark, x="Width n", y="Share of ‖F‖²", log_x=True)
    chosen = table[table["layers"] == layers]
    shown_theory = False
    for number, (part, name) in enumerate(PARTS.items()):
        rows = chosen[chosen["part"] == part]
        spread = rows["spread"].fillna(0)
        band = {"showlegend": False}
        low, high = rows["measured"] - spread, rows["measured"] + spread
        style.band(made, rows["width"], low, high, f"{name}, seeds", dark=dark, index=number, **band)
        style.measured(made, rows["width"], rows["measured"], name, dark=dark, index=number)
        theory = rows[rows["predicted"].notna()]
        if len(theory):
            _prediction(made, theory, dark, named=not shown_theory)
            shown_theory = True
    style.doubling_axis(made, sorted(chosen["width"].unique().tolist()))
    made.update_yaxes(tickformat=".0%", range=[-0.02, 1.02])
    return made
