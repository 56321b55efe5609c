"""The question spectrum: eigenvalues equal those of dense matrices, predictions hold where they are claimed, views, refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import fimcore as fc
from fimcore import meanfield
from fimcore.experiments import SpecError, spec_from_mapping, spectrum, spectrum_sweep, spectrum_theory
from fimcore.experiments.setting import inputs_of, network_of
from fimcore.experiments.spectrum_spec import VIEWS

SMALL = {"width": 6, "hidden_layers": 2, "samples": 12, "seeds": 4, "widest": 8, "most_inputs": 20}
PHI = {"tanh": torch.tanh, "relu": torch.relu}


def jacobian(spec, number):
    """(N, C, P) by autograd; parameters layer by layer, all weights of a layer and then its biases."""
    network, x = network_of(spec, number), inputs_of(spec, number)
    shapes = [(w.shape, b.shape) for w, b in zip(network.weights, network.biases, strict=True)]
    flat = torch.cat([torch.cat([w.reshape(-1), b]) for w, b in zip(network.weights, network.biases, strict=True)])

    def outputs(vector):
        a, at = x, 0
        for place, (w, b) in enumerate(shapes):
            weight, at = vector[at : at + w.numel()].reshape(w), at + w.numel()
            a, at = a @ weight.T + vector[at : at + b[0]], at + b[0]
            a = PHI[spec.activation](a) if place < len(shapes) - 1 else a
        return a

    return torch.autograd.functional.jacobian(outputs, flat), [w.numel() + b[0] for w, b in shapes]


def dense(rows):
    return torch.einsum("ncp,ncq->pq", rows, rows) / len(rows)


def measured(result, table, column, key):
    rows = result.tables[table]
    return float(rows.loc[rows[column] == key, "measured"].iloc[0])


@pytest.mark.parametrize("outputs", [1, 3])
def test_statistics_are_those_of_the_dense_matrices(outputs):
    spec = spectrum.Spec(**SMALL, outputs=outputs, centred=True, noise_variance=0.5)
    result = spectrum.run(spec)
    found = {name: [] for name in ("outlier", "bulk", "mean", "second_moment", "centred_outlier", "centred_mean")}
    for number in range(spec.seeds):
        rows, _ = jacobian(spec, number)
        matrix = dense(rows) / 0.5
        values = torch.linalg.eigvalsh(matrix).flip(0).numpy()
        kept = values[values > 1e-12 * values[0]]
        found["outlier"].append(values[:outputs].mean())
        found["bulk"].append(kept[outputs:].mean())
        found["mean"].append(values.mean())
        found["second_moment"].append((values**2).mean())
        centred = torch.linalg.eigvalsh(dense(rows - rows.mean(dim=0)) / 0.5).flip(0).numpy()
        found["centred_outlier"].append(centred[0])
        found["centred_mean"].append(centred.mean())
        zeros = result.tables["points"]["zeros"].iloc[number]
        assert zeros == len(values) - len(kept) == matrix.shape[0] - 12 * outputs
    for name, each in found.items():
        assert measured(result, "statistics", "quantity", name) == pytest.approx(np.mean(each), rel=1e-9), name
    eigenvalues = result.tables["eigenvalues"]
    assert eigenvalues["eigenvalue"].iloc[0] == pytest.approx(result.arrays["eigenvalues"][:, 0].mean())
    density = result.tables["density"]
    assert density["count"].sum() == pytest.approx(12 * outputs)
    assert density["low"].iloc[0] <= eigenvalues["eigenvalue_low"].min()


def test_softmax_matrix_weights_the_rows_by_the_outputs():
    spec = spectrum.Spec(**SMALL, outputs=3, likelihood="softmax", activation="relu")
    result = spectrum.run(spec)
    tops = []
    for number in range(spec.seeds):
        rows, _ = jacobian(spec, number)
        g = torch.softmax(network_of(spec, number)(inputs_of(spec, number)), dim=1)
        weights = torch.diag_embed(g) - g[:, :, None] * g[:, None, :]
        tops.append(np.linalg.eigvalsh((torch.einsum("ncp,ncd,ndq->pq", rows, weights, rows) / len(rows)).numpy())[-2:])
    places = result.tables["outliers"]
    assert len(places) == 3  # C - 1 that stand out, and the next one
    np.testing.assert_allclose(places["measured"].iloc[:2], np.mean(tops, axis=0)[::-1], rtol=1e-9)


def test_blocks_are_those_of_the_dense_matrix():
    spec = spectrum.Spec(**SMALL, view="blocks")
    result = spectrum.run(spec)
    parts = []
    for number in range(spec.seeds):
        rows, sizes = jacobian(spec, number)
        matrix = dense(rows)
        own, at = [], 0
        for size in sizes:
            own.append(float(torch.linalg.eigvalsh(matrix[at : at + size, at : at + size])[-1]))
            at += size
        parts.append([*own, sum(own), float(torch.linalg.eigvalsh(matrix)[-1]), float(matrix.diagonal().max())])
    parts = np.mean(parts, axis=0)
    np.testing.assert_allclose(result.tables["layers"]["measured"], parts[:5], rtol=1e-9)
    assert measured(result, "structures", "structure", "diagonal") == pytest.approx(parts[5], rel=1e-12)
    structures = result.tables["structures"].set_index("structure")["measured"]
    # the read-out of one output is one unit
    assert structures["unit_blocks"] >= structures["hidden_units"]
    order = structures[["full", "layer_blocks", "unit_blocks", "diagonal"]]
    assert (order.diff().dropna() <= 1e-12).all()


def test_whitened_spectrum_lies_in_0_to_L_and_at_L_without_damping():
    spec = spectrum.Spec(width=30, hidden_layers=2, samples=10, seeds=4, view="whitened", damping=2e-8)
    result = spectrum.run(spec)
    table = result.tables["whitened"]
    np.testing.assert_allclose(table.loc[table["damping"] == 2e-8, "eigenvalue"], 3.0, rtol=1e-4)
    assert table["eigenvalue_high"].max() <= 3 + 1e-9
    assert (result.tables["dampings"]["largest"].diff().dropna() < 0).all()
    (verdict,) = result.verdicts
    assert verdict.word == "agrees"


@pytest.mark.parametrize("setting", [{}, {"likelihood": "softmax", "outputs": 3}, {"activation": "relu"}], ids=str)
def test_descent_falls_below_the_bound_and_rises_above_it(setting):
    spec = spectrum.Spec(**(SMALL | {"width": 16}), **setting, view="step", margin=0.1)
    result = spectrum.run(spec)
    factors = result.tables["factors"].set_index("side")["measured"]
    assert factors["below"] == pytest.approx(0.64, rel=1e-3)
    assert factors["above"] == pytest.approx(1.44, rel=1e-3)
    tops = spectrum.run(spec.model_copy(update={"view": "density"})).arrays["eigenvalues"][:, 0]
    assert factors["bound"] == pytest.approx(np.mean(2 / tops), rel=1e-6)


WIDE = [
    {},
    {"activation": "relu", "weight_variance": 2.0},
    {"activation": "erf", "weight_variance": 2.0, "bias_variance": 0.3, "outputs": 3},
    {"likelihood": "softmax", "outputs": 5, "samples": 60, "weight_variance": 1.2, "bias_variance": 0.3},
    {"activation": "gelu", "weight_variance": 1.8, "hidden_layers": 2, "noise_variance": 0.25},
]


@pytest.mark.parametrize("setting", WIDE, ids=str)
def test_wide_networks_follow_the_prediction(setting):
    result = spectrum.run(spectrum.Spec(**{"width": 500, "seeds": 5} | setting))
    words = {verdict.quantity: verdict.word for verdict in result.verdicts}
    assert set(words.values()) <= {"agrees", "close", "no prediction"}
    stated = result.tables["statistics"].set_index("quantity")
    assert np.isfinite(stated.loc[["outlier", "bulk", "mean"], "predicted"]).all()
    assert (stated.loc[["outlier", "bulk", "mean"], "residual"].abs() < 0.2).all()


def test_every_layer_follows_and_the_layers_add_up():
    result = spectrum.run(spectrum.Spec(view="blocks", activation="relu", weight_variance=2.0, seeds=4))
    (total, *layers) = result.verdicts
    assert measured(result, "layers", "layer", "sum") / measured(result, "layers", "layer", "full") == pytest.approx(
        1.0, abs=0.03
    )
    assert total.word in ("agrees", "close")
    assert next(verdict.word for verdict in layers) == "no prediction"
    assert {verdict.word for verdict in layers[1:]} <= {"agrees", "close"}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"bias_variance": 0.0}, "do not overlap"),
        ({"width": 32}, "Depth over width"),
        ({"samples": 10}, "inputs are needed"),
        ({"outputs": 10, "samples": 10}, "trusted up to 3"),
        ({"estimator": "empirical"}, "empirical matrix is another one"),
        ({"estimator": "score"}, "sampled labels"),
        ({"input_dim": 8}, "differ in length"),
    ],
    ids=str,
)
def test_where_nothing_is_predicted_it_is_said_why(setting, said):
    theory = spectrum_theory.statistics(spectrum.Spec(**setting))
    assert np.isnan(theory["outlier"].value)
    assert said in theory["outlier"].reason


def test_predicted_numbers_are_those_of_the_sheet():
    """tanh (3, 0.64), four layers of weights, N = 100: K_1 and K_2 from the recursions alone."""
    spec = spectrum.Spec(width=1000, weight_variance=3.0, bias_variance=0.64)
    theory = spectrum_theory.statistics(spec)
    plain = meanfield.fisher_statistics(fc.Architecture((1000, 1000, 1000, 1000, 1), "tanh", 3.0, 0.64), 100)
    assert theory["outlier"].value == pytest.approx((99 * plain.kernel_overlap + plain.kernel) / 100)
    assert theory["bulk"].value == pytest.approx((plain.kernel - plain.kernel_overlap) / 100)
    # fluctuations of the overlaps add to the formula's second moment, less the wider the network
    assert 1.0 < theory["second_moment"].value / plain.second_moment < 1.02
    assert theory["bulk"].value == pytest.approx(20.16, rel=0.01)


@pytest.mark.parametrize("view", ["width", "inputs"])
def test_sweeps_measure_every_place_and_draw_the_line_where_it_holds(view):
    spec = spectrum.Spec(view=view, width=256, hidden_layers=1, seeds=2, samples=300, widest=256, most_inputs=300)
    result = spectrum.run(spec)
    field = spectrum_sweep.FIELD[view]
    sweep, lines = result.tables["sweep"], result.tables["lines"]
    assert sorted(set(sweep[field])) == list(spectrum_sweep.places(spec))
    own = sweep[(sweep["quantity"] == "outlier") & (sweep[field] == max(sweep[field]))].iloc[0]
    alone = spectrum.run(spectrum_spec_at(spec, view, int(own[field])))
    assert own["measured"] == pytest.approx(measured(alone, "statistics", "quantity", "outlier"), rel=1e-12)
    begin = spectrum_sweep.valid_from(spec, "outlier")
    line = lines[lines["quantity"] == "outlier"].set_index(field)["predicted"]
    assert line[line.index < begin].isna().all()
    assert line[line.index >= begin].notna().all()
    assert begin == 200 if view == "width" else begin > 100
    assert len(result.verdicts) == 4


def spectrum_spec_at(spec, view, place):
    changes = {"width": place} if view == "width" else {"samples": place}
    return spec.model_copy(update={"view": "density", **changes})


@pytest.mark.parametrize("view", VIEWS)
def test_views_ignore_what_belongs_to_others(view):
    spec = spectrum.Spec(view=view)
    assert "residual" in spec.ignored
    mine = {"density": "centred", "width": "widest", "inputs": "most_inputs", "step": "margin"}.get(view)
    assert mine not in spec.ignored
    assert ("damping" in spec.model_copy(update={"damping": 0.123}).ignored) == (view != "whitened")


@pytest.mark.parametrize("view", VIEWS)
def test_dead_and_tiny_networks_are_answered(view):
    dead = {"width": 1, "activation": "relu", "bias_variance": 0.0, "hidden_layers": 12, "samples": 2, "input_dim": 1}
    for setting in (dead, {"width": 1, "hidden_layers": 1, "samples": 2, "outputs": 2, "likelihood": "softmax"}):
        result = spectrum.run(spectrum.Spec(**setting, seeds=2, view=view, widest=4, most_inputs=10))
        for table in result.tables.values():
            numbers = table.select_dtypes("number").to_numpy(dtype=float)
            assert not np.isinf(numbers).any()
        assert result.verdicts


def test_partial_results_stream_and_cancel_keeps_them():
    seen = []

    def watch(fraction, message, partial=None):
        assert 0 <= fraction <= 1 + 1e-12
        if partial is not None:
            seen.append(partial)
            if len(seen) == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        spectrum.run(spectrum.Spec(**SMALL), progress=watch)
    assert [len(partial.tables["points"]) for partial in seen] == [1, 2]
    assert not seen[-1].complete


def test_refusals_name_what_to_lower():
    with pytest.raises(fc.BudgetError, match="Largest width that works"):
        spectrum.run(spectrum.Spec(width=4096), limits=fc.Budget(2**28, 60.0))
    sweep = spectrum.Spec(view="width", widest=4096)
    with pytest.raises(fc.BudgetError, match="Width 4096"):
        spectrum.run(sweep, limits=fc.Budget(2**28, 60.0))
    assert sweep.narrowed(512).swept_widths[-1] == 512
    with pytest.raises(SpecError):
        spec_from_mapping("spectrum", {"view": "colour"})


def test_the_name_of_the_question_leaves_the_function_alone():
    network = network_of(spectrum.Spec(**SMALL), 0)
    found = fc.spectrum(network, inputs_of(spectrum.Spec(**SMALL), 0))
    assert len(found) == 12
