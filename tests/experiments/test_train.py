"""The question `train`: its Spec, its tables, its step sizes and predictions, and that it can be watched, cancelled and refused."""

import json
from itertools import pairwise

import numpy as np
import pytest
import torch

import fimcore as fc
from fimcore.budget import Budget, BudgetError
from fimcore.experiments import SpecError, load, spec_from_mapping, train_rates
from fimcore.experiments.control import controls
from fimcore.experiments.network_spec import NetworkSpec
from fimcore.experiments.setting import inputs_of, labels_of, likelihood_of, network_of
from fimcore.experiments.train import cost, facts_of, run
from fimcore.experiments.train_cost import product_flops, step_flops
from fimcore.experiments.train_names import DAMPED, NAMED, OPTIMIZERS
from fimcore.experiments.train_predicted import kernels, predicted_losses
from fimcore.experiments.train_rates import GRID, Settings, alpha_of, searched
from fimcore.experiments.train_spec import DEFAULT_OPTIMIZERS, Spec
from fimcore.experiments.train_tasks import start_of
from fimcore.training import OPTIMIZERS as CORE
from fimcore.training import mean_loss, train

SMALL = {"width": 8, "samples": 24, "seeds": 2, "steps": 12}
HAND = {"lr_sgd": 0.1, "lr_adam": 0.03, "lr_ngd_exact": 0.5, "lr_ngd_unit": 0.1}


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
    for bad in ("", "lion", "sgd,lion", ",".join(OPTIMIZERS[:7])):
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
    start = start_of(race.spec.effective(), 1)
    row = race.tables["stability"].query("optimizer == 'ngd_unit' and seed == 1").iloc[0]
    data, settings = (start.x, start.labels), (row["learning_rate"], row["damping"], 12, 1)
    by_hand = [step.loss for step in train(start.network, data, "ngd_unit", *settings, likelihood=fc.Gaussian())]
    ours = race.tables["curves"].query("optimizer == 'ngd_unit' and seed == 1")["loss"]
    assert ours.tolist() == by_hand


def test_summary_counts_steps_to_the_goal(race):
    summary, races = race.tables["summary"].set_index("optimizer"), race.tables["races"]
    assert list(summary.index) == list(DEFAULT_OPTIMIZERS)
    for optimizer in DEFAULT_OPTIMIZERS:
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


def test_names_are_those_of_the_core_and_dampings_exist():
    assert OPTIMIZERS == CORE
    assert set(DAMPED) == {name for name in CORE if name not in ("sgd", "momentum", "adam", "fadam", "sophia")}
    for name in OPTIMIZERS:
        assert Spec().rate(name) == 0
        assert Spec().relative_damping(name) == (NAMED[name].damping if name in DAMPED else 0)


def test_facts_and_dampings_are_of_the_start(race):
    stability = race.tables["stability"].query("seed == 0").set_index("optimizer")
    top = fc.top_eigenvalues(network_of(race.spec), inputs_of(race.spec), k=1)[0]
    assert stability.loc["sgd", "lambda_max"] == pytest.approx(top, rel=1e-5)
    assert stability.loc["sgd", "limit"] == pytest.approx(2 / top, rel=1e-5)
    mean = float(fc.fisher(network_of(race.spec), inputs_of(race.spec), structure="diagonal").diagonal().mean())
    assert stability.loc["ngd_exact", "damping"] == pytest.approx(mean * NAMED["ngd_exact"].damping)
    assert stability["automatic"].all()


def test_the_search_finds_the_best_rate_of_the_grid_on_a_network_that_does_not_race(race):
    spec = race.spec.model_copy(update={"steps": 20})
    other = start_of(spec.effective(), spec.seeds)
    finals = {}
    for rate in GRID:
        *_, last = train(other.network, (other.x, other.labels), "sgd", rate, 0.0, 20, likelihood=other.likelihood)
        finals[rate] = np.inf if last.diverged else last.loss
    assert searched(spec, [(other, 0.0)], "sgd", 1.0) == min(finals, key=finals.get)
    assert not any(torch.equal(other.x, start_of(spec.effective(), number).x) for number in range(spec.seeds))


def test_the_search_takes_what_is_good_on_both_networks(race):
    """The rate with the smaller of two worse shares of the starting loss; what fails on one network is out."""
    spec = race.spec.model_copy(update={"steps": 20, "task": "digits"}).effective()
    others = [start_of(spec, number) for number in (3, 4)]
    shares = {}
    for rate in GRID:
        ends = []
        for other in others:
            first, *_, last = train(
                other.network, (other.x, other.labels), "momentum", rate, 0.0, 20, likelihood=other.likelihood
            )
            ends.append(np.inf if last.diverged else last.loss / first.loss)
        shares[rate] = max(ends)
    assert searched(spec, [(other, 0.0) for other in others], "momentum", 1.0) == min(shares, key=shares.get)


