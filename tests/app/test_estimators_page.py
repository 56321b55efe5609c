"""The page Two estimators in-process: what it says in every view and at odd settings, figures that hold the numbers, files."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

import estimators_findings as findings
import estimators_words as words_of
import numpy as np
import pytest
from estimators_pictures import pictures_of
from figure_export import figure_png, figure_svg

from fimcore.experiments import estimators
from fimcore.experiments.estimators_spec import FAMILIES, VIEWS, Spec

SMALL = {"width": 6, "hidden_layers": 2, "samples": 20, "seeds": 4, "outputs": 4}
NO_NUMBER = re.compile(r"\bnan\b|\binf\b|∞|no number")


@lru_cache
def measured(spec):
    return estimators.run(spec)


def pictures(view, layer=1, **changes):
    result = measured(Spec(**{**SMALL, **changes}))
    return pictures_of(replace(result, spec=result.spec.model_copy(update={"view": view, "layer": layer})), dark=False)


def test_the_answer_and_the_table_say_who_wins_where():
    result = estimators.run(Spec(**SMALL))
    winners = result.tables["winners"].set_index("layer")
    text, table = words_of.finding(result), words_of.winner_table(result)
    assert list(winners["winner"][[1, 2, 3]]) == ["score", "score", "hessian"]
    assert text.startswith("**Trust the squared score in layers 1 and 2**: the standard deviation of minus Hessian is ")
    assert "**Trust minus Hessian in the output layer**: there it never varies, since the outputs are linear" in text
    assert table.count("\n") == 1 + 4
    relu = estimators.run(Spec(**SMALL, activation="relu"))
    assert words_of.finding(relu).startswith(
        "**Trust minus Hessian in every layer**: there it never varies, since the outputs are"
    )
    assert "Minus Hessian does not vary in any layer" in findings.causes_finding(relu)
    assert "no variance in any unit" in findings.units_finding(relu, 1)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_view_of_every_family_holds_its_numbers_and_makes_files(family):
    for view in VIEWS:
        for picture in pictures(view, layer=2, likelihood=family, seeds=2):
            assert picture.chart is not None, (view, picture.key)
            assert not NO_NUMBER.search(picture.text + picture.caption), picture.text
            drawn = [np.asarray(trace.y if trace.type == "scatter" else trace.x) for trace in picture.chart.data]
            numbers = np.concatenate(
                [values.astype(float) for values in drawn if values.dtype.kind in "fiu"] or [np.ones(1)]
            )
            assert np.isfinite(numbers).any(), (view, picture.key)
            assert not np.isinf(numbers).any()
            assert figure_svg(picture.chart, picture.title, [picture.text], False).startswith("<svg")
    assert figure_png(picture.chart, picture.title, [picture.text], True).startswith(b"\x89PNG")


def test_odd_networks_are_a_sentence_each():
    dead = {"activation": "relu", "width": 1, "hidden_layers": 8, "bias_variance": 0.0, "input_dim": 2}
    odd = (dead, {"activation": "linear", "weight_variance": 100.0}, {"hidden_layers": 12}, {"seeds": 1, "samples": 2})
    for changes in odd:
        for view in VIEWS:
            for layer in (13,) if view in ("deviations", "causes", "samples") else (1, 13):
                for picture in pictures(view, layer=layer, **changes):
                    assert picture.text.endswith(".")
                    assert not NO_NUMBER.search(picture.text), picture.text
    assert not NO_NUMBER.search(words_of.finding(estimators.run(Spec(**{**SMALL, **dead}))))
    (picture,) = pictures("bounds", quantity="hessian", activation="relu")
    assert picture.chart is None
    assert "nothing to compare" in picture.text
    (picture,) = pictures("samples", method="exact")
    assert picture.text.startswith("For 95 % of all parameters within 10 %")


def test_the_calculator_and_the_layer_of_the_page(open_page):
    page = open_page("estimators", view="samples", n=6, N=20, S=2, eps=0.2, conf=0.9)
    table = estimators.needed(Spec(width=6, samples=20, seeds=2, relative_error=0.2, confidence=0.9)).table
    count = int(table[(table["layer"] == 0) & (table["estimator"] == "score")]["most"].iloc[0])
    text = " ".join(element.value for element in page.markdown)
    assert f"within 20 % of F, each with 90 % confidence, labels needed: squared score **{count:,}**" in text
    assert "**Trust the squared score" in text
    page = open_page("estimators", view="bounds", L=2, ly=9, n=6, N=20, S=1)
    assert page.session_state["ly"] == 3
    assert "In the output layer" in " ".join(element.value for element in page.markdown)
