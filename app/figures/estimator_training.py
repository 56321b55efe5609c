"""Figures of the page Through training: one column a layer, values above and log ratios below, against epochs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from figures import style
from numpy.typing import NDArray

# Column, name, place in the order of colours.
SHOWN = (("fisher", "Fisher", 0), ("score", "Squared score", 1), ("hessian", "Minus Hessian", 2))
RATIOS = (("score", "Squared score", 1), ("hessian", "Minus Hessian", 2))


def epochs(layers: pd.DataFrame) -> NDArray[np.int64]:
    """Epochs that at least one network has reached."""
    return np.unique(layers["epoch"].to_numpy(np.int64))


def typical(own: pd.DataFrame, column: str) -> NDArray[np.float64]:
    """Geometric mean over seeds at every epoch; missing where a value is zero."""
    logs = np.log(own[column].where(own[column] > 0))
    return np.exp(logs.groupby(own["epoch"]).mean()).to_numpy()


def values(own: pd.DataFrame, dark: bool, crossing: float) -> go.Figure:
    """Fisher diagonal, both deviations and (dashed) their upper bounds in one layer."""
    made, at = style.figure(dark=dark, x="Epoch", y="Layer mean", log_y=True, height=340), epochs(own)
    for column, name, index in SHOWN:
        middle = typical(own, column)
        if not np.isfinite(middle).any():
            continue
        style.measured(made, at, middle, name, dark=dark, index=index, markers=False)
        bound = typical(own, f"{column}_upper")
        style.theory(made, at, bound, f"Bound, {name}", dark=dark, showlegend=False)
        made.data[-1].line.color = style.series(index, dark)
    if np.isfinite(crossing):
        made.add_vline(x=crossing, line={"color": style.ink(dark), "dash": "dot", "width": 2})
        made.add_annotation(x=crossing, y=1.0, yref="paper", text="crossover", showarrow=False, xanchor="left")
    return made


def ratios(own: pd.DataFrame, dark: bool) -> go.Figure:
    """log10 of bound over deviation in one layer: 0 is tight."""
    made, at = style.figure(dark=dark, x="Epoch", y="log₁₀ bound / sd", height=220), epochs(own)
    for column, name, index in RATIOS:
        ratio = np.log10(typical(own, f"{column}_upper") / typical(own, column))
        if np.isfinite(ratio).any():
            style.measured(made, at, ratio, name, dark=dark, index=index, markers=False, showlegend=False)
    made.update_yaxes(rangemode="tozero")
    return made