def test_steps_are_divided_by_alpha_where_the_structure_has_one():
    spec = Spec(**SMALL | {"samples": 8}, rescaled=True).effective()
    assert alpha_of(spec, "ngd_layer", 8) == 3.0
    assert alpha_of(spec, "sgd", 8) == alpha_of(spec, "ngd_diagonal", 8) == 1.0
    assert alpha_of(Spec(**SMALL).effective(), "ngd_layer", 8) == 1.0


def test_prediction_is_the_linearised_network_with_damping():
    # a network without hidden layers' curvature: the residual really moves by the kernel, whose width is large
    spec = Spec(width=1024, hidden_layers=1, samples=6, seeds=1, input_dim=8, weight_variance=1.0).effective()
    start = start_of(spec, 0)
    damping = 0.3 * facts_of(start).mean_diagonal
    made = kernels(spec, start)
    for optimizer, rate in (("sgd", 1e-3), ("momentum", 1e-4), ("ngd_exact", 0.2), ("ngd_layer", 0.1)):
        settings = Settings(rate, damping, 1.0)
        measured = [
            step.loss for step in train_rates.runs(spec.model_copy(update={"steps": 8}), start, optimizer, settings)
        ]
        expected = predicted_losses(made, start, optimizer, settings, 8)
        assert expected[0] == pytest.approx(measured[0])
        assert np.abs(np.log(expected / measured)).max() < 0.06 * abs(np.log(measured[-1] / measured[0])) + 0.005


def test_prediction_table_holds_what_has_a_rule_and_the_summary_says_why_the_rest_has_none(race):
    assert set(race.tables["prediction"]["optimizer"]) == {"sgd", "ngd_exact"}
    why = race.tables["summary"].set_index("optimizer")["no_prediction"]
    assert why["sgd"] == why["ngd_exact"] == ""
    assert "no closed rule" in why["adam"]
    batches = run(Spec(**SMALL | {"seeds": 1, "steps": 2}, **HAND, optimizers="sgd", batch_size=6))
    assert "full batch" in batches.tables["summary"]["no_prediction"].iloc[0]
    assert batches.tables["prediction"].empty


def test_every_optimizer_learns_and_its_cost_is_known():
    for names in (OPTIMIZERS[:6], OPTIMIZERS[6:12], OPTIMIZERS[12:]):
        spec = Spec(width=6, samples=16, seeds=1, steps=20, optimizers=names)
        result = run(spec)
        races = result.tables["races"].set_index("optimizer")
        assert (races["final_loss"] < races["start_loss"]).all(), races["final_loss"] / races["start_loss"]
        summary = result.tables["summary"]
        assert (summary["products_per_step"] > 0).all()
        assert (summary["cost_of_a_step"] > 0).all()
        assert cost(spec).seconds > 0


def test_products_count_arithmetic():
    spec = Spec(**SMALL).effective()
    assert product_flops(spec) == 4 * 24 * 153
    # forward pass, backward pass and gradient take six operations a parameter and input
    assert step_flops(spec, "sgd") == pytest.approx(12 * 24 * 153)
    half = spec.model_copy(update={"batch_size": 12})
    assert step_flops(half, "sgd") == pytest.approx(step_flops(spec, "sgd") / 2)
    assert step_flops(spec, "ngd_closed_form") < step_flops(spec, "ngd_unit")


@pytest.mark.parametrize("task", ["curve", "plateau"])
def test_tasks_with_a_network_of_their_own(task):
    spec = Spec(**SMALL | {"seeds": 1}, **HAND, task=task, optimizers="sgd,ngd_exact", likelihood="softmax", outputs=4)
    result = run(spec)
    assert len(spec.overrides()) == 1
    assert np.isfinite(result.tables["curves"]["loss"]).all()
    start = start_of(spec.effective(), 0)
    assert start.x.shape == ((24, 1) if task == "curve" else (24, 2))
    if task == "plateau":
        assert result.tables["prediction"].empty


def test_an_uploaded_table_is_learned_and_one_without_labels_is_a_sentence(tmp_path):
    path = tmp_path / "table.csv"
    x = np.random.default_rng(0).standard_normal((30, 3))
    np.savetxt(path, np.column_stack([x, x.sum(axis=1)]), delimiter=",")
    own = {"inputs": "csv", "data_file": str(path), "task": "table", "optimizers": "ngd_exact", "lr_ngd_exact": 0.3}
    result = run(Spec(**SMALL | {"seeds": 1, "steps": 30}, **own, target=4, outputs=3))
    races = result.tables["races"].iloc[0]
    assert races["final_loss"] < 0.1 * races["start_loss"]
    for wrong in ({"target": 0}, {"inputs": "gaussian", "target": 4}):
        with pytest.raises(ValueError, match="choose the label column"):
            run(Spec(**SMALL, **own | wrong))


