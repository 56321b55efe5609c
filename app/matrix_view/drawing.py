"""A frame as a still drawing: where each image, line and text lies, in CSS pixels; PNG and SVG render the same list.

Panels lie side by side, 560/420/340 pixels wide for one, two or three; colour bar, words and settings below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from matrix_view.encoding import Codes, Colour, colour_table, panel_codes, scale_text
from matrix_view.frame import Axis, Frame
from matrix_view.scales import Scale, colour_bar_ticks

MARGIN, GAP, LABEL_LEFT, LABEL_TOP = 24.0, 20.0, 28.0, 18.0
PANEL_WIDTH = {1: 560.0, 2: 420.0, 3: 340.0}
NO_VALUE_GREY = (150, 158, 166)
WORDS_SIZE, TITLE_SIZE, LABEL_SIZE = 14.0, 16.0, 12.0


@dataclass(frozen=True, eq=False)
class Image:
    """Pixels (rows, columns, 3) stretched over a rectangle, without smoothing when enlarged."""

    x: float
    y: float
    width: float
    height: float
    pixels: Codes
    alt: str = ""


@dataclass(frozen=True)
class Line:
    x1: float
    y1: float
    x2: float
    y2: float
    alpha: float


@dataclass(frozen=True)
class Text:
    """Text with its baseline at y; anchor is "start", "middle" or "end"; tone is "ink", "quiet", "black" or "white"."""

    x: float
    y: float
    text: str
    size: float
    bold: bool = False
    anchor: str = "start"
    tone: str = "ink"


Shape = Image | Line | Text


@dataclass(frozen=True)
class Drawing:
    width: float
    height: float
    dark: bool
    shapes: tuple[Shape, ...]


@dataclass(frozen=True)
class _Place:
    """The rectangle of one panel's cells, and how many cells it holds."""

    x: float
    y: float
    width: float
    height: float
    rows: Axis
    columns: Axis

    def across(self, edge: float) -> float:
        return self.x + self.width * edge / len(self.columns.names)

    def down(self, edge: float) -> float:
        return self.y + self.height * edge / len(self.rows.names)


