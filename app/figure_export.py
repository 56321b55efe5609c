"""A Plotly line chart as a file without a browser: lines, markers, bands, stacks and dashes on linear or logarithmic axes.

Deliberately small: what `figures/style.py` draws on one pair of axes, redrawn as shapes, with the caption burnt in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import drawing
import numpy as np
import plotly.graph_objects as go
from drawing import Area, Drawing, Path, Shape, Text
from figures.style import ink, log_ticks, quiet
from fonts import width_of
from heatmap_shapes import heatmap_shapes

WIDTH, HEIGHT, LEFT, RIGHT, SIZE = 880.0, 420.0, 84.0, 24.0, 14.0
PAPER = {False: "#ffffff", True: "#0f1720"}
DASHES = {"dash": (9.0, 6.0), "dot": (2.0, 4.0), "dashdot": (9.0, 5.0, 2.0, 5.0), "longdash": (14.0, 6.0)}
CORNERS = {
    "square": (4, np.pi / 4),
    "diamond": (4, 0.0),
    "triangle-up": (3, 0.0),
    "x": (4, 0.0),
    "cross": (4, np.pi / 4),
}
_TAG = re.compile(r"<[^>]+>")


@dataclass(frozen=True)
class _Axis:
    """Values to pixels along one direction."""

    low: float
    high: float
    log: bool
    start: float
    stop: float

    def at(self, values: Any) -> np.ndarray:
        numbers = np.asarray(values, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            low, high = (np.log10(self.low), np.log10(self.high)) if self.log else (self.low, self.high)
            place = ((np.log10(numbers) if self.log else numbers) - low) / (high - low)
        return self.start + place * (self.stop - self.start)


def figure_svg(figure: go.Figure, title: str, captions: Sequence[str], dark: bool = False) -> str:
    """The chart as SVG, with its title above and its caption lines below."""
    return drawing.svg(draw(figure, title, captions, dark))


def figure_png(figure: go.Figure, title: str, captions: Sequence[str], dark: bool = False) -> bytes:
    """The chart as PNG at twice the size."""
    return drawing.png(draw(figure, title, captions, dark), {"Title": title, "Description": "\n".join(captions)})


def draw(figure: go.Figure, title: str, captions: Sequence[str], dark: bool) -> Drawing:
    """The chart as shapes."""
    data = [trace for trace in figure.data if trace.visible is not False]
    legend = list(_legend_rows(data))
    top = 52.0 + 24.0 * len(legend)
    bottom = top + HEIGHT
    lines = [line for text in captions for line in _wrapped(text, WIDTH - LEFT - RIGHT)]
    curves = [(trace, *_numbers(trace)) for trace in data]
    left = max(
        LEFT, 44 + max((width_of(plain(text), SIZE) for text in figure.layout.yaxis.ticktext or ()), default=0.0)
    )
    x = _axis(figure.layout.xaxis, [each for _, each, _ in curves], left, WIDTH - RIGHT)
    y = _axis(figure.layout.yaxis, [each for _, _, each in curves], bottom, top)
    shapes: list[Shape] = [Text(LEFT, 30, title, 18, ink(dark), bold=True)]
    shapes += _grid(figure, x, y, dark)
    window = (left, WIDTH - RIGHT, top, bottom)
    for trace, across, up in curves:
        if trace.type == "heatmap":
            shapes += heatmap_shapes(trace, x.at(across), y.at(up), window)
        else:
            shapes += _trace(trace, x.at(across), y.at(up), dark)
    shapes += _legend(legend, dark)
    base = bottom + 74
    shapes += [Text(LEFT, base + 20 * row, line, 13, ink(dark)) for row, line in enumerate(lines)]
    return Drawing(WIDTH, base + 20 * len(lines) + 4, PAPER[dark], tuple(shapes), ". ".join([title, *captions]))


def plain(text: str | None) -> str:
    """Plotly's text without its tags."""
    return _TAG.sub("", (text or "").replace("<br>", " ").replace("<sub>", "_")).strip()


