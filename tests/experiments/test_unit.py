"""The question unit: blocks and closed forms against autograd and numpy, noise told from error, where theory holds, edge cases."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.integrate import quad

import fimcore as fc
from fimcore.experiments import spec_from_mapping, unit, unit_measured, unit_moments, unit_one
from fimcore.experiments.setting import factors_of, inputs_of, network_of
from fimcore.experiments.unit_forms import (
    COVARIANCE,
    ISOTROPIC,
    OWN,
    Halves,
    alone,
    fitted,
    known_form,
    layer_form,
    measured_halves,
    own_inputs,
)
from fimcore.experiments.unit_tables import summarise, why_not
from fimcore.inputs import InputError

SMALL = {"width": 5, "hidden_layers": 2, "samples": 40, "seeds": 2, "along": False}


def rows(result, **wanted):
    table = result.tables["layers"]
    for name, value in wanted.items():
        table = table[table[name] == value]
    return table


def by_autograd(spec, layer, place):
    """F_ii of a unit from derivatives of the outputs, one input and one output at a time."""
    network, x = network_of(spec), inputs_of(spec)
    weights = [w.clone().requires_grad_() for w in network.weights]
    biases = [b.clone().requires_grad_() for b in network.biases]
    total = 0.0
    for row in x:
        a = row
        for number, (w, b) in enumerate(zip(weights, biases, strict=True), start=1):
            a = w @ a + b
            if number < len(weights):
                a = torch.tanh(a)
        for value in a:
            found = torch.autograd.grad(value, [weights[layer - 1], biases[layer - 1]], retain_graph=True)
            g = torch.cat([found[0][place - 1], found[1][place - 1 : place]])
            total = total + torch.outer(g, g)
    return (total / len(x) / spec.noise_variance).numpy()


@pytest.mark.parametrize(("layer", "place"), [(1, 3), (2, 5)])
def test_the_measured_block_is_that_of_autograd(layer, place):
    spec = unit.Spec(**SMALL, layer=layer, unit=place, outputs=2, noise_variance=2.0, input_dim=4)
    result = unit.one(spec)
    np.testing.assert_allclose(result.arrays["measured"], by_autograd(spec, layer, place), rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(
        result.arrays["difference"], result.arrays["measured"] - result.arrays["closed_form"], atol=1e-15
    )


@pytest.mark.parametrize("isotropic", [True, False])
def test_the_closed_form_by_hand(isotropic):
    spec = unit.Spec(**SMALL, layer=2, unit=4, outputs=2, isotropic=isotropic)
    network, made = network_of(spec), factors_of(spec)
    a = made.inputs[1][:, :-1].numpy()
    w, w0 = network.weights[1][3].numpy(), float(network.biases[1][3])
    m = a.mean(axis=0)
    covariance = (a - m).T @ (a - m) / len(a)
    if isotropic:
        covariance = np.trace(covariance) / 5 * np.eye(5)
    s, c = math.sqrt(w @ covariance @ w), w0 + w @ m
    a0, a1, a2 = (
        quad(lambda v, k=k: v**k * math.cosh(s * v + c) ** -4 * math.exp(-v * v / 2), -12, 12, epsabs=1e-13)[0]
        / math.sqrt(2 * math.pi)
        for k in range(3)
    )
    v = covariance @ w / s
    inner = a0 * (covariance + np.outer(m, m)) + (a2 - a0) * np.outer(v, v) + a1 * (np.outer(v, m) + np.outer(m, v))
    edge = a1 * v + a0 * m
    own = np.block([[inner, edge[:, None]], [edge[None], np.array([[a0]])]])
    slope = 1 - np.tanh(a @ w + w0) ** 2
    strength = np.mean(slope**2) * (network.weights[2][:, 3] ** 2).sum().item()  # the last hidden layer
    result = unit.one(spec)
    np.testing.assert_allclose(result.arrays["closed_form"], strength / a0 * own, rtol=1e-9)
    row = result.tables["forms"].set_index("form").loc[ISOTROPIC if isotropic else COVARIANCE]
    np.testing.assert_allclose(row[["A0", "A1", "A2", "scale", "centre"]].astype(float), [a0, a1, a2, s, c], rtol=1e-9)
    assert row["factor"] == pytest.approx(strength / a0)


def test_an_exact_statement_is_not_refuted_by_chance():
    """Four networks of eight units: the exact form of a unit alone in layer 1 disagrees in one case of a hundred at most."""
    words = []
    for seed in range(0, 48, 4):
        result = unit.run(unit.Spec(width=8, samples=20, hidden_layers=1, seed=seed))
        words += [v.word for v in result.verdicts if v.quantity == "Layer 1, the unit alone, exact covariance"]
    assert len(words) == 12
    assert words.count("disagrees") <= 1


@pytest.mark.parametrize("activation", ["tanh", "relu", "sin"])
def test_many_units_and_one_unit_are_the_same_formula(activation):
    spec = unit.Spec(**SMALL, activation=activation, input_dim=3)
    made = factors_of(spec)
    for layer in (1, 2):
        for kind in (ISOTROPIC, COVARIANCE):
            every = slice(0, 5)
            form = layer_form(fitted(made, kind == ISOTROPIC), made.network, layer, every)
            if layer == 1:
                form = known_form(made.network, every)
            for place in range(5):
                one = unit_one.one_unit(spec.model_copy(update={"layer": layer, "unit": place + 1}))
                expected = form.zeroth[place] * form.shapes[place]
                np.testing.assert_allclose(one.forms[kind][0].dense(), expected, rtol=1e-9, atol=1e-12)


def test_error_and_noise_add_up_and_noise_is_taken_out():
    generator = np.random.default_rng(0)
    truth = np.eye(6) + 0.1
    draws = generator.normal(size=(2, 4000, 6, 6))
    halves = Halves(*(torch.from_numpy(truth + 0.2 * each) for each in draws))
    flat = torch.eye(6, dtype=torch.float64).expand(4000, -1, -1)
    wrong, noise = halves.compare(flat, flat)
    size = (halves.first * halves.second).sum(dim=(1, 2))
    whole = halves.whole((1, 1)) - flat
    np.testing.assert_allclose((wrong + noise) * size, whole.square().sum(dim=(1, 2)), rtol=1e-10)
    assert float((wrong * size).mean()) == pytest.approx(36 * 0.01, abs=0.01)  # what is wrong
    assert float((noise * size).mean()) == pytest.approx(36 * 0.04 / 2, rel=0.02)  # of the mean of both halves


def test_the_unit_alone_is_its_own_network():
    spec = unit.Spec(**SMALL)
    made = factors_of(spec)
    a, slope = made.inputs[1], made.slopes[1]
    expected = torch.einsum("xn,xi,xj->nij", slope.square(), a, a) / len(a)
    every = slice(0, 5)
    halves = measured_halves(tuple(alone(half) for half in unit_measured.halves_of(made)), 2, every)
    np.testing.assert_allclose(halves.whole((20, 20)), expected, rtol=1e-12)


def test_factor_times_own_matrix_is_exact_in_the_last_hidden_layer_for_any_inputs():
    spec = unit.Spec(**SMALL, inputs="digits", outputs=3, activation="gelu")
    made = factors_of(spec)
    halves = unit_measured.halves_of(made)
    network = measured_halves(halves, 2, slice(0, 5))
    first, second = own_inputs(network, measured_halves(tuple(map(alone, halves)), 2, slice(0, 5)))
    np.testing.assert_allclose(first, network.first, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(second, network.second, rtol=1e-12, atol=1e-15)
    assert not np.allclose(own_inputs(network, network)[0], 0)


def test_where_theory_holds_and_where_it_does_not():
    result = unit.layers(unit.Spec())
    (first,) = rows(result, layer=1, matrix="alone", form=ISOTROPIC).to_dict("records")
    assert (first["verdict"], first["predicted"], first["reason"]) == ("agrees", 0.0, "")
    assert first["error"] < 0.05 < first["noise"]
    for layer in (2, 3):
        (flat,) = rows(result, layer=layer, matrix="alone", form=ISOTROPIC).to_dict("records")
        (full,) = rows(result, layer=layer, matrix="alone", form=COVARIANCE).to_dict("records")
        assert flat["verdict"] == "disagrees"
        assert flat["error"] > 0.4
        assert full["verdict"] in ("agrees", "close")
        assert math.isnan(full["predicted"])
        assert "not Gaussian" in full["reason"]
    (own,) = rows(result, layer=3, form=OWN).to_dict("records")
    assert own["error"] < 1e-12
    assert rows(result, layer=1, form=OWN)["error"].item() > 0.05  # the signal from above differs from input to input
    inputs = result.tables["inputs"].set_index("layer")
    assert inputs.loc[1, "anisotropy"] < 0.1 < inputs.loc[2, "anisotropy"]
    assert abs(inputs.loc[1, "kurtosis"]) < 0.1 < abs(inputs.loc[2, "kurtosis"])
    cosines = result.tables["directions"].set_index(["layer", "form"])["cosine"]
    assert cosines[3, ISOTROPIC] < 0.9 < cosines[3, COVARIANCE]
    factors = result.tables["factors"]
    assert factors["predicted"].iloc[-1] == pytest.approx(1.5 / 32)
    assert factors["between_units_predicted"].iloc[-1] == pytest.approx(math.sqrt(2))


def test_a_wide_layer_1_of_a_network_comes_closer():
    errors = []
    for width in (8, 64):
        spec = unit.Spec(width=width, hidden_layers=2, samples=4000, seeds=4)
        errors.append(rows(unit.layers(spec), layer=1, form=OWN)["error"].item())
    assert errors[1] < 0.6 * errors[0]


def test_linear_units_need_no_gaussian_inputs():
    result = unit.layers(unit.Spec(**{**SMALL, "seeds": 4}, activation="linear", inputs="digits"))
    full = rows(result, form=COVARIANCE)
    assert (full["error"] < 1e-7).all()
    assert (full["verdict"] == "agrees").all()
    assert (full["reason"] == "").all()
    assert (rows(result, form=ISOTROPIC, matrix="alone")["error"] > 0.1).all()


def test_axes_along_the_weights_show_rank_two():
    spec = unit.Spec(**{**SMALL, "along": True}, layer=1, unit=2, input_dim=6)
    result, one = unit.one(spec), unit_one.one_unit(spec)
    form, factor = one.forms[ISOTROPIC][0], one.factors[ISOTROPIC][0]
    expected = np.diag([form.A2, *[form.A0] * 6])
    expected[0, 1] = expected[1, 0] = form.A1
    np.testing.assert_allclose(result.arrays["closed_form"], factor * expected, atol=1e-14)
    axes = unit_one.axes_along(form.w)
    np.testing.assert_allclose(axes @ axes.T, np.eye(7), atol=1e-14)
    np.testing.assert_allclose(axes[0, :-1], form.w / np.linalg.norm(form.w), atol=1e-14)
    np.testing.assert_allclose(unit_one.axes_along(np.zeros(2)) @ [1.0, 2.0, 3.0], [1.0, 3.0, 2.0])
    values = result.tables["eigenvalues"]
    np.testing.assert_allclose(values["isotropic"], np.sort(np.linalg.eigvalsh(factor * expected))[::-1], atol=1e-14)
    assert np.isclose(values["isotropic"], factor * form.A0, rtol=1e-12).sum() == 5  # n - 1 equal ones
    np.testing.assert_allclose(values["measured"].sum(), np.trace(one.measured))
    np.testing.assert_allclose(values["without_noise"].sum(), np.trace(one.measured))


def test_directions_and_inverse_by_hand():
    spec = unit.Spec(**SMALL, layer=2, unit=3, damping=0.01)
    one, made = unit_one.one_unit(spec), factors_of(spec)
    block, closed = one.measured, one.predicted(COVARIANCE)
    damping = 0.01 * np.trace(block) / 6 * np.eye(6)
    left, right = np.linalg.solve(closed + damping, one.gradient), np.linalg.solve(block + damping, one.gradient)
    expected = left @ block @ right / np.sqrt((left @ block @ left) * (right @ block @ right))
    inverses = [np.linalg.inv(matrix + damping) for matrix in (closed, block)]
    row = unit.one(spec).tables["forms"].set_index("form").loc[COVARIANCE]
    assert row["cosine"] == pytest.approx(expected, rel=1e-9)
    assert row["inverse_error"] == pytest.approx(
        np.linalg.norm(inverses[0] - inverses[1]) / np.linalg.norm(inverses[1]), rel=1e-9
    )
    every = torch.from_numpy(block)[None]
    halves = Halves(torch.from_numpy(one.first)[None], torch.from_numpy(one.second)[None])
    gradient = torch.from_numpy(one.gradient)[None]
    many = unit_measured.directions(every, {COVARIANCE: torch.from_numpy(closed)[None]}, halves, gradient, 0.01)
    assert float(many[COVARIANCE]) == pytest.approx(expected, rel=1e-9)
    assert float(many["gradient"]) == pytest.approx(row["gradient_cosine"], rel=1e-9)
    assert float(many["halves"]) == pytest.approx(row["halves_cosine"], rel=1e-9)
    assert made.layout.unit_sizes[1] == len(block)


def test_moments_follow_the_prediction_and_the_closed_form_of_erf():
    result = unit.moments(unit.Spec(width=8, activation="erf", samples=5000))
    table = result.tables["moments"]
    s, c = table["length"].to_numpy(), table["bias"].to_numpy()
    tau = 1 + 4 * s**2
    a0 = 4 / (math.pi * np.sqrt(tau)) * np.exp(-2 * c**2 / tau)
    first = table["moment"] == "A0"
    np.testing.assert_allclose(table.loc[first, "predicted"], a0[first], rtol=1e-10)
    error = np.maximum(table["spread"] / np.sqrt(table["seeds"]), 1e-12)
    assert (abs(table["measured"] - table["predicted"]) < 5 * error + 0.01).all()
    still = table[(table["length"] == 0) & (table["moment"] == "A0")]
    np.testing.assert_allclose(still["measured"], still["predicted"], rtol=1e-12)
    curves = result.tables["curves"]
    assert curves.loc[(curves["moment"] == "A1") & (curves["length"] == 0), "predicted"].abs().max() == 0
    assert {verdict.word for verdict in result.verdicts} <= {"agrees", "close"}
    found = unit_moments.measured("erf", np.array([1.0]), np.array([0.4]), 200_000, 3)[:, 0]
    by_hand = [
        quad(lambda v, k=k: v**k * 4 / math.pi * math.exp(-2 * (v + 0.4) ** 2 - v * v / 2), -12, 12)[0]
        / math.sqrt(2 * math.pi)
        for k in range(3)
    ]
    np.testing.assert_allclose(found, by_hand, atol=0.01)


@pytest.mark.parametrize(
    ("setting", "matrix", "said"),
    [
        ({"likelihood": "softmax", "outputs": 3}, "network", "Softmax weighs"),
        ({"estimator": "empirical"}, "network", "empirical matrix is another"),
        ({"inputs": "sphere"}, "alone", "many dimensions"),
        ({"inputs": "digits"}, "alone", "neither Gaussian nor isotropic"),
    ],
    ids=str,
)
def test_where_nothing_is_claimed_it_is_said_why(setting, matrix, said):
    spec = unit.Spec(**{**SMALL, "samples": 20}, **setting)
    assert said in why_not(spec, 1, matrix, ISOTROPIC)
    result = unit.layers(spec)
    assert said in rows(result, layer=1, matrix=matrix, form=ISOTROPIC)["reason"].item()
    if matrix == "network":
        assert (rows(result, matrix="network")["verdict"] == "no prediction").all()
        assert result.tables["factors"]["predicted"].isna().all()


def test_degenerate_units_are_answered():
    narrow = unit.run(unit.Spec(width=1, hidden_layers=1, samples=50, seeds=1))
    assert narrow.arrays["measured"].shape == (2, 2)
    assert len(narrow.tables["eigenvalues"]) == 2
    dead = unit.run(
        unit.Spec(width=2, hidden_layers=12, activation="relu", bias_variance=0.0, samples=20, seeds=2, layer=12)
    )
    assert dead.tables["forms"][["error", "cosine"]].isna().all(axis=None)
    assert not dead.arrays["measured"].any()
    assert (dead.tables["layers"]["dead"] > 0).any()
    assert any("zero" in reason for reason in dead.tables["layers"]["reason"])
    few = unit.run(unit.Spec(**{**SMALL, "samples": 4}))
    for result in (narrow, dead, few):
        for table in result.tables.values():
            assert not np.isinf(table.select_dtypes("number").to_numpy(dtype=float)).any()
    deeper = unit.Spec(**SMALL, layer=7, unit=100)
    assert (deeper.shown_layer, deeper.shown_unit) == (2, 5)
    assert unit.one(deeper).tables["forms"]["layer"].tolist() == [2, 2]


def test_overflow_is_told(monkeypatch):
    monkeypatch.setattr(unit_measured, "finite", lambda _: False)
    monkeypatch.setattr(unit_one, "finite", lambda _: False)
    spec = unit.Spec(**SMALL)
    tables, verdicts = summarise(spec, [unit_measured.measure(spec, 0)])
    assert tables["layers"]["reason"].str.contains("overflow").all()
    assert len(verdicts) == 5 * 2 + 2
    with pytest.raises(ValueError, match="Lower the weight variance"):
        unit.one(spec)


def test_partial_results_stream_and_cancel_keeps_them():
    seen = []

    def watch(fraction, message, partial=None):
        assert 0 <= fraction <= 1
        if partial is not None:
            seen.append(partial)
            if len(seen) == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unit.run(unit.Spec(**{**SMALL, "seeds": 4}), progress=watch)
    assert [partial.tables["layers"]["seeds"].max() for partial in seen] == [1, 2]
    assert not seen[-1].complete
    assert "eigenvalues" in seen[-1].tables


def test_refusals(tmp_path):
    with pytest.raises(fc.BudgetError, match="is the limit here"):
        unit.run(unit.Spec(), limits=fc.Budget(10_000, 1.0))
    with pytest.raises(ValueError, match="layer"):
        spec_from_mapping("unit", {"layer": 0})
    pd.DataFrame({"a": [1.0, 2.0, 4.0], "b": [2.0, 1.0, 0.0]}).to_csv(tmp_path / "three.csv", index=False)
    with pytest.raises(InputError, match="needs 4 or more"):
        unit.run(unit.Spec(**SMALL, inputs="csv", data_file=str(tmp_path / "three.csv")))
