"""The question `train`: its Spec, its tables, its step sizes, and that it can be watched, cancelled and refused."""

import json
from itertools import pairwise

import numpy as np
import pytest

import fimcore as fc
from fimcore.budget import Budget, BudgetError
from fimcore.experiments import SpecError, load, spec_from_mapping
from fimcore.experiments.control import controls
from fimcore.experiments.network_spec import NetworkSpec
from fimcore.experiments.setting import inputs_of, labels_of, likelihood_of, network_of
from fimcore.experiments.train import cost, measure_rates, run, task_labels, two_digits
from fimcore.experiments.train_spec import OPTIMIZERS, Spec
from fimcore.training import mean_loss, train

SMALL = {"width": 8, "samples": 24, "seeds": 2, "steps": 12}


@pytest.fixture(scope="module")
def race():
    return run(Spec(**SMALL))


def test_address_keys_are_free_and_unique():
    keys = [control.url for control in controls(Spec).values() if control.url]
    assert len(keys) == len(set(keys))
    own = {control.url for name, control in controls(Spec).items() if name not in NetworkSpec.model_fields}
    assert not own & {"csv", "v", "hide", "embed"}


def test_optimizers_from_address_text():
    assert Spec(optimizers="ngd_unit, sgd,sgd").optimizers == ("sgd", "ngd_unit")
    assert Spec(optimizers=["adam"]).optimizers == ("adam",)
    assert hash(Spec(**SMALL)) == hash(Spec(**SMALL))
    for bad in ("", "momentum", "sgd,momentum"):
        with pytest.raises(SpecError) as caught:
            spec_from_mapping("train", {"optimizers": bad})
        assert "optimizers" in caught.value.faults
    with pytest.raises(SpecError, match="steps"):
        spec_from_mapping("train", {"steps": 0})


def test_curves_have_one_row_a_step_and_start_from_the_same_network(race):
    curves = race.tables["curves"]
    assert race.table is curves
    assert len(curves) == 4 * 2 * 13
    starts = curves[curves["step"] == 0].pivot(index="seed", columns="optimizer", values="loss")
    assert (starts.nunique(axis=1) == 1).all()
    assert (curves.groupby(["optimizer", "seed"])["seconds"].diff().dropna() > 0).all()
    assert np.isfinite(curves["loss"]).all()
    assert curves["accuracy"].isna().all()


def test_curves_equal_fc_train_by_hand(race):
    spec = race.spec
    network, x = network_of(spec, 1), inputs_of(spec, 1)
    row = race.tables["stability"].query("optimizer == 'ngd_unit' and seed == 1").iloc[0]
    by_hand = [
        step.loss
        for step in train(
            network,
            (x, task_labels(spec, 1, x)),
            "ngd_unit",
            row["learning_rate"],
            row["damping"],
            12,
            likelihood=fc.Gaussian(),
        )
    ]
    ours = race.tables["curves"].query("optimizer == 'ngd_unit' and seed == 1")["loss"]
    assert ours.tolist() == by_hand


def test_summary_counts_steps_to_the_goal(race):
    summary, races = race.tables["summary"].set_index("optimizer"), race.tables["races"]
    assert list(summary.index) == list(OPTIMIZERS)
    for optimizer in OPTIMIZERS:
        firsts = []
        for _, run_of_seed in race.tables["curves"].query("optimizer == @optimizer").groupby("seed"):
            loss = run_of_seed["loss"].to_numpy()
            reached = np.flatnonzero(loss <= race.spec.goal * loss[0])
            firsts.append(reached[0] if len(reached) else np.inf)
        expected = np.median(firsts)
        found = summary.loc[optimizer, "steps_to_goal"]
        assert found == expected or (np.isinf(expected) and np.isnan(found))
    assert summary.loc["sgd", "cost_of_a_step"] == 1
    assert (races["start_loss"] > 0).all()
    assert (summary["seeds_diverged"] == 0).all()


def test_automatic_step_sizes_respect_the_limits_of_every_seed(race):
    stability = race.tables["stability"]
    limited = stability[stability["optimizer"] != "adam"]
    assert (limited["learning_rate"] <= 0.76 * limited["limit"]).all()
    assert stability["automatic"].all()
    top = fc.top_eigenvalues(network_of(race.spec), inputs_of(race.spec), k=1)[0]
    assert stability["lambda_max"].iloc[0] == pytest.approx(top, rel=1e-5)
    rates = measure_rates(race.spec, 0)
    mean = fc.fisher(network_of(race.spec), inputs_of(race.spec), structure="diagonal").diagonal().mean()
    assert rates.damping["ngd_exact"] == pytest.approx(3.0 * float(mean))
    assert rates.damping["ngd_unit"] == pytest.approx(0.3 * float(mean))


