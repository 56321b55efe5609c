"""Charts that follow a playing matrix view: a cursor on lines over time, and one of many lines brought to the front.

The charts are drawn as usual by `st.plotly_chart(figure, key=...)`; the film finds them, and the matrix view, by key in the
page, and nothing is sent to the server while it plays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent
_component = st.components.v2.component(
    "fimcore_film",
    html='<output class="film" aria-live="polite"></output>',
    css=(
        ".film { display: flex; flex-wrap: wrap; gap: 0 18px; min-height: 1.5em; color: var(--st-text-color); "
        "font: 400 0.9375rem/1.5 var(--st-font); font-variant-numeric: tabular-nums; }\n"
        "@media print { .film { display: none; } }"
    ),
    js=(_HERE / "film.js").read_text(encoding="utf-8"),
)


def film(
    *,
    matrix: str,
    cursors: Mapping[str, Sequence[float]],
    lines: Mapping[str, Sequence[int]],
    texts: Sequence[Sequence[tuple[str, str]]],
    colour: str,
    key: str = "film",
) -> None:
    """Follow the matrix view inside the container with key `matrix`.

    cursors: chart key to the place of every frame on its x axis. lines: chart key to the trace of every frame.
    texts: what is read out at every frame, pairs of a name and a value. colour: of the cursor and of the line in front.
    """
    _component(
        data={
            "matrix": matrix,
            "cursors": {name: list(map(float, places)) for name, places in cursors.items()},
            "lines": {name: list(map(int, traces)) for name, traces in lines.items()},
            "texts": [[list(pair) for pair in frame] for frame in texts],
            "colour": colour,
        },
        key=key,
    )
