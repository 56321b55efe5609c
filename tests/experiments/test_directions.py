"""The question directions: numbers against dense matrices, the sheet's cosines, rankings, streaming, omissions, bad networks."""

import numpy as np
import pytest
import torch

import fimcore as fc
from fimcore.experiments import SpecError, directions, spec_from_mapping
from fimcore.experiments.cost import layout_for
from fimcore.experiments.directions_spec import DAMPINGS, KINDS, flops, left_out, numbers
from fimcore.experiments.setting import factors_of, inputs_of, labels_of, likelihood_of, network_of
from fimcore.fisher import Origin, from_factors, structure_bytes
from fimcore.fisher.unit_closed_form import unit_closed_form
from fimcore.training import mean_gradient

SMALL = {"width": 5, "hidden_layers": 2, "samples": 40, "seeds": 2}


def dense_structure(made, kind):
    if kind == "unit_closed_form_isotropic":
        return unit_closed_form(made, Origin("exact", "", made.samples), isotropic=True).dense()
    return from_factors(made, kind).dense()


@pytest.mark.parametrize(
    "change",
    [{}, {"samples": 12}, {"likelihood": "softmax", "outputs": 3}, {"estimator": "empirical"}, {"damping": 0.02}],
    ids=str,
)
def test_every_number_equals_that_of_dense_matrices(change):
    spec = directions.Spec(**(SMALL | change))
    points = directions.run(spec).tables["points"]
    made = factors_of(spec, 1)
    gradient = mean_gradient(network_of(spec, 1), inputs_of(spec, 1), labels_of(spec, 1), likelihood_of(spec))
    exact = from_factors(made, "dense").dense()
    eye = torch.eye(len(exact), dtype=exact.dtype)
    damping = spec.damping * float(exact.diagonal().mean()) * eye
    wanted = torch.linalg.solve(exact + damping, gradient)
    for kind in KINDS:
        row = points[(points["structure"] == kind) & (points["seed"] == 1)].iloc[0]
        best = float(exact.trace()) / len(exact) * eye
        matrix = best if kind == "gradient" else dense_structure(made, kind)
        found = gradient if kind == "gradient" else torch.linalg.solve(matrix + damping, gradient)
        metric = float(found @ exact @ wanted / ((found @ exact @ found) * (wanted @ exact @ wanted)).sqrt())
        assert row["cosine"] == pytest.approx(metric, abs=1e-7), kind
        assert row["euclidean"] == pytest.approx(float(torch.cosine_similarity(found, wanted, dim=0)), abs=1e-7), kind
        error = float(torch.linalg.matrix_norm(exact - matrix) / torch.linalg.matrix_norm(exact))
        assert row["error"] == pytest.approx(error, rel=1e-6), kind


def test_cosines_of_the_sheet():
    """24-24-24-1, tanh, N = 1500, labels of a teacher without noise to speak of; means over seeds."""
    network = {"width": 24, "hidden_layers": 2, "weight_variance": 1.8, "bias_variance": 0.1}
    spec = directions.Spec(**network, samples=1500, noise_variance=1e-4, seeds=3)
    table = directions.run(spec).table.set_index("structure")
    expected = {
        "layer_blocks": 0.95,
        "kfac": 0.86,
        "unit_blocks": 0.91,
        "quasi_diagonal": 0.83,
        "diagonal": 0.83,
        "gradient": 0.76,
    }
    for kind, value in expected.items():
        assert table.loc[kind, "cosine"] == pytest.approx(value, abs=0.04), kind
    assert (table["euclidean"] < table["cosine"]).all()
    block = table.loc[["block_tridiagonal", "layer_blocks", "unit_blocks"]]
    np.testing.assert_allclose(block["error"], block["predicted_error"], rtol=0.15)


def test_rankings_and_the_pairs_that_change_places():
    tables = directions.run(directions.Spec()).tables
    table, pairs = tables["structures"], tables["pairs"]
    assert sorted(table["rank_cosine"]) == sorted(table["rank_error"]) == list(range(1, 11))
    by_name = table.set_index("structure")
    for _, pair in pairs.iterrows():
        closer, better = by_name.loc[pair["closer"]], by_name.loc[pair["better"]]
        assert closer["error"] < better["error"]
        assert closer["cosine"] < better["cosine"]
    assert (pairs.iloc[0]["closer"], pairs.iloc[0]["better"]) == ("block_tridiagonal", "layer_blocks")
    sweep = tables["sweep"]
    assert sorted(sweep["damping"].unique()) == list(DAMPINGS)
    here = sweep[sweep["damping"] == 1e-3].set_index("structure")["cosine"]
    np.testing.assert_allclose(here[by_name.index], by_name["cosine"])
    assert list(table["numbers"]) == sorted(table["numbers"], reverse=True)


def test_a_damping_between_the_stops_is_swept_too():
    spec = directions.Spec(**SMALL, damping=0.02)
    assert spec.swept == tuple(sorted((*DAMPINGS, 0.02)))
    assert 0.02 in set(directions.run(spec).tables["sweep"]["damping"])


def test_numbers_kept_are_those_of_the_structures():
    layout = layout_for(5, directions.Spec(**SMALL))
    for kind in KINDS:
        if kind not in ("gradient", "unit_closed_form_isotropic"):
            assert 8 * numbers(layout, kind) == structure_bytes(layout, kind)