def test_two_digits_never_rounds_up():
    assert [two_digits(value) for value in (0.2786, 1.0, 0.05999, 12.7, 2.008e-5)] == [0.27, 1.0, 0.059, 12.0, 2e-5]


def test_a_step_size_above_the_limit_shows_as_divergence():
    result = run(Spec(**SMALL | {"steps": 400}, optimizers="sgd", activation="linear", lr_sgd=5.0))
    summary = result.tables["summary"].iloc[0]
    assert summary["seeds_diverged"] == 2
    assert 1 < summary["first_divergence"] < 400
    assert result.tables["curves"].groupby("seed")["diverged"].sum().eq(1).all()
    limit = result.tables["stability"]["two_over_lambda_max"]
    assert (limit < 5.0).all()
    assert "loss rose above its start in 2 of 2 runs" in result.verdicts[0].sentence
    assert result.verdicts[0].word == "too few seeds to say"
    assert "Infinity" not in json.dumps(result.to_json())
    assert result.to_npz()


def test_digits_fix_input_output_and_say_so():
    spec = Spec(**SMALL | {"steps": 3, "seeds": 1}, task="digits", optimizers="sgd,ngd_unit", estimator="score")
    used = spec.effective()
    assert (used.inputs, used.likelihood, used.outputs, used.estimator) == ("digits", "softmax", 10, "exact")
    assert len(spec.overrides()) == 2
    assert all(sentence.endswith(".") for sentence in spec.overrides())
    assert Spec(task="teacher").overrides() == ()
    result = run(spec)
    curves = result.tables["curves"]
    assert curves["residual"].isna().all()
    assert curves["accuracy"].between(0, 1).all()
    network, x, labels = network_of(used), inputs_of(used), labels_of(used)
    assert curves["loss"].iloc[0] == pytest.approx(mean_loss(likelihood_of(used), network(x), labels))
    assert result.spec is spec


def test_what_the_race_sets_itself_is_not_refused():
    used = Spec(**SMALL, task="digits", likelihood="softmax", outputs=1).effective()
    assert (used.likelihood, used.outputs) == ("softmax", 10)
    assert Spec(**SMALL, inputs="digits", estimator="empirical", outputs=3).effective().estimator == "exact"
    with pytest.raises(SpecError, match="softmax needs 2 classes"):
        spec_from_mapping("train", {"likelihood": "softmax", "outputs": 1})
    with pytest.raises(SpecError, match="labels of the digits are 10 classes"):
        spec_from_mapping("explore", {"inputs": "digits", "estimator": "empirical", "outputs": 3})


def test_softmax_teacher_draws_classes():
    spec = Spec(**SMALL, likelihood="softmax", outputs=3)
    labels = task_labels(spec, 0, inputs_of(spec))
    assert labels.shape == (24,)
    assert set(labels.tolist()) <= {0, 1, 2}


def test_progress_streams_partial_results_and_can_cancel(monkeypatch):
    from fimcore.experiments import train as question

    monkeypatch.setattr(question, "SECONDS_BETWEEN_PARTIALS", 0.0)
    calls = []

    def watch(fraction, message, partial=None):
        calls.append((fraction, message, partial))

    result = run(Spec(**SMALL), watch)
    fractions = [fraction for fraction, *_ in calls]
    # forwards, up to the rounding of a sum
    assert all(later >= earlier - 1e-12 for earlier, later in pairwise(fractions))
    assert fractions[-1] == 1.0
    partials = [partial for *_, partial in calls if partial is not None]
    assert not partials[0].complete
    assert partials[-1] is result
    assert result.complete
    assert set(partials[0].tables) == set(result.tables)

    class StopError(Exception):
        pass

    def stop(fraction, message, partial=None):
        if fraction > 0.3:
            raise StopError

    with pytest.raises(StopError):
        run(Spec(**SMALL), stop)


def test_cost_grows_with_the_dual_side_and_is_refused_before_anything_is_allocated():
    assert cost(Spec(task="digits")).seconds > cost(Spec()).seconds
    assert cost(Spec(optimizers="sgd")).bytes < cost(Spec()).bytes
    assert cost(Spec()).parameters == 2145
    with pytest.raises(BudgetError, match="is the limit here"):
        run(Spec(width=512, task="digits", samples=1500), limits=Budget(10**8, 60.0))


def test_same_spec_same_numbers(race):
    again = run(Spec(**SMALL))
    assert again.tables["curves"]["loss"].tolist() == race.tables["curves"]["loss"].tolist()
    assert load("train").Spec is Spec
