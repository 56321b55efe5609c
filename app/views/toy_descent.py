"""The page Toy descent: which estimate of the Fisher matrix can a natural gradient trust?"""

from __future__ import annotations

import controls
import jobs
import lessons
import page
import streamlit as st
import toy_descent_words as said
import words
from chart import show_chart
from figures import toy_descent as figures
from picture_export import picture_menu

from fimcore.experiments.result import Result
from fimcore.experiments.toy_descent import Spec

QUESTION = "toy_descent"


def pictures(result: Result) -> None:
    """The four planes and blow-ups against damping; below them test losses and variances."""
    spec = result.spec
    assert isinstance(spec, Spec)
    dark, text = page.is_dark(), said.finding(result)
    st.markdown(text)
    planes = figures.planes(spec.model, dict(result.arrays), result.tables["paths"], result.table, dark)
    damping = figures.damping(result.tables["damping"], spec.damping, dark)
    losses, variances = (
        figures.losses(result.tables["losses"], dark),
        figures.variances(result.tables["variances"], dark),
    )
    one, other = st.columns([3, 2])
    with one:
        show_chart(planes, "planes", text, heading="Four ways through the plane")
        runs = words.count_of(spec.seeds, "run")
        st.caption(
            "Grey: contours of the training loss of the first seed. Circle: start; star: the weights that made the labels. "
            f"Thin: {runs}; bold: the first seed. A run has blown up once its training loss exceeds 1.5 times its start."
        )
    with other:
        show_chart(damping, "damping", said.blow_ups(result), heading="Blow-ups against damping")
        st.caption(
            f"Points: share of {runs}, a little apart; bars: 95 % intervals of a share (Wilson). Dotted: the damping of the "
            "other pictures."
        )
        show_chart(losses, "losses", said.arrival(result), heading="Test loss")
        st.caption(
            f"Lines: median over {words.count_of(spec.seeds, 'seed')}; bands: from 10 to 90 % of them, a lost run above all "
            "others. Lines may cover each other."
        )
    one, other = st.columns([3, 2], vertical_alignment="center")
    with one:
        show_chart(variances, "variances", said.variance(result), heading="Variance of the estimate")
    with other:
        st.markdown(said.variance(result))
        for verdict in result.verdicts:
            st.markdown(f"- {verdict.sentence}")
        st.caption(
            f"Summed over both diagonal entries, of {words.count_of(spec.drawn, 'input')} with one label each, computed "
            "without sampling, at the same places for both: those that the exact Fisher visits. Exact and empirical "
            "Fisher are not sampled. Lines: median; bands: from 10 to 90 % of the seeds."
        )
    with st.container(horizontal=True, vertical_alignment="center"):
        picture_menu(result, "paths", "plane", "Natural gradient with four matrices", planes, text)
        picture_menu(result, "damping", "damping", "Runs that blow up, against damping", damping, said.blow_ups(result))
        picture_menu(result, "losses", "loss", "Test loss against steps", losses, said.arrival(result))
        picture_menu(
            result, "variances", "variance", "Variance of both diagonal estimates", variances, said.variance(result)
        )
        page.as_table("toy-descent", result.table)


spec = page.spec(QUESTION)
assert isinstance(spec, Spec)
page.heading("Which Fisher estimate can a natural gradient step trust?")
page.link_notices()
controls.view_controls(QUESTION, "model", "lam", "N")
jobs.compute(QUESTION, spec, draw=pictures)
with st.expander("Step size, steps, seeds", key="more-settings"):
    controls.view_controls(QUESTION, "eta", "T", "seed", "S")
lessons.show(QUESTION)
page.chips(
    QUESTION,
    [
        ("Logistic regression", {"model": "logistic", "lam": 0.01}),
        ("Strong damping", {"lam": 0.3}),
        ("64 inputs an estimate", {"N": 64}),
        ("Full steps", {"eta": 1.0}),
    ],
)
