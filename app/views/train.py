"""Train: does the geometry help? Loss against steps and against seconds, for four optimizers from the same networks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import controls
import exports
import jobs
import lessons
import page
import permalinks
import problems
import streamlit as st
import train_words
from figure_export import figure_png, figure_svg
from figures import style
from figures import train as figures
from player import Chart, player

from fimcore.experiments.result import Result
from fimcore.experiments.train_spec import Spec

RATES = tuple(train_words.RATE_KEYS.values())
STEPS_KEY, SECONDS_KEY = "train-steps", "train-seconds"


def charts(result: Result) -> None:
    """Both pictures; also what is drawn from partial results while a race is running."""
    dark, summary = page.is_dark(), result.tables["summary"]
    lines = figures.series(result.tables["curves"])
    goal = figures.goal_level(result.tables["races"], result.spec.goal)  # type: ignore[attr-defined]
    left, right = st.columns(2)
    for place, key, title, made, against in (
        (left, STEPS_KEY, "Per step", figures.loss_against_steps(lines, dark=dark, goal=goal), "steps"),
        (right, SECONDS_KEY, "Per second", figures.loss_against_seconds(lines, dark=dark, goal=goal), "seconds"),
    ):
        with place:
            st.header(title, anchor=False)
            st.plotly_chart(
                made, key=key, theme=None, config=style.CHART_CONFIG, alt=train_words.alt_text(summary, against)
            )


def playback(result: Result) -> None:
    """The playback bar below the charts."""
    dark, lines = page.is_dark(), figures.series(result.tables["curves"])
    steps, seconds = [line.steps for line in lines], [line.seconds for line in lines]
    by_step = figures.loss_against_steps(lines, dark=dark)
    by_second = figures.loss_against_seconds(lines, dark=dark)
    player(
        steps=lines[0].steps,
        charts=[
            Chart(STEPS_KEY, figures.positions(by_step, lines, steps)),
            Chart(SECONDS_KEY, figures.positions(by_second, lines, seconds)),
        ],
        values={line.name: line.middle for line in lines},
        key="train-player",
    )


def details(result: Result) -> None:
    """Everything below the pictures, from a race that is over or was stopped."""
    spec, summary = result.spec, result.tables["summary"]
    playback(result)
    for trouble in train_words.troubles(result):
        problems.show_problem(trouble.sentence, (trouble.label, trouble.changes), key=f"train-{trouble.optimizer}")
    goal = train_words.share_text(spec.goal)  # type: ignore[attr-defined]
    most = spec.steps  # type: ignore[attr-defined]
    st.header(f"To {goal} of the starting loss", anchor=False)
    with st.container(horizontal=True, key="metric-cards"):
        for _, row in summary.iterrows():
            card = train_words.card(row, most)
            st.metric(card.name, card.steps, card.time, "off", delta_arrow="off", help=card.about, border=True)
    for verdict in result.verdicts:
        st.markdown(verdict.sentence)
    st.caption(
        "Lines: geometric mean over seeds; bands: smallest to largest seed; seconds: updates only, measured here. "
        f"{train_words.rates_line(result)}."
    )
    export(result)
    page.as_table("train", train_words.shown_table(summary))


def export(result: Result) -> None:
    """A menu for each picture; the tables in both are the same."""
    dark, lines = page.is_dark(), figures.series(result.tables["curves"])
    goal = figures.goal_level(result.tables["races"], result.spec.goal)  # type: ignore[attr-defined]
    address = permalinks.current_address("train")
    with st.container(horizontal=True, key="exports"):
        for key, title, draw in (
            ("steps", "Loss against steps", figures.loss_against_steps),
            ("seconds", "Loss against seconds", figures.loss_against_seconds),
        ):
            captions = exports.caption_lines(result, address, train_words.alt_text(result.tables["summary"], key))
            made = partial(draw, lines, dark=dark, goal=goal)
            exports.export_menu(
                result,
                name=key,
                table="curves",
                key=key,
                label=f"Export {key}",
                png=partial(_picture, figure_png, made, title, captions, dark),
                svg=partial(_picture, figure_svg, made, title, captions, dark),
            )


def _picture(write: Callable[..., Any], made: Callable[[], Any], title: str, captions: list[str], dark: bool) -> Any:
    """A picture as a file, drawn when it is asked for."""
    return write(made(), title, captions, dark)


spec = page.spec("train")
assert isinstance(spec, Spec)
page.heading("Does the geometry help?")
sentence = st.empty()
sentence.markdown(train_words.QUESTION)
page.link_notices()
controls.view_controls("train", "task", "opt")
with st.expander(train_words.settings_label(spec), key="train-rates", type="compact"):
    controls.view_controls("train", "T", "goal", *train_words.DAMPING_KEYS.values(), *RATES)
for override in spec.overrides():
    st.caption(override)
found = jobs.compute("train", spec, draw=charts)
# While a race is running its card draws the pictures; what stands below them would lag behind.
running = ("train", "run") in jobs.session_jobs().watched
if isinstance(found, Result) and not running:
    if found.spec == spec and found.complete:
        sentence.markdown(train_words.opening(found))
    details(found)
with st.expander("Why would geometry help? A lesson of one minute", key="lesson"):
    lesson, answer = lessons.text("train").split("---", 1)
    st.markdown(lesson)
    with st.popover("Answer", key="train-answer"):
        st.markdown(answer)
page.chips(
    "train",
    [
        ("Learn the digits", {"task": "digits"}),
        ("Too large a step", {"task": "teacher", "act": "linear", "eta_sgd": 0.8}),
        ("Less damping", {"lam_exact": 0.01, "lam_unit": 0.01}),
    ],
)
