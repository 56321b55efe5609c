"""Figures of the page Race: loss against steps, seconds or Fisher-vector products, one line an optimizer, with its spread.

Line: geometric mean over seeds (losses span many powers of ten); band: smallest to largest seed; dashed: the linearised network.
A line ends where the first of its seeds diverged, or stopped at a singular matrix, with a cross.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from figures import style
from numpy.typing import NDArray

from fimcore.experiments.train_names import OPTIMIZERS, SHORT_NAMES

MOST_POINTS = 2000
# What lies further from the start than this is beyond the picture; the table has it.
LOWEST, HIGHEST = 1e-8, 1e3
# The colour an optimizer has unless another one of the race has it already; the four of the default race keep theirs.
PREFERRED = {
    "sgd": 0,
    "adam": 1,
    "ngd_exact": 2,
    "ngd_unit": 3,
    "momentum": 4,
    "kfac": 4,
    "ngd_layer": 5,
    "ngd_closed_form": 4,
}
PREDICTED = "Linearised, predicted"

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Series:
    """One optimizer over its seeds, at the shown steps; nan where a run has not come or did not last so far."""

    optimizer: str
    index: int
    steps: Numbers
    seconds: Numbers
    products: Numbers
    middle: Numbers
    low: Numbers
    high: Numbers
    seeds: int
    diverged_at: float
    stopped_at: float

    @property
    def name(self) -> str:
        return SHORT_NAMES[self.optimizer]


def colours(optimizers: Sequence[str]) -> dict[str, int]:
    """Place in the order of colours of each optimizer of a race: its own where it is free, else the next free one."""
    free, found = list(range(len(style.SERIES_LIGHT))), {}
    for optimizer in sorted(optimizers, key=lambda name: (name not in PREFERRED, list(SHORT_NAMES).index(name))):
        wanted = PREFERRED.get(optimizer, 5)
        found[optimizer] = wanted if wanted in free else free[0] if free else wanted
        free = [place for place in free if place != found[optimizer]]
    return found


def shown_steps(curves: pd.DataFrame) -> NDArray[np.int64]:
    """Steps to draw: all, or as many as keep a chart below 2,000 points (a line and both edges of its band)."""
    last, kinds = int(curves["step"].max()), curves["optimizer"].nunique()
    count = min(last + 1, MOST_POINTS // (3 * kinds) - 2)
    return np.unique(np.linspace(0, last, count).round().astype(np.int64))


def series(curves: pd.DataFrame, optimizers: Sequence[str] = ()) -> list[Series]:
    """The lines of both charts. optimizers: all of the race, so that a line keeps its colour while others are still to come."""
    steps, there = shown_steps(curves), set(curves["optimizer"])
    places = colours(optimizers or sorted(there))
    return [
        _series(optimizer, places[optimizer], curves[curves["optimizer"] == optimizer], steps)
        for optimizer in OPTIMIZERS
        if optimizer in there
    ]


def _series(optimizer: str, index: int, own: pd.DataFrame, steps: NDArray[np.int64]) -> Series:
    own = _finished(own)
    per_step = own["products"].max() / own["step"].max() if own["step"].max() else np.nan
    wide = own.pivot_table(index="step", columns="seed", values=["loss", "seconds"], dropna=False).reindex(steps)
    loss, seconds = (wide[name].to_numpy(np.float64, copy=True) for name in ("loss", "seconds"))
    diverged = own.loc[own["diverged"], "step"]
    diverged_at = float(diverged.min()) if len(diverged) else np.nan
    stopped = own.loc[own["stopped"], "step"]
    stopped_at = float(stopped.min()) if len(stopped) and not stopped.min() >= diverged_at else np.nan
    ended = (steps >= diverged_at) | (steps > stopped_at)
    loss[~np.isfinite(loss) | ended[:, None]] = np.nan
    known, timed = np.isfinite(loss).any(axis=1), np.isfinite(seconds).any(axis=1)
    middle, low, high, time = (np.full(len(steps), np.nan) for _ in range(4))
    positive = np.maximum(loss[known], np.finfo(np.float32).tiny)
    middle[known] = np.exp(np.nanmean(np.log(positive), axis=1))
    low[known], high[known] = np.nanmin(positive, axis=1), np.nanmax(positive, axis=1)
    time[timed] = np.nanmedian(seconds[timed], axis=1)
    made = steps.astype(np.float64)
    seeds, products = own["seed"].nunique(), made * per_step
    return Series(optimizer, index, made, time, products, middle, low, high, seeds, diverged_at, stopped_at)


def _finished(own: pd.DataFrame) -> pd.DataFrame:
    """Without the seed that is still running, unless it is the first: means over a changing set of seeds would jump."""
    last = own.groupby("seed")["step"].transform("max")
    over = own.assign(over=own["diverged"] | own["stopped"]).groupby("seed")["over"].transform("any")
    return own[(last == own["step"].max()) | over]


def loss_against_steps(
    lines: Sequence[Series], *, dark: bool, goal: float = np.nan, predicted: pd.DataFrame | None = None
) -> go.Figure:
    """Loss (logarithmic) against the number of updates, and dashed what the linearised network does where it has a rule."""
    made = style.figure(dark=dark, x="Step", y="Loss", log_y=True)
    _draw(made, lines, [line.steps for line in lines], dark, goal)
    if predicted is not None and len(predicted):
        _predictions(made, lines, predicted, dark)
    return made


def loss_against_seconds(lines: Sequence[Series], *, dark: bool, goal: float = np.nan) -> go.Figure:
    """Loss against the seconds that the updates took, both logarithmic, from the first update on."""
    made = style.figure(dark=dark, x="Seconds spent in updates", y="Loss", log_x=True, log_y=True)
    return _draw(made, lines, [places_of(line, "seconds") for line in lines], dark, goal)


def loss_against_products(lines: Sequence[Series], *, dark: bool, goal: float = np.nan) -> go.Figure:
    """Loss against the arithmetic of the updates, in products of the Fisher matrix with a vector, from the first update on."""
    made = style.figure(dark=dark, x="Cost of updates, in Fisher-vector products", y="Loss", log_x=True, log_y=True)
    return _draw(made, lines, [places_of(line, "products") for line in lines], dark, goal)


def places_of(line: Series, against: str) -> Numbers:
    """Where the steps of a line lie on the x axis; the start has no place on a logarithmic one."""
    found: Numbers = getattr(line, against)
    return np.where(found > 0, found, np.nan) if against != "steps" else found


def _predictions(made: go.Figure, lines: Sequence[Series], predicted: pd.DataFrame, dark: bool) -> None:
    """Geometric means over seeds, in the colour of the optimizer, inside the picture."""
    low, high = (10.0**edge for edge in made.layout.yaxis.range)
    shown = False
    for line in lines:
        own = predicted[(predicted["optimizer"] == line.optimizer) & predicted["step"].isin(line.steps)]
        wide = own.pivot_table(index="step", columns="seed", values="predicted_loss", dropna=False)
        if wide.empty:
            continue
        x, y = wide.index.to_numpy(np.float64), wide.to_numpy(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            middle = np.exp(np.log(np.maximum(y, np.finfo(np.float64).tiny)).mean(axis=1))
        outside = np.flatnonzero(~(np.isfinite(middle) & (middle >= low) & (middle <= high)))
        end = int(outside[0]) if len(outside) else len(x)
        if end < 2:
            continue
        style.theory(
            made,
            x[:end],
            middle[:end],
            PREDICTED,
            dark=dark,
            showlegend=not shown,
            legendgroup=PREDICTED,
            hovertemplate=f"{line.name}, linearised<br>%{{x:.4g}} · loss %{{y:.3g}}<extra></extra>",
        )
        made.data[-1].line.color = style.series(line.index, dark)
        shown = True


def _draw(made: go.Figure, lines: Sequence[Series], places: Sequence[Numbers], dark: bool, goal: float) -> go.Figure:
    floor, top = limits(lines, goal)
    for line, x in zip(lines, places, strict=True):
        shown = np.isfinite(line.middle) & np.isfinite(x)
        # A line ends where all its seeds have left the picture; a number too large for the page never reaches it.
        below = np.flatnonzero(shown & (line.high <= floor))
        shown[below[1:] if below.size else []] = False
        low, middle, high = (np.clip(y[shown], floor, top) for y in (line.low, line.middle, line.high))
        if line.seeds > 1:
            style.band(made, x[shown], low, high, line.name, dark=dark, index=line.index, showlegend=False)
        style.measured(
            made,
            x[shown],
            middle,
            line.name,
            dark=dark,
            index=line.index,
            hovertemplate=f"{line.name}<br>%{{x:.4g}} · loss %{{y:.3g}}<extra></extra>",
        )
        made.data[-1].marker.maxdisplayed = 12
    every = np.concatenate([x[np.isfinite(x)] for x in places]) if places else np.empty(0)
    log = made.layout.xaxis.type == "log"
    for line, x in zip(lines, places, strict=True):
        known = np.flatnonzero(np.isfinite(line.middle) & np.isfinite(x))
        if (np.isfinite(line.diverged_at) or np.isfinite(line.stopped_at)) and len(known):
            at, low, high = (np.log10(v) if log else v for v in (x[known[-1]], every.min(), every.max()))
            level = float(np.clip(line.middle[known[-1]], floor * 1.5, top / 3))
            _cross(made, line, float(x[known[-1]]), level, bool(at - low > 0.6 * (high - low)), dark)
    if np.isfinite(goal) and every.size:
        style.theory(made, [every.min(), every.max()], [goal, goal], "Goal", dark=dark, dash="dot", hoverinfo="skip")
    made.update_yaxes(range=[np.log10(floor), np.log10(top)], **_ticks(floor, top))
    if log and every.size:
        made.update_xaxes(**_ticks(float(every.min()), float(every.max())))
    return made


def _ticks(low: float, high: float) -> dict[str, Any]:
    """At most eight ticks of a logarithmic axis, written as people do."""
    ticks, texts = style.log_ticks(low, high)
    every = -(-len(ticks) // 8)
    return {"tickmode": "array", "tickvals": ticks[::every], "ticktext": texts[::every]} if ticks else {}


def _cross(made: go.Figure, line: Series, x: float, y: float, right: bool, dark: bool) -> None:
    """The last step before a divergence or a singular matrix; its words stay inside the picture."""
    colour = style.series(line.index, dark)
    fate, at = ("stopped", line.stopped_at) if np.isfinite(line.stopped_at) else ("diverged", line.diverged_at)
    made.add_scatter(
        x=[x],
        y=[y],
        name=f"{line.name} {fate}",
        mode="markers+text",
        text=[f"{fate} at step {at:.0f}"],
        textposition="bottom left" if right else "bottom right",
        textfont={"color": style.ink(dark)},
        marker={"color": colour, "size": 14, "symbol": "x", "line": {"color": style.ink(dark), "width": 1}},
        showlegend=False,
        hoverinfo="text",
    )


def limits(lines: Sequence[Series], goal: float = np.nan) -> tuple[float, float]:
    """Range of the loss axis: all that is finite, but at most eight powers of ten below the start and three above."""
    start = max((float(line.middle[0]) for line in lines if np.isfinite(line.middle[0])), default=1.0)
    low = [float(np.nanmin(line.low)) for line in lines if np.isfinite(line.low).any()]
    high = [float(np.nanmax(line.high)) for line in lines if np.isfinite(line.high).any()]
    least = min([*low, goal if np.isfinite(goal) else start])
    floor, top = max(least, start * LOWEST), min(max([*high, start]), start * HIGHEST)
    return floor / 1.5, top * 1.5


def positions(made: go.Figure, lines: Sequence[Series], places: Sequence[Numbers]) -> list[Numbers | None]:
    """For the playback: where each step lies on x for every trace of a figure; None for what is always shown."""
    by_name = {line.name: x for line, x in zip(lines, places, strict=True)}
    return [by_name.get(trace.name) for trace in made.data]


def goal_level(races: pd.DataFrame, goal: float) -> float:
    """The loss to reach, for the typical start (geometric mean over seeds): every run is judged by its own."""
    starts = races["start_loss"].to_numpy(np.float64)
    return (
        float(goal * np.exp(np.mean(np.log(np.maximum(starts, np.finfo(np.float32).tiny))))) if len(starts) else np.nan
    )
