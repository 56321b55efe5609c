"""One byte per cell: code 0 no value, 1 exactly zero, then the colour position in 253 or 254 steps.

Signed: codes 2 … 254 hold t = (code − 128)/126; code 128 is "too small to tell from zero", which is not zero.
Magnitudes: codes 2 … 255 hold t = (code − 2)/253. Half a step is the error of a decoded position.
"""

from __future__ import annotations

import json
import struct
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
from colour_scales import CIVIDIS, colours_at, diverging_stops
from numpy.typing import NDArray

from matrix_view.frame import Axis, Frame, Panel, Pin, Sweep
from matrix_view.scales import SCALE_WORDS, Scale, colour_bar_ticks, forward, inverse, log_floor, number_text

Colour = Literal["diverging", "magnitude"]
Codes = NDArray[np.uint8]
NO_VALUE, ZERO, CENTRE = 0, 1, 128
SIGNED_STEPS, MAGNITUDE_STEPS = 126, 253

# Encoding 32 panels of 512² cells takes 0.1 s; a page that keeps its panels in a cache pays it once.
_cached: WeakKeyDictionary[Panel, dict[tuple[float, Scale, Colour], tuple[bytes, int]]] = WeakKeyDictionary()


def quantise(values: NDArray[np.floating], limit: float, scale: Scale, colour: Colour) -> Codes:
    """Codes (rows, columns) of values; NaN becomes code 0, infinities the ends of the range, a limit ≤ 0 zero."""
    missing, zero = np.isnan(values), values == 0
    position = forward(np.where(missing, 0.0, values), limit, scale)
    if colour == "diverging":
        codes = (CENTRE + np.rint(SIGNED_STEPS * position)).astype(np.uint8)
    else:
        codes = (2 + np.rint(MAGNITUDE_STEPS * np.abs(position))).astype(np.uint8)
    codes[zero] = ZERO
    codes[missing] = NO_VALUE
    return codes


def decode(codes: Codes, limit: float, scale: Scale, colour: Colour) -> NDArray[np.float64]:
    """Values the page reads back from codes; NaN where there is none, zero where it is exact or too small to tell."""
    whole = codes.astype(np.float64)
    position = (whole - CENTRE) / SIGNED_STEPS if colour == "diverging" else (whole - 2) / MAGNITUDE_STEPS
    values = inverse(position, limit, scale)
    values[(codes == ZERO) | (position == 0)] = 0.0
    values[codes == NO_VALUE] = np.nan
    return values


def panel_codes(panel: Panel, limit: float, scale: Scale, colour: Colour) -> tuple[bytes, int]:
    """The codes of a panel, row after row, and how many cells lie beyond the limit; kept while the panel lives."""
    known = _cached.setdefault(panel, {})
    wanted = (limit, scale, colour)
    if wanted not in known:
        beyond = int((np.abs(panel.values) > limit).sum()) if limit > 0 else 0
        known[wanted] = (quantise(panel.values, limit, scale, colour).tobytes(), beyond)
    return known[wanted]


def colour_table(colour: Colour, dark: bool) -> Codes:
    """Colours (256, 3) of all codes; code 0 is transparent on the page and the page's zero colour in pictures."""
    code = np.arange(256, dtype=np.float64)
    if colour == "diverging":
        position = np.clip((code - CENTRE) / SIGNED_STEPS, -1, 1) / 2 + 0.5
        position[[NO_VALUE, ZERO]] = 0.5
        return colours_at(diverging_stops(dark), position)
    position = np.clip((code - 2) / MAGNITUDE_STEPS, 0, 1)
    table = colours_at(CIVIDIS, position)
    table[NO_VALUE] = colours_at(diverging_stops(dark), np.array([0.5]))[0]
    return table


