"""Further figures of the page Two estimators: units, negative estimates, causes, inputs against labels, and samples needed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import words
from figures import style
from figures.estimators import OFFSET, layer_axis, layer_texts, log_axis, segments, texts, tint

BINS = 28
PARTS = (("score", "Squared score", 1), ("hessian", "Minus Hessian", 2), ("mixture", "Best mixture", 3))
MOST_SAMPLES = 1e15  # more than that is never
PAPER = {False: "#ffffff", True: "#101820"}


def histogram(units: pd.DataFrame, layer: int, dark: bool) -> go.Figure:
    """Units by log10 V2 / V1: the chosen layer filled, every other one as an outline."""
    made = style.figure(dark=dark, x="log₁₀ V₂ / V₁ of a unit", y="Units", height=400)
    there = units[units["log_ratio"].notna()]
    values = there["log_ratio"].to_numpy(float)
    low, high = min(-0.5, float(values.min())), max(0.5, float(values.max()))
    edges = np.linspace(low - 0.05 * (high - low), high + 0.05 * (high - low), BINS + 1)
    others = [name for name in sorted(there["layer"].unique()) if name != layer]
    for name in others:
        counts, _ = np.histogram(there.loc[there["layer"] == name, "log_ratio"], edges)
        made.add_scatter(
            x=np.repeat(edges, 2)[1:-1].astype(np.float32),
            y=np.repeat(counts, 2).astype(np.float32),
            name=f"Layer {name}",
            mode="lines",
            line={"color": style.series(int(name) + 2, dark), "width": 2, "dash": style.DASHES[int(name) % 6]},
            hovertemplate=f"Layer {name}: %{{y}} units<extra></extra>",
        )
    counts, _ = np.histogram(there.loc[there["layer"] == layer, "log_ratio"], edges)
    made.add_scatter(
        x=np.repeat(edges, 2)[1:-1].astype(np.float32),
        y=np.repeat(counts, 2).astype(np.float32),
        name=f"Layer {layer}, chosen",
        mode="lines",
        fill="tozeroy",
        fillcolor=tint(style.series(0, dark), 0.5),
        line={"color": style.series(0, dark), "width": 2.5},
        hovertemplate="%{y} units near %{x:.2f}<extra></extra>",
    )
    top = 1.25 * max(1.0, *(float(np.max(trace.y)) for trace in made.data))
    style.theory(made, [0.0, 0.0], [0.0, 0.9 * top], "Both vary alike", dark=dark, hoverinfo="skip")
    texts(made, [edges[0]], [top], ["← Hessian better"], "bottom right", dark)
    texts(made, [edges[-1]], [top], ["score better →"], "bottom left", dark)
    made.update_xaxes(range=[edges[0], edges[-1]])
    made.update_yaxes(range=[0, top])
    return made


def negative(units: pd.DataFrame, dark: bool) -> go.Figure:
    """Share of labels for which minus Hessian is negative: every unit as a point, the layer's mean as a bar."""
    count = int(units["layer"].max())
    made = style.figure(dark=dark, x="Layer", y="Negative estimates", height=400)
    colour = style.series(2, dark)
    shift = ((units["unit"] * 0.618034 + units["seed"] * 0.381966) % 1.0 - 0.5) * 0.5
    made.add_scatter(
        x=(units["layer"] + shift).to_numpy(np.float32),
        y=units["negative"].to_numpy(np.float32),
        name="One unit",
        mode="markers",
        marker={"color": tint(colour, 0.55), "size": 6},
        customdata=units[["unit", "seed"]].to_numpy(),
        hovertemplate="Unit %{customdata[0]}, seed %{customdata[1]}: %{y:.1%}<extra></extra>",
    )
    means = units.groupby("layer")["negative"].mean()
    x = np.array([[layer - 0.34, layer + 0.34, np.nan] for layer in means.index]).reshape(-1)
    y = np.array([[value, value, np.nan] for value in means]).reshape(-1)
    made.add_scatter(
        x=x.astype(np.float32),
        y=y.astype(np.float32),
        name="Layer mean",
        mode="lines",
        line={"color": style.ink(dark), "width": 4},
        hovertemplate="Layer mean: %{y:.1%}<extra></extra>",
    )
    layer_axis(made, layer_texts(count))
    made.update_yaxes(tickformat=".0%", range=[-0.02, max(0.6, 1.05 * float(np.nanmax(units["negative"])))])
    return made


