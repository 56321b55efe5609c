"""Figure of the view Step sizes: loss after all steps against the step size, one line an optimizer, with its spread.

Line: geometric mean over seeds where none is lost; band: smallest to largest seed; star: the best step size; cross at the top: at
least one seed diverged or ended above its start.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from figures import style
from figures.train import LOWEST, colours

from fimcore.experiments.train_names import OPTIMIZERS, SHORT_NAMES


def loss_against_rate(rates: pd.DataFrame, optimizers: Sequence[str], *, dark: bool) -> go.Figure:
    """Both axes logarithmic; losses below 10^-8 of the start lie on the lower edge."""
    made = style.figure(dark=dark, x="Step size η", y="Loss after all steps", height=440, log_x=True, log_y=True)
    places, start = colours(optimizers), float(rates["start_loss"].max()) or 1.0
    floor = start * LOWEST
    crosses = 1.6 * start
    for optimizer in [name for name in OPTIMIZERS if name in set(rates["optimizer"])]:
        own, index, name = rates[rates["optimizer"] == optimizer], places[optimizer], SHORT_NAMES[optimizer]
        wide = own.pivot_table(index="learning_rate", columns="seed", values="loss", dropna=False)
        x, loss = wide.index.to_numpy(np.float64), np.maximum(wide.to_numpy(np.float64), floor)
        kept = np.isfinite(loss).all(axis=1)
        middle = np.exp(np.log(loss[kept]).mean(axis=1))
        if kept.any() and loss.shape[1] > 1:
            style.band(
                made,
                x[kept],
                loss[kept].min(axis=1),
                loss[kept].max(axis=1),
                name,
                dark=dark,
                index=index,
                showlegend=False,
            )
        style.measured(
            made,
            x[kept],
            middle,
            name,
            dark=dark,
            index=index,
            hovertemplate=f"{name}<br>step size %{{x:.3g}} · loss %{{y:.3g}}<extra></extra>",
        )
        if kept.any():
            best = int(middle.argmin())
            _marks(
                made,
                x[kept][best : best + 1],
                middle[best : best + 1],
                "star",
                index,
                dark,
                f"{name}: best of the grid",
            )
        if (~kept).any():
            crosses *= 1.35  # a row of its own for every optimizer
            _marks(made, x[~kept], np.full((~kept).sum(), crosses), "x", index, dark, f"{name}: lost")
    made.update_yaxes(range=[np.log10(floor / 2), np.log10(crosses * 1.5)])
    for axis, (low, high) in (
        (made.update_xaxes, (float(rates["learning_rate"].min()), float(rates["learning_rate"].max()))),
        (made.update_yaxes, (floor, start)),
    ):
        ticks, texts = style.log_ticks(low, high)
        axis(tickmode="array", tickvals=ticks, ticktext=texts)
    return made


def _marks(made: go.Figure, x: np.ndarray, y: np.ndarray, symbol: str, index: int, dark: bool, text: str) -> None:
    made.add_scatter(
        x=np.asarray(x, dtype=np.float32),
        y=np.asarray(y, dtype=np.float32),
        name=text,
        mode="markers",
        marker={
            "color": style.series(index, dark),
            "size": 15 if symbol == "star" else 9,
            "symbol": symbol,
            "line": {"color": style.ink(dark), "width": 1},
        },
        text=[text] * len(x),
        hovertemplate="%{text}<br>step size %{x:.3g}<extra></extra>",
        showlegend=False,
    )
