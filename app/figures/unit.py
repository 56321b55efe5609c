"""Figures of the page Units: three matrices on one scale, eigenvalues, errors and cosines layer by layer, and the moments A_k."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import words
from colour_scales import plotly_scale
from figures import style

from fimcore.experiments.unit_moments import LABELS

TITLES = {"measured": "Measured", "closed_form": "Closed form", "difference": "Difference"}
FORMS = {"isotropic": "Isotropic", "covariance": "Exact covariance", "own inputs": "Factor × own"}
DIRECTIONS = {"covariance": FORMS["covariance"], "isotropic": FORMS["isotropic"], "gradient": "Plain gradient"}
MEASURED, WITHOUT_NOISE, CLOSED = "Measured", "Measured, noise taken out", "Closed form"
NOISE, EXACT, HERE, HALVES = "Noise", "Predicted: exact", "This unit", "Two halves"
# A place in the page's order of colours for every form.
PLACES = {"isotropic": 0, "covariance": 1, "own inputs": 2, "gradient": 5}
GAP = 2.0  # cells between matrices in one picture
WIDE_RANGE = 15.0


def limit_of(arrays: Mapping[str, np.ndarray]) -> float:
    """The largest magnitude in all three matrices: both ends of the shared scale."""
    return max(float(abs(arrays[name]).max()) for name in TITLES) or 1.0


def _roots(values: np.ndarray) -> np.ndarray:
    return (np.sign(values) * np.sqrt(abs(values))).astype(np.float32)


def matrix(values: np.ndarray, limit: float, ticks: Mapping[float, str], dark: bool) -> go.Figure:
    """One matrix as cells, coloured by the signed square root of its entries between -limit and limit."""
    made = style.figure(dark=dark, x="", y="", height=310)
    count, top = len(values), limit**0.5
    places = np.arange(count)
    made.add_heatmap(
        x=places,
        y=-places,
        z=_roots(values),
        customdata=values.astype(np.float32),
        zmin=-top,
        zmax=top,
        colorscale=plotly_scale("diverging", dark),
        colorbar=_bar(limit, dark),
        hovertemplate="%{customdata:.3g}<extra></extra>",
    )
    named = {"tickmode": "array", "title": None, "showgrid": False, "ticks": "", "showline": False}
    made.update_xaxes(**named, tickvals=list(ticks), ticktext=list(ticks.values()), range=[-0.5, count - 0.5])
    made.update_yaxes(
        **named,
        tickvals=[-tick for tick in ticks],
        ticktext=list(ticks.values()),
        range=[0.5 - count, 0.5],
        scaleanchor="x",
        constrain="domain",
    )
    made.update_xaxes(constrain="domain", ticklabeloverflow="allow")
    made.update_layout(margin={"l": 40, "r": 8, "t": 8, "b": 8})
    return made


def _bar(limit: float, dark: bool) -> dict[str, object]:
    marks = [-limit, -limit / 10, 0.0, limit / 10, limit]
    return {
        "orientation": "h",
        "y": -0.1,
        "yanchor": "top",
        "len": 0.9,
        "tickvals": _roots(np.array(marks)).tolist(),
        "ticktext": [words.number(mark, 2) for mark in marks],
        "thickness": 8,
        "outlinewidth": 0,
        "tickfont": {"color": style.ink(dark), "size": 12},
    }


def triptych(arrays: Mapping[str, np.ndarray], dark: bool) -> go.Figure:
    """The three matrices side by side on one pair of axes, for a file."""
    made = style.figure(dark=dark, x="", y="")
    limit, count = limit_of(arrays), len(arrays["measured"])
    places = np.arange(count)
    for number, name in enumerate(TITLES):
        made.add_heatmap(
            x=places + number * (count + GAP),
            y=-places,
            z=_roots(arrays[name]),
            zmin=-(limit**0.5),
            zmax=limit**0.5,
            colorscale=plotly_scale("diverging", dark),
            showscale=False,
        )
    middles = [(count - 1) / 2 + number * (count + GAP) for number in range(3)]
    made.update_xaxes(
        tickvals=middles, ticktext=list(TITLES.values()), range=[-0.5, 3 * count + 2 * GAP - 0.5], title=None
    )
    made.update_yaxes(tickvals=[], ticktext=[], range=[0.5 - count, 0.5], title=None)
    return made


def eigenvalues(table: pd.DataFrame, kind: str, dark: bool) -> go.Figure:
    """Eigenvalues by rank: the measured block, the same without noise, and the closed form as steps."""
    columns = table[["measured", "without_noise", kind]].to_numpy(dtype=float)
    positive = columns[columns > 1e-12 * max(columns.max(), 1e-300)]
    log = bool(positive.size) and bool(positive.max() > WIDE_RANGE * np.median(positive))
    made = style.figure(dark=dark, x="Rank", y="Eigenvalue", log_y=log, height=360)
    rank = table["rank"].to_numpy()
    floor = positive.min() if positive.size else 1.0
    shown = np.where(columns >= floor, columns, np.nan) if log else columns
    style.measured(made, rank, shown[:, 0], MEASURED, dark=dark)
    made.data[-1].marker.size = 6
    style.measured(made, rank, shown[:, 1], WITHOUT_NOISE, dark=dark, index=1)
    made.data[-1].mode, made.data[-1].marker.size = "markers", 6
    style.theory(made, rank, shown[:, 2], CLOSED, dark=dark)
    if log:
        low, high = float(np.log10(np.nanmin(shown))) - 0.1, float(np.log10(np.nanmax(shown))) + 0.1
        ticks, texts = style.log_ticks(10.0**low, 10.0**high)
        every = -(-len(ticks) // 8)
        made.update_yaxes(range=[low, high], tickmode="array", tickvals=ticks[::every], ticktext=texts[::every])
    else:
        made.update_yaxes(range=[min(0.0, float(columns.min())), 1.08 * float(columns.max()) or 1.0])
    made.update_xaxes(range=[0.5, len(rank) + 0.5])
    return _narrow(made)


def errors(table: pd.DataFrame, matrix_name: str, dark: bool) -> go.Figure:
    """What is wrong with every form beyond noise, by layer, with its band over networks; dashed where theory claims 0."""
    rows = table[table["matrix"] == matrix_name]
    made = style.figure(dark=dark, x="Hidden layer", y="Relative error", height=380)
    for form, name in FORMS.items():
        own = rows[rows["form"] == form]
        if not len(own):
            continue
        _over_layers(made, own, "error", name, ".1%", dark, PLACES[form])
    noise = rows[rows["form"] == "isotropic"]
    _halves_of_inputs(made, noise, "noise", NOISE, dark)
    claimed = sorted(set(rows.loc[rows["predicted"] == 0, "layer"]))
    if claimed:
        x = np.array([[layer - 0.3, layer + 0.3, np.nan] for layer in claimed]).reshape(-1)
        style.theory(made, x, np.where(np.isfinite(x), 0.0, np.nan), EXACT, dark=dark)
    _layers(made, rows["layer"])
    top = float(np.nanmax(rows[["high", "error", "noise"]].to_numpy(dtype=float), initial=0.1))
    made.update_yaxes(tickformat=".0%", range=[-0.04 * top, 1.08 * top])
    return _narrow(made)


def cosines(table: pd.DataFrame, dark: bool) -> go.Figure:
    """Cosine of the closed form's natural gradient with the exact one, by layer, beside the plain gradient and two halves."""
    made = style.figure(dark=dark, x="Hidden layer", y="Cosine", height=380)
    for form, name in DIRECTIONS.items():
        own = table[table["form"] == form]
        _over_layers(made, own, "cosine", name, ".3f", dark, PLACES[form])
    halves = table[table["form"] == "halves"]
    _halves_of_inputs(made, halves, "cosine", HALVES, dark)
    _layers(made, table["layer"])
    low = float(np.nanmin(table[["low", "cosine"]].to_numpy(dtype=float), initial=0.95))
    made.update_yaxes(range=[np.floor(10 * low) / 10, 1.01])
    return _narrow(made)


