"""Every observable of a sweep against the dense matrices of its networks; the sweep over outputs; what is missing and why."""

from __future__ import annotations

import numpy as np
import pytest

import fimcore as fc
from fimcore.experiments import width
from fimcore.experiments.result import records
from fimcore.experiments.setting import inputs_of, likelihood_of, network_of
from fimcore.experiments.width_measure import samples_at, some_inputs
from fimcore.experiments.width_tables import change
from fimcore.experiments.width_theory import plateau

SPEC = width.Spec(widths=(3, 5), outputs=2, samples=12, seeds=3, hidden_layers=2, noise_variance=0.25)


def single_matrices(spec, n, number):
    """The Fisher matrix at every single input, (N, P, P), and which unit and layer each parameter belongs to."""
    setting = spec.at(n)
    network, x = network_of(setting, number), inputs_of(setting, number)
    one = [fc.fisher(network, row[None], likelihood_of(setting)).dense().numpy() for row in x]
    layout = network.layout
    layers = np.repeat(np.arange(1, layout.layers + 1), layout.layer_sizes)
    units = np.concatenate([np.repeat(np.arange(u), k) for u, k in zip(layout.units, layout.unit_sizes, strict=True)])
    return np.array(one), layers, units


def squares(single):
    """Unbiased squared entries: products of different inputs only."""
    count = len(single)
    return (single.sum(axis=0) ** 2 - (single**2).sum(axis=0)) / (count * (count - 1))


def by_hand(spec, n):
    """(observable, part) to the value of averaged squares, from dense matrices alone."""
    kept, spectral, normalised = [], [], []
    for number in range(spec.seeds):
        single, layers, units = single_matrices(spec, n, number)
        kept.append(squares(single))
        full = single.mean(axis=0)
        same = (layers[:, None] == layers) & (units[:, None] == units)
        norm = np.linalg.norm
        spectral.append(norm(np.where(same, 0, full), 2) / norm(full, 2))
        root = np.sqrt(np.diagonal(full))
        normalised.append(squares(single / np.outer(root, root)))
    mean, scaled = np.mean(kept, axis=0), np.mean(normalised, axis=0)
    found = {("spectral", "all layers"): np.mean(spectral)}
    for layer in (1, 2):
        here = (layers[:, None] == layer) & (layers == layer)
        off, own = here & ~same, here & same
        found["ratio", f"layer {layer}"] = np.sqrt(mean[off].mean() / mean[own].mean())
        found["normalised", f"layer {layer}"] = np.sqrt(scaled[off].mean())
        found["normalised_ratio", f"layer {layer}"] = np.sqrt(scaled[off].mean() / scaled[own].mean())
    hidden = (layers[:, None] <= 2) & (layers <= 2)
    found["mass", "hidden layers"] = mean[hidden & same].sum() / mean[hidden].sum()
    found["mass", "all layers"] = mean[same].sum() / mean.sum()
    norms = {(a, b): np.sqrt(mean[np.ix_(layers == a, layers == b)].sum()) for a in (1, 2) for b in (1, 2)}
    found["layer_pairs", "layers 1 and 2"] = norms[1, 2] / np.sqrt(norms[1, 1] * norms[2, 2])
    return found


@pytest.mark.parametrize("n", [3, 5])
def test_observables_are_those_of_the_matrices(n):
    table = width.run(SPEC).tables["observables"]
    rows = table[table["width"] == n]
    expected = by_hand(SPEC, n)
    assert set(zip(rows["observable"], rows["part"], strict=True)) == set(expected)
    for row in rows.to_dict("records"):
        accuracy = 5e-3 if row["observable"] == "spectral" else 1e-8
        assert row["measured"] == pytest.approx(expected[row["observable"], row["part"]], rel=accuracy), row
        assert row["seeds"] == 3
        assert row["low"] <= row["high"]


