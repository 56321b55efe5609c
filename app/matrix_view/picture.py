"""The matrix view as a file: PNG at twice the size with everything burnt in, and self-contained SVG.

Both render the same drawing with the colours of the screen; nothing but Pillow is needed.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape, quoteattr

from fonts import FAMILY, font, width_of
from PIL import Image as Pillow
from PIL import ImageDraw, PngImagePlugin

from matrix_view.drawing import Drawing, Image, Line, Text, draw
from matrix_view.encoding import Colour
from matrix_view.frame import Frame
from matrix_view.scales import Scale

ENLARGED = 2
PAPER = {False: (255, 255, 255), True: (15, 23, 32)}
TONES = {
    False: {"ink": (27, 39, 51), "quiet": (84, 94, 104), "black": (16, 24, 31), "white": (255, 255, 255)},
    True: {"ink": (232, 238, 244), "quiet": (176, 184, 192), "black": (16, 24, 31), "white": (255, 255, 255)},
}


def _measure_any_font(text: str, size: float) -> float:
    # A reader of the SVG may lack the font; common substitutes are up to a sixth wider.
    return 1.17 * width_of(text, size)


def _drawing(
    frame: Frame,
    scale: Scale,
    dark: bool,
    settings_lines: Sequence[str],
    quantity: str,
    normalised: bool,
    colour: Colour,
    measure: Callable[[str, float], float] = width_of,
) -> Drawing:
    return draw(
        frame,
        scale=scale,
        dark=dark,
        settings_lines=settings_lines,
        quantity=quantity,
        normalised=normalised,
        colour=colour,
        measure=measure,
    )


def png(
    frame: Frame,
    *,
    settings_lines: Sequence[str],
    scale: Scale = "signed_sqrt",
    dark: bool = False,
    quantity: str = "F",
    normalised: bool = False,
    colour: Colour = "diverging",
) -> bytes:
    """A PNG of the panels with titles, lines, colour bar, caption and settings, and the same words as text chunks."""
    drawing = _drawing(frame, scale, dark, settings_lines, quantity, normalised, colour)
    size = (round(drawing.width * ENLARGED), round(drawing.height * ENLARGED))
    canvas = Pillow.new("RGB", size, PAPER[dark])
    pen = ImageDraw.Draw(canvas, "RGBA")
    for shape in drawing.shapes:
        if isinstance(shape, Image):
            _paste(canvas, shape)
        elif isinstance(shape, Line):
            ends = [round(value * ENLARGED) for value in (shape.x1, shape.y1, shape.x2, shape.y2)]
            pen.line(ends, fill=(*TONES[dark]["ink"], round(255 * shape.alpha)), width=ENLARGED)
        else:
            anchor = {"start": "ls", "middle": "ms", "end": "rs"}[shape.anchor]
            place = (shape.x * ENLARGED, shape.y * ENLARGED)
            typeface = font(shape.size * ENLARGED, shape.bold)
            pen.text(place, shape.text, fill=TONES[dark][shape.tone], font=typeface, anchor=anchor)
    words = PngImagePlugin.PngInfo()
    for name, text in _metadata(frame, settings_lines).items():
        words.add_itxt(name, text)
    file = io.BytesIO()
    canvas.save(file, "PNG", pnginfo=words, optimize=False)
    return file.getvalue()


def _paste(canvas: Pillow.Image, shape: Image) -> None:
    corner = (round(shape.x * ENLARGED), round(shape.y * ENLARGED))
    size = (round(shape.width * ENLARGED), round(shape.height * ENLARGED))
    cells = Pillow.fromarray(shape.pixels)
    # Averaging only where several cells share a pixel: nearest-neighbour would drop single lines.
    smaller = size[0] < cells.width or size[1] < cells.height
    method = Pillow.Resampling.BOX if smaller else Pillow.Resampling.NEAREST
    canvas.paste(cells.resize(size, method), corner)


def _metadata(frame: Frame, settings_lines: Sequence[str]) -> dict[str, str]:
    return {
        "Title": ", ".join(panel.title for panel in frame.panels),
        "Description": " ".join(panel.alt for panel in frame.panels),
        "Comment": "\n".join(filter(None, [frame.caption, frame.note, *settings_lines])),
        "Software": "fimcore",
    }


def svg(
    frame: Frame,
    *,
    settings_lines: Sequence[str],
    scale: Scale = "signed_sqrt",
    dark: bool = False,
    quantity: str = "F",
    normalised: bool = False,
    colour: Colour = "diverging",
) -> str:
    """A self-contained SVG: cells as embedded images of one pixel per cell, lines and text as vectors."""
    drawing = _drawing(frame, scale, dark, settings_lines, quantity, normalised, colour, _measure_any_font)
    words = _metadata(frame, settings_lines)
    width, height = round(drawing.width, 1), round(drawing.height, 1)
    ink = _hex(TONES[dark]["ink"])
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
            f'role="img" aria-labelledby="title desc" font-family="{FAMILY}">'
        ),
        f'<title id="title">{escape(words["Title"])}</title>',
        f'<desc id="desc">{escape(words["Description"])} {escape(words["Comment"])}</desc>',
        f'<rect width="100%" height="100%" fill="{_hex(PAPER[dark])}"/>',
    ]
    for shape in drawing.shapes:
        if isinstance(shape, Image):
            parts.append(_embedded(shape))
        elif isinstance(shape, Line):
            parts.append(
                f'<line x1="{shape.x1:.2f}" y1="{shape.y1:.2f}" x2="{shape.x2:.2f}" y2="{shape.y2:.2f}" '
                f'stroke="{ink}" stroke-opacity="{shape.alpha}"/>'
            )
        else:
            parts.append(_text(shape, dark))
    return "\n".join([*parts, "</svg>", ""])


def _embedded(shape: Image) -> str:
    file = io.BytesIO()
    Pillow.fromarray(shape.pixels).save(file, "PNG", optimize=True)
    data = base64.b64encode(file.getvalue()).decode()
    return (
        f'<image x="{shape.x:.2f}" y="{shape.y:.2f}" width="{shape.width:.2f}" height="{shape.height:.2f}" '
        f'preserveAspectRatio="none" style="image-rendering:pixelated" aria-label={quoteattr(shape.alt)} '
        f'href="data:image/png;base64,{data}"/>'
    )


def _text(shape: Text, dark: bool) -> str:
    weight = ' font-weight="600"' if shape.bold else ""
    return (
        f'<text x="{shape.x:.2f}" y="{shape.y:.2f}" font-size="{shape.size:g}" text-anchor="{shape.anchor}"{weight} '
        f'fill="{_hex(TONES[dark][shape.tone])}">{escape(shape.text)}</text>'
    )


def _hex(colour: tuple[int, int, int]) -> str:
    return "#" + "".join(f"{channel:02x}" for channel in colour)