def _over_layers(
    made: go.Figure, own: pd.DataFrame, value: str, name: str, digits: str, dark: bool, index: int
) -> None:
    """Averages by layer, with their band over networks where there are several."""
    layers = own["layer"].to_numpy()
    there = np.isfinite(own["low"].to_numpy())
    if there.sum() > 1:
        low, high = (own[end].to_numpy()[there] for end in ("low", "high"))
        style.band(made, layers[there], low, high, "Networks", dark=dark, index=index, showlegend=False)
    hover = f"{name}, layer %{{x}}: %{{y:{digits}}}<extra></extra>"
    style.measured(made, layers, own[value], name, dark=dark, index=index, hovertemplate=hover)


def _halves_of_inputs(made: go.Figure, rows: pd.DataFrame, value: str, name: str, dark: bool) -> None:
    """What two halves of the inputs say of one another: no form can be seen to do better."""
    made.add_scatter(
        x=rows["layer"].to_numpy(),
        y=rows[value].to_numpy(dtype=np.float32),
        name=name,
        mode="lines",
        line={"color": style.ink(dark), "width": 2, "dash": "dot"},
        opacity=0.75,
    )


def _layers(made: go.Figure, layers: Sequence[int] | pd.Series) -> None:
    every = sorted(set(layers))
    made.update_xaxes(
        tickmode="array", tickvals=every, ticktext=[str(layer) for layer in every], range=[0.5, every[-1] + 0.5]
    )