def _numbers(trace: Any) -> tuple[np.ndarray, np.ndarray]:
    """x and y as float64; a bar becomes its outline. Values beyond what can be drawn stay out."""
    x, y = (np.asarray(values, dtype=np.float64) for values in (trace.x, trace.y))
    return x, y


def _axis(layout: Any, values: list[np.ndarray], start: float, stop: float) -> _Axis:
    log = layout.type == "log"
    if layout.range is not None:
        low, high = (float(value) for value in layout.range)
        return _Axis(10.0**low if log else low, 10.0**high if log else high, log, start, stop)
    every = np.concatenate([part[np.isfinite(part)] for part in values]) if values else np.array([])
    every = every[every > 0] if log else every
    if every.size == 0:
        return _Axis(1.0 if log else 0.0, 10.0 if log else 1.0, log, start, stop)
    low, high = float(every.min()), float(every.max())
    if log:
        room = max((high / low) ** 0.05, 1.05)
        return _Axis(low / room, high * room, log, start, stop)
    room = 0.05 * (high - low) or 0.5
    return _Axis(low - room, high + room, log, start, stop)


def ticks_of(low: float, high: float, log: bool, layout: Any = None) -> tuple[list[float], list[str]]:
    """Where the ticks are and what they say: as the figure has it, else round numbers."""
    if layout is not None and layout.tickvals is not None:
        texts = layout.ticktext if layout.ticktext is not None else [f"{value:g}" for value in layout.tickvals]
        pairs = [(float(value), str(text)) for value, text in zip(layout.tickvals, texts, strict=False)]
        return [value for value, _ in pairs if low <= value <= high], [t for value, t in pairs if low <= value <= high]
    if log:
        return log_ticks(low, high)
    rough = (high - low) / 6
    power = 10.0 ** np.floor(np.log10(rough))
    step = power * next(size for size in (1, 2, 2.5, 5, 10) if size * power >= rough)
    ticks = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
    return [float(tick) for tick in ticks], [f"{tick + 0.0:.6g}".replace("-", "\u2212") for tick in ticks]


def _grid(figure: go.Figure, x: _Axis, y: _Axis, dark: bool) -> Iterator[Shape]:
    layout = figure.layout
    for value, text in zip(*ticks_of(x.low, x.high, x.log, layout.xaxis), strict=True):
        place = float(x.at(value))
        yield Path(((place, y.start), (place, y.stop)), quiet(dark))
        yield Text(place, y.start + 20, plain(text), SIZE, ink(dark), "middle")
    for value, text in zip(*ticks_of(y.low, y.high, y.log, layout.yaxis), strict=True):
        place = float(y.at(value))
        yield Path(((x.start, place), (x.stop, place)), quiet(dark))
        yield Text(x.start - 8, place + 5, plain(text), SIZE, ink(dark), "end")
    yield Path(((x.start, y.stop), (x.start, y.start), (x.stop, y.start)), ink(dark), 1.2)
    yield Text((x.start + x.stop) / 2, y.start + 44, plain(layout.xaxis.title.text), SIZE, ink(dark), "middle")
    yield Text(22, (y.start + y.stop) / 2, plain(layout.yaxis.title.text), SIZE, ink(dark), "middle", turned=True)


def _colour(text: str | None, other: str) -> tuple[str, float]:
    """A Plotly colour as hex and opacity."""
    if text and text.startswith("rgba"):
        *parts, alpha = (float(part) for part in text[5:-1].split(","))
        return "#" + "".join(f"{round(part):02x}" for part in parts), alpha
    return (text, 1.0) if text and text.startswith("#") and len(text) == 7 else (other, 1.0)


