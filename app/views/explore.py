"""The page Explore: the full Fisher matrix beside its block-diagonal part, linked, with numbers over seeds and eigenvalues."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import controls
import exports
import jobs
import lessons
import matrix_explorer
import numpy as np
import page
import pandas as pd
import permalinks
import problems
import streamlit as st
import words
from chart import show_chart
from figure_export import figure_png, figure_svg
from figures import explore as figures

from fimcore.experiments import explore
from fimcore.experiments.explore_spec import Spec
from fimcore.experiments.result import Result, Verdict

QUESTION = "explore"
# What each part of the page does not depend on: those fields do not make it compute again.
ON_SCREEN = ("scale", "colour_range", "difference", "pin")
VIEW = (*ON_SCREEN, "level", "values", "pooling", "zoom")
_LAST = "_last_spec_drawn"
# Seconds that the browser gets to paint the matrices before charts arrive whose drawing would hold the picture up.
PAINT_FIRST = 0.1
MEASURES = {
    "largest_eigenvalue": (
        "Largest eigenvalue",
        "The stiffest direction of these inputs; steps above 2/λ_max are unstable.",
    ),
    "mean_eigenvalue": ("Mean eigenvalue", "Trace of F over the number of parameters."),
    "dropped_share": (
        "Off-block share of ‖F‖²",
        "Share of the sum of squared entries outside the blocks, estimated without bias.",
    ),
}


def sentence(facts: dict[str, float], spec: Spec) -> str:
    """The answer in words, from the matrix on screen."""
    between, inside = figures.BETWEEN[spec.blocks], figures.INSIDE[spec.blocks]
    text = f"This network has **{facts['parameters']:,} parameters**. "
    if np.isfinite(facts["entry_ratio"]):
        text += (
            f"An entry between {between} has **{words.percent(facts['entry_ratio'])}** of the size of an entry within "
            f"{inside} (root mean squares); together those entries carry **{words.percent(facts['dropped_share'])}** "
            "of ‖F‖², the sum of all squared entries."
        )
    elif not np.isfinite(facts["dropped_share"]):
        text += (
            "No parameter moves the output for these inputs, so F is zero. Raise the bias variance or change the seed."
        )
    if facts["dead"]:
        text += f" {words.count_of(int(facts['dead']), 'parameter')} never move the output for these inputs."
    return text.replace(" %", "\u00a0%")


def cards(table: pd.DataFrame, theory: pd.DataFrame, verdicts: tuple[Verdict, ...], facts: dict[str, float]) -> None:
    """P and three measures: mean and spread over seeds, and below it what is predicted and whether it agrees."""
    dead = words.count_of(int(facts["dead"]), "dead parameter") if facts["dead"] else "none of them dead"
    about = "Dead: a parameter that never moves the output for these inputs; its row of F is zero."
    shown = [("Parameters P", words.number(int(facts["parameters"])), dead, about)]
    for (measure, (label, help_text)), verdict in zip(MEASURES.items(), verdicts, strict=False):
        values = table[measure].to_numpy(dtype=float)
        row = theory[theory["measure"] == measure].iloc[0]
        say = words.percent if measure == "dropped_share" else words.number
        predicted = "no prediction"
        if np.isfinite(row["predicted"]):
            predicted = f"predicted {say(row['predicted'])}: {verdict.word}"
        shown.append((label, _mean_and_spread(values, say), predicted, f"{help_text} {row['reason']}".strip()))
    with st.container(key="metric-cards"):
        for place, (label, value, below, about) in zip(st.columns(len(shown)), shown, strict=True):
            place.metric(label, value, delta=below, delta_color="off", delta_arrow="off", border=True, help=about)
    seeds = words.count_of(len(table), "network")
    st.caption(f"Mean ± standard deviation over {seeds} (seeds {table['seed'].min()} to {table['seed'].max()}).")


def _mean_and_spread(values: np.ndarray, say: Callable[[float], str]) -> str:
    """ "4.53 ± 0.50", "69.6 ± 9.1 %"."""
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return say(float(values[0])) if len(values) else "no number"
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    if say is words.percent:
        return f"{say(mean).removesuffix(' %')} ± {say(spread)}"
    return words.with_spread(mean, spread, len(values)).split(" (")[0] if mean >= 1e-3 else say(mean)


def main() -> None:
    spec = page.spec(QUESTION)
    assert isinstance(spec, Spec)
    page.heading("Is the Fisher matrix block-diagonal?")
    page.link_notices()
    with st.container(horizontal=True, vertical_alignment="bottom", key="view-bar"):
        controls.view_controls(QUESTION, "blk", "lv", "val")
        with st.popover("Colours", icon=":material/palette:", key="colours"):
            controls.view_controls(QUESTION, "sc", "pool", "rng")
    dark = page.is_dark()
    picture = part(spec, "matrix", (*ON_SCREEN, "seeds"))
    if picture is None:
        last_picture(dark)
        return
    st.session_state[_LAST] = spec
    shown = matrix_explorer.draw(picture, spec, dark)
    time.sleep(PAINT_FIRST)
    facts = part(spec, "facts", (*VIEW, "seeds"))
    if facts is not None:
        below_the_picture(facts, spec)
    table = part(spec, "summary", VIEW)
    if table is None or facts is None:
        return
    theory = explore.predictions(spec)
    verdicts = explore.verdicts(table, theory)
    cards(table, theory, verdicts, facts)
    values = part(spec, "eigenvalues", (*VIEW, "seeds"))
    if values is None:
        return
    result = explore.assemble(spec, picture, table, theory, values)
    address = permalinks.current_address(QUESTION)
    captions = exports.caption_lines(result, address, sentence(facts, spec).replace("**", ""))
    with st.container(horizontal=True, vertical_alignment="center"):
        exports.export_menu(
            result,
            label="Export matrices",
            csv=lambda: replace(result, tables={"cells": matrix_explorer.cells(picture)}).to_csv(address),
            **matrix_explorer.files(shown, spec, picture, captions, dark),
        )
        page.as_table("cells", partial(matrix_explorer.largest_cells, picture), label="Show the largest cells as table")
        page.as_table("summary", table, label="Show the numbers over seeds as table")
    eigenvalues_of_both(result, dark, address)
    with st.expander("Measured beside predicted, in words", key="verdicts"):
        for verdict in verdicts:
            st.markdown(f"- {verdict.sentence}")
    lessons.show(QUESTION)
    page.chips(
        QUESTION,
        [
            ("Who is entangled? Normalise", {"val": "normalised"}),
            ("As many outputs as units", {"k": spec.width}),
            ("One tile per layer", {"lv": "layers"}),
        ],
    )
    st.page_link(
        "views/width.py",
        label="Why does it pale, and when does it not? Change the width",
        icon=":material/arrow_forward:",
    )
    matrix_explorer.prepare_sweep(spec)


def part(spec: Spec, function: str, ignore: tuple[str, ...]) -> Any | None:
    """One part of the page at exactly this setting; None while it is computed elsewhere, refused or failed."""
    seconds = explore.part_seconds(spec)[function]
    found = jobs.compute(QUESTION, spec, function=function, ignore=ignore, seconds=seconds)
    return found if jobs.is_current(QUESTION, spec, function=function, ignore=ignore) else None


def last_picture(dark: bool) -> None:
    """While a setting is computed, or refused: the matrices of the last setting that worked, named as such."""
    spec = st.session_state.get(_LAST)
    ignore = (*ON_SCREEN, "seeds")
    picture = None if spec is None else jobs.cache.get(jobs.key_of(QUESTION, "matrix", spec, ignore))
    if spec is None or picture is None:
        return
    st.caption(
        f"Until then: the last picture, width {spec.width} with {words.count_of(spec.hidden_layers, 'hidden layer')}."
    )
    matrix_explorer.draw(picture, spec, dark)


def below_the_picture(facts: dict[str, float], spec: Spec) -> None:
    """The answer in words, or what to do about a network without any."""
    if facts["all_hidden_dead"]:
        problems.show_problem(
            "All hidden units are off for these inputs, so only the read-out moves the output and F is zero elsewhere. "
            "Raise the bias variance or change the seed.",
            ("Raise the bias variance to 0.5", {"sb2": 0.5}),
            key="dead",
        )
    st.markdown(sentence(facts, spec))
    matrix_explorer.margin_note()


def eigenvalues_of_both(result: Result, dark: bool, address: str) -> None:
    """The second picture."""
    spec, values, theory = result.spec, result.tables["eigenvalues"], result.tables["predictions"]
    assert isinstance(spec, Spec)
    st.header("Eigenvalues of both", anchor=False)
    predicted = dict(zip(theory["measure"], theory["predicted"], strict=True))
    lines = {"λ_max": predicted["largest_eigenvalue"], "Mean": predicted["mean_eigenvalue"]}
    figure = figures.eigenvalues(values, lines, spec, dark)
    finding = eigenvalue_finding(values, spec)
    st.markdown(finding)
    show_chart(figure, "eigenvalues", finding)
    captions = exports.caption_lines(result, address, finding)
    title = "Eigenvalues of the Fisher matrix"
    with st.container(horizontal=True, vertical_alignment="center"):
        exports.export_menu(
            result,
            name="eigenvalues",
            key="eigenvalues",
            label="Export eigenvalues",
            table="eigenvalues",
            png=partial(figure_png, figure, title, captions, dark),
            svg=partial(figure_svg, figure, title, captions, dark),
        )
        page.as_table("eigenvalues", values)


def eigenvalue_finding(values: pd.DataFrame, spec: Spec) -> str:
    """What the eigenvalues show, in a sentence."""
    full, kept = (values[values["structure"] == name]["eigenvalue"] for name in values["structure"].unique()[:2])
    if not len(full) or not len(kept):
        return "The matrix is zero: it has no eigenvalues above zero."
    share = float(kept.iloc[0] / full.iloc[0])
    return (
        f"The largest eigenvalue is {words.number(float(full.iloc[0]))}; keeping only the entries within "
        f"{figures.INSIDE[spec.blocks]} leaves {words.number(float(kept.iloc[0]))}, {words.percent(share)} of it. "
        f"{len(full):,} eigenvalues of the full matrix and {len(kept):,} of the other are above zero."
    )


main()
