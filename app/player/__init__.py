"""Playback of training curves: reveals Plotly line charts up to a step, in the page, without messages to the server.

The charts are drawn as usual by `st.plotly_chart(figure, key=...)`; the player finds them by key and clips their lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from matrix_view.scales import number_text
from numpy.typing import ArrayLike

_HERE = Path(__file__).parent
_component = st.components.v2.component(
    "fimcore_player",
    html=(_HERE / "player.html").read_text(encoding="utf-8"),
    css="\n".join(
        path.read_text(encoding="utf-8") for path in (_HERE.parent / "component_style.css", _HERE / "player.css")
    ),
    js="\n".join((_HERE / name).read_text(encoding="utf-8") for name in ("curtain.js", "player.js")),
)


@dataclass(frozen=True, eq=False)
class Chart:
    """A chart to reveal: the key given to `st.plotly_chart`, and for each of its traces where each step lies on x.

    x: one array of length T per trace in the figure's order, or None for a trace that is always shown whole.
    Steps on the x axis: the steps themselves; seconds on the x axis: the seconds that this trace had used at each step.
    """

    key: str
    x: Sequence[ArrayLike | None]


def player_data(
    steps: ArrayLike, charts: Sequence[Chart], values: Mapping[str, ArrayLike], quantity: str, unit: str = "Step"
) -> dict[str, Any]:
    """What the page needs: steps, read-out texts per series and step, x positions per chart and trace."""
    whole = np.asarray(steps)
    if whole.ndim != 1 or whole.size == 0:
        raise ValueError(f"`steps` has shape {whole.shape}; give at least one step in one dimension")

    def checked(array: ArrayLike, what: str) -> np.ndarray:
        numbers = np.asarray(array, dtype=np.float64)
        if numbers.shape != whole.shape:
            raise ValueError(f"{what} has shape {numbers.shape} for {whole.size} steps; give one number per step")
        return numbers

    def positions(array: ArrayLike | None, key: str) -> list[float | None] | None:
        if array is None:
            return None
        # A run that diverged has no position after its last step: the curve simply stays as it is.
        return [float(x) if np.isfinite(x) else None for x in checked(array, f"`x` of chart {key!r}")]

    return {
        "steps": [int(step) for step in whole],
        "quantity": quantity,
        "unit": unit,
        "series": [
            {"name": name, "texts": [number_text(float(v)) for v in checked(array, f"`values[{name!r}]`")]}
            for name, array in values.items()
        ],
        "charts": [{"key": chart.key, "x": [positions(x, chart.key) for x in chart.x]} for chart in charts],
    }


def player(
    *,
    steps: ArrayLike,
    charts: Sequence[Chart],
    values: Mapping[str, ArrayLike],
    quantity: str = "loss",
    unit: str = "Step",
    key: str = "player",
) -> None:
    """Draw the playback bar; it starts with everything revealed and never sends anything to the server.

    steps: (T,) step numbers shown to the visitor. values: per series (T,) numbers for the read-out.
    unit: what a step is called.
    Shortcuts on the page: T plays or pauses, S steps; both are ignored while typing.
    """
    _component(data=player_data(steps, charts, values, quantity, unit), key=key)
