"""Figures of the page Through training: one layer's Fisher diagonal, deviations and bounds against epochs, and log ratios."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from figures import style
from numpy.typing import ArrayLike, NDArray
from player import Chart

FISHER, SCORE, HESSIAN = "fisher", "score", "hessian"
# Column, name, place in the order of colours.
SHOWN = ((FISHER, "Fisher F", 5), (SCORE, "Squared score √V₁", 0), (HESSIAN, "Minus Hessian √V₂", 1))
CROSSOVER, ENDED, NO_VARIANCE = "Crossover", "Diverged", "Minus Hessian: no variance"
DASHES = {"upper": "dash", "lower": "dot"}
VALUES_HEIGHT, RATIOS_HEIGHT = 370, 170


def epochs(layers: pd.DataFrame) -> NDArray[np.int64]:
    """Epochs that at least one network has reached."""
    return np.unique(layers["epoch"].to_numpy(np.int64))


def over_seeds(own: pd.DataFrame, column: str) -> pd.DataFrame:
    """Per epoch the geometric mean over seeds, the smallest and the largest; missing where a value is zero."""
    logs = np.log10(own[column].where(own[column] > 0).to_numpy(np.float64))
    grouped = pd.DataFrame({"epoch": own["epoch"].to_numpy(), "log": logs}).groupby("epoch")["log"]
    return pd.DataFrame({"middle": grouped.mean(), "low": grouped.min(), "high": grouped.max()}).rpow(10.0)


def sides_of(column: str, all_bounds: bool) -> tuple[str, ...]:
    """Bounds that are drawn: those of F, and lower ones, only where all are asked for."""
    if all_bounds:
        return ("upper", "lower")
    return () if column == FISHER else ("upper",)


def span(layers: pd.DataFrame, all_bounds: bool) -> tuple[float, float]:
    """Powers of ten that hold everything drawn in any layer, so that layers can be compared."""
    columns = [name for name, _, _ in SHOWN]
    columns += [f"{name}_{side}" for name in columns for side in sides_of(name, all_bounds)]
    logs = np.log10(layers[columns].where(layers[columns] > 0).to_numpy(np.float64))
    logs = logs[np.isfinite(logs)]
    return (float(logs.min()) - 0.2, float(logs.max()) + 0.2) if logs.size else (-1.0, 1.0)


def values(
    own: pd.DataFrame, crossings: ArrayLike, ended: ArrayLike, reach: tuple[float, float], all_bounds: bool, dark: bool
) -> go.Figure:
    """Fisher diagonal and both deviations of one layer, with their bounds, and where the better estimator changes.

    crossings: epochs, one a change and seed. ended: last epochs of the runs that diverged.
    """
    made, at = (
        style.figure(dark=dark, x="Epoch", y="Mean over the layer", log_y=True, height=VALUES_HEIGHT),
        epochs(own),
    )
    for column, name, index in SHOWN:
        table = over_seeds(own, column)
        there = np.isfinite(table["middle"].to_numpy())
        if not there.any():
            continue
        if (own["seed"] != own["seed"].iloc[0]).any():
            low, high = table["low"][there], table["high"][there]
            style.band(made, at[there], low, high, "", dark=dark, index=index, showlegend=False)
        style.measured(made, at, table["middle"], name, dark=dark, index=index, markers=False)
        made.data[-1].line.width = 3
        for side in sides_of(column, all_bounds):
            bound = over_seeds(own, f"{column}_{side}")["middle"]
            if np.isfinite(bound).any():
                _dashed(made, at, bound, side, name, index, dark)
                made.data[-1].line.width = 1.5
    level = over_seeds(own, SCORE)["middle"].to_numpy()
    _marks(made, at, level, crossings, CROSSOVER, "diamond", dark)
    _marks(made, at, level, ended, ENDED, "x", dark)
    if not (own[HESSIAN] > 0).any():
        made.add_scatter(
            x=[at[-1] / 2], y=[10 ** (reach[0] + 0.3)], mode="text", text=[NO_VARIANCE], textposition="middle center",
            name="", showlegend=False, hoverinfo="skip", textfont={"color": style.ink(dark)},
        )  # fmt: skip
    _across(made, at)
    ticks, texts = style.log_ticks(10 ** reach[0], 10 ** reach[1])
    every = max(1, -(-len(ticks) // 6))
    made.update_yaxes(range=list(reach), tickmode="array", tickvals=ticks[::every], ticktext=texts[::every])
    return made


def _across(made: go.Figure, at: NDArray[np.int64]) -> None:
    """The same room left and right in every picture, so that epochs stand below each other."""
    last = max(int(at[-1]), 1)
    made.update_xaxes(range=[-0.02 * last, 1.02 * last])
    made.update_yaxes(automargin=False)
    made.update_layout(margin={"l": 78})


def _dashed(made: go.Figure, at: ArrayLike, level: ArrayLike, side: str, name: str, index: int, dark: bool) -> None:
    """A bound, in the colour of what it holds."""
    words = f"{side.capitalize()} bound, {name}"
    style.theory(made, at, level, words, dark=dark, dash=DASHES[side], showlegend=False)
    made.data[-1].line.color = style.series(index, dark)


def _marks(
    made: go.Figure, at: ArrayLike, level: NDArray[np.float64], where: ArrayLike, name: str, symbol: str, dark: bool
) -> None:
    """Points on the curve of the squared score."""
    x = np.asarray(where, dtype=np.float64)
    there = np.isfinite(level)
    if x.size and there.any():
        y = 10 ** np.interp(x, np.asarray(at)[there], np.log10(level[there]))
        marker = {"symbol": symbol, "size": 11, "color": style.ink(dark)}
        made.add_scatter(x=x.astype(np.float32), y=y.astype(np.float32), name=name, mode="markers", marker=marker)


def ratio(own: pd.DataFrame, column: str, side: str) -> NDArray[np.float64]:
    """log10 of a bound over the deviation it holds, per epoch; what is tight up to rounding is 0."""
    bound, value = (over_seeds(own, name)["middle"].to_numpy() for name in (f"{column}_{side}", column))
    return np.round(np.log10(bound / value), 9) + 0.0


def ratio_span(layers: pd.DataFrame, all_bounds: bool) -> tuple[float, float]:
    """Lowest and highest log ratio of any layer."""
    found = [
        ratio(own, column, side)
        for _, own in layers.groupby("layer")
        for column in (SCORE, HESSIAN)
        for side in sides_of(column, all_bounds)
    ]
    known = np.concatenate([*found, [0.0]])
    known = known[np.isfinite(known)]
    room = 0.08 * float(np.ptp(known)) or 0.5
    return float(known.min()) - room, float(known.max()) + room


def ratios(own: pd.DataFrame, reach: tuple[float, float], all_bounds: bool, dark: bool) -> go.Figure:
    """log10 of bounds over the deviation they hold, in one layer: 0 is tight."""
    made, at = style.figure(dark=dark, x="Epoch", y="log₁₀ bound/√V", height=RATIOS_HEIGHT), epochs(own)
    style.theory(made, at[[0, -1]], [0.0, 0.0], "Tight", dark=dark, dash="solid", showlegend=False)
    made.data[-1].line.width = 1
    for column, name, index in SHOWN[1:]:
        for side in sides_of(column, all_bounds):
            level = ratio(own, column, side)
            if np.isfinite(level).any():
                _dashed(made, at, level, side, name, index, dark)
    _across(made, at)
    made.update_yaxes(range=list(reach), nticks=4)
    return made


def curtain(key: str, made: go.Figure, at: NDArray[np.int64]) -> Chart:
    """Curves and marks of a chart appear epoch by epoch; words stay."""
    every: Sequence[ArrayLike | None] = [None if trace.mode == "text" else at for trace in made.data]
    return Chart(key, every)
