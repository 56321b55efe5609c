"""The page's own typeface for pictures that are saved: Source Sans, which Streamlit brings along."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import streamlit
from PIL import ImageFont

FAMILY = "'Source Sans 3', 'Source Sans Pro', 'Source Sans', system-ui, sans-serif"


@lru_cache(maxsize=32)
def font(size: float, bold: bool = False) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Source Sans at a size in pixels; Pillow's built-in typeface where it cannot be read."""
    folder = Path(streamlit.__file__).parent / "static" / "static" / "media"
    for path in sorted(folder.glob("SourceSansVF-Upright*")):
        try:
            found = ImageFont.truetype(str(path), size)
            found.set_variation_by_axes([600 if bold else 400])
        except (OSError, NotImplementedError):
            continue
        return found
    return ImageFont.load_default(size)


def width_of(text: str, size: float, bold: bool = False) -> float:
    """Width of a line in pixels."""
    return float(font(size, bold).getlength(text))