def test_predictions_stand_where_there_are_some_and_reasons_elsewhere():
    result = width.run(width.Spec(widths=(16, 64), samples=64, seeds=4))
    table = result.tables["observables"]
    predicted = table.groupby("observable")["predicted"].apply(lambda column: column.notna().all())
    assert predicted[["ratio", "mass", "layer_pairs"]].all()
    assert not predicted[["normalised", "normalised_ratio", "spectral"]].any()
    assert table[table["predicted"].isna()]["reason"].str.len().gt(20).all()
    norms = fc.meanfield.block_norms(fc.Architecture((64, 64, 64, 64, 1), "tanh", 1.5, 0.1))
    row = table[(table["observable"] == "layer_pairs") & (table["width"] == 64)].iloc[0]
    assert row["predicted"] == pytest.approx(norms.layer_correlation[0, 1], rel=1e-12)
    assert row["residual"] == pytest.approx(row["measured"] / row["predicted"] - 1, rel=1e-12)
    words = {verdict.quantity: verdict.word for verdict in result.verdicts}
    assert words["Spectral norm outside blocks, all layers: slope"] == "no prediction"
    assert len(words) == len(result.tables["trends"]) == 15


def test_what_happens_with_width_depends_on_the_observable():
    """tanh without biases, one output: ratios stay, normalised entries and the in-unit share fall, one pair of layers grows."""
    result = width.run(width.Spec(widths=(16, 64, 256), bias_variance=0.0, weight_variance=1.8, samples=256))
    trends = result.tables["trends"]
    said = trends.groupby("observable")["change"].unique()
    assert list(said["ratio"]) == ["stays"]
    assert list(said["normalised_ratio"]) == ["stays"]
    assert list(said["normalised"]) == ["decays"]
    assert list(said["spectral"]) == ["stays"]
    hidden = trends[trends["part"] == "hidden layers"].iloc[0]
    assert hidden["change"] == "decays"
    assert hidden["slope"] == pytest.approx(-0.97, abs=0.08)
    assert trends[trends["observable"] == "normalised"]["slope"].to_numpy() == pytest.approx([-0.52] * 3, abs=0.08)


@pytest.mark.parametrize(
    ("slope", "half", "word"),
    [
        (-0.5, 0.1, "decays"),
        (0.5, 0.1, "grows"),
        (0.02, 0.05, "stays"),
        (-0.3, 0.4, "cannot tell"),
        (0.0, 0.6, "cannot tell"),
        (np.nan, np.nan, "cannot tell"),
        (-0.5, np.nan, "cannot tell"),
    ],
)
def test_words_of_a_change(slope, half, word):
    assert change(slope, half) == word


def test_against_outputs_the_ratio_falls_as_one_over_the_root():
    """R = r / sqrt(C + 2 r^2) times a factor without C: the plateau as a function of the number of outputs."""
    spec = width.Spec(view="outputs", width=32, samples=64)
    result = width.run(spec)
    ratios = result.tables["ratios"]
    assert sorted(ratios["outputs"].unique()) == [1, 2, 4, 8, 16, 32]
    assert set(ratios["width"]) == {32}
    np.testing.assert_allclose(ratios["measured"], ratios["predicted"], rtol=0.25)
    assert ratios["residual"].abs().median() < 0.05
    assert (result.tables["slopes"]["change"] == "decays").all()
    arch = fc.Architecture((2, 2, 2, 2, 1), "tanh", 1.5, 0.1)
    few, many = plateau(spec.at(32, 1)), plateau(spec.at(32, 16))
    np.testing.assert_allclose(few, fc.meanfield.rms_ratio_limit(arch), rtol=1e-12)
    share = np.sqrt((16 - few**2 / many**2) / (few**2 / many**2 - 1) / 2)  # r^2 from the two values of the formula
    assert (share <= 1 + 1e-9).all()
    assert share[-1] == pytest.approx(1.0, rel=1e-6)


