"""The look of every line chart: colours by meaning, fonts of the page, axes that read as people write numbers.

Colours: Okabe and Ito, "Color Universal Design" (2008), in an order by meaning; line style and markers say the same once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import words
from numpy.typing import ArrayLike

MEASURED = "#0072B2"
SERIES_LIGHT = ("#0072B2", "#D55E00", "#007F5F", "#A0457E", "#7A6A00", "#555f69")
SERIES_DARK = ("#56B4E9", "#F0884A", "#2FC19A", "#D990BF", "#E3CF3C", "#a9b4be")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
MARKERS = ("circle", "square", "diamond", "triangle-up", "x", "cross")
FONT = "Source Sans, sans-serif"


def series(index: int, dark: bool) -> str:
    """Colour of the series with this place in the page's fixed order: 0 is always the measured one."""
    colours = SERIES_DARK if dark else SERIES_LIGHT
    return colours[index % len(colours)]


def ink(dark: bool) -> str:
    return "#e8eef4" if dark else "#1b2733"


def theory_colour(dark: bool) -> str:
    """Predictions are black on white, white on black, and dashed."""
    return "#ffffff" if dark else "#000000"


def quiet(dark: bool) -> str:
    return "#33424f" if dark else "#d3dbe3"


def _with_alpha(colour: str, alpha: float) -> str:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def figure(*, dark: bool, x: str, y: str, height: int = 380, log_x: bool = False, log_y: bool = False) -> go.Figure:
    """An empty chart with its axes titled and styled; traces are added with `measured`, `theory`, `band`."""
    made = go.Figure()
    axis: dict[str, Any] = {
        "gridcolor": quiet(dark),
        "zeroline": False,
        "linecolor": quiet(dark),
        "ticks": "outside",
        "tickcolor": quiet(dark),
        "tickfont": {"color": ink(dark)},
        "exponentformat": "power",
        "minexponent": 4,
        "automargin": True,
    }
    made.update_layout(
        height=height,
        margin={"l": 64, "r": 16, "t": 12, "b": 48},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "size": 14, "color": ink(dark)},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0, "title": {"text": ""}},
        hovermode="closest",
        xaxis={**axis, "title": {"text": x}, "type": "log" if log_x else "linear"},
        yaxis={**axis, "title": {"text": y}, "type": "log" if log_y else "linear"},
        # Streamlit would colour traces by its own template.
        template="none",
    )
    return made


def measured(
    made: go.Figure,
    x: ArrayLike,
    y: ArrayLike,
    name: str,
    *,
    dark: bool,
    index: int = 0,
    markers: bool = True,
    **more: Any,
) -> None:
    """What was measured: solid, with markers, at least 2 px."""
    colour = series(index, dark)
    made.add_scatter(
        x=_numbers(x),
        y=_numbers(y),
        name=name,
        mode="lines+markers" if markers else "lines",
        line={"color": colour, "width": 2.5},
        marker={"color": colour, "size": 8, "symbol": MARKERS[index % len(MARKERS)]},
        **more,
    )


def theory(
    made: go.Figure, x: ArrayLike, y: ArrayLike, name: str, *, dark: bool, dash: str = "dash", **more: Any
) -> None:
    """What is predicted: dashed, without markers, in the page's own ink."""
    made.add_scatter(
        x=_numbers(x),
        y=_numbers(y),
        name=name,
        mode="lines",
        line={"color": theory_colour(dark), "width": 2, "dash": dash},
        **more,
    )


def band(
    made: go.Figure,
    x: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    name: str,
    *,
    dark: bool,
    index: int = 0,
    **more: Any,
) -> None:
    """Spread over seeds, as a filled band behind the line of the same index."""
    there, back = _numbers(x), _numbers(x)[::-1]
    made.add_scatter(
        x=np.concatenate([there, back]),
        y=np.concatenate([_numbers(high), _numbers(low)[::-1]]),
        name=name,
        mode="lines",
        fill="toself",
        fillcolor=_with_alpha(series(index, dark), 0.25 if dark else 0.18),
        line={"color": "rgba(0,0,0,0)", "width": 0},
        hoverinfo="skip",
        **more,
    )


def doubling_axis(made: go.Figure, values: Sequence[int]) -> None:
    """Ticks at the widths of a sweep, written as they are."""
    made.update_xaxes(tickmode="array", tickvals=list(values), ticktext=[f"{value:,}" for value in values])


def log_ticks(low: float, high: float) -> tuple[list[float], list[str]]:
    """Ticks of a logarithmic axis: powers of ten, with 2 and 5 between them where there is room."""
    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    steps = (1, 2, 5) if last - first <= 2 else (1,)
    ticks = [step * 10.0**power for power in range(first, last + 1) for step in steps]
    kept = [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]
    return kept, [_tick_text(tick) for tick in kept]


def _tick_text(tick: float) -> str:
    power = round(np.log10(tick))
    if -3 <= np.floor(np.log10(tick) + 1e-9) <= 3:
        return f"{tick:g}"
    return words.power_of_ten(power) if np.isclose(tick, 10.0**power) else words.number(tick, 1)


def _numbers(values: ArrayLike) -> np.ndarray:
    """Arrays travel as bytes, and 32 bits are more than a screen can show."""
    return np.asarray(values, dtype=np.float32)


CHART_CONFIG = {
    "displaylogo": False,
    "modeBarButtonsToRemove": ["select2d", "lasso2d"],
    "toImageButtonOptions": {"format": "svg"},
}