def _trace(trace: Any, x: np.ndarray, y: np.ndarray, dark: bool) -> Iterator[Shape]:
    colour, alpha = _colour(trace.line.color, ink(dark))
    if trace.fill in ("toself", "tozeroy", "tonexty"):
        there = np.isfinite(x) & np.isfinite(y)
        fill, opacity = _colour(trace.fillcolor, colour)
        yield Area(tuple(zip(x[there].tolist(), y[there].tolist(), strict=True)), fill, opacity)
    mode = trace.mode or "lines"
    if "lines" in mode and alpha > 0 and (trace.line.width is None or trace.line.width > 0):
        for piece in _pieces(x, y):
            yield Path(piece, colour, trace.line.width or 2, DASHES.get(trace.line.dash or "", ()))
    if "markers" in mode:
        marker, _ = _colour(trace.marker.color, colour)
        points = [point for piece in _pieces(x, y, 1) for point in piece]
        for point in points[:: max(1, -(-len(points) // (trace.marker.maxdisplayed or len(points) or 1)))]:
            yield _marker(point, marker, (trace.marker.size or 8) / 2, trace.marker.symbol)
    if "text" in mode and trace.text is not None:
        yield from _labels(trace, x, y, dark)


def _labels(trace: Any, x: np.ndarray, y: np.ndarray, dark: bool) -> Iterator[Shape]:
    """Words beside points, on the side that `textposition` names."""
    where = str(trace.textposition or "middle center")
    anchor = "start" if "right" in where else "end" if "left" in where else "middle"
    lift = -4.0 if "top" in where else SIZE + 2 if "bottom" in where else SIZE / 3
    texts = [trace.text] * len(x) if isinstance(trace.text, str) else list(trace.text)
    for across, up, text in zip(x.tolist(), y.tolist(), texts, strict=False):
        if np.isfinite(across) and np.isfinite(up):
            yield Text(across, up + lift, plain(text), SIZE, ink(dark), anchor)


def _marker(point: tuple[float, float], colour: str, radius: float, symbol: str | None) -> Shape:
    corners, turn = CORNERS.get(symbol or "circle", (20, 0.0))
    return Area(drawing.polygon(point, radius * (1.25 if corners < 5 else 1.0), corners, turn), colour)


def _pieces(x: np.ndarray, y: np.ndarray, shortest: int = 2) -> Iterator[tuple[tuple[float, float], ...]]:
    """Runs of points without a gap."""
    there = np.isfinite(x) & np.isfinite(y)
    for run in np.split(np.arange(len(x)), np.flatnonzero(np.diff(there.astype(int))) + 1):
        if len(run) >= shortest and there[run[0]]:
            yield tuple(zip(x[run].tolist(), y[run].tolist(), strict=True))


def _legend_rows(data: Sequence[Any]) -> Iterator[list[tuple[Any, float]]]:
    """Named traces in rows that fit the width: trace and place."""
    row: list[tuple[Any, float]] = []
    place = LEFT
    for trace in data:
        if trace.showlegend is False or not trace.name:
            continue
        room = 40 + width_of(plain(trace.name), SIZE) * 1.05 + 22
        if row and place + room > WIDTH - RIGHT:
            yield row
            row, place = [], LEFT
        row.append((trace, place))
        place += room
    if row:
        yield row


def _legend(rows: list[list[tuple[Any, float]]], dark: bool) -> Iterator[Shape]:
    for number, row in enumerate(rows):
        height = 56.0 + 24.0 * number
        for trace, place in row:
            x, y = np.array([place, place + 28]), np.array([height, height])
            if trace.fill == "toself":
                fill, opacity = _colour(trace.fillcolor, ink(dark))
                corners = ((place, height - 7), (place + 28, height - 7), (place + 28, height + 7), (place, height + 7))
                yield Area(corners, fill, opacity)
            else:
                for shape in _trace(trace, x, y, dark):
                    if isinstance(shape, Path):
                        yield shape
                if "markers" in (trace.mode or ""):
                    marker, _ = _colour(trace.marker.color, _colour(trace.line.color, ink(dark))[0])
                    yield _marker((place + 14, height), marker, 4, trace.marker.symbol)
            yield Text(place + 36, height + 5, plain(trace.name), SIZE, ink(dark))


def _wrapped(text: str, room: float) -> list[str]:
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if not lines[-1] or width_of(longer, 13) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
