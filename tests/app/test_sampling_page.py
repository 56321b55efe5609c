"""The page Watch one in-process: what it says of draws, bias and sharpness; odd settings; figures and files."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import sampling_words as said
from figure_export import figure_png, figure_svg
from figures import sampling as figures

from fimcore.experiments import sampling

SMALL = {"width": 4, "samples": 20, "draws": 200, "seeds": 2}


def test_the_answer_the_panels_and_the_cards_are_those_of_the_experiment():
    spec = sampling.Spec()
    result = sampling.run(spec)
    summary, curves = result.tables["summary"], result.tables["curves"]
    rows = said.rows_of(summary)
    text = said.finding(spec, "layer 1 · unit 7 · weight 5", summary)
    assert said.times_f(rows["score", "model"]["sd"]) in text
    assert f"**{said.times_f(rows['score', 'data']['mean'])}** instead of F" in text
    assert "of them negative" in text
    assert "Law: enumerated, " in said.panel_words(rows["score", "model"])
    assert "and the result is negative" in said.panel_words(rows["hessian", "data"])
    assert "one label here" in said.panel_words(rows["hessian", "data"], "one")
    assert said.bias_words(1.01) == "here close to F"
    assert said.bias_words(0.5) == "a bias of −0.500 F"
    assert [card.value for card in said.cards(summary)][:1] == [f"{int(rows['score', 'model']['needed']):,}"]
    (place,) = said.crossings(curves)
    ends = [said.at_sharpness(curves, name, place) for name in ("score", "hessian")]
    assert ends[0] == pytest.approx(ends[1], rel=0.01)
    assert f"They meet at β = **{place:.1f}**" in said.curve_finding(curves)
    assert "of 8 runs end within" in said.running_words(result.tables["running"], "score")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"likelihood": "regression"}, "at any sharpness"),
        ({"activation": "relu", "at": "one"}, "All the way minus Hessian varies less."),
        ({"likelihood": "bernoulli", "outputs": 14, "inputs": "gaussian"}, "minus Hessian goes from"),
        ({"averaged": 32, "sharpness": 8.0, "layer": 3}, "minus Hessian"),
        ({"weight_variance": 100.0, "activation": "linear", "sharpness": 64.0}, ""),
        ({"outputs": 3}, ""),
    ],
    ids=str,
)
def test_every_family_has_words_and_figures_and_they_become_files(change, expected):
    spec = sampling.Spec(**SMALL | change)
    result = sampling.run(spec)
    summary, curves, running = (result.tables[name] for name in ("summary", "curves", "running"))
    words = [said.finding(spec, *sampling.name_of(spec)[:1], summary), said.curve_finding(curves)]
    words += [said.panel_words(row, spec.at) for row in summary.to_dict("records")]
    words += [str(said.cards(summary)), *(verdict.sentence for verdict in result.verdicts)]
    words += [said.running_words(running, name) for name in figures.NAMES]
    assert not re.search(r"\bnan\b|\binf\b|∞|no number", " ".join(words)), words
    assert expected in words[1]
    made = [figures.curves(curves, spec.sharpness, dark=True)]
    made += [figures.running(running, name, figures.running_limit(running), dark=False) for name in figures.NAMES]
    for row in summary.to_dict("records"):
        arguments = (result.tables["bins"], row["estimator"], row["labels"], row["drawn_mean"])
        made.append(figures.histogram(*arguments, dark=False, averaged=spec.averaged, log=spec.at == "all"))
        names = [trace.name for trace in made[-1].data]
        assert any(str(name).startswith("Exact law") for name in names) == bool(
            np.isfinite(result.tables["bins"].query(f"estimator == '{row['estimator']}'")["exact"]).all()
        )
    for figure in made:
        assert "</svg>" in figure_svg(figure, "Title", ["Caption"])
    assert figure_png(made[0], "Title", ["Caption"], True).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "settings_",
    [
        {"at": "one", "xi": 7, "out": "regression", "avg": 4, "beta": 8},
        {"k": 3, "ly": 13, "un": 99, "wt": 99},
        {"in": "gaussian", "out": "bernoulli", "k": 1, "nd": 10, "S": 1, "act": "relu"},
        {"n": 1, "L": 12, "act": "relu", "sb2": 0, "in": "gaussian", "d": 2},
    ],
    ids=str,
)
def test_the_page_runs_at_odd_settings(settings_, open_page):
    page = open_page("sampling", **{"n": 4, "N": 20, "S": 2, "nd": 100} | settings_)
    shown = " ".join(each.value for each in [*page.title, *page.markdown, *page.caption, *page.metric, *page.warning])
    assert not re.search(r"\bnan\b|\binf\b|∞|no number", shown), shown
    assert not page.error
    if settings_.get("n") == 1:
        assert "never moves the outputs" in shown
    else:
        assert len(page.get("plotly_chart")) == (7 if settings_.get("k") == 3 else 9)
    if settings_.get("k") == 3:
        assert "no labels that this family takes" in shown
        assert "layer 3" in shown
    assert math.isclose(float(page.session_state["beta"]), settings_.get("beta", 1))


def test_counts_of_labels_nobody_will_draw_are_powers_of_ten():
    assert said.labels_text(6210) == "6,210"
    assert said.labels_text(10**52) == "1.00 × 10⁵²"
