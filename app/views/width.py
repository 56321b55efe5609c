"""The page Width: what does width change? Size and mass of the entries between units, measured beside predicted."""

from __future__ import annotations

from functools import partial

import controls
import exports
import jobs
import lessons
import numpy as np
import page
import pandas as pd
import permalinks
import plotly.graph_objects as go
import streamlit as st
import words
from figure_export import figure_png, figure_svg
from figures import style
from figures import width as figures

from fimcore.experiments.result import Result, signed
from fimcore.experiments.width_spec import Spec

QUESTION = "width"
MEASURE = "RMS entry between units / RMS entry inside a unit"


def slope_words(row: pd.Series) -> str:
    """ "layer 1: slope −0.50 (−0.52 to −0.48)"."""
    if not np.isfinite(row["slope"]):
        return f"layer {row['layer']}: too few networks to fit"
    interval = f" ({signed(row['low'])} to {signed(row['high'])})" if np.isfinite(row["low"]) else ""
    return f"layer {row['layer']}: {signed(row['slope'])}{interval}"


def spec_of(result: Result) -> Spec:
    """The sweep that a result answers."""
    assert isinstance(result.spec, Spec)
    return result.spec


def finding(result: Result) -> str:
    """What the sweep shows, in a sentence that names the measure."""
    slopes, outputs = result.tables["slopes"], str(spec_of(result).outputs)
    outputs = "as many outputs as units" if outputs == "n" else words.count_of(int(outputs), "output")
    fitted = "; ".join(slope_words(row) for _, row in slopes.iterrows())
    text = f"With {outputs}, the ratio of RMS entries has the log-log slopes **{fitted}**."
    expected = slopes["predicted"].dropna()
    if len(expected):
        text += f" Predicted: {words.joined([signed(value) for value in expected])}."
    finite, follows = slopes["slope"].dropna(), str(spec_of(result).outputs) == "n"
    if len(finite) and not follows and (finite.abs() < 0.1).all():
        text += " It does not fall with width: with few outputs it is the number of outputs that decides."
    elif len(finite) and follows and ((finite + 0.5).abs() < 0.1).all():
        text += " It falls about as n^(−1/2), because the number of outputs grows with the width."
    return text


def mass_finding(result: Result, layers: str) -> str:
    """What becomes of the sum of squares, in a sentence."""
    table = result.tables["mass"]
    rows = table[(table["layers"] == layers) & (table["part"] == "in_unit")].sort_values("width")
    first, last = rows.iloc[0], rows.iloc[-1]
    layers_words = "all layers" if layers == "all layers" else "the hidden layers"
    return (
        f"Over {layers_words}, entries inside one unit hold {words.percent(first['measured'])} of the sum of squared "
        f"entries at width {first['width']:,} and {words.percent(last['measured'])} at width {last['width']:,}. "
        "Small entries are many: the rest of the sum lies between units."
    )


def ratios_picture(result: Result) -> None:
    """The first picture; also drawn from partial results while the sweep is running."""
    tables = result.tables
    samples = tables["ratios"]["samples"]
    inputs = f"{samples.min():,}" if samples.min() == samples.max() else f"{samples.min():,} to {samples.max():,}"
    text = finding(result)
    st.markdown(text)
    chart = figures.ratios(tables["ratios"], page.is_dark())
    st.plotly_chart(chart, key="ratios", theme=None, config=style.CHART_CONFIG, alt=text.replace("**", ""))
    st.caption(
        f"{MEASURE}, per hidden layer, both without bias from the finite number of inputs (N = {inputs}). Points: ratio of "
        f"averages over {words.count_of(result.spec.seeds, 'network')} per width; band: smallest to largest network; "
        "dashed: mean-field prediction at these widths."
    )


def mass_picture(result: Result) -> None:
    """The second picture, over the layers that were chosen."""
    st.header("And all of them together?", anchor=False)
    layers = st.segmented_control(
        "Shares over",
        ["Hidden layers", "All layers"],
        default="Hidden layers",
        required=True,
        key="mass-layers",
        persist_state="session",
        help="With one output the read-out is one unit: all of its block counts as in-unit.",
    ).lower()
    text = mass_finding(result, layers)
    st.markdown(text)
    chart = figures.mass(result.tables["mass"], layers, page.is_dark())
    st.plotly_chart(chart, key="mass", theme=None, config=style.CHART_CONFIG, alt=text)
    with st.container(horizontal=True, vertical_alignment="center"):
        export(result, "mass", "Export shares", "Shares of the sum of squared entries", chart, text)
        page.as_table("mass", result.tables["mass"])


def export(result: Result, table: str, label: str, title: str, chart: go.Figure, text: str) -> None:
    """Files of one picture and of the table behind it."""
    dark = page.is_dark()
    captions = exports.caption_lines(result, permalinks.current_address(QUESTION), text.replace("**", ""))
    exports.export_menu(
        result,
        name=table,
        table=table,
        key=table,
        label=label,
        png=partial(figure_png, chart, title, captions, dark),
        svg=partial(figure_svg, chart, title, captions, dark),
    )


def details(result: Result) -> None:
    """What stands below the first picture, from a sweep that is over or was stopped."""
    with st.container(horizontal=True, vertical_alignment="center"):
        export(
            result,
            "ratios",
            "Export ratios",
            MEASURE,
            figures.ratios(result.tables["ratios"], page.is_dark()),
            finding(result),
        )
        page.as_table("ratios", result.tables["ratios"])
    mass_picture(result)
    st.header("Slopes, measured and predicted", anchor=False)
    for verdict in result.verdicts:
        st.markdown(f"- {verdict.sentence}")


spec = page.spec(QUESTION)
assert isinstance(spec, Spec)
page.heading("What does width change?")
page.link_notices()
controls.view_controls(QUESTION, "C", "w0", "w1")
found = jobs.compute(QUESTION, spec, draw=ratios_picture)
running = (QUESTION, "run") in jobs.session_jobs().watched
if isinstance(found, Result) and not running:
    details(found)
lessons.show(QUESTION)
page.chips(
    QUESTION,
    [("As many outputs as units", {"C": "n"}), ("Ten outputs", {"C": 10}), ("One output", {"C": 1})],
)
st.page_link("views/train.py", label="Does the geometry help?", icon=":material/arrow_forward:")
