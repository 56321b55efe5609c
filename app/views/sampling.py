"""The page Watch one: what does one draw of an estimator look like? Histograms, running means, and sharper predictions."""

from __future__ import annotations

from functools import partial

import controls
import jobs
import lessons
import page
import sampling_words
import streamlit as st
import words
from chart import show_chart
from figures import sampling as figures
from picture_export import picture_menu

from fimcore.experiments import sampling
from fimcore.experiments.result import Result
from fimcore.experiments.sampling_spec import HISTOGRAM, LOOK, Spec

QUESTION = "sampling"


def panel(result: Result, estimator: str, labels: str, log: bool) -> None:
    """One histogram with its heading and its numbers, or why there is none."""
    spec = result.spec
    assert isinstance(spec, Spec)
    title = sampling_words.TITLES[estimator, labels]
    st.subheader(title, anchor=False)
    row = sampling_words.rows_of(result.tables["summary"]).get((estimator, labels))
    if row is None:
        st.markdown(f"These data have no labels that this family takes. {sampling.no_labels(spec)}")
        return
    bins = result.tables["bins"]
    own = bins[(bins["estimator"] == estimator) & (bins["labels"] == labels)]
    text = sampling_words.panel_words(row, spec.at)
    figure = figures.histogram(bins, estimator, labels, float(row["drawn_mean"]), page.is_dark(), spec.averaged, log)
    show_chart(figure, f"draws-{estimator}-{labels}", f"{title}. {text}")
    outside = sampling_words.beyond(own)
    more = f" {words.percent(outside)} lie beyond the picture." if outside >= 0.0005 else ""
    st.markdown(text + more)


def histograms(result: Result, log: bool) -> None:
    """Two rows of two: what is squared or bent, and whose labels."""
    st.header("Draws beside their exact laws", anchor=False)
    for estimator in ("score", "hessian"):
        for place, labels in zip(st.columns(2), ("model", "data"), strict=True):
            with place:
                panel(result, estimator, labels, log)
    left, right = st.columns(2)
    with left:
        panel(result, "probe", "none", log)
    with right:
        st.subheader("What is drawn", anchor=False)
        st.markdown(
            "- **Squared score**: (∂ log p / ∂θ)² of one label. Never negative, often close to 0, seldom large.\n"
            "- **Minus Hessian**: −∂² log p / ∂θ² of one label. Often negative, although its mean is F.\n"
            "- **Probe**: random signs take the place of a label, (Σ ± m)² with F = Σ m². Its deviation at one input is "
            "at most √2 F, however confident the predictions are.\n"
            "- **Labels of the data** follow their own law, not the model's: their mean need not be F, however many there are."
        )


def below_histograms(result: Result, log: bool) -> None:
    spec = result.spec
    assert isinstance(spec, Spec)
    first = result.tables["summary"].iloc[0]
    where = "at a random one of the inputs" if spec.at == "all" else "at one and the same input"
    each = "" if spec.averaged == 1 else f", each an average over {spec.averaged} labels"
    fisher = words.number(float(first["fisher"]))
    st.caption(
        f"Filled: {words.count_of(int(first['estimates']), 'estimate')} drawn {where}{each}, in units of the exact F = {fisher}. "
        "Dashed outline: exact law with the model's own labels, also where those of the data are drawn, so that the difference "
        "shows. Dashed upright: F; solid upright: mean of what was drawn."
    )
    with st.container(key="metric-cards"):
        made = sampling_words.cards(result.tables["summary"])
        for place, card in zip(st.columns(len(made)), made, strict=True):
            place.metric(card.label, card.value, card.below, "off", delta_arrow="off", help=card.about, border=True)
    st.markdown("\n".join(f"- {verdict.sentence}" for verdict in result.verdicts))
    bins, dark = result.tables["bins"], page.is_dark()
    with st.container(horizontal=True, vertical_alignment="center"):
        for (estimator, labels), row in sampling_words.rows_of(result.tables["summary"]).items():
            figure = figures.histogram(bins, estimator, labels, float(row["drawn_mean"]), dark, spec.averaged, log)
            title, text = sampling_words.TITLES[estimator, labels], sampling_words.panel_words(row, spec.at)
            short = "Probe" if labels == "none" else f"{figures.NAMES[estimator]}, {labels}"
            picture_menu(result, "bins", f"draws-{estimator}-{labels}", title, figure, text, short)
        page.as_table("summary", result.tables["summary"])


