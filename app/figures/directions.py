"""Figures of the page Directions: cosines and errors per structure, both rankings side by side, and cosines against damping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from figures import style

from fimcore.experiments.directions_spec import KINDS

FISHER, EUCLIDEAN, ERROR, PREDICTED = "Metric of F, uᵀ F v", "Euclidean", "Measured", "Predicted"
RISES = "Better direction than its error suggests"
FALLS = "Worse direction than its error suggests"
STAYS = "At most one place apart"
HERE = "Damping above"


def measured(table: pd.DataFrame) -> pd.DataFrame:
    """The structures that have a cosine, the one that keeps most numbers first."""
    return table[table["cosine"].notna()].reset_index(drop=True)


def cosines(table: pd.DataFrame, dark: bool) -> go.Figure:
    """Cosine with the exact damped natural gradient per structure, in the metric of F and Euclidean, with its range over seeds."""
    rows = measured(table)
    made = _dots(rows, "Cosine with the exact direction", dark)
    _interval(made, rows, "euclidean", EUCLIDEAN, dark, index=1, lift=-0.16)
    _interval(made, rows, "cosine", FISHER, dark, index=0, lift=0.12)
    low = rows[["cosine_low", "euclidean_low"]].to_numpy(np.float64)
    least = float(np.nanmin(low)) if len(rows) else 0.0
    made.update_xaxes(range=[min(0.0, np.floor(10 * least) / 10) - 0.02, 1.03])
    # the legend in the order of importance
    made.update_layout(legend={"traceorder": "reversed"})
    return made


def errors(table: pd.DataFrame, dark: bool) -> go.Figure:
    """Relative Frobenius error per structure with its range over seeds, and the predicted one where there is one."""
    rows = measured(table)
    made = _dots(rows, "Relative Frobenius error", dark)
    _interval(made, rows, "error", ERROR, dark, index=0, lift=0.0)
    known = rows["predicted_error"].notna().to_numpy()
    if known.any():
        heights = _heights(rows)[known]
        x = np.repeat(rows.loc[known, "predicted_error"].to_numpy(np.float64), 3)
        y = np.column_stack([heights - 0.4, heights + 0.4, np.full(len(heights), np.nan)]).reshape(-1)
        x[2::3] = np.nan
        style.theory(made, x, y, PREDICTED, dark=dark, hovertemplate="predicted %{x:.3f}<extra></extra>")
    made.update_xaxes(range=[-0.02, 1.03])
    return made


def _dots(rows: pd.DataFrame, x: str, dark: bool) -> go.Figure:
    """An empty plot with one line a structure; names stand where numbers would."""
    made = style.figure(dark=dark, x=x, y="", height=max(200, 120 + 34 * len(rows)))
    labels = [KINDS[kind].label for kind in rows["structure"]]
    made.update_yaxes(
        tickmode="array",
        tickvals=_heights(rows).tolist(),
        ticktext=labels,
        range=[-0.6, max(len(rows), 1) - 0.4],
        ticks="",
    )
    made.update_yaxes(title=None)
    return made


def _heights(rows: pd.DataFrame) -> np.ndarray:
    return np.arange(len(rows), dtype=np.float64)[::-1]


def _interval(
    made: go.Figure, rows: pd.DataFrame, name: str, label: str, dark: bool, *, index: int, lift: float
) -> None:
    """A line from the smallest to the largest network, and a marker at the average."""
    heights, colour = _heights(rows) + lift, style.series(index, dark)
    low, high = (rows[f"{name}_{end}"].to_numpy(np.float64) for end in ("low", "high"))
    gap = np.full(len(rows), np.nan)
    made.add_scatter(
        x=np.column_stack([low, high, gap]).reshape(-1).astype(np.float32),
        y=np.column_stack([heights, heights, gap]).reshape(-1).astype(np.float32),
        mode="lines",
        line={"color": colour, "width": 2.5},
        showlegend=False,
        hoverinfo="skip",
    )
    made.add_scatter(
        x=rows[name].to_numpy(np.float32),
        y=heights.astype(np.float32),
        name=label,
        mode="markers",
        marker={"color": colour, "size": 10 if index == 0 else 9, "symbol": style.MARKERS[2 * index]},
        text=[KINDS[kind].label for kind in rows["structure"]],
        hovertemplate="%{text}: %{x:.3f}<extra></extra>",
    )


def ranks(table: pd.DataFrame, dark: bool) -> go.Figure:
    """Places of the structures by direction and by error, the best on top: where lines cross, the two measures disagree."""
    rows = measured(table)
    count = len(rows)
    made = style.figure(dark=dark, x="", y="", height=max(220, 130 + 32 * count))
    by_direction = rows.sort_values("rank_cosine")["structure"]
    by_error = rows.sort_values("rank_error")["structure"]
    change = (rows["rank_cosine"] - rows["rank_error"]).to_numpy(np.float64)
    for name, chosen, index in ((STAYS, abs(change) <= 1, 5), (RISES, change < -1, 0), (FALLS, change > 1, 1)):
        _slopes(made, rows[chosen], name, index, dark)
    made.add_scatter(
        x=np.full(count, 1.04),
        y=-np.arange(1, count + 1),
        mode="text",
        text=[f"\u00a0\u00a0{KINDS[kind].label}" for kind in by_error],
        textposition="middle right",
        textfont={"color": style.ink(dark), "size": 14},
        showlegend=False,
        hoverinfo="skip",
        cliponaxis=False,
    )
    labels = [KINDS[kind].label for kind in by_direction]
    made.update_yaxes(
        tickmode="array",
        tickvals=[-place for place in range(1, count + 1)],  # an axis upside down has no ticks in a file
        ticktext=labels,
        range=[-count - 0.5, -0.5],
        ticks="",
        showgrid=False,
        title=None,
    )
    made.update_xaxes(
        tickmode="array",
        tickvals=[0, 1],
        ticktext=["By direction", "By error"],
        range=[-0.2, 1.55],
        side="bottom",
        title=None,
    )
    return made


def _slopes(made: go.Figure, rows: pd.DataFrame, name: str, index: int, dark: bool) -> None:
    colour = style.series(index, dark)
    x: list[float] = []
    y: list[float] = []
    words: list[str] = []
    for _, row in rows.iterrows():
        x += [0.0, 1.0, np.nan]
        y += [-row["rank_cosine"], -row["rank_error"], np.nan]
        label = KINDS[row["structure"]].label
        words += [f"{label}: {row['rank_cosine']:.0f}. by direction, {row['rank_error']:.0f}. by error"] * 3
    if not x:
        return
    made.add_scatter(
        x=x,
        y=y,
        name=name,
        mode="lines+markers",
        line={"color": colour, "width": 2.5, "dash": style.DASHES[index % 2] if index < 2 else "dot"},
        marker={"color": colour, "size": 9, "symbol": style.MARKERS[index]},
        text=words,
        hovertemplate="%{text}<extra></extra>",
    )


def sweep(table: pd.DataFrame, damping: float, dark: bool) -> go.Figure:
    """Cosine in the metric of F against relative damping, one line a structure: averages over the networks."""
    made = style.figure(
        dark=dark,
        x="Damping λ / mean diagonal of F",
        y="Cosine with the exact direction, uᵀ F v",
        log_x=True,
        height=520,
    )
    known = table[table["cosine"].notna()]
    for place, (kind, words) in enumerate(KINDS.items()):
        rows = known[known["structure"] == kind]
        if len(rows):
            more: dict[str, Any] = {"hovertemplate": f"{words.label}, λ = %{{x:.2g}}: %{{y:.3f}}<extra></extra>"}
            style.measured(made, rows["damping"], rows["cosine"], words.label, dark=dark, index=place, **more)
            if place >= len(style.SERIES_LIGHT):  # the same colour again: told apart by the line
                made.data[-1].line.dash = "dot"
                made.data[-1].marker.size = 6
    if len(known):
        low = np.floor(10 * float(known["cosine"].min()) - 0.3) / 10
        made.add_scatter(
            x=[damping, damping],
            y=[low, 1.02],
            name=HERE,
            mode="lines",
            line={"color": style.ink(dark), "width": 2, "dash": "dot"},
            hoverinfo="skip",
        )
        made.update_yaxes(range=[low, 1.03])
        _powers(made, known["damping"].to_list())
    return made


def _powers(made: go.Figure, dampings: Sequence[float]) -> None:
    ticks, texts = style.log_ticks(min(dampings), max(dampings))
    made.update_xaxes(tickmode="array", tickvals=ticks, ticktext=texts)