def moments(points: pd.DataFrame, curves: pd.DataFrame, against: str, here: float, dark: bool) -> go.Figure:
    """A_0, A_1, A_2 against |w| or w_0: measured units as markers with their range, predictions dashed, the chosen unit dotted."""
    title = "Length of the weights |w|" if against == "length" else "Bias w₀"
    made = style.figure(dark=dark, x=title, y="", height=380)
    fine = curves[curves["against"] == against]
    own = points[points["against"] == against]
    for index, (moment, label) in enumerate(LABELS.items()):
        line, rows = fine[fine["moment"] == moment], own[own["moment"] == moment]
        style.theory(
            made, line[against], line["predicted"], "Predicted", dark=dark, showlegend=index == 0, hoverinfo="skip"
        )
        x = rows[against].to_numpy()
        gaps = np.full(len(x), np.nan)
        made.add_scatter(
            x=np.column_stack([x, x, gaps]).reshape(-1).astype(np.float32),
            y=np.column_stack([rows["low"], rows["high"], gaps]).reshape(-1).astype(np.float32),
            mode="lines",
            line={"color": style.series(index, dark), "width": 2.5},
            showlegend=False,
            hoverinfo="skip",
        )
        style.measured(made, x, rows["measured"], f"{label} measured", dark=dark, index=index)
        made.data[-1].mode = "markers"
        made.data[-1].hovertemplate = f"{label} at %{{x:.3g}}: %{{y:.3g}}<extra></extra>"
    values = np.concatenate([own[["low", "high"]].to_numpy().reshape(-1), fine["predicted"].to_numpy()])
    low, high = float(values.min()), float(values.max())
    room = 0.06 * (high - low) or 0.1
    made.add_scatter(
        x=[here, here],
        y=[low - room, high + room],
        name=HERE,
        mode="lines",
        line={"color": style.ink(dark), "width": 2, "dash": "dot"},
        hoverinfo="skip",
    )
    made.update_yaxes(range=[low - room, high + room])
    return _narrow(made)


def _narrow(made: go.Figure) -> go.Figure:
    """Charts side by side have little room: short legends, slim margins."""
    made.update_layout(legend={"itemwidth": 30, "font": {"size": 13}}, margin={"l": 48, "r": 8})
    return made