def wrapped(text: str, room: float, measure: Callable[[str], float]) -> list[str]:
    """Lines of words no wider than room, as measured."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if measure(longer) <= room or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _hatching(x1: float, y1: float, x2: float, y2: float, step: float = 7.0) -> Iterator[Line]:
    for offset in np.arange(x1 + y1 + step / 2, x2 + y2, step):
        left, right = max(x1, offset - y2), min(x2, offset - y1)
        yield Line(left, offset - left, right, offset - right, 0.5)


def _structure(place: _Place) -> Iterator[Line]:
    right, bottom = place.x + place.width, place.y + place.height
    for start, stop in place.columns.dead:
        yield from _hatching(place.across(start), place.y, place.across(stop), bottom)
    for start, stop in place.rows.dead:
        yield from _hatching(place.x, place.down(start), right, place.down(stop))
    units = min(
        (
            (b - a) * size / len(axis.names)
            for axis, size in ((place.columns, place.width), (place.rows, place.height))
            for a, b in pairwise(axis.unit_edges)
        ),
        default=0.0,
    )
    for across, down, alpha in (
        (
            place.columns.unit_edges if units >= 6 else (),
            place.rows.unit_edges if units >= 6 else (),
            min(0.13, units / 150),
        ),
        (place.columns.boundaries[1:-1], place.rows.boundaries[1:-1], 0.6),
        ((0, len(place.columns.names)), (0, len(place.rows.names)), 0.3),
    ):
        yield from (Line(place.across(edge), place.y, place.across(edge), bottom, alpha) for edge in across)
        yield from (Line(place.x, place.down(edge), right, place.down(edge), alpha) for edge in down)


def _labels(place: _Place) -> Iterator[Text]:
    for label, (start, stop) in zip(place.columns.layer_labels, pairwise(place.columns.boundaries), strict=False):
        middle = place.across((start + stop) / 2)
        yield Text(middle, place.y - 5, label, LABEL_SIZE, anchor="middle", tone="quiet")
    for label, (start, stop) in zip(place.rows.layer_labels, pairwise(place.rows.boundaries), strict=False):
        yield Text(place.x - 5, place.down((start + stop) / 2) + 4, label, LABEL_SIZE, anchor="end", tone="quiet")


def _cell_text(place: _Place, text: Sequence[Sequence[str]], pixels: Codes) -> Iterator[Text]:
    size = min(15.0, 0.4 * place.height / len(place.rows.names), 0.2 * place.width / len(place.columns.names))
    if size < 8:
        return
    for row, words in enumerate(text):
        for column, word in enumerate(words):
            light = float((pixels[row, column] / 255.0) ** 2.2 @ np.array([0.2126, 0.7152, 0.0722])) > 0.2
            yield Text(
                place.across(column + 0.5),
                place.down(row + 0.5) + size / 3,
                word,
                size,
                bold=True,
                anchor="middle",
                tone="black" if light else "white",
            )


def _colour_bar(
    x: float, y: float, width: float, limit: float, scale: Scale, colour: Colour, table: Codes
) -> Iterator[Shape]:
    signed = colour == "diverging"
    yield Image(x, y, width, 12, table[np.newaxis, 2 : 255 if signed else 256], alt="colour bar")
    for position, label in colour_bar_ticks(limit, scale, signed):
        anchor = "start" if position == 0 else "end" if position == 1 else "middle"
        yield Text(x + position * width, y + 26, label, LABEL_SIZE, anchor=anchor)


def draw(
    frame: Frame,
    *,
    scale: Scale,
    dark: bool,
    settings_lines: Sequence[str],
    quantity: str,
    normalised: bool,
    colour: Colour,
    measure: Callable[[str, float], float],
) -> Drawing:
    """All shapes of a frame's picture; measure(text, size) gives the width of a text."""
    table = colour_table(colour, dark).copy()
    table[0] = NO_VALUE_GREY
    rows, columns = len(frame.rows.names), len(frame.columns.names)
    aspect = float(np.clip(columns / rows, 0.5, 2.0))
    width = PANEL_WIDTH[len(frame.panels)] * min(1.0, aspect)
    height = width / aspect
    labelled = bool(frame.rows.layer_labels or frame.columns.layer_labels)
    left, top = (LABEL_LEFT, LABEL_TOP) if labelled else (0.0, 0.0)
    total = max(2 * MARGIN + len(frame.panels) * (width + left) + (len(frame.panels) - 1) * GAP, 520.0)
    room = total - 2 * MARGIN - left
    shapes: list[Shape] = []
    x, y = MARGIN + left, MARGIN + 20 + top + 4
    for panel, limit in zip(frame.panels, frame.limits, strict=True):
        place = _Place(x, y, width, height, frame.rows, frame.columns)
        codes: NDArray[np.uint8] = np.frombuffer(panel_codes(panel, limit, scale, colour)[0], dtype=np.uint8)
        pixels = table[codes.reshape(rows, columns)]
        shapes.append(Text(x, MARGIN + 14, panel.title, TITLE_SIZE, bold=True))
        shapes.append(Image(x, y, width, height, pixels, panel.alt))
        shapes += [*_structure(place), *_labels(place)]
        if panel.cell_text:
            shapes += _cell_text(place, panel.cell_text, pixels)
        if not frame.shared:
            shapes += _colour_bar(x, y + height + 12, min(width, 320.0), limit, scale, colour, table)
        x += width + left + GAP
    y += height + 12
    if frame.shared:
        shapes += _colour_bar(MARGIN + left, y, min(320.0, room), frame.limits[0], scale, colour, table)
    y += 50
    missing = any(bool(np.isnan(panel.values).any()) for panel in frame.panels)
    words = [scale_text(frame, quantity, scale, normalised, colour), frame.note, "Grey: no value" if missing else ""]
    sentence = ". ".join(word.rstrip(".") for word in words if word)
    blocks = [(frame.caption, True, "ink"), (f"{sentence}.", False, "quiet")]
    blocks += [(line, False, "quiet") for line in settings_lines]
    for text, bold, tone in blocks:
        if not text:
            continue
        for line in wrapped(text, room, lambda part: measure(part, WORDS_SIZE)):
            shapes.append(Text(MARGIN + left, y, line, WORDS_SIZE, bold=bold, tone=tone))
            y += 20
    return Drawing(total, y + MARGIN - 14, dark, tuple(shapes))
