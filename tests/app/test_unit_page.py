"""The page Units in-process: what it says of every layer, of odd units and of noise; odd settings; figures and files."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import settings
import unit_layer_words
import unit_words
from figure_export import figure_png, figure_svg
from figures import unit as figures

from fimcore.experiments import unit, unit_one
from fimcore.experiments.network_fields import ACTIVATIONS
from fimcore.experiments.setting import sample_count
from fimcore.experiments.unit_spec import Spec

SMALL = {"width": 6, "hidden_layers": 2, "samples": 200, "seeds": 4}


def row_of(result, form="isotropic"):
    return next(row for row in result.tables["forms"].to_dict("records") if row["form"] == form)


def test_the_answer_names_the_layers_and_tells_why():
    result = unit.layers(Spec())
    text = unit_layer_words.finding(result)
    assert "**In layer 1, yes**" in text
    assert "**In layers 2 and 3, no**" in text
    assert "exact covariance" in text
    assert "exactly in layer 3" in text
    table = unit_layer_words.verdict_table(result.tables["layers"])
    assert table.count("\n") == 1 + 3 * 3
    assert "agrees" in table
    assert "disagrees" in table
    sentences = unit_layer_words.why_deeper(result.tables["inputs"])
    assert len(sentences) == 3
    assert "0.00 (Gaussian: 0)" in sentences[0]
    assert "layer" in unit_layer_words.error_finding(result.tables["layers"], "network")
    assert "isotropic form 0." in unit_layer_words.direction_finding(result.tables["directions"])


def test_many_layers_are_a_range_and_few_networks_no_verdict():
    text = unit_layer_words.finding(unit.layers(Spec(width=8, hidden_layers=6, samples=200, seeds=4)))
    assert re.search(r"% to [\d.]+ % in layers \d to \d", text), text
    text = unit_layer_words.finding(unit.layers(Spec(**{**SMALL, "seeds": 2})))
    assert "a verdict needs 4 networks" in text
    text = unit_layer_words.finding(unit.layers(Spec(activation="sigmoid", weight_variance=4.0)))
    assert "**In layers 2 and 3, nearly**" in text, text


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"layer": 5, "unit": 50}, ["Layer 5 was asked for", "2 hidden layers", "Unit 50 was asked for", "6 units"]),
        ({"activation": "linear"}, ["slope 1 everywhere"]),
        ({"samples": 4}, ["Fewer inputs (4) than parameters of the unit (7)"]),
        ({"width": 1}, ["2 × 2 matrix"]),
        ({"activation": "relu", "width": 1, "hidden_layers": 12, "bias_variance": 0, "layer": 12}, ["does not vary"]),
    ],
    ids=str,
)
def test_odd_units_are_one_sentence_each(setting, said):
    spec = Spec(**{**SMALL, **setting})
    result = unit.one(spec)
    size = len(result.arrays["measured"])
    text = " ".join(unit_words.remarks(spec, row_of(result), size, sample_count(spec)))
    assert all(each in text for each in said), text


def test_the_chosen_unit_in_words():
    spec = Spec(layer=2)
    text = unit_words.unit_finding(spec, row_of(unit.one(spec)), 33, 2000)
    assert "**Unit 1 of layer 2**" in text
    assert "Why: the signal that comes back from above" in text
    row = row_of(unit.one(spec))
    assert unit_words.unit_finding(spec, {**row, "wrong": 0.0}, 33, 2000).endswith("beyond it nothing is left.")
    dead = {**row, "error": math.nan}
    assert "is off for all 2,000 inputs" in unit_words.unit_finding(spec, dead, 33, 2000)
    assert "direction" in unit_words.unit_finding(spec, dead, 33, 2000)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_has_words_and_figures(activation):
    spec = Spec(**{**SMALL, "seeds": 1}, activation=activation, layer=2)
    result = unit.run(spec)
    row, tables = row_of(result), result.tables
    said = [
        unit_layer_words.finding(result),
        unit_words.unit_finding(spec, row, 7, 200),
        unit_words.eigenvalue_finding(tables["eigenvalues"], "isotropic", row["factor"], row["A0"], row["variance"]),
        unit_words.eigenvalue_finding(tables["eigenvalues"], "covariance", row["factor"], row["A0"], row["variance"]),
        unit_layer_words.verdict_table(tables["layers"]),
        str(unit_words.cards(spec, row)),
        *unit_layer_words.why_deeper(tables["inputs"]),
    ]
    assert not re.search(r"\bnan\b|\binf\b|∞", " ".join(said)), said
    names = {trace.name for trace in figures.errors(tables["layers"], "network", dark=False).data}
    assert {"Isotropic", "Exact covariance", "Factor × own", "Noise"} <= names
    assert figures.cosines(tables["directions"], dark=True).data
    assert figures.eigenvalues(tables["eigenvalues"], "isotropic", dark=False).data
    for against in ("length", "bias"):
        assert figures.moments(tables["moments"], tables["curves"], against, row["scale"], dark=False).data


def test_eigenvalues_are_counted():
    spec = Spec(**SMALL, layer=1, input_dim=9)
    result = unit.one(spec)
    row = row_of(result)
    values = result.tables["eigenvalues"]
    text = unit_words.eigenvalue_finding(values, "isotropic", row["factor"], row["A0"], row["variance"])
    assert "**8 equal** eigenvalues" in text
    assert "2 others" in text
    deeper = unit.one(spec.model_copy(update={"layer": 2}))
    row = row_of(deeper)
    text = unit_words.eigenvalue_finding(
        deeper.tables["eigenvalues"], "isotropic", row["factor"], row["A0"], row["variance"]
    )
    assert "**4 equal**" in text
    assert "mean of the inputs" in text


def test_three_matrices_share_one_scale_and_become_files():
    result = unit.one(Spec(**SMALL))
    limit = figures.limit_of(result.arrays)
    assert limit == max(abs(result.arrays[name]).max() for name in figures.TITLES)
    made = [figures.matrix(result.arrays[name], limit, {0: "w"}, dark=False) for name in figures.TITLES]
    assert {(chart.data[0].zmin, chart.data[0].zmax) for chart in made} == {(-(limit**0.5), limit**0.5)}
    np.testing.assert_allclose(made[0].data[0].customdata, result.arrays["measured"], rtol=1e-6)
    np.testing.assert_allclose(made[0].data[0].z ** 2, abs(result.arrays["measured"]), rtol=1e-5, atol=1e-12)
    figure = figures.triptych(result.arrays, dark=False)
    text = figure_svg(figure, "Title", ["Caption"])
    assert all(title in text for title in figures.TITLES.values())
    assert text.count("<polygon") > 3 * 7
    assert figure_png(figure, "Title", ["Caption"], True).startswith(b"\x89PNG")


def test_large_matrices_are_pooled_by_their_largest_entry():
    matrix = np.zeros((300, 300))
    matrix[299, 2] = -5.0
    matrix[0, 0] = 3.0
    small = unit_one.pooled(matrix)
    assert small.shape == (100, 100)
    assert (small[99, 0], small[0, 0]) == (-5.0, 3.0)
    assert unit_one.pooled(matrix[:100, :100]) is not None


@pytest.mark.parametrize(
    "settings_",
    [
        {"in": "digits", "n": 8, "S": 2, "N": 100, "l": 2, "iso": 0},
        {"act": "relu", "sb2": 0, "n": 2, "L": 12, "l": 12, "N": 50, "S": 1},
        {"n": 1, "L": 1, "N": 20, "S": 1, "rot": 0},
        {"out": "softmax", "k": 3, "n": 4, "N": 100, "S": 2},
        {"est": "empirical", "n": 4, "N": 100, "S": 1, "u": 400, "l": 12},
        {"n": 4, "N": 4, "S": 1, "act": "linear", "lam": 1},
        {"in": "sphere", "d": 1, "n": 4, "N": 50, "S": 1},
    ],
    ids=str,
)
def test_the_page_runs_at_odd_settings(settings_, open_page):
    page = open_page("unit", **settings_)
    assert page.get("plotly_chart")
    shown = " ".join(each.value for each in [*page.markdown, *page.caption, *page.metric])
    assert not re.search(r"\bnan\b|\binf\b|∞", shown), shown
    assert not page.error


def test_layer_and_unit_reach_as_far_as_the_network(open_page):
    page = open_page("unit", n=4, L=2, N=50, S=1, l=2, u=4)
    assert page.slider(key="l").max == 2
    assert page.number_input(key="u").max == 4
    page.slider(key="L").set_value(1).run()
    assert not page.exception
    assert all(each.key != "l" for each in page.slider)
    assert settings.settings_of("unit")["l"].bounds == (1, 12)
