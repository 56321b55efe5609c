"""What the parts of the page Units share: which closed form is chosen, charts with their finding, and files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import exports
import page
import permalinks
import plotly.graph_objects as go
from figure_export import figure_png, figure_svg

from fimcore.experiments.result import Result
from fimcore.experiments.unit_spec import Spec

QUESTION = "unit"


def form_of(result: Result, spec: Spec) -> dict[Any, Any]:
    """The numbers of the closed form that is chosen."""
    rows = result.tables["forms"].to_dict("records")
    return next(row for row in rows if row["form"] == kind_of(spec))


def kind_of(spec: Spec) -> str:
    return "isotropic" if spec.isotropic else "covariance"


def export(
    result: Result,
    spec: Spec,
    key: str,
    title: str,
    make: Callable[[], go.Figure],
    text: str,
    table: str,
    csv: Callable[[], str] | None = None,
) -> None:
    """Files of one picture, which is drawn when a file is asked for, and of the table behind it."""
    dark, shown = page.is_dark(), replace(result, spec=spec)
    captions = exports.caption_lines(shown, permalinks.current_address(QUESTION), text.replace("**", ""))
    exports.export_menu(
        shown,
        name=key,
        table=table,
        key=key,
        label=f"Export {key}",
        png=lambda: figure_png(make(), title, captions, dark),
        svg=lambda: figure_svg(make(), title, captions, dark),
        csv=csv,
    )