def sharpness(result: Result, spec: Spec) -> None:
    """Both deviations against the sharpness of the predictions."""
    table, dark = result.tables["curves"], page.is_dark()
    text = sampling_words.curve_finding(table)
    st.header("What do sharper predictions do?", anchor=False)
    st.markdown(text)
    figure = figures.curves(table, spec.sharpness, dark)
    show_chart(figure, "curves", text)
    count = int(table["draws"].max())
    st.caption(
        f"Lines: exact standard deviation of a single draw. Points: {count:,} draws each, bars: their exact standard error. "
        "Dotted: what the choice of the input alone makes; no label can do better. Sharpness multiplies all outputs, as a lower "
        "temperature does."
    )
    st.markdown("\n".join(f"- {verdict.sentence}" for verdict in result.verdicts))
    with st.container(horizontal=True, vertical_alignment="center"):
        picture_menu(result, "curves", "curves", "Deviation against sharpness", figure, text)
        page.as_table("curves", table)


def running(result: Result) -> None:
    """Means against the number of draws."""
    table, dark = result.tables["running"], page.is_dark()
    st.header("How soon does the mean settle?", anchor=False)
    st.markdown(" ".join(sampling_words.running_words(table, name) for name in figures.NAMES))
    limit = figures.running_limit(table)
    for place, (name, title) in zip(st.columns(3), figures.NAMES.items(), strict=True):
        with place:
            st.subheader(title, anchor=False)
            show_chart(
                figures.running(table, name, limit, dark), f"running-{name}", sampling_words.running_words(table, name)
            )
    st.caption(
        "Lines: mean of the first draws of every run, labels of the model. Dashed: F. Band: ± 1.96 exact standard deviations "
        "/ √draws, which holds 95 % of the runs once the mean is nearly normal; before that heavy tails leave it upwards."
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        for name, title in figures.NAMES.items():
            text = sampling_words.running_words(table, name)
            figure = figures.running(table, name, limit, dark)
            picture_menu(result, "running", f"running-{name}", f"Mean against draws: {title}", figure, text, title)
        page.as_table("running", table)


spec = page.spec(QUESTION)
assert isinstance(spec, Spec)
page.heading("What does one draw of an estimator look like?")
answer = st.container(key="answer")
page.link_notices()
controls.view_controls(QUESTION, "beta", "at", *(("xi",) if spec.at == "one" else ()))
controls.view_controls(QUESTION, "ly", "un", "wt", "log")
found = jobs.compute(QUESTION, spec, function="watch", draw=partial(histograms, log=spec.log_shares), ignore=LOOK)
if isinstance(found, Result):
    assert isinstance(found.spec, Spec)
    with answer:
        st.markdown(sampling_words.finding(found.spec, sampling.name_of(found.spec)[0], found.tables["summary"]))
if isinstance(found, Result) and jobs.is_current(QUESTION, spec, function="watch", ignore=LOOK):
    below_histograms(found, spec.log_shares)
    other = jobs.compute(QUESTION, spec, function="curves", ignore=HISTOGRAM)
    if isinstance(other, Result) and jobs.is_current(QUESTION, spec, function="curves", ignore=HISTOGRAM):
        sharpness(other, spec)
    running(found)
with st.expander("How many labels", key="more-settings"):
    controls.view_controls(QUESTION, "avg", "nd")
lessons.show(QUESTION)
page.chips(
    QUESTION,
    [
        ("Confident predictions", {"beta": 8.0}),
        ("χ² and normal", {"out": "regression", "at": "one", "avg": 4, "log": False}),
        ("ReLU", {"act": "relu"}),
        ("The output layer", {"ly": 3}),
    ],
)
