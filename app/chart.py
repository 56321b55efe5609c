"""A chart as every page shows it: the house's theme and buttons, and its finding in words for who cannot see it."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st
from figures import style

NO_BAR = {"displayModeBar": False}


def show_chart(figure: go.Figure, key: str, text: str, *, heading: str = "", bar: bool = True) -> None:
    """Draw a figure; `text`, of which bold marks are left out, is read aloud in its place.

    Args:
        figure: with its colours for light or dark already chosen.
        key: of the element, by which links, players and tests find it.
        text: what the picture shows.
        heading: above the chart, where it is not empty.
        bar: whether the buttons for zoom and image appear.
    """
    if heading:
        st.header(heading, anchor=False)
    config = style.CHART_CONFIG if bar else NO_BAR
    st.plotly_chart(figure, key=key, theme=None, config=config, alt=text.replace("**", ""))