def test_what_is_too_large_is_left_out_with_the_reason():
    spec = directions.Spec(width=64, samples=60, seeds=1)
    left = directions.omitted(spec)
    assert set(left) == {"block_tridiagonal"}
    assert "4.6 GB" in left["block_tridiagonal"]
    table = directions.run(spec).table.set_index("structure")
    assert table.loc["block_tridiagonal", "note"] == left["block_tridiagonal"]
    assert np.isnan(table.loc["block_tridiagonal", "cosine"])
    assert table.drop(index="block_tridiagonal")["cosine"].notna().all()
    wide = directions.Spec(width=256)
    assert "layer_blocks" not in directions.omitted(wide)
    assert directions.cost(wide).bytes < 2**30
    layout = layout_for(512, directions.Spec(width=512))
    assert "operations" in left_out(layout, 100_000, 1, "kfac", 7, 32)
    assert flops(layout, 100, 1, "gradient", 7) < flops(layout, 100, 1, "kfac", 7)


def test_progress_goes_forwards_partial_results_stream_and_cancel_works():
    seen, fractions = [], []

    def watch(fraction, message, partial=None):
        fractions.append(fraction)
        if partial is not None:
            seen.append(partial)
            if len(seen) == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        directions.run(directions.Spec(**(SMALL | {"seeds": 4})), progress=watch)
    assert [len(partial.tables["points"]) for partial in seen] == [10, 20]
    assert not seen[-1].complete
    assert fractions == sorted(fractions)
    assert len(fractions) > 100


def test_of_the_cosines_there_is_no_prediction_and_it_says_why():
    verdicts = directions.run(directions.Spec()).verdicts
    assert [each.word for each in verdicts] == ["no prediction", "agrees", "agrees", "agrees", "no prediction"]
    assert "because" in verdicts[0].sentence
    sampled = directions.run(directions.Spec(**SMALL, estimator="score"))
    assert {each.word for each in sampled.verdicts} == {"no prediction"}
    assert sampled.table["predicted_error"].isna().all()


def test_few_inputs_are_held_against_what_all_inputs_would_show():
    """The error of eight inputs is not that of the law of inputs; what is compared with theory is, up to noise."""
    spec = directions.Spec(width=8, hidden_layers=2, samples=8, bias_variance=0.0, seeds=16)
    points = directions.run(spec).tables["points"]
    own = points[points["structure"] == "layer_blocks"]
    truth = []
    for number in range(spec.seeds):
        network = network_of(spec, number)
        x = fc.inputs.gaussian(count=2000, dim=8, seed=99)
        dense, layout = fc.fisher(network, x).dense(), network.layout
        kept = sum(dense[layout.layer_slice(i), layout.layer_slice(i)].square().sum() for i in (1, 2, 3))
        truth.append(float((1 - kept / dense.square().sum()).sqrt()))
    far = own["population_error"].to_numpy() - np.array(truth)
    assert abs(far.mean()) < 3 * far.std(ddof=1) / 4
    biased = own["error"].to_numpy() - np.array(truth)
    assert biased.mean() > 3 * biased.std(ddof=1) / 4


def test_deeper_than_wide_has_no_prediction():
    result = directions.run(directions.Spec(width=4, hidden_layers=3, samples=20, seeds=4))
    assert {each.word for each in result.verdicts} == {"no prediction"}
    assert any("Depth over width is 0.75" in each.sentence for each in result.verdicts)


@pytest.mark.parametrize(
    "change",
    [
        {"activation": "relu", "weight_variance": 1e-9, "bias_variance": 0.0, "hidden_layers": 12},
        {"activation": "relu", "weight_variance": 100.0, "hidden_layers": 12, "width": 64},
    ],
    ids=["vanishing", "exploding"],
)
def test_extreme_networks_give_missing_values_and_a_sentence(change):
    result = directions.run(directions.Spec(**(SMALL | change)))
    table = result.table
    numbers_of = table.select_dtypes("number")
    assert not np.isinf(numbers_of.to_numpy(float)).any()
    assert (table["cosine"].notna() | (table["note"] != "")).all()


def test_a_network_of_which_only_the_last_bias_is_alive():
    """A dead ReLU network still moves its output's bias: every structure gives that direction."""
    result = directions.run(
        directions.Spec(width=1, activation="relu", hidden_layers=6, bias_variance=0.0, samples=40, seeds=2)
    )
    np.testing.assert_allclose(result.table["cosine"], 1)
    assert len(result.tables["pairs"]) == 0


@pytest.mark.parametrize(
    ("trouble", "word"), [(0.0, "is zero"), (float("nan"), "overflow"), (float("inf"), "overflow")], ids=str
)
def test_a_matrix_of_nothing_or_beyond_numbers_has_one_sentence(monkeypatch, trouble, word):
    original = directions.exact_inverse

    def scaled(made, *layer):
        inverse = original(made, *layer)
        inverse.matrix.mul_(trouble)
        return inverse

    monkeypatch.setattr(directions, "exact_inverse", scaled)
    result = directions.run(directions.Spec(**SMALL))
    assert result.table["cosine"].isna().all()
    assert all(word in note for note in result.table["note"])
    assert len(result.tables["pairs"]) == 0


def test_linear_networks_make_kfac_exact_inside_layers():
    table = directions.run(directions.Spec(**SMALL, activation="linear")).table.set_index("structure")
    assert table.loc["kfac", "error"] == pytest.approx(table.loc["layer_blocks", "error"], rel=1e-9)
    assert table.loc["kfac", "cosine"] == pytest.approx(table.loc["layer_blocks", "cosine"], abs=1e-7)


@pytest.mark.parametrize("change", [{"damping": 0.0}, {"damping": -1}, {"damping": "much"}, {"seeds": 0}], ids=str)
def test_bad_settings_are_refused(change):
    with pytest.raises(SpecError) as error:
        spec_from_mapping("directions", change)
    assert len(error.value.lines) == 1


def test_too_large_is_refused_before_it_starts():
    with pytest.raises(fc.BudgetError, match="is the limit here"):
        directions.run(directions.Spec(), limits=fc.Budget(10_000, 1.0))
