"""The chosen unit on the page Units: measured block, closed form and difference on one scale, with four numbers."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import page
import pandas as pd
import permalinks
import streamlit as st
import unit_words
import words
from chart import show_chart
from figures import unit as figures
from unit_parts import QUESTION, export, form_of

from fimcore.experiments import unit_one
from fimcore.experiments.result import Result
from fimcore.experiments.setting import sample_count
from fimcore.experiments.unit_spec import Spec


def ticks_of(spec: Spec, cells: int, size: int) -> dict[float, str]:
    """Names of the first and last rows."""
    last = cells - 1
    if spec.along:
        return {0: "w", last: "w₀" if size == 2 else "⟂ w"}
    return {0: "w₁", last: "w₀"}


def the_unit(result: Result, spec: Spec) -> None:
    """Measured, closed form, difference, and four numbers."""
    dark, samples = page.is_dark(), sample_count(spec)
    row = form_of(result, spec)
    size = len(result.arrays["measured"])
    text = unit_words.unit_finding(spec, row, size, samples)
    st.markdown(text)
    for remark in unit_words.remarks(spec, row, size, samples):
        st.caption(f":material/info: {remark}")
    arrays = {name: unit_one.pooled(result.arrays[name]) for name in figures.TITLES}
    limit = figures.limit_of(arrays)
    ticks = ticks_of(spec, len(arrays["measured"]), size)
    for place, (name, title) in zip(st.columns(3), figures.TITLES.items(), strict=True):
        with place:
            st.header(title, anchor=False)
            alt = {
                "measured": f"Measured block of {size} by {size} entries, up to {words.number(abs(arrays[name]).max())}.",
                "closed_form": f"Closed form, entries up to {words.number(abs(arrays[name]).max())}.",
                "difference": text,
            }[name]
            show_chart(figures.matrix(arrays[name], limit, ticks, dark), f"matrix-{name}", alt)
    pooling = (
        ""
        if len(arrays["measured"]) == size
        else f" Each cell shows the largest of its {words.number(-(-size // len(arrays['measured'])))}² entries."
    )
    axes = (
        "first along w, second the bias w₀, then directions across w"
        if spec.along
        else "weights w₁ to w_n, then the bias w₀"
    )
    st.caption(
        f"Rows and columns: {axes}. One colour scale for all three, signed square root of the entries, from "
        f"{words.number(-limit)} to {words.number(limit)}.{pooling} Closed form: A_k times the factor g = E S / A₀ = "
        f"{words.number(row['factor'])}, measured, which makes the bias entries equal."
    )
    with st.container(key="metric-cards"):
        made = unit_words.cards(spec, row)
        for place, card in zip(st.columns(len(made)), made, strict=True):
            place.metric(card.label, card.value, card.below, "off", delta_arrow="off", help=card.about, border=True)
    root = words.percent((size / samples) ** 0.5)
    st.caption(
        f"Noise is measured by holding two halves of the inputs against each other; it falls like √(k / N), here √({size} / "
        f"{samples:,}) = {root}. Error² = noise² + what is wrong²."
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        title = f"Unit {spec.shown_unit} of layer {spec.shown_layer}: measured, closed form, difference"
        export(
            result,
            spec,
            "matrices",
            title,
            partial(figures.triptych, arrays, dark),
            text,
            "forms",
            partial(cells_csv, result, spec),
        )
        page.as_table("forms", result.tables["forms"])
        page.as_table("entries", result.tables["entries"], label="Show the parts as table")


def cells_csv(result: Result, spec: Spec) -> str:
    """Every entry of the three matrices, one a line."""
    size = len(result.arrays["measured"])
    rows, columns = (index.reshape(-1) + 1 for index in np.indices((size, size)))
    table = pd.DataFrame(
        {"row": rows, "column": columns, **{name: result.arrays[name].reshape(-1) for name in figures.TITLES}}
    )
    return replace(result, spec=spec, tables={"cells": table}).to_csv(permalinks.current_address(QUESTION))
