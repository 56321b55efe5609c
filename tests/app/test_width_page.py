"""The page Width in-process: what it finds in every view and observable, odd settings, figures that hold the numbers."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import jobs
import numpy as np
import pytest
import settings
import width_words
from figure_export import figure_png, figure_svg
from figures import width as figures

from fimcore.experiments import width
from fimcore.experiments.width_spec import OBSERVABLES

FLAT, FALLS = "It does not fall with width", "because the number of outputs grows with the width"
SMALL = {"widths": (4, 8, 16), "samples": 30, "seeds": 4, "hidden_layers": 2}
NO_NUMBER = re.compile(r"\bnan\b|\binf\b|∞|no number")


@pytest.fixture(scope="module")
def result():
    return width.run(width.Spec(**SMALL))


def shown(result):
    def compute(*_args, draw, **_options):
        draw(result)
        return result

    return compute


def text_of(page):
    return " ".join(element.value for element in [*page.markdown, *page.caption])


@pytest.mark.parametrize(
    ("outputs", "slope", "said", "not_said"),
    [
        (1, 0.0, [FLAT, "It levels off at"], [FALLS]),
        (1, -0.5, [], [FLAT, FALLS]),
        ("n", -0.5, [FALLS], [FLAT, "levels off"]),
        ("n", 0.0, [], [FLAT, FALLS]),
    ],
)
def test_a_reason_is_given_only_where_it_is_one(outputs, slope, said, not_said, open_page, monkeypatch):
    made = width.run(width.Spec(widths=(4, 8), outputs=outputs, samples=20, seeds=2, hidden_layers=2))
    trends = made.tables["trends"].assign(slope=slope)
    monkeypatch.setattr(jobs, "compute", shown(replace(made, tables={**made.tables, "trends": trends})))
    text = text_of(open_page("width"))
    assert all(words in text for words in said)
    assert not any(words in text for words in not_said)


@pytest.mark.parametrize("observable", OBSERVABLES)
def test_every_observable_has_a_finding_a_caption_and_verdicts(observable, result, open_page, monkeypatch):
    monkeypatch.setattr(jobs, "compute", shown(result))
    page = open_page("width", obs=observable)
    text = text_of(page)
    assert width_words.finding(result, observable) in text
    assert "log-log slopes" in text
    assert "smallest to largest network" in text
    predicted = observable in ("ratio", "mass", "layer_pairs")
    assert ("The dashed curve holds" in text) == predicted
    assert ("No prediction." in width_words.finding(result, observable)) != predicted
    assert not NO_NUMBER.search(text.replace("n → ∞", ""))
    for name in OBSERVABLES:
        assert f"{width_words.SHORT[name]}: " in text


def test_the_fall_of_normalised_entries_is_explained_only_where_their_ratio_stays(result):
    trends = result.tables["trends"]
    words = {}
    for ratio in ("stays", "decays"):
        change = np.where(trends["observable"] == "normalised_ratio", ratio, "decays")
        made = replace(result, tables={**result.tables, "trends": trends.assign(change=change)})
        words[ratio] = width_words.finding(made, "normalised")
    assert "says nothing about blocks" in words["stays"]
    assert "says nothing about blocks" not in words["decays"]


def test_layers_that_differ_are_named():
    trends = width.run(width.Spec(**SMALL)).tables["trends"]
    rows = trends[trends["observable"] == "ratio"].assign(change=["decays", "stays"])
    assert width_words.change_words(rows) == "**decays** (1), **stays** (2)"
    shares = trends[trends["observable"] == "mass"].assign(change=["decays", "grows"])
    assert width_words.change_words(shares) == "**decays**"
    assert "With the read-out: slope" in width_words.slopes_line(shares)


def test_against_outputs_the_width_is_in_the_sidebar_and_the_range_of_widths_is_not(open_page, monkeypatch):
    monkeypatch.setattr(jobs, "INLINE_SECONDS", math.inf)
    page = open_page("width", view="outputs", n=8, N=20, S=2, L=2)
    drawn = {element.key for kind in ("select_slider", "button_group", "selectbox") for element in page.get(kind)}
    assert "n" in drawn
    assert not drawn & {"w0", "w1", "C"}
    assert "With 8 units a layer, the ratio of RMS entries" in text_of(page)
    assert "Does it decay with the number of outputs?" in " ".join(element.value for element in page.header)


def test_shares_are_those_of_the_sweep_over_widths(open_page, monkeypatch):
    monkeypatch.setattr(jobs, "INLINE_SECONDS", math.inf)
    page = open_page("width", view="shares", w0=4, w1=16, N=20, S=2, L=2)
    made = width.run(width.Spec(narrowest=4, widest=16, samples=20, seeds=2, hidden_layers=2))
    assert width_words.shares_finding(made) in text_of(page)
    assert [element.value for element in page.header][:2] == ["Hidden layers", "All layers, read-out included"]


def test_one_hidden_layer_falls_back_from_pairs_of_layers(open_page, monkeypatch):
    monkeypatch.setattr(jobs, "INLINE_SECONDS", math.inf)
    page = open_page("width", obs="layer_pairs", L=1, w0=4, w1=8, N=20, S=2)
    assert "the ratio of RMS entries has the log-log slopes" in text_of(page)
    alone = width.run(width.Spec(widths=(4, 8), samples=20, seeds=2, hidden_layers=1))
    assert "two hidden layers or more" in width_words.finding(alone, "layer_pairs")


@pytest.mark.parametrize(
    "setting",
    [
        {
            "widths": (1, 2),
            "activation": "relu",
            "weight_variance": 0.1,
            "bias_variance": 0.0,
            "samples": 2,
            "hidden_layers": 4,
        },
        {"noise_variance": 1e-300},
        {"likelihood": "softmax", "outputs": 3},
        {"estimator": "empirical"},
        {"estimator": "score"},
        {"view": "outputs", "width": 1},
        {"view": "outputs", "width": 6, "likelihood": "softmax"},
        {"inputs": "digits", "samples": 2},
        {"activation": "relu", "weight_variance": 100.0, "bias_variance": 0.0, "hidden_layers": 12},
    ],
    ids=str,
)
def test_odd_settings_get_sentences_and_pictures(setting, open_page, monkeypatch):
    made = width.run(width.Spec(**{**SMALL, "seeds": 2, **setting}))
    monkeypatch.setattr(jobs, "compute", shown(made))
    for observable in OBSERVABLES:
        text = width_words.finding(made, observable)
        assert text
        assert not NO_NUMBER.search(text)
        if observable in width_words.listed(made):
            table = made.tables["observables"]
            for chart in (
                figures.observable(table, observable, made.spec.axis, dark=False),
                figures.observable(table, observable, made.spec.axis, dark=True, residual=True),
                figures.small(table, observable, made.spec.axis, dark=True),
            ):
                assert "<svg" in figure_svg(chart, "Title", ["Caption"], dark=False)
    assert not NO_NUMBER.search(text_of(open_page("width")).replace("n → ∞", ""))


def test_pictures_hold_the_numbers_and_become_files(result):
    table = result.tables["observables"]
    chart = figures.observable(table, "ratio", "width", dark=False)
    rows = table[(table["observable"] == "ratio") & (table["part"] == "layer 1")]
    traces = {trace.name: trace for trace in chart.data if trace.showlegend is not False}
    np.testing.assert_allclose(traces["Layer 1"].y, rows["measured"], rtol=1e-6)
    np.testing.assert_allclose(traces["Predicted"].y, rows["predicted"], rtol=1e-6)
    np.testing.assert_allclose(traces[figures.PLATEAU].y, rows["plateau"].iloc[-1], rtol=1e-6)
    start, end = traces[figures.SLOPE].y
    assert end / start == pytest.approx(0.5, rel=1e-5)  # widths 4 to 16
    over = figures.observable(table, "ratio", "width", dark=False, residual=True)
    drawn = next(trace for trace in over.data if trace.name == "Layer 1")
    np.testing.assert_allclose(drawn.y, rows["residual"], rtol=1e-4, atol=1e-6)
    shares = figures.shares(result.tables["mass"], "hidden layers", dark=False)
    mass = result.tables["mass"]
    inside = mass[(mass["layers"] == "hidden layers") & (mass["part"] == "in_unit")]
    boundary = next(trace for trace in shares.data if trace.name == "Inside one unit" and trace.showlegend is not False)
    np.testing.assert_allclose(boundary.y, inside["measured"], rtol=1e-6)
    top = next(trace for trace in shares.data if trace.name == "Between layers" and trace.showlegend is not False)
    np.testing.assert_allclose(top.y, 1, rtol=1e-6)
    assert figure_png(shares, "Shares", ["Caption"], dark=True).startswith(b"\x89PNG")


def test_old_addresses_still_mean_what_they_meant():
    table = settings.settings_of("width")
    assert {"C", "w0", "w1", "S", "N", "seed", "L", "act", "sw2", "sb2"} <= set(table)
    assert table["C"].parse("n") == "n"
    assert table["w1"].parse("1024") == 1024
