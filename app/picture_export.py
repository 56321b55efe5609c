"""The export menu of one chart: the picture with its sentence, settings and link below it, and the table behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias, TypeVar

import exports
import page
import permalinks
import plotly.graph_objects as go
from figure_export import figure_png, figure_svg

from fimcore.experiments.result import Result

Chart: TypeAlias = go.Figure | Callable[[], go.Figure]
File = TypeVar("File", bytes, str)


def picture_menu(
    result: Result, table: str, key: str, title: str, chart: Chart | None, text: str, label: str = ""
) -> None:
    """`label` ▾ of one chart, drawn when a file is asked for where it comes as a function; without a chart, of a table alone.

    table: the table behind the picture. key: names the files and the menu. text: what the picture says, with its bold words.
    """
    dark = page.is_dark()
    captions = exports.caption_lines(result, permalinks.current_address(result.question), text.replace("**", ""))
    exports.export_menu(
        result,
        name=key,
        table=table,
        key=key,
        label=label or f"Export {key}",
        png=None if chart is None else partial(_file, figure_png, chart, title, captions, dark),
        svg=None if chart is None else partial(_file, figure_svg, chart, title, captions, dark),
    )


def _file(write: Callable[..., File], chart: Chart, title: str, captions: Sequence[str], dark: bool) -> File:
    return write(chart if isinstance(chart, go.Figure) else chart(), title, captions, dark)
