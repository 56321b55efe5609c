"""Exported pictures: sizes, burnt-in words, colours of the screen, and well-formed SVG without outside references."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from matrix_view import Axis, Frame, Panel
from matrix_view.picture import png, svg
from PIL import Image

SETTINGS = ("width 16 · tanh · seed 0", "http://127.0.0.1:8501/?n=16&L=3")
NAMESPACE = "{http://www.w3.org/2000/svg}"


def frame(panels: int = 2, rows: int = 12, columns: int = 12) -> Frame:
    values = np.linspace(-1, 1, rows * columns).reshape(rows, columns)
    values[0, 0] = np.nan
    names = tuple(f"w₁[1←{i}]" for i in range(max(rows, columns)))
    shown = tuple(Panel(f"Panel <{i}> & more", values, f"finding {i}") for i in range(panels))
    down = Axis(names[:rows], (4,), ("1", "out"), tuple(range(rows)), ((2, 3),))
    across = Axis(names[:columns], (4,), ("1", "out"), (), ((2, 3),))
    return Frame(shown, down, across, 1.0, caption="Width 16", note="Each cell is one entry.")


@pytest.mark.parametrize("panels", [1, 2, 3])
@pytest.mark.parametrize("dark", [False, True])
def test_png_is_twice_the_size_and_carries_its_words(panels, dark):
    picture = Image.open(io.BytesIO(png(frame(panels), settings_lines=SETTINGS, dark=dark)))
    drawn = ET.fromstring(svg(frame(panels), settings_lines=SETTINGS, dark=dark))
    assert abs(picture.width - 2 * float(drawn.attrib["width"])) <= 1
    for line in ("Width 16", *SETTINGS):
        assert line in picture.text["Comment"]
    assert picture.getpixel((0, 0)) == ((15, 23, 32) if dark else (255, 255, 255))


def test_png_shows_the_colours_of_the_screen():
    picture = Image.open(io.BytesIO(png(frame(1, 6, 6), settings_lines=SETTINGS, scale="linear"))).convert("RGB")
    colours = {colour for _, colour in picture.getcolors(1 << 24) or []}
    assert (0x80, 0x30, 0x04) in colours


def test_svg_parses_and_refers_to_nothing_outside():
    text = svg(frame(3), settings_lines=SETTINGS)
    root = ET.fromstring(text)
    assert root.find(f"{NAMESPACE}title").text == "Panel <0> & more, Panel <1> & more, Panel <2> & more"
    assert "finding 2" in root.find(f"{NAMESPACE}desc").text
    images = root.findall(f"{NAMESPACE}image")
    assert len(images) == 4  # three panels and the colour bar
    assert all(image.attrib["href"].startswith("data:image/png;base64,") for image in images)
    assert not re.search(r'(href|src)="(?!data:)', text)
    words = " ".join(node.text for node in root.findall(f"{NAMESPACE}text"))
    assert "Width 16" in words
    assert SETTINGS[1] in words


def test_own_ranges_and_oblong_matrices_are_drawn():
    one = frame(2, 6, 12)
    own = Frame(one.panels, one.rows, one.columns, (1.0, 0.5), caption="Width 6")
    root = ET.fromstring(svg(own, settings_lines=()))
    assert len(root.findall(f"{NAMESPACE}image")) == 4
    assert png(own, settings_lines=())[:8] == b"\x89PNG\r\n\x1a\n"
