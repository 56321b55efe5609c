"""Toy descent: shares and bands against counting by hand, the ratio of variances, and runs that are lost."""

from __future__ import annotations

import numpy as np
import pytest

from fimcore.experiments import SpecError, spec_from_mapping, toy_descent
from fimcore.experiments.toy_descent import DAMPINGS, ESTIMATORS, Spec, over_seeds, predicted_ratio
from fimcore.training import plane_descent as plane


@pytest.fixture(scope="module")
def found():
    return toy_descent.run(Spec())


def test_shares_and_final_losses_against_runs_counted_by_hand(found):
    data = plane.plane("linear", 0, 40)
    for _, row in found.table.iterrows():
        runs = plane.descend(data, row["estimator"], drawn=8, steps=40, rate=0.5, damping=0.01, seed=0)
        blown = sum(any(not loss <= 1.5 * runs.train[0, seed] for loss in runs.train[:, seed]) for seed in range(40))
        assert row["blown_up"] == blown
        assert row["share"] == blown / 40
        assert row["low"] <= row["share"] <= row["high"]
        losses = found.tables["losses"].query("estimator == @row.estimator and step == 40").iloc[0]
        x, y = data.test_inputs, data.test_labels
        tested = [((y[s] - x[s] @ runs.path[-1, s]) ** 2).mean() / 2 for s in range(40)]
        assert np.isclose(losses["median"], sorted(tested)[19:21], rtol=1e-9).any()


def test_score_squared_blows_up_more_often_and_damping_ends_it(found):
    shares = found.table.set_index("estimator")
    assert shares.loc["score", "low"] > shares.loc["hessian", "high"]
    swept = found.tables["damping"].pivot_table(index="damping", columns="estimator", values="share")
    assert tuple(swept.index) == DAMPINGS
    assert swept.loc[0.01, "score"] == shares.loc["score", "share"]
    assert swept["score"].iloc[-1] < 0.1 < swept["score"].iloc[0]


def test_the_empirical_fisher_crawls_far_from_the_optimum_and_the_exact_one_does_not(found):
    last = found.tables["losses"].query("step == 40").set_index("estimator")["median"]
    assert last["exact"] == pytest.approx(0.5, abs=0.03)
    assert last["empirical"] > 10


def test_the_exact_fisher_of_a_saturated_logistic_regression_blows_up_without_damping():
    swept = toy_descent.run(Spec(model="logistic", seeds=12)).tables["damping"]
    exact = swept[swept["estimator"] == "exact"].set_index("damping")["share"]
    assert exact[0.001] > 0.8
    assert exact[0.1] == 0


def test_variances_of_the_linear_model_are_8_and_2_squares_and_their_ratio_is_4(found):
    x = plane.plane("linear", 0, 40).inputs
    hessian = (x**4).mean(axis=1) - (x**2).mean(axis=1) ** 2
    table = found.tables["variances"].query("step == 0").set_index("estimator")["median"]
    assert np.isclose(table["hessian"], sorted(hessian.sum(axis=1) / 8)[19:21], rtol=1e-9).any()
    assert predicted_ratio("linear") == pytest.approx(4, rel=1e-12)
    assert found.verdicts[0].word == "agrees"


def test_the_ratio_of_logistic_regression_against_drawn_labels():
    generator = np.random.default_rng(0)
    x = generator.standard_normal((400_000, 2)) * [2, 0.5]
    p = 1 / (1 + np.exp(-x @ [1, 2]))
    y = generator.random(len(p)) < p
    score, hessian = ((y - p) ** 2)[:, None] * x**2, (p * (1 - p))[:, None] * x**2
    drawn = score.var(axis=0).sum() / hessian.var(axis=0).sum()
    assert predicted_ratio("logistic") == pytest.approx(drawn, rel=0.02)


def test_a_seed_is_the_same_run_beside_any_others():
    paths = [toy_descent.run(Spec(seed=3, seeds=seeds, steps=10)).tables["paths"] for seeds in (1, 4)]
    one, other = (table[table["seed"] == 3].reset_index(drop=True) for table in paths)
    assert one.equals(other)
    assert set(one["estimator"]) == set(ESTIMATORS)


def test_lost_runs_lie_above_all_others():
    parts = over_seeds(np.array([[1.0, 2.0, 3.0], [1.0, np.nan, 2.0], [np.nan, np.nan, 1.0]]))
    assert parts["median"].tolist()[:2] == [2.0, 2.0]
    assert np.isnan(parts["median"][2])
    assert np.isnan(parts["high"][1])


@pytest.mark.parametrize("model", ["linear", "logistic"])
def test_no_number_is_infinite_where_steps_overflow(model):
    result = toy_descent.run(Spec(model=model, rate=10, damping=0, drawn=1, steps=100, seeds=3))
    for table in result.tables.values():
        assert not np.isinf(table.select_dtypes("number").to_numpy(dtype=float)).any()


@pytest.mark.parametrize("settings", [{"damping": -1}, {"drawn": 0}, {"rate": 0}, {"seeds": 500}, {"model": "probit"}])
def test_bad_settings_get_one_sentence(settings):
    with pytest.raises(SpecError) as caught:
        spec_from_mapping("toy_descent", settings)
    assert list(caught.value.faults) == list(settings)
