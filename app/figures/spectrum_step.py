"""Figures of the page Spectrum, third part: what gradient descent does just below and just above 2 / lambda_max."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from figures import style
from figures.spectrum import log_range, ranges


def descent(table: pd.DataFrame, dark: bool) -> go.Figure:
    """Loss over its start step by step, below and above 2 / lambda_max, with the predicted geometric curves."""
    made = style.figure(dark=dark, x="Step", y="Loss / loss at the start", log_y=True, height=380)
    values = []
    for index, side in enumerate(("above", "below")):
        rows = table[(table["side"] == side) & (table["low"] > 0)]
        if not len(rows):
            continue
        style.band(made, rows["step"], rows["low"], rows["high"], side, dark=dark, index=1 - index, showlegend=False)
        style.measured(made, rows["step"], rows["loss"], f"Step size {side}", dark=dark, index=1 - index)
        style.theory(made, rows["step"], rows["predicted"], "Predicted", dark=dark, showlegend=index == 0)
        values += [float(rows["low"].min()), float(rows["high"].max())]
    if values:
        log_range(made.update_yaxes, min(values) / 1.3, max(values) * 1.3)
    return made


def factor(table: pd.DataFrame, dark: bool) -> go.Figure:
    """The loss's factor per step against the step size in units of 2 / lambda_max: the parabola (1 - 2 x)^2 crosses 1 at 1."""
    made = style.figure(dark=dark, x="Step size / (2 / λ_max)", y="Loss after a step / before", height=380)
    rows = table[table["side"] != "bound"]
    shares = np.linspace(0.0, max(1.25, float(rows["share"].max()) + 0.05), 81)
    style.theory(made, shares, (1 - 2 * shares) ** 2, "(1 − η λ_max)²", dark=dark)
    ranges(made, rows["share"].to_numpy(dtype=float), rows["low"], rows["high"], dark)
    style.measured(made, rows["share"], rows["measured"], "Measured", dark=dark)
    made.data[-1].mode = "markers"
    made.data[-1].marker.size = 11
    made.add_scatter(
        x=[0.0, 1.0, 1.0],
        y=[1.0, 1.0, 0.0],
        name="Loss stays as it is",
        mode="lines",
        line={"color": style.series(5, dark), "width": 2, "dash": "dot"},
        hoverinfo="skip",
    )
    top = max(2.3, 1.1 * float((1 - 2 * shares[-1]) ** 2))
    bound = table[table["side"] == "bound"].iloc[0]
    if np.isfinite(bound["predicted"]) and bound["measured"] > 0:
        place = float(bound["predicted"] / bound["measured"])
        style.theory(made, [place, place], [0.0, top], "Mean-field bound", dark=dark, dash="dashdot")
    made.update_xaxes(range=[0.0, float(shares[-1])])
    made.update_yaxes(range=[0.0, top])
    return made
