"""The page Report: does mean-field theory hold here? Every prediction for one setting, measured over seeds, with a verdict."""

from __future__ import annotations

from functools import partial

import exports
import jobs
import lessons
import numpy as np
import page
import permalinks
import streamlit as st
import words

from fimcore.experiments import report_html
from fimcore.experiments.report_checks import AGREES, DISAGREES, NOT_APPLICABLE
from fimcore.experiments.report_spec import Spec
from fimcore.experiments.result import Result

QUESTION = "report"


def cards(result: Result) -> None:
    """The three counts, and how sharp the comparison is."""
    checks = result.tables["checks"]
    count = checks["verdict"].value_counts()
    sharpness = checks.loc[checks["verdict"] != NOT_APPLICABLE, "noticeable"].dropna()
    # What half of the comparisons would notice: without it, agreement could mean that nothing was looked at closely.
    sharp = words.percent(float(np.median(sharpness))) if len(sharpness) else "nothing applies"
    shown = [("Agree", str(count.get(AGREES, 0))), ("Disagree", str(count.get(DISAGREES, 0)))]
    shown += [("Do not apply", str(count.get(NOT_APPLICABLE, 0))), ("Half would notice an error of", sharp)]
    with st.container(horizontal=True, key="cards"):
        for label, value in shown:
            st.metric(label, value, border=True)


def tables(result: Result) -> None:
    """Sentence, counts, and a table a group; also drawn from partial results while networks are being measured."""
    checks = result.tables["checks"]
    st.markdown(f"**{report_html.summary_sentence(result)}**")
    cards(result)
    st.html(f"<style>{report_html.style(page.is_dark())}</style>")
    for group in dict.fromkeys(checks["group"]):
        own = checks[checks["group"] == group]
        if (own["verdict"] == NOT_APPLICABLE).all():
            continue
        title, sentence = report_html.GROUP_WORDS[group]
        st.header(title, anchor=False)
        st.caption(sentence)
        st.html(report_html.group_table(own))
    silent = report_html.reasons(checks)
    if silent:
        st.header("What does not apply here, and why", anchor=False)
        for reason, names in silent:
            st.markdown(f"- {reason}  \n  :small[{'; '.join(names)}]")


spec = page.spec(QUESTION)
assert isinstance(spec, Spec)
page.heading("Does mean-field theory hold here?")
page.link_notices()
found = jobs.compute(QUESTION, spec, draw=tables)
if isinstance(found, Result):
    st.caption(
        "A mark inside the band agrees. The band is what this comparison cannot tell from zero: the error over the networks "
        "(jackknife, 99.9 %) and the error that theory is allowed at this depth over width. z: difference over the error of the "
        "networks alone. Notices: the smallest error of a prediction that would have been noticed."
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        exports.export_menu(found, html=partial(report_html.document, found, permalinks.current_address(QUESTION)))
        page.as_table("report", found.tables["checks"])
lessons.show(QUESTION)
st.markdown("Try to break it:")
page.chips(
    QUESTION,
    [
        ("Narrow layers", {"n": 64}),
        ("Twelve ReLU layers", {"act": "relu", "sw2": 2.0, "sb2": 0.0, "L": 12}),
        ("No bias, odd activation", {"sb2": 0.0}),
        ("Softmax, five classes", {"out": "softmax", "k": 5}),
        ("Real images", {"in": "digits"}),
        ("Saturated", {"sw2": 5.0, "sb2": 2.0}),
    ],
)
