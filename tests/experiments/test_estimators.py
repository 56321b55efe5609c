"""The question estimators: layer means equal the exact variances, drawn labels, every family, refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import fimcore as fc
from fimcore.estimators import diagonal_variances
from fimcore.experiments import SpecError, estimators, spec_from_mapping
from fimcore.experiments.estimators_measured import z_of
from fimcore.experiments.estimators_spec import FAMILIES
from fimcore.experiments.setting import inputs_of, network_of

SMALL = {"width": 6, "hidden_layers": 2, "samples": 20, "seeds": 2, "outputs": 4}


def value(result, quantity, layer):
    rows = result.tables["layers"]
    return rows[(rows["quantity"] == quantity) & (rows["layer"] == layer)].iloc[0]


@pytest.fixture(scope="module")
def small():
    return estimators.run(estimators.Spec(**SMALL))


def test_layer_means_are_those_of_the_exact_variances_by_automatic_differentiation(small):
    """F, V1 and V2 of every parameter from gradients and Hessians of the log-probability of every class: no formula shared."""
    network, x = network_of(small.spec, 1), inputs_of(small.spec, 1)
    sizes = [weight.numel() + bias.numel() for weight, bias in zip(network.weights, network.biases, strict=True)]
    flat = torch.cat(
        [
            torch.cat([weight, bias[:, None]], dim=1).reshape(-1)
            for weight, bias in zip(network.weights, network.biases, strict=True)
        ]
    )

    def log_probabilities(parameters, one):
        a, start = one, 0
        for place, weight in enumerate(network.weights):
            rows = parameters[start : start + sizes[place]].reshape(weight.shape[0], -1)
            a = rows[:, :-1] @ a + rows[:, -1]
            a, start = (torch.tanh(a) if place + 1 < len(network.weights) else a), start + sizes[place]
        return torch.log_softmax(a, dim=0)

    score, hessian, mean = [], [], []
    for one in x[:20]:
        p = log_probabilities(flat, one).exp()[:, None]
        gradients = torch.func.jacrev(log_probabilities)(flat, one).square()
        seconds = -torch.func.hessian(log_probabilities)(flat, one).diagonal(dim1=1, dim2=2)
        fisher = (p * gradients).sum(dim=0)
        mean.append(fisher)
        score.append((p * (gradients - fisher).square()).sum(dim=0))
        hessian.append((p * (seconds - fisher).square()).sum(dim=0))
    points = small.tables["points"]
    points = points[points["seed"] == small.spec.seed + 1]
    by_layer = [torch.stack(values).mean(dim=0).split(sizes) for values in (mean, score, hessian)]
    np.testing.assert_allclose(points["fisher"], [float(part.mean()) for part in by_layer[0]], rtol=1e-9)
    np.testing.assert_allclose(points["score"] ** 2, [float(part.mean()) for part in by_layer[1]], rtol=1e-9)
    np.testing.assert_allclose(
        points["hessian"] ** 2, [float(part.mean()) for part in by_layer[2]], rtol=1e-9, atol=1e-20
    )
    between = torch.stack(mean).var(dim=0, correction=0).split(sizes)
    np.testing.assert_allclose(points["input"] ** 2, [float(part.mean()) for part in between], rtol=1e-9)


def test_tables_average_over_networks_and_whole_is_weighted_by_parameters(small):
    points, spec = small.tables["points"], small.spec
    for layer in (1, 2, 3):
        own = points.loc[points["layer"] == layer, "score"]
        row = value(small, "score", layer)
        assert row["measured"] == pytest.approx(own.mean())
        assert row["spread"] == pytest.approx(own.std())
    ratios = []
    for number in range(spec.seeds):
        known = diagonal_variances(network_of(spec, number), inputs_of(spec, number), fc.Categorical())
        ratios.append(float((known.var_hessian.mean() / known.var_score.mean()).sqrt()))
    whole = small.tables["winners"].set_index("layer").loc[0]
    assert whole["ratio"] == pytest.approx(np.exp(np.mean(np.log(ratios))))
    assert (whole["low"], whole["high"]) == (pytest.approx(min(ratios)), pytest.approx(max(ratios)))


def test_the_hessian_estimator_is_exact_in_the_last_layer_and_in_every_layer_of_relu(small):
    assert small.tables["winners"].set_index("layer").loc[3, "winner"] == "hessian"
    assert value(small, "hessian", 3)["measured"] == 0
    assert np.isnan(value(small, "hessian_tightness", 3)["measured"])
    relu = estimators.run(estimators.Spec(**SMALL, activation="relu"))
    assert set(relu.tables["winners"]["winner"]) == {"hessian"}
    assert relu.tables["causes"]["measured"].isna().all()
    assert (relu.tables["needed"].query("estimator == 'hessian'")[["half", "most"]] == 1).all(axis=None)


@pytest.mark.parametrize("family", FAMILIES)
def test_bounds_hold_and_drawn_labels_agree_for_every_family(family):
    spec = estimators.Spec(likelihood=family, width=12, hidden_layers=2, samples=200, seeds=4, outputs=4)
    result = estimators.run(spec)
    words = {verdict.quantity: verdict.word for verdict in result.verdicts}
    assert [words.pop("Mean field"), set(words.values())] == ["no prediction", {"agrees"}]
    assert result.tables["check"]["distance"].abs().max() < 3.5
    tight = result.tables["bounds"]["tightness"].dropna()
    assert ((tight >= 0) & (tight <= 1 + 1e-9)).all()
    shares = result.tables["causes"].dropna(subset="measured").groupby("layer")["measured"].sum()
    np.testing.assert_allclose(shares, 1, rtol=1e-9)


def test_gaussian_bounds_are_attained():
    """One output with unit noise: V1 = 2 F^2 and both bounds are the value itself."""
    result = estimators.run(estimators.Spec(**SMALL | {"outputs": 1}, likelihood="regression"))
    for name in ("fisher", "score", "hessian"):
        found = [value(result, f"{name}_tightness", layer)["measured"] for layer in (1, 2)]
        np.testing.assert_allclose(found, 1, rtol=1e-9)


def test_a_wrong_variance_is_seen_by_the_check():
    rng = np.random.default_rng(0)
    check = np.empty((4, 3, 2, 3))
    check[..., 0], check[..., 2] = 1.0, 0.05
    check[..., 1] = 1.0 + 0.05 * rng.standard_normal((4, 3, 2))
    assert np.abs(z_of(check)).max() < 3.5
    check[..., 0] = 1.5
    assert np.abs(z_of(check)).min() > 10
    np.testing.assert_array_equal(z_of(np.zeros((2, 3, 2, 3))), np.zeros((3, 2)))


@pytest.mark.parametrize("part", ["score", "hessian", "mixture"])
def test_input_and_label_variance_are_those_of_the_total_variance(part):
    spec = estimators.Spec(**SMALL | {"seeds": 1}, labels=3)
    result = estimators.run(spec)
    known = diagonal_variances(network_of(spec), inputs_of(spec), fc.Categorical())
    rows = result.tables["split"].query("part == @part and layer == 2 and labels == 3")
    scale = float(known.by_layer(known.fisher)[1]) ** 2
    for drawn, count in (("subset", 1), ("subset", 20), ("independent", 20)):
        own = known.total_variance(part, count, 3, drawn)
        row = rows[(rows["drawn"] == drawn) & (rows["inputs"] == count)].iloc[0]
        assert row["input"] * scale == pytest.approx(float(known.by_layer(own.input)[1]), abs=1e-15)
        assert row["label"] * scale == pytest.approx(float(known.by_layer(own.label)[1]))


@pytest.mark.parametrize("method", ["clt", "chebyshev", "exact"])
def test_samples_needed_are_quantiles_over_parameters(method):
    spec = estimators.Spec(**SMALL, likelihood="regression", method=method, relative_error=0.2, confidence=0.9)
    table = estimators.needed(spec).table.set_index(["layer", "estimator"])
    every = []
    for number in range(spec.seeds):
        known = diagonal_variances(network_of(spec, number), inputs_of(spec, number), fc.Gaussian())
        asked = known.samples_needed(0.2, 0.9, method)
        every.append(asked.hessian.split(known.layout.layer_sizes)[0])
    every = torch.cat(every).sort().values
    assert table.loc[(1, "hessian"), "all"] == every[-1]
    assert table.loc[(1, "hessian"), "half"] == every[(len(every) + 1) // 2 - 1]
    # F(x) is the same at all inputs for the biases read out alone: one parameter in seven
    assert table.loc[(3, "score"), "known"] == (1.0 if method != "exact" else pytest.approx(1 / 7))
    pd.testing.assert_frame_equal(estimators.run(spec).tables["needed"], table.reset_index())


def test_data_dead_networks_and_confident_ones_give_numbers(tmp_path):
    np.savetxt(tmp_path / "table.csv", np.random.default_rng(0).standard_normal((12, 3)), delimiter=",")
    own = estimators.run(estimators.Spec(**SMALL, inputs="csv", data_file=str(tmp_path / "table.csv")))
    digits = estimators.run(estimators.Spec(**SMALL | {"outputs": 10}, inputs="digits"))
    dead = estimators.run(
        estimators.Spec(**SMALL | {"width": 1, "hidden_layers": 8}, activation="relu", bias_variance=0.0, input_dim=2)
    )
    sure = estimators.run(estimators.Spec(**SMALL, weight_variance=100.0, activation="linear"))
    even = estimators.run(
        estimators.Spec(**SMALL | {"outputs": 1}, likelihood="bernoulli", weight_variance=1e-6, bias_variance=0.0)
    )
    for result in (own, digits, dead, sure, even):
        for table in result.tables.values():
            assert not np.isinf(table.select_dtypes("number").to_numpy(dtype=float)).any()
    assert {verdict.word for verdict in even.verdicts} == {"agrees", "no prediction"}
    assert {verdict.word for verdict in sure.verdicts} == {"agrees", "no prediction"}
    assert any("a few rare ones carry it" in verdict.sentence for verdict in sure.verdicts)
    assert digits.tables["points"]["fisher"].gt(0).all()


def test_partial_results_stream_and_cancel_keeps_them(monkeypatch):
    monkeypatch.setattr(estimators, "EVERY", 0.0)
    seen = []

    def watch(fraction, message, partial=None):
        assert 0 <= fraction <= 1
        if partial is not None:
            seen.append(partial)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        estimators.run(estimators.Spec(**SMALL), progress=watch)
    assert len(seen[0].tables["points"]) == 3
    assert not seen[0].complete
    assert "needed" not in seen[0].tables


def test_refusals():
    with pytest.raises(fc.BudgetError, match="is the limit here"):
        estimators.run(estimators.Spec(), limits=fc.Budget(10_000, 1.0))
    with pytest.raises(SpecError, match="mean and a variance"):
        spec_from_mapping("estimators", {"likelihood": "heteroscedastic", "outputs": 3})
    with pytest.raises(SpecError, match="softmax needs 2 classes"):
        spec_from_mapping("estimators", {"outputs": 1})
    with pytest.raises(SpecError):
        spec_from_mapping("estimators", {"estimator": "score"})
