"""The page Toy descent: its sentences follow the counts, and runs that are lost get a sentence."""

from __future__ import annotations

import numpy as np
import toy_descent_words as said
from figures import toy_descent as figures

from fimcore.experiments import toy_descent
from fimcore.experiments.toy_descent import ESTIMATORS, Spec


def test_the_finding_has_the_counts_of_the_table():
    result = toy_descent.run(Spec(seeds=10))
    counts = result.table.set_index("estimator")["blown_up"]
    assert f"**{counts['score']} of 10 runs**" in said.finding(result)
    assert "empirical Fisher" in said.arrival(result)
    assert "times as much as minus Hessian, from the start" in said.variance(result)


def test_strong_damping_is_said_to_be_safe_and_an_exact_matrix_not():
    assert "none with minus Hessian" in said.finding(toy_descent.run(Spec(model="logistic", damping=0.3, seeds=6)))
    assert "safe either" in said.finding(toy_descent.run(Spec(model="logistic", damping=0.001, seeds=6)))


def test_lost_runs_get_a_sentence_and_a_picture():
    result = toy_descent.run(Spec(model="linear", rate=10, damping=0, drawn=1, steps=200, seeds=3))
    text = said.finding(result)
    assert "nan" not in text
    assert "no number" not in text
    for chart in (
        figures.losses(result.tables["losses"], False),
        figures.variances(result.tables["variances"], True),
        figures.damping(result.tables["damping"], 0.0, False),
    ):
        assert np.isfinite(chart.layout.yaxis.range).all()


def test_what_blows_up_at_every_damping_is_said_so():
    text = said.blow_ups(toy_descent.run(Spec(model="linear", rate=10, seeds=3)))
    assert text.startswith("No run blows up with the empirical Fisher from")
    assert text.endswith("even at the largest λ here with the squared score, minus Hessian and the exact Fisher.")


def test_every_estimator_has_a_panel_with_its_count():
    result = toy_descent.run(Spec(seeds=5))
    chart = figures.planes("linear", dict(result.arrays), result.tables["paths"], result.table, dark=True)
    titles = [annotation.text for annotation in chart.layout.annotations]
    assert len(titles) == len(ESTIMATORS)
    for title, count in zip(titles, result.table["blown_up"], strict=True):
        assert title.endswith(f"<br>{count} blow up")


def test_the_page_of_a_link(open_page):
    page = open_page("toy_descent", model="logistic", S=4, T=20)
    assert "of 4 runs" in page.markdown[1].value + page.markdown[2].value