def test_a_singular_matrix_ends_the_run_with_the_damping_that_would_help(monkeypatch):
    def singular(*_arguments, **_more):
        def steps():
            raise ValueError("The matrix is singular to rounding; a damping of 0.01 works.")
            yield

        return steps()

    core = train_rates.train

    def sometimes(network, data, optimizer, *more, **named):
        return (singular if optimizer == "ngd_unit" else core)(network, data, optimizer, *more, **named)

    monkeypatch.setattr(train_rates, "train", sometimes)
    result = run(Spec(**SMALL, optimizers="ngd_unit", lr_ngd_unit=0.5))
    races = result.tables["races"]
    assert (races["steps_made"] == 0).all()
    assert races["stopped"].str.contains("a damping of 0.01 works").all()


def test_step_sizes_view_holds_every_rate_of_every_seed():
    result = run(Spec(**SMALL, view="rates", optimizers="sgd,ngd_exact"))
    rates, best = result.tables["rates"], result.tables["best"].set_index("optimizer")
    assert len(rates) == 2 * len(GRID) * 2
    assert not np.isinf(rates["loss"]).any()
    own = rates.query("optimizer == 'sgd'").pivot(index="learning_rate", columns="seed", values="loss").dropna()
    middle = np.log(own).mean(axis=1)
    assert best.loc["sgd", "best_rate"] == middle.idxmin()
    assert best.loc["sgd", "best_loss"] == pytest.approx(np.exp(middle.min()))
    assert best.loc["sgd", "first_lost_rate"] > best.loc["sgd", "best_rate"]
    assert cost(Spec(view="rates")).seconds > 2 * cost(Spec()).seconds
    assert result.to_npz()


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
    spec = Spec(**SMALL | {"steps": 3, "seeds": 1}, task="digits", optimizers="sgd,ngd_unit", estimator="score", **HAND)
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
    labels = start_of(Spec(**SMALL, likelihood="softmax", outputs=3).effective(), 0).labels
    assert labels.shape == (24,)
    assert set(labels.tolist()) <= {0, 1, 2}


def test_progress_streams_partial_results_and_can_cancel(monkeypatch):
    from fimcore.experiments import train as question

    monkeypatch.setattr(question, "SECONDS_BETWEEN_PARTIALS", 0.0)
    calls = []

    def watch(fraction, message, partial=None):
        calls.append((fraction, message, partial))

    result = run(Spec(**SMALL | {"steps": 5}, **HAND), watch)
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
        run(Spec(**SMALL | {"steps": 5}, **HAND), stop)


def test_cost_grows_with_the_dual_side_and_is_refused_before_anything_is_allocated():
    assert cost(Spec(task="digits", optimizers="ngd_exact")).seconds > cost(Spec(optimizers="ngd_exact")).seconds
    assert cost(Spec(optimizers="sgd")).bytes < cost(Spec()).bytes
    assert cost(Spec()).parameters == 2145
    with pytest.raises(BudgetError, match="is the limit here"):
        run(Spec(width=512, task="digits", samples=1500), limits=Budget(10**8, 60.0))


def test_progress_while_the_networks_are_measured_is_no_trouble(monkeypatch):
    from fimcore.experiments import train as question

    def measured(start, progress=None):
        if progress:
            progress(0.5, "unit blocks")
        return facts_of(start)

    monkeypatch.setattr(question, "facts_of", measured)
    messages = []
    run(Spec(**SMALL, optimizers="sgd", lr_sgd=0.1), lambda fraction, message, partial=None: messages.append(message))
    assert messages[0] == "the networks"


def test_same_spec_same_numbers(race):
    again = run(Spec(**SMALL))
    assert again.tables["curves"]["loss"].tolist() == race.tables["curves"]["loss"].tolist()
    assert load("train").Spec is Spec


def test_a_start_that_is_perfect_already_is_no_fault():
    """A dead network and a dead teacher: the loss begins at zero, and no share of it exists."""
    dead = {"width": 1, "activation": "relu", "bias_variance": 0, "hidden_layers": 3, "samples": 2, "steps": 3}
    used = Spec(**dead, seed=1, seeds=3, optimizers="sgd").effective()
    starts = [start_of(used, number) for number in range(3)]
    assert all(mean_loss(start.likelihood, start.network(start.x), start.labels) == 0 for start in starts)
    assert searched(used, [(start, 0.0) for start in starts], "sgd", 1.0) in GRID
    assert (run(Spec(**dead, seed=0, seeds=1, optimizers="sgd,ngd_exact")).tables["races"]["final_loss"] >= 0).all()
    best = run(Spec(**dead, seed=1, seeds=2, optimizers="sgd", view="rates")).tables["best"]
    assert best["best_loss"].tolist() == [0.0]
