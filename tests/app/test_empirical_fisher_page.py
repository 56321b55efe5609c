"""The page Empirical: the sentence of every view follows its numbers."""

from __future__ import annotations

import empirical_fisher_words as said
import numpy as np
import pytest
from figures import empirical_fisher as figures

from fimcore.experiments import empirical_fisher
from fimcore.experiments.empirical_fisher import FLOWS, Spec


def test_data_sets_are_told_apart_and_small_samples_without_an_optimum_are_said():
    result = empirical_fisher.run(Spec(seeds=4))
    means = result.table.groupby("data")[["small", "large"]].mean()
    assert f"to {means['large'].max():.1f}**" in said.finding(result)
    tiny = empirical_fisher.run(Spec(samples=20, seeds=20))
    if tiny.table["small"].isna().any():
        assert "nan" not in said.finding(tiny)
    assert np.isfinite(figures.eigenvalues(tiny.table, False).layout.xaxis.range).all()


@pytest.mark.parametrize("rate", [1e-6, 0.1])
def test_steps_too_small_to_arrive_are_said_to_be_slow(rate):
    text = said.finding(empirical_fisher.run(Spec(view="map", rate=rate, noise=20, seeds=20)))
    assert "of 20 starts **approach the optimum too slowly" in text


def test_directions_say_the_worst_start_and_three_planes_are_drawn():
    result = empirical_fisher.run(Spec(view="field", seeds=3))
    assert "from (2, 4.5) has cosine **−0." in said.finding(result)
    assert "shrinks to" in said.lengths(result)
    assert said.starts().endswith("(4.5, 3) and (−0.5, 3)")
    assert len(figures.planes(dict(result.tables), True).layout.annotations) == len(FLOWS)


@pytest.mark.parametrize(
    ("rate", "noise", "text", "exact"),
    [
        (0.5, 0.5, "arrive at the optimum", "arrives"),
        (0.5, 0.15, "alternate between two points on either side", "arrives"),
        (2.5, 0.6, "at unequal distances", "diverges"),
        (0.5, 0.03, "", "arrives"),
    ],
)
def test_steps_say_optimum_two_cycle_and_divergence(rate, noise, text, exact):
    result = empirical_fisher.run(Spec(view="map", rate=rate, noise=noise, seeds=3))
    sentence = said.finding(result)
    assert (text if rate / noise < 5 else "never arrive") in sentence
    assert exact in sentence.rsplit(".", 2)[1]
    chart = figures.diagram(result.tables["orbits"], rate / noise, False)
    assert {"optimum", "two-cycle"} <= {annotation.text for annotation in chart.layout.annotations}


def test_the_page_of_a_link(open_page):
    page = open_page("empirical_fisher", view="map", eta=0.5, rv=0.15, S=3)
    assert any("all 3 starts" in element.value for element in page.markdown)