def causes(table: pd.DataFrame, dark: bool) -> go.Figure:
    """Of the variance of minus Hessian in every layer, the share that each later nonlinearity causes, named inside its bar."""
    count = int(table["layer"].max())
    hidden = max(count - 1, 1)
    made = style.figure(
        dark=dark, x="Share of the variance of minus Hessian", y="Layer of the parameter", height=150 + 44 * count
    )
    reach = np.zeros((count + 1, 2))  # how far every bar reaches to the left and to the right
    for cause in sorted(table["cause"].unique()):
        bent = f"layer {cause}" if cause < count else "output"
        own = table[(table["cause"] == cause) & (table["measured"].abs() > 0)].to_dict("records")
        for number, row in enumerate(own):
            layer, value, side = int(row["layer"]), float(row["measured"]), int(row["measured"] > 0)
            start, end = reach[layer, side], reach[layer, side] + value
            reach[layer, side] = end
            colour = style.series(int(cause) - 1, dark)
            made.add_scatter(
                x=np.array([start, end, end, start, start], dtype=np.float32),
                y=np.array([layer - 0.36, layer - 0.36, layer + 0.36, layer + 0.36, layer - 0.36], dtype=np.float32),
                name=f"Bend of {bent}",
                legendgroup=str(cause),
                showlegend=number == 0,
                mode="lines",
                fill="toself",
                fillcolor=tint(colour, 1.0 if cause <= 6 else 0.6),
                line={"color": PAPER[dark], "width": 2},
                hoveron="fills",
                text=f"Bend of {bent}: {words.percent(value)}; alone {words.percent(float(row['alone']))}",
                hoverinfo="text",
            )
            if value > 0.14:
                texts(
                    made,
                    [(start + end) / 2],
                    [layer],
                    [f"{bent}: {words.percent(value)}"],
                    "middle center",
                    dark,
                    PAPER[dark],
                )
    made.update_xaxes(tickformat=".0%", range=[1.05 * float(reach.min()), max(1.02, 1.02 * float(reach.max()))])
    made.update_yaxes(tickmode="array", tickvals=list(range(1, hidden + 1)), range=[hidden + 0.6, 0.4])
    return made


def split(table: pd.DataFrame, against: str, here: float, dark: bool) -> go.Figure:
    """N times the variance over F^2, as areas: what comes from drawn labels on top of what comes from drawn inputs.

    table: rows of one layer and estimator, sorted; against: column "inputs" or "labels"; here: the setting that is chosen.
    """
    title = "Inputs b drawn from the N" if against == "inputs" else "Labels per input m"
    made = style.figure(dark=dark, x=title, y="Inputs × variance / F²", height=400)
    x = table[against].to_numpy(float)
    scaled = {name: (table["inputs"] * table[name]).to_numpy(np.float32) for name in ("input", "label")}
    whole, nothing = scaled["input"] + scaled["label"], np.zeros(len(x))
    for low, high, index, name in (
        (nothing, scaled["input"], 3, "Inputs drawn"),
        (scaled["input"], whole, 1, "Labels drawn"),
    ):
        style.band(made, x, low, high, name, dark=dark, index=index, showlegend=False)
        made.data[-1].fillcolor = tint(style.series(index, dark), 0.5)
    for values, index, name in ((scaled["input"], 3, "Inputs drawn"), (whole, 1, "Labels drawn, on top")):
        hover = f"{'Both' if values is whole else name}: %{{y:.3g}}<extra></extra>"
        style.measured(made, x, values, name, dark=dark, index=index, markers=len(x) == 1, hovertemplate=hover)
    top = float(whole.max()) * 1.08 or 1.0
    if x[0] < here <= x[-1]:
        style.theory(made, [here, here], [0.0, top], "Chosen", dark=dark, dash="dot", hoverinfo="skip")
    stops = [value for value in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192) if value <= x[-1]]
    if against == "inputs" and (not stops or x[-1] / stops[-1] > 1.3):
        stops.append(int(x[-1]))
    made.update_xaxes(
        type="log",
        tickmode="array",
        tickvals=stops,
        ticktext=[f"{value:,}" for value in stops],
        range=[np.log10(x[0]), np.log10(1.001 * max(x[-1], 1.01 * x[0]))],
    )
    made.update_yaxes(range=[0, top])
    return made


def needed(table: pd.DataFrame, dark: bool) -> go.Figure:
    """Samples for 95 % of a layer's parameters as points, from half to all of them as a line; the whole network last."""
    count = int(table["layer"].max())
    made = style.figure(dark=dark, x="Layer", y="Samples needed", height=440)
    seen = table[["half", "most", "all"]].to_numpy(float)
    seen = seen[seen < MOST_SAMPLES]
    for offset, (name, label, index) in zip((-1, 0, 1), PARTS, strict=True):
        own, colour = table[table["estimator"] == name], style.series(index, dark)
        x = np.where(own["layer"] == 0, count + 1, own["layer"]) + OFFSET * offset
        there = (own["most"] < MOST_SAMPLES).to_numpy()
        ends = own["all"].where(own["all"] < MOST_SAMPLES, own["most"])
        at, span = segments(x[there], own["half"].to_numpy()[there], ends.to_numpy()[there])
        made.add_scatter(
            x=at, y=span, mode="lines", line={"color": colour, "width": 3}, showlegend=False, hoverinfo="skip"
        )
        made.add_scatter(
            x=x[there].astype(np.float32),
            y=own["most"].to_numpy(float)[there].astype(np.float32),
            name=label,
            mode="markers",
            marker={
                "color": colour,
                "size": 11,
                "symbol": style.MARKERS[index],
                "line": {"color": style.ink(dark), "width": 1},
            },
            customdata=own[["half", "all"]].to_numpy()[there],
            hovertemplate=(
                f"{label}: %{{y:,.0f}} for 95 %<br>half %{{customdata[0]:,.0f}}, all %{{customdata[1]:,.0f}}<extra></extra>"
            ),
        )
    log_axis(made, "y", 0.7, 2 * float(seen.max()) if len(seen) else 10.0)
    layer_axis(made, [*layer_texts(count), "all"])
    return made