def test_outputs_of_odd_settings():
    assert [s.outputs for s in width.Spec(view="outputs", width=6).settings] == [1, 2, 4, 6]
    assert [s.outputs for s in width.Spec(view="outputs", width=8, likelihood="softmax", outputs=10).settings] == [
        2,
        4,
        8,
    ]
    assert [s.outputs for s in width.Spec(view="outputs", width=1).settings] == [1]
    assert width.Spec(view="outputs", width=64, narrowest=512, widest=512).largest_network == 64
    assert width.Spec(view="outputs", width=64).narrowed(16).width == 16


def test_plateaus_need_inputs_that_grow_with_the_width_and_few_outputs():
    assert np.isfinite(plateau(width.Spec().at(64))).all()
    assert np.isnan(plateau(width.Spec(input_dim=8).at(64))).all()
    assert np.isnan(plateau(width.Spec(inputs="digits").at(64))).all()
    assert np.isnan(plateau(width.Spec(likelihood="softmax", outputs=10).at(64))).all()


def test_wide_networks_and_many_outputs_take_fewer_inputs_and_say_so():
    spec = width.Spec(widest=4096)
    counts = [samples_at(setting) for setting in spec.settings]
    assert counts[:6] == [512] * 6
    assert 8 <= counts[-1] < 200
    assert {some_inputs(setting) for setting in spec.settings} == {128}
    assert width.cost(spec).seconds < 60
    many = width.Spec(outputs="n").settings[-1]
    assert samples_at(many) < 64


FINITE = ("observables", "trends", "mass", "points", "ratios", "slopes")


def no_infinity(result):
    for name in FINITE:
        for row in result.tables[name].to_dict("records"):
            assert not any(isinstance(value, float) and np.isinf(value) for value in row.values()), (name, row)
    assert records(result.tables["observables"])


def test_dead_networks_give_a_sentence_and_missing_values():
    spec = width.Spec(
        widths=(1, 2), activation="relu", weight_variance=0.1, bias_variance=0.0, samples=2, seeds=8, hidden_layers=4
    )
    result = width.run(spec)
    no_infinity(result)
    notes = list(result.tables["notes"]["note"])
    assert any(note.startswith("At width 1 a layer is one unit") for note in notes)
    assert any("is dead in" in note and "raise the bias variance or the width" in note for note in notes)
    one = result.tables["ratios"]
    assert one[one["width"] == 1]["measured"].isna().all()


def test_overflow_gives_a_sentence_and_missing_values():
    spec = width.Spec(widths=(2, 4), noise_variance=1e-300, samples=10, seeds=2, hidden_layers=2)
    result = width.run(spec)
    no_infinity(result)
    notes = list(result.tables["notes"]["note"])
    assert len(notes) == 2
    assert all("numbers overflow in 2 of 2 networks" in note for note in notes)
    assert result.tables["ratios"]["measured"].isna().all()
    assert {verdict.word for verdict in result.verdicts} <= {"no prediction", "too few seeds to say"}


def test_far_above_the_critical_point_of_relu_numbers_stay_finite():
    spec = width.Spec(widths=(8, 16), activation="relu", weight_variance=100.0, hidden_layers=12, samples=20, seeds=2)
    result = width.run(spec)
    no_infinity(result)
    assert result.tables["notes"].empty
    assert np.isfinite(result.tables["ratios"]["measured"]).any()


def test_a_table_with_one_row_is_one_sentence(tmp_path):
    file = tmp_path / "one.csv"
    file.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(ValueError, match="2 or more"):
        width.run(width.Spec(widths=(4, 8), inputs="csv", data_file=str(file), seeds=1))


def test_one_hidden_layer_has_no_pairs_of_layers():
    result = width.run(width.Spec(widths=(4, 8), samples=20, seeds=2, hidden_layers=1))
    assert "layer_pairs" not in set(result.tables["observables"]["observable"])
    many = width.run(width.Spec(widths=(4,), samples=8, seeds=1, hidden_layers=5)).tables["observables"]
    assert list(many[many["observable"] == "layer_pairs"]["part"]) == [
        "layers 1 and 2",
        "layers 2 and 3",
        "layers 3 and 4",
        "layers 4 and 5",
        "layers 1 and 5",
    ]
