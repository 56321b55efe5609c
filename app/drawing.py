"""A still drawing as a list of shapes, and the two ways it is written: SVG by hand, PNG by Pillow at twice the size."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.sax.saxutils import escape

from fonts import FAMILY, font
from PIL import Image, ImageDraw, PngImagePlugin

ENLARGED = 2
Point = tuple[float, float]


@dataclass(frozen=True)
class Path:
    """A line through points; dash: lengths of strokes and gaps in pixels."""

    points: tuple[Point, ...]
    colour: str
    width: float = 1.0
    dash: tuple[float, ...] = ()


@dataclass(frozen=True)
class Area:
    """A filled polygon."""

    points: tuple[Point, ...]
    colour: str
    opacity: float = 1.0


@dataclass(frozen=True)
class Text:
    """Text with its baseline at y; turned: read from below to above."""

    x: float
    y: float
    text: str
    size: float
    colour: str
    anchor: str = "start"
    bold: bool = False
    turned: bool = False


Shape = Path | Area | Text


@dataclass(frozen=True)
class Drawing:
    """Shapes on paper, in CSS pixels."""

    width: float
    height: float
    paper: str
    shapes: tuple[Shape, ...]
    description: str = ""


def polygon(centre: Point, radius: float, corners: int, turn: float = 0.0) -> tuple[Point, ...]:
    """A regular polygon, for markers."""
    return tuple(
        (
            centre[0] + radius * math.sin(turn + 2 * math.pi * corner / corners),
            centre[1] - radius * math.cos(turn + 2 * math.pi * corner / corners),
        )
        for corner in range(corners)
    )


def svg(drawing: Drawing) -> str:
    """A self-contained SVG: shapes and text, no scripts, no references to elsewhere."""
    width, height = f"{drawing.width:.0f}", f"{drawing.height:.0f}"
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="{FAMILY}">',
        f"<title>{escape(drawing.description)}</title>",
        f'<rect width="{width}" height="{height}" fill="{drawing.paper}"/>',
    ]
    return "\n".join([*lines, *map(_svg_shape, drawing.shapes), "</svg>\n"])


def _svg_shape(shape: Shape) -> str:
    if isinstance(shape, Text):
        turn = f' transform="rotate(-90 {shape.x:.1f} {shape.y:.1f})"' if shape.turned else ""
        weight = ' font-weight="600"' if shape.bold else ""
        return (
            f'<text x="{shape.x:.1f}" y="{shape.y:.1f}" font-size="{shape.size:g}" fill="{shape.colour}" '
            f'text-anchor="{shape.anchor}"{weight}{turn}>{escape(shape.text)}</text>'
        )
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
    if isinstance(shape, Area):
        return f'<polygon points="{points}" fill="{shape.colour}" fill-opacity="{shape.opacity:g}"/>'
    dash = f' stroke-dasharray="{" ".join(f"{part:g}" for part in shape.dash)}"' if shape.dash else ""
    return (
        f'<polyline points="{points}" fill="none" stroke="{shape.colour}" stroke-width="{shape.width:g}" '
        f'stroke-linejoin="round"{dash}/>'
    )


def png(drawing: Drawing, facts: dict[str, str] | None = None) -> bytes:
    """The same shapes as pixels; `facts` are kept as text inside the file."""
    k = ENLARGED
    canvas = Image.new("RGB", (round(drawing.width * k), round(drawing.height * k)), drawing.paper)
    for shape in drawing.shapes:
        if isinstance(shape, Area):
            red, green, blue = (int(shape.colour[at : at + 2], 16) for at in (1, 3, 5))
            pen = ImageDraw.Draw(canvas, "RGBA")
            pen.polygon([(x * k, y * k) for x, y in shape.points], fill=(red, green, blue, round(255 * shape.opacity)))
        elif isinstance(shape, Path):
            _draw_path(ImageDraw.Draw(canvas), shape, k)
        else:
            _draw_text(canvas, shape, k)
    notes = PngImagePlugin.PngInfo()
    for name, text in (facts or {}).items():
        notes.add_itxt(name, text)
    stream = io.BytesIO()
    canvas.save(stream, "PNG", optimize=True, pnginfo=notes)
    return stream.getvalue()


def _draw_path(pen: ImageDraw.ImageDraw, shape: Path, k: float) -> None:
    points = [(x * k, y * k) for x, y in shape.points]
    pieces = dashes(points, [part * k for part in shape.dash]) if shape.dash else [points]
    for piece in pieces:
        if len(piece) > 1:
            pen.line(piece, fill=shape.colour, width=max(1, round(shape.width * k)), joint="curve")


def dashes(points: Sequence[Point], pattern: Sequence[float]) -> list[list[Point]]:
    """The strokes of a dashed line, since Pillow draws solid ones only."""
    pieces: list[list[Point]] = [[points[0]]] if points else []
    place, left, on = 0, pattern[0], True
    for start, stop in pairwise(points):
        length = math.dist(start, stop)
        walked = 0.0
        while length - walked > left:
            walked += left
            here = (
                start[0] + (stop[0] - start[0]) * walked / length,
                start[1] + (stop[1] - start[1]) * walked / length,
            )
            if on:
                pieces[-1].append(here)
            else:
                pieces.append([here])
            place, on = (place + 1) % len(pattern), not on
            left = pattern[place]
        left -= length - walked
        if on:
            pieces[-1].append(stop)
    return pieces


def _draw_text(canvas: Image.Image, shape: Text, k: float) -> None:
    typeface = font(shape.size * k, shape.bold)
    anchor = {"start": "ls", "middle": "ms", "end": "rs"}[shape.anchor]
    if not shape.turned:
        ImageDraw.Draw(canvas).text((shape.x * k, shape.y * k), shape.text, shape.colour, typeface, anchor=anchor)
        return
    length, size = round(typeface.getlength(shape.text)) + 4, round(shape.size * k * 1.6)
    strip = Image.new("L", (length, size), 0)
    ImageDraw.Draw(strip).text((2, size * 0.75), shape.text, 255, typeface, anchor="ls")
    strip = strip.transpose(Image.Transpose.ROTATE_90)
    before = {"start": length, "middle": length / 2, "end": 0}[shape.anchor]
    corner = (round(shape.x * k - size * 0.75), round(shape.y * k - before))
    canvas.paste(shape.colour, corner, strip)
