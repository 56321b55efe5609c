"""Empirical Fisher: eigenvalues, directions and the scalar map, against numpy by hand and the derived edges."""

from __future__ import annotations

import numpy as np
import pytest

from fimcore.experiments import SpecError, empirical_fisher, spec_from_mapping
from fimcore.experiments.empirical_fisher import DATA_SETS, Spec


def test_eigenvalues_of_a_draw_against_numpy():
    table = empirical_fisher.run(Spec(seeds=2)).table
    row = table[(table["data"] == "crossed") & (table["seed"] == 1)].iloc[0]
    x, y = DATA_SETS[6].draw(1, 1000)
    p = 1 / (1 + np.exp(-x @ row[["theta_1", "theta_2"]].to_numpy(dtype=float)))
    assert np.abs(x.T @ (p - y)).max() < 1e-6
    exact, empirical = (x.T * (p * (1 - p))) @ x, (x.T * (y - p) ** 2) @ x
    assert sorted(np.linalg.eigvals(np.linalg.solve(exact, empirical))) == pytest.approx([row["small"], row["large"]])
    assert row["apart"] == pytest.approx(
        1 - (exact * empirical).sum() / np.linalg.norm(exact) / np.linalg.norm(empirical)
    )


def test_limits_agree_with_draws_and_part_right_models_from_wrong_ones():
    result = empirical_fisher.run(Spec(seeds=10))
    assert {verdict.word for verdict in result.verdicts} <= {"agrees", "close"}
    one = result.table.groupby("data")[["predicted_small", "predicted_large"]].first()
    for data in DATA_SETS:
        assert np.allclose(one.loc[data.name], 1, rtol=1e-9) == data.right


def test_the_step_with_the_empirical_fisher_is_short_far_away():
    table = empirical_fisher.run(Spec(view="field", seeds=3)).tables["field"]
    far, near = table[table["distance"] > 3], table[table["distance"].between(0.5, 1.2)]
    length = {name: far[far["flow"] == name]["length"].mean() / near[near["flow"] == name]["length"].mean() for name in
              ("gradient", "natural", "empirical")}  # fmt: skip
    assert length["natural"] > 2
    assert length["gradient"] > 2
    assert length["empirical"] < 0.8


def test_alignment_of_the_natural_gradient_is_one_for_every_seed_and_of_the_empirical_one_not():
    table = empirical_fisher.run(Spec(view="field", seeds=5)).table
    natural, empirical = (table[table["flow"] == name]["cosine"] for name in ("natural", "empirical"))
    assert np.allclose(natural, 1, atol=1e-6)
    assert empirical.min() < 0
    assert len(natural) == 20


@pytest.mark.parametrize(
    ("rate", "noise", "kind"),
    [
        (0.5, 0.5, "optimum"),
        (0.5, 0.15, "two-cycle"),
        (0.5, 0.12, "unequal two-cycle"),
        (0.5, 0.05, "wanders"),
        (1, 0.5, "on the edge"),
    ],
)
def test_what_every_start_ends_in(rate, noise, kind):
    result = empirical_fisher.run(Spec(view="map", rate=rate, noise=noise, seeds=5))
    assert set(result.table["kind"]) == {kind}
    assert result.verdicts[0].word == (
        "no prediction" if rate / noise >= 4 else "close" if kind == "on the edge" else "agrees"
    )


@pytest.mark.parametrize("rate", [1e-6, 0.02, 0.1])
def test_steps_too_small_to_arrive_are_no_disagreement(rate):
    result = empirical_fisher.run(Spec(view="map", rate=rate, noise=20, seeds=20))
    assert result.table["residual"].max() > 1e-6
    assert result.verdicts[0].word == "no prediction"


def test_the_diagram_has_the_derived_edges():
    kinds = empirical_fisher.run(Spec(view="map", seeds=1)).tables["kinds"].set_index("ratio")["kind"]
    assert set(kinds[:1.99]) == {"optimum"}
    assert set(kinds[2.01:3.97]) == {"two-cycle"}
    assert set(kinds[4.03:4.97]) == {"unequal two-cycle"}
    assert "wanders" in set(kinds[5.4:])


@pytest.mark.parametrize("view", ["sets", "field", "map"])
def test_extreme_settings_leave_nothing_infinite(view):
    result = empirical_fisher.run(Spec(view=view, samples=20, rate=20, noise=0.001, seeds=12))
    for table in result.tables.values():
        assert not np.isinf(table.select_dtypes("number").to_numpy(dtype=float)).any()


@pytest.mark.parametrize("settings", [{"view": "all"}, {"noise": 0}, {"rate": 0}, {"samples": 3}])
def test_bad_settings_get_one_sentence(settings):
    with pytest.raises(SpecError) as caught:
        spec_from_mapping("empirical_fisher", settings)
    assert list(caught.value.faults) == list(settings)
