"""The question sampling: laws, means and deviations against automatic differentiation of every label's log-probability."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats

import fimcore as fc
from fimcore.experiments import SpecError, sampling, spec_from_mapping
from fimcore.experiments.sampling_draws import averages
from fimcore.experiments.sampling_laws import Law, NoLaw, chi_square, fourth_moments, laws_of, normal
from fimcore.experiments.sampling_parameter import parameter_of
from fimcore.experiments.sampling_spec import FAMILIES
from fimcore.experiments.sampling_tables import bin_edges, distance, fit, histogram_verdicts
from fimcore.experiments.setting import inputs_of, labels_of, network_of

SMALL = {"width": 5, "samples": 12, "outputs": 3, "inputs": "gaussian", "input_dim": 4, "seeds": 4}


def forward(network, flat, one):
    a, start = one, 0
    for place, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        size = weight.numel() + bias.numel()
        rows = flat[start : start + size].reshape(weight.shape[0], -1)
        a, start = rows[:, :-1] @ a + rows[:, -1], start + size
        a = torch.tanh(a) if place + 1 < len(network.weights) else a
    return a


def by_autograd(spec, index, log_probability, labels):
    """Squared score and minus second derivative of one parameter for every input and label: (N, labels) each. No formula shared."""
    network, x = network_of(spec), inputs_of(spec)
    pairs = zip(network.weights, network.biases, strict=True)
    flat = torch.cat([torch.cat([weight, bias[:, None]], dim=1).reshape(-1) for weight, bias in pairs])
    squares, bents, chances = [], [], []
    for one in x:
        rows = []
        for label in labels:

            def value(theta, one=one, label=label):
                moved = torch.cat([flat[:index], theta[None], flat[index + 1 :]])
                return log_probability(spec.sharpness * forward(network, moved, one), label)

            theta = flat[index].clone().requires_grad_()
            (slope,) = torch.autograd.grad(value(theta), theta, create_graph=True)
            bend = torch.autograd.grad(slope, theta)[0] if slope.requires_grad else torch.zeros(())
            rows.append((float(slope.detach()) ** 2, -float(bend), float(value(theta).detach())))
        made = np.array(rows)
        squares.append(made[:, 0])
        bents.append(made[:, 1])
        chances.append(np.exp(made[:, 2]))
    return np.array(squares), np.array(bents), np.array(chances)


def categorical(outputs, label):
    return torch.log_softmax(outputs, dim=0)[label]


def bernoulli(outputs, label):
    return torch.nn.functional.logsigmoid((2 * torch.tensor(label) - 1) * outputs).sum()


@pytest.mark.parametrize("layer", [1, 2, 3])
@pytest.mark.parametrize("family", ["softmax", "bernoulli"])
def test_moments_laws_and_draws_are_those_of_every_label_by_automatic_differentiation(family, layer):
    spec = sampling.Spec(**SMALL, likelihood=family, layer=layer, unit=2, weight=3, sharpness=1.7)
    index = parameter_of(spec).index
    assert index == network_of(spec).layout.unit_slice(layer, 2).start + 2
    labels = range(3) if family == "softmax" else list(itertools.product((0.0, 1.0), repeat=3))
    squares, bents, chances = by_autograd(spec, index, categorical if family == "softmax" else bernoulli, labels)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    weights = chances / 12
    fisher = float((weights * squares).sum())
    assert (weights * bents).sum() == pytest.approx(fisher)
    result = sampling.watch(spec)
    table = result.tables["summary"].set_index(["estimator", "labels"])
    parameter = parameter_of(spec).sharpened(1.7)
    laws, fourths = laws_of(parameter), fourth_moments(parameter)
    for name, values in (("score", squares), ("hessian", bents)):
        row = table.loc[name, "model"]
        assert row["fisher"] == pytest.approx(fisher)
        variance = (weights * (values - fisher) ** 2).sum()
        assert row["sd"] * fisher == pytest.approx(math.sqrt(variance))
        assert row["negative"] == pytest.approx(weights[values < 0].sum(), abs=1e-12)
        fourth = (weights * (values - fisher) ** 4).sum()
        assert laws[name].fourth == pytest.approx(fourth)
        assert fourths[name] == pytest.approx(fourth)
        edges = bin_edges([values.reshape(-1)], signed=True)
        expected = np.histogram(values, edges, weights=weights)[0]
        np.testing.assert_allclose(laws[name].shares(edges), expected, atol=1e-12)
        assert abs(row["mean_distance"]) < 3.5
        assert not abs(row["sd_distance"]) > 3.5
        assert not row["fit"] < 1e-3
    assert {verdict.word for verdict in result.verdicts} == {"agrees"}


def test_means_with_the_labels_of_the_data_are_the_empirical_fisher_and_the_hessian_of_the_loss():
    spec = sampling.Spec(**SMALL, layer=1)
    parameter = parameter_of(spec)
    squares, bents, _ = by_autograd(spec, parameter.index, categorical, range(3))
    rows, labels = np.arange(12), labels_of(spec).numpy()
    table = sampling.watch(spec).tables["summary"].set_index(["estimator", "labels"])
    fisher = table.loc[("score", "model"), "fisher"]
    assert table.loc[("score", "data"), "mean"] == pytest.approx(squares[rows, labels].mean() / fisher)
    assert table.loc[("hessian", "data"), "mean"] == pytest.approx(bents[rows, labels].mean() / fisher)
    assert table.loc[("score", "data"), "drawn_mean"] == pytest.approx(squares[rows, labels].mean() / fisher, rel=0.1)


def test_zero_takes_the_largest_fisher_value_of_the_layer():
    spec = sampling.Spec(**SMALL, layer=2)
    fisher = fc.diagonal_variances(network_of(spec), inputs_of(spec), fc.Categorical()).fisher
    own = network_of(spec).layout.layer_slice(2)
    parameter = parameter_of(spec)
    assert parameter.index == own.start + int(fisher[own].argmax())
    assert float(parameter.fisher.mean()) == pytest.approx(float(fisher[own].max()))
    bias = parameter_of(spec.model_copy(update={"unit": 1, "weight": 4000}))
    assert bias.name == "layer 2 · unit 1 · bias"
    assert sampling.name_of(spec.model_copy(update={"at": "one", "chosen_input": 999})) == (parameter.name, 12)


def test_variances_are_those_of_the_estimators_wing():
    spec = sampling.Spec(**SMALL, likelihood="regression", layer=1)
    known = fc.diagonal_variances(network_of(spec), inputs_of(spec), fc.Gaussian())
    at = parameter_of(spec).index
    table = sampling.watch(spec).tables["summary"].set_index(["estimator", "labels"])
    for name in ("score", "hessian"):
        total = known.total_variance(name, 1, 1).total[at]
        row = table.loc[name, "model"]
        assert row["sd"] * row["fisher"] == pytest.approx(float(total.sqrt()))
        assert row["needed"] == math.ceil(1.959964**2 * float(total) / (0.1 * row["fisher"]) ** 2)


@pytest.mark.parametrize("averaged", [1, 4])
def test_laws_at_one_input_of_regression_are_chi_square_and_normal(averaged):
    spec = sampling.Spec(**SMALL, likelihood="regression", at="one", chosen_input=3, averaged=averaged, layer=1)
    parameter = parameter_of(spec)
    fisher, variance = float(parameter.fisher), float(parameter.variances["hessian"])
    laws, edges = laws_of(parameter, averaged), np.linspace(-1, 6, 30) * fisher
    known = stats.chi2(averaged, scale=fisher / averaged)
    np.testing.assert_allclose(laws["score"].shares(edges), np.diff(known.cdf(edges)), atol=1e-12)
    assert laws["score"].fourth == pytest.approx(known.var() ** 2 * (known.stats("k") + 3))
    other = stats.norm(fisher, math.sqrt(variance / averaged))
    np.testing.assert_allclose(laws["hessian"].shares(edges), np.diff(other.cdf(edges)), atol=1e-12)
    assert laws["hessian"].negative == pytest.approx(other.cdf(0))
    table = sampling.watch(spec).tables["summary"].set_index(["estimator", "labels"])
    assert table.loc[("score", "model"), "sd"] == pytest.approx(math.sqrt(2 / averaged))


def test_laws_at_random_inputs_are_means_over_inputs():
    fisher, variance = np.array([0.0, 1.0, 3.0]), np.array([0.0, 2.0, 0.5])
    edges = np.linspace(-4, 9, 40)
    score, hessian = chi_square(fisher), normal(fisher, variance)
    parts = [stats.chi2(1, scale=f).cdf(edges) for f in fisher[1:]] + [edges >= 0]
    np.testing.assert_allclose(score.shares(edges), np.diff(np.mean(parts, axis=0)), atol=1e-12)
    draws = np.random.default_rng(0).standard_normal((3, 400_000))
    for law, values in (
        (score, fisher[:, None] * draws**2),
        (hessian, fisher[:, None] + variance[:, None] ** 0.5 * draws),
    ):
        assert law.fourth == pytest.approx(np.mean((values - values.mean()) ** 4), rel=0.05)
        assert law.negative == pytest.approx((values < 0).mean(), abs=2e-3)
    assert normal(fisher, np.zeros(3)).values == 3


@pytest.mark.parametrize("averaged", [2, 3])
def test_laws_of_averages_are_those_of_all_combinations(averaged):
    parameter = parameter_of(sampling.Spec(**SMALL, at="one", layer=1))
    one, several = laws_of(parameter), laws_of(parameter, averaged)
    p = torch.softmax(parameter.outputs, dim=1)[0].numpy()
    centred = (parameter.first - (torch.softmax(parameter.outputs, dim=1) * parameter.first).sum())[0].numpy()
    combinations = list(itertools.product(range(3), repeat=averaged))
    values = np.array([np.mean([centred[y] ** 2 for y in each]) for each in combinations])
    weights = np.array([np.prod([p[y] for y in each]) for each in combinations])
    edges = bin_edges([values], signed=True)
    np.testing.assert_allclose(
        several["score"].shares(edges), np.histogram(values, edges, weights=weights)[0], atol=1e-12
    )
    assert several["score"].values == math.comb(averaged + 2, 2)
    assert one["score"].values == 3
    probes = parameter.probes[0].numpy()
    signs = np.array(list(itertools.product((1, -1), repeat=len(probes))))
    squares = (signs @ probes) ** 2
    np.testing.assert_allclose(one["probe"].shares(edges), np.histogram(squares, edges)[0] / len(squares), atol=1e-12)
    assert squares.mean() == pytest.approx(float(parameter.fisher))
    assert squares.var() == pytest.approx(float(parameter.variances["probe"]))


def test_where_no_law_is_known_the_reason_is_said():
    wide = parameter_of(sampling.Spec(**SMALL | {"outputs": 14}, likelihood="bernoulli", layer=1))
    assert "2^14 sets of labels" in laws_of(wide)["score"].reason
    assert "patterns of signs" in laws_of(wide)["probe"].reason
    many = laws_of(parameter_of(sampling.Spec(averaged=8)), 8)
    assert "too many to go through" in many["score"].reason
    mixed = laws_of(parameter_of(sampling.Spec(**SMALL, likelihood="regression")), 4)
    assert isinstance(mixed["score"], NoLaw)
    assert isinstance(mixed["hessian"], NoLaw)
    result = sampling.watch(sampling.Spec(**SMALL | {"outputs": 14}, likelihood="bernoulli"))
    assert result.tables["bins"]["exact"].isna().all()
    assert {verdict.word for verdict in result.verdicts} == {"agrees"}


def test_the_hessian_estimator_does_not_vary_at_one_input_of_relu_nor_in_the_output_layer():
    for change in ({"activation": "relu", "layer": 1}, {"layer": 3}):
        table = sampling.watch(sampling.Spec(**SMALL, at="one", **change)).tables["summary"].set_index("estimator")
        assert table.loc["hessian"].query("labels == 'model'")["sd"].iloc[0] == 0
        assert table.loc["hessian", "drawn_sd"].max() < 1e-12


@pytest.mark.parametrize("family", FAMILIES)
def test_curves_are_exact_and_drawn_points_lie_on_them(family):
    spec = sampling.Spec(likelihood=family, samples=60, layer=1)
    result = sampling.curves(spec)
    table = result.tables["curves"]
    assert {verdict.word for verdict in result.verdicts} == {"agrees"}
    assert (table["distance"].abs().dropna() < 3.5).all()
    at = table[np.isclose(table["sharpness"], 1.0, atol=0.01)].set_index("estimator")
    whole = sampling.watch(spec).tables["summary"].set_index("estimator")
    for name in ("score", "hessian", "probe"):
        exact = whole.loc[[name]].query("labels != 'data'")["sd"].iloc[0]
        assert at.loc[name, "exact"] == pytest.approx(exact, rel=0.05)
    assert table["exact"].notna().all()
    if family == "regression":
        own = table[table["estimator"] == "score"]["exact"]
        assert own.max() == pytest.approx(own.min())
    else:
        ends = table[table["estimator"] == "score"]["exact"].iloc[[0, -1]]
        assert ends.iloc[1] > ends.iloc[0]


def test_means_run_within_their_band():
    table = sampling.watch(sampling.Spec(seeds=32, draws=500, likelihood="regression")).tables["running"]
    assert table["run"].nunique() == 32
    last = table[table["draws"] == 500]
    outside = ((last["mean"] < last["low"]) | (last["mean"] > last["high"])).groupby(last["estimator"]).sum()
    assert (outside <= 7).all()
    half = table[table["estimator"] == "score"].groupby("draws")["high"].first() - 1
    np.testing.assert_allclose(half * np.sqrt(half.index), half.iloc[0])


def test_wrong_laws_and_deviations_are_seen():
    rng = np.random.default_rng(1)
    values = rng.chisquare(1, 20_000)
    assert abs(distance(values, 1.0, 2.0, 60.0)) < 3.5
    assert abs(distance(values, 1.0, 2.6, 60.0)) > 3.5
    assert math.isnan(distance(values[:100], 1.0, 2.0, 60.0))
    assert distance(np.ones(50), 1.0, 0.0, 0.0) == 0
    expected = np.full(20, 50.0)
    assert fit(rng.poisson(expected).astype(float), expected, 1000) > 1e-3
    assert fit(rng.poisson(np.linspace(30, 70, 20)).astype(float), expected, 1000) < 1e-3
    assert math.isnan(fit(np.array([10.0]), np.array([10.0]), 10))
    table = sampling.watch(sampling.Spec(**SMALL)).tables["summary"]
    table["sd_distance"] = 9.0
    assert {verdict.word for verdict in histogram_verdicts(table)} == {"disagrees"}
    np.testing.assert_array_equal(averages(np.arange(7.0), 3), [1.0, 4.0])


def test_data_that_do_not_fit_the_family_leave_out_their_labels_and_dead_parameters_are_a_sentence(tmp_path):
    result = sampling.watch(sampling.Spec(outputs=3, samples=20))
    assert set(result.tables["summary"]["labels"]) == {"model", "none"}
    digits = sampling.run(sampling.Spec(likelihood="bernoulli", samples=20, seeds=1, draws=100))
    assert "data" in set(digits.tables["summary"]["labels"])
    dead = {"activation": "relu", "width": 1, "hidden_layers": 12, "bias_variance": 0.0}
    with pytest.raises(ValueError, match="never moves the outputs"):
        sampling.watch(sampling.Spec(**SMALL | dead))
    np.savetxt(tmp_path / "table.csv", np.random.default_rng(0).standard_normal((12, 3)), delimiter=",")
    own = sampling.run(sampling.Spec(inputs="csv", data_file=str(tmp_path / "table.csv"), sharpness=64.0, draws=100))
    for table in own.tables.values():
        assert not np.isinf(table.select_dtypes("number").to_numpy(dtype=float)).any()


def test_a_rare_huge_value_does_not_merge_all_others():
    spec = sampling.Spec(sharpness=64.0, weight_variance=3.0, **{**SMALL, "samples": 50, "width": 8, "input_dim": 0})
    rows = sampling.run(spec.model_copy(update={"draws": 1000})).tables["summary"]
    row = rows[(rows["estimator"] == "hessian") & (rows["labels"] == "model")].iloc[0]
    assert abs(row["negative"] - row["drawn_negative"]) < 4 * math.sqrt(0.25 / row["estimates"])


def test_refusals_progress_and_partial_results():
    with pytest.raises(fc.BudgetError, match="is the limit here"):
        sampling.run(sampling.Spec(), limits=fc.Budget(10_000, 1.0))
    with pytest.raises(SpecError):
        spec_from_mapping("sampling", {"estimator": "score"})
    seen = []
    result = sampling.run(sampling.Spec(**SMALL), progress=lambda *given: seen.append(given))
    assert [len(given) for given in seen] == [3, 3]
    assert list(result.tables) == ["summary", "bins", "running", "curves"]
    assert isinstance(laws_of(parameter_of(sampling.Spec(**SMALL)))["score"], Law)


def test_where_nothing_was_checked_nothing_agrees():
    rare = sampling.run(sampling.Spec(seeds=2, samples=20, draws=1000, width=4, sharpness=64, weight_variance=100))
    table = rare.tables["summary"].set_index(["estimator", "labels"])
    row = table.loc[("score", "model")]
    assert np.isnan(row["sd_distance"])
    assert np.isnan(row["fit"])
    verdict = next(each for each in rare.verdicts if each.quantity == "Draws of the squared score")
    assert verdict.word == "no prediction"


def test_one_estimate_has_no_deviation():
    result = sampling.run(sampling.Spec(averaged=64, draws=64, seeds=1, samples=20, width=4))
    assert (result.tables["summary"]["estimates"] == 1).all()
    assert result.tables["summary"]["drawn_sd"].isna().all()