def clipped_text(frame: Frame, scale: Scale, colour: Colour) -> str:
    """Words on cells beyond the colour range: the caller's, or a count of this frame's cells."""
    if frame.clipped:
        return frame.clipped
    pairs = zip(frame.panels, frame.limits, strict=True)
    beyond = sum(panel_codes(panel, limit, scale, colour)[1] for panel, limit in pairs)
    share = 100 * beyond / max(1, sum(panel.values.size for panel in frame.panels))
    return f"{share:.1f}\u00a0% of cells beyond the range" if share >= 0.05 else ""


def scale_text(frame: Frame, quantity: str, scale: Scale, normalised: bool, colour: Colour) -> str:
    """One sentence on what colour means: quantity, scale, floor, range."""
    words = [f"{quantity}, normalised" if normalised else quantity, SCALE_WORDS[scale]]
    if scale == "signed_log" and frame.limits[0] > 0 and frame.shared:
        words.append(f"floor {number_text(log_floor(frame.limits[0]), 2)}")
    if len(frame.panels) > 1:
        words.append("one range for all panels" if frame.shared else "each panel has its own range")
    clipped = clipped_text(frame, scale, colour)
    return " · ".join([*words, clipped] if clipped else words)


def payload(
    frame: Frame,
    *,
    scale: Scale,
    dark: bool,
    tick: str,
    breadcrumb: tuple[str, ...] = ("All",),
    pin: Pin | None = None,
    sweep: Sweep | None = None,
    quantity: str = "F",
    normalised: bool = False,
    colour: Colour = "diverging",
    can_dive: bool = True,
    difference: bool | None = None,
) -> bytes:
    """Header length (uint32), header (JSON), colour table (768 bytes), then one byte per cell of every panel."""
    frames: list[Frame] = [frame]
    ticks = [frame.tick or tick]
    order: list[int] = []
    for index, swept in enumerate(sweep.frames if sweep else ()):
        if sweep and index == sweep.current:
            order.append(0)
            continue
        order.append(len(frames))
        frames.append(swept)
        ticks.append(swept.tick or f"{tick}#{index}")
    axes: dict[Axis, int] = {}
    for one in frames:
        for axis in (one.rows, one.columns):
            axes.setdefault(axis, len(axes))
    signed = colour == "diverging"

    def describe(one: Frame, its_tick: str) -> dict[str, Any]:
        return {
            "tick": its_tick,
            "caption": one.caption,
            "note": one.note,
            "rows": axes[one.rows],
            "columns": axes[one.columns],
            "shared": one.shared,
            "words": scale_text(one, quantity, scale, normalised, colour),
            "panels": [
                {
                    "title": panel.title,
                    "name": panel.name,
                    "alt": panel.alt,
                    "text": panel.cell_text,
                    "limit": limit,
                    "clipped": panel_codes(panel, limit, scale, colour)[1] > 0,
                    "ticks": colour_bar_ticks(limit, scale, signed),
                }
                for panel, limit in zip(one.panels, one.limits, strict=True)
            ],
        }

    head = {
        "scale": scale,
        "decades": float(np.log10(1.0 / log_floor(1.0))),
        "signed": signed,
        "dark": dark,
        "breadcrumb": breadcrumb,
        "pin": {"row": pin.row, "column": pin.column, "text": pin.text} if pin else None,
        "canDive": can_dive,
        "difference": difference,
        "axes": [
            {
                "names": axis.names,
                "edges": axis.boundaries,
                "labels": axis.layer_labels,
                "units": axis.unit_edges,
                "dead": axis.dead,
            }
            for axis in axes
        ],
        "frames": [describe(one, its_tick) for one, its_tick in zip(frames, ticks, strict=True)],
        "sweep": sweep
        and {
            "label": sweep.label,
            "positions": sweep.positions,
            "current": sweep.current,
            "trigger": sweep.trigger,
            "ofSettings": sweep.of_settings,
            "order": order,
        },
    }
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode()
    cells = [
        panel_codes(panel, limit, scale, colour)[0]
        for one in frames
        for panel, limit in zip(one.panels, one.limits, strict=True)
    ]
    return b"".join([struct.pack("<I", len(text)), text, colour_table(colour, dark).tobytes(), *cells])
