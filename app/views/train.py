"""The page Race: does the geometry help? Loss against steps, seconds and arithmetic, and against the step size."""

from __future__ import annotations

from functools import partial

import controls
import jobs
import lessons
import page
import plotly.graph_objects as go
import problems
import settings
import streamlit as st
import train_rates_words
import train_words
from chart import show_chart
from figures import train as figures
from figures import train_rates
from picture_export import picture_menu
from player import Chart, player

from fimcore.experiments.result import Result
from fimcore.experiments.train_names import DAMPING_KEYS, RATE_KEYS
from fimcore.experiments.train_spec import MOST_OPTIMIZERS, Spec

QUESTION = "train"
STEPS_KEY, OTHER_KEY = "train-steps", "train-seconds"
DRAW = {
    "steps": figures.loss_against_steps,
    "seconds": figures.loss_against_seconds,
    "products": figures.loss_against_products,
}
TITLES = {"steps": "Per step", "seconds": "Per second", "products": "Per Fisher-vector product"}


def second_axis() -> str:
    """What the second picture's x axis counts."""
    return str(settings.values(QUESTION)["per"])


def spec_of(result: Result) -> Spec:
    assert isinstance(result.spec, Spec)
    return result.spec


def made_of(result: Result, against: str) -> go.Figure:
    """One of the pictures of a race."""
    lines = figures.series(result.tables["curves"], spec_of(result).optimizers)
    goal = figures.goal_level(result.tables["races"], spec_of(result).goal)
    more = {"predicted": result.tables["prediction"]} if against == "steps" else {}
    return DRAW[against](lines, dark=page.is_dark(), goal=goal, **more)


def charts(result: Result) -> None:
    """Both pictures; also what is drawn from partial results while a race is running."""
    summary = result.tables["summary"]
    left, right = st.columns(2)
    for place, key, against in ((left, STEPS_KEY, "steps"), (right, OTHER_KEY, second_axis())):
        with place:
            text = train_words.alt_text(summary, against)
            show_chart(made_of(result, against), key, text, heading=TITLES[against])


def rates_chart(result: Result) -> go.Figure:
    return train_rates.loss_against_rate(result.tables["rates"], spec_of(result).optimizers, dark=page.is_dark())


def draw(result: Result) -> None:
    """The pictures of either view; a partial result may be that of the other one for a moment."""
    if "rates" in result.tables:
        heading = "Loss at the end against the step size"
        show_chart(rates_chart(result), "train-rates-chart", train_rates_words.opening(result), heading=heading)
    else:
        charts(result)


def playback(result: Result) -> None:
    """The playback bar below the charts."""
    lines = figures.series(result.tables["curves"], spec_of(result).optimizers)
    bars = []
    for key, against in ((STEPS_KEY, "steps"), (OTHER_KEY, second_axis())):
        places = [figures.places_of(line, against) for line in lines]
        bars.append(Chart(key, figures.positions(made_of(result, against), lines, places)))
    values = {line.name: line.middle for line in lines}
    player(steps=lines[0].steps, charts=bars, values=values, key="train-player")


def details(result: Result) -> None:
    """Everything below the pictures, from a race that is over or was stopped."""
    spec, summary = spec_of(result), result.tables["summary"]
    playback(result)
    for trouble in train_words.troubles(result):
        problems.show_problem(trouble.sentence, (trouble.label, trouble.changes), key=f"train-{trouble.optimizer}")
    st.header(f"To {train_words.share_text(spec.goal)} of the starting loss", anchor=False)
    with st.container(horizontal=True, key="metric-cards"):
        for _, row in summary.iterrows():
            card = train_words.card(row, spec.steps)
            st.metric(card.name, card.steps, card.time, "off", delta_arrow="off", help=card.about, border=True)
    for verdict in result.verdicts:
        st.markdown(f"- {verdict.sentence}")
    st.markdown(f"- {train_rates_words.prediction_words(result)}")
    st.caption(
        "Lines: geometric mean over seeds; bands: smallest to largest seed; dashed: the linearised network of infinite width, from "
        "the same residuals; seconds: updates only, measured here; a Fisher-vector product: two passes over all data. "
        f"{train_words.rates_line(result)}."
    )
    with st.container(horizontal=True, key="exports"):
        for against in ("steps", second_axis()):
            text = train_words.alt_text(summary, against)
            picture_menu(result, "curves", against, f"Loss against {against}", partial(made_of, result, against), text)
    page.as_table("train", train_words.shown_table(summary))


def rates_details(result: Result) -> None:
    """Below the picture of step sizes."""
    st.caption(
        "Every optimizer at eleven step sizes, half decades from 10⁻⁴ to 10, on every seed. Lines: geometric mean over seeds; "
        "bands: smallest to largest; star: best; crosses at the top: some seed diverged or ended above its start. "
        "What lies below 10⁻⁸ of the start is drawn on the lower edge."
    )
    text = train_rates_words.opening(result)
    with st.container(horizontal=True, key="exports"):
        picture_menu(result, "rates", "rates", "Loss against the step size", partial(rates_chart, result), text)
    page.as_table("train-best", train_rates_words.shown_table(result.tables["best"]))


def optimizer_choice() -> None:
    """Up to six names out of seventeen."""
    setting = settings.settings_of(QUESTION)["opt"]
    if "opt" not in st.session_state:
        settings.apply({"opt": setting.default})
    st.multiselect(
        f"Optimizers (up to {MOST_OPTIMIZERS})",
        list(setting.control.options),
        format_func=setting.name_of,
        key="opt",
        max_selections=MOST_OPTIMIZERS,
        persist_state="session",
        help=setting.field.description,
    )


def more_controls(spec: Spec) -> None:
    """What is folded away: steps, goal and batches, then step sizes and dampings of those that race, then the rest."""
    with st.expander(train_words.settings_label(spec), key="train-rates", type="compact"):
        controls.view_controls(QUESTION, "T", "goal", "bs", *(("curve",) if spec.task == "curve" else ()))
        if spec.view == "race":
            controls.view_controls(QUESTION, *(RATE_KEYS[name] for name in spec.optimizers))
        damped = [DAMPING_KEYS[name] for name in spec.optimizers if name in DAMPING_KEYS]
        if damped:
            controls.view_controls(QUESTION, *damped)
            special = [key for name, key in (("kfac", "form"), ("ngd_closed_form", "iso")) if name in spec.optimizers]
            controls.view_controls(QUESTION, "al", *special)


def table_is_ready(spec: Spec) -> bool:
    """The task of an uploaded table needs one, and a column to learn; the way there is one click each."""
    if spec.task != "table" or (spec.inputs == "csv" and spec.target):
        return True
    if spec.inputs != "csv":
        problems.show_problem(
            "This task learns a column of a table: numbers, one row an input.",
            ("Choose a CSV", {"in": "csv", "y": 1}),
            key="train-table",
        )
    else:
        problems.show_problem(
            "Which column of the CSV is to be learned? The label column is set under Input.",
            ("Learn column 1", {"y": 1}),
            key="train-table",
        )
    return False


spec = page.spec(QUESTION)
assert isinstance(spec, Spec)
page.heading("Does the geometry help?")
sentence = st.empty()
sentence.markdown(train_words.QUESTION)
page.link_notices()
controls.view_controls(QUESTION, "task", "view", *(("per",) if spec.view == "race" else ()))
optimizer_choice()
more_controls(spec)
for override in spec.overrides():
    st.caption(override)
found = jobs.compute(QUESTION, spec, draw=draw, ignore=spec.ignored) if table_is_ready(spec) else None
# While a race is running its card draws the pictures; what stands below them would lag behind.
running = (QUESTION, "run") in jobs.session_jobs().watched
if isinstance(found, Result) and not running:
    rates = "rates" in found.tables
    if jobs.is_current(QUESTION, spec, ignore=spec.ignored):
        sentence.markdown((train_rates_words if rates else train_words).opening(found))
    (rates_details if rates else details)(found)
with st.expander("Why would geometry help? A lesson of one minute", key="lesson"):
    lesson, answer = lessons.text(QUESTION).split("---", 1)
    st.markdown(lesson)
    with st.popover("Answer", key="train-answer"):
        st.markdown(answer)
page.chips(
    QUESTION,
    [
        ("Learn the digits", {"task": "digits", "view": "race"}),
        (
            "Six geometries",
            {"opt": ("ngd_exact", "ngd_layer", "ngd_unit", "ngd_closed_form", "ngd_quasi_diagonal", "kfac")},
        ),
        ("How much does the step size matter?", {"view": "rates"}),
        (
            "Off the plateau",
            {
                "task": "plateau",
                "view": "race",
                "opt": ("sgd", "adam", "ngd_exact", "ngd_unit"),
                "lam_exact": 0.03,
                "lam_unit": 0.03,
            },
        ),
        ("Too large a step", {"task": "teacher", "view": "race", "act": "linear", "eta_sgd": 0.8}),
    ],
)
