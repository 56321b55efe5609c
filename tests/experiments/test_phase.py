"""The question phase: signals equal those of each network, predictions hold, criticality and its absence, streaming, refusal."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import fimcore as fc
from fimcore.experiments import SpecError, phase, phase_theory, spec_from_mapping
from fimcore.experiments.setting import network_of
from fimcore.fisher.signals import signals
from fimcore.inputs import InputError

SMALL = {"width": 16, "hidden_layers": 4, "samples": 20, "seeds": 3}


def rows(result, quantity):
    table = result.tables["signal"]
    return table[table["quantity"] == quantity]


def test_tables_hold_the_signals_of_each_network():
    spec = phase.Spec(**SMALL, inputs="sphere")
    result = phase.run(spec)
    own = signals(network_of(spec, 1), *phase.pairs_of(spec, 1))
    points = result.tables["points"]
    np.testing.assert_allclose(points[points["seed"] == 1]["gradient"], own.gradients, rtol=1e-12)
    each = [signals(network_of(spec, number), *phase.pairs_of(spec, number)).lengths for number in range(3)]
    np.testing.assert_allclose(rows(result, "length")["measured"], np.mean(each, axis=0), rtol=1e-12)
    np.testing.assert_allclose(rows(result, "length")["spread"], np.std(each, axis=0, ddof=1), rtol=1e-12)
    assert result.arrays["diagram_chi"].shape == (100, 100)


@pytest.mark.parametrize("law", ["gaussian", "sphere"])
@pytest.mark.parametrize("overlap", [-0.4, 0.3, 1.0])
def test_pairs_have_the_overlap_that_was_set(law, overlap):
    x, partner = phase.pairs_of(phase.Spec(inputs=law, overlap=overlap, samples=4000, input_dim=20), 0)
    assert x.shape == partner.shape == (2000, 20)
    found = (x * partner).mean(dim=1)
    assert float(found.mean()) == pytest.approx(overlap, abs=0.02)
    assert float(partner.square().mean()) == pytest.approx(1.0, abs=0.02)
    if law == "sphere":
        np.testing.assert_allclose(found, overlap, atol=1e-12)


@pytest.mark.parametrize(
    "setting",
    [
        {},
        {"weight_variance": 3.0, "bias_variance": 0.05},
        {"activation": "relu", "weight_variance": 2.0, "bias_variance": 0.0},
        {"activation": "gelu", "weight_variance": 1.8},
        {"activation": "softplus", "weight_variance": 1.2},
    ],
    ids=str,
)
def test_wide_networks_follow_the_prediction(setting):
    spec = phase.Spec(**setting, width=400, hidden_layers=6, seeds=6, inputs="sphere", samples=40)
    result = phase.run(spec)
    for quantity in ("length", "correlation", "gradient"):
        table = rows(result, quantity)
        error = table["spread"] / np.sqrt(table["seeds"])
        assert (abs(table["measured"] - table["predicted"]) < 4.5 * error + 0.03 * table["predicted"].abs()).all()
    assert {verdict.word for verdict in result.verdicts} <= {"agrees", "close"}


def test_the_sheets_fixed_points_and_depth_scales():
    spec = phase.Spec(weight_variance=3.0, bias_variance=0.05)
    result = phase.run(spec.model_copy(update={"width": 8, "seeds": 1, "samples": 4}))
    (root,) = result.tables["fixed_points"].to_dict("records")
    assert root["length"] == pytest.approx(1.42800846, rel=1e-8)
    assert root["chi"] == pytest.approx(1.20893442, rel=1e-8)
    assert root["correlation"] == pytest.approx(0.29931764, rel=1e-7)
    depths = result.tables["depth_scales"].set_index("quantity")["depth"]
    assert depths["length"] == pytest.approx(1.0415, rel=1e-4)
    assert depths["correlation"] == pytest.approx(9.0515, rel=1e-4)
    assert depths["gradient"] == pytest.approx(-1 / np.log(1.20893442), rel=1e-7)


def test_at_criticality_there_is_no_depth_scale():
    scales = phase_theory.depth_scales(phase.Spec(activation="relu", weight_variance=2.0, bias_variance=0.0))
    law = scales.set_index("quantity").loc["correlation"]
    assert (law["law"], law["power"]) == ("algebraic", 2)
    assert law["prefactor"] == pytest.approx(9 * np.pi**2 / 2)
    assert not np.isinf(scales[["depth", "limit", "prefactor"]].to_numpy(dtype=float)).any()


@pytest.mark.parametrize("setting", [{}, {"weight_variance": 3.0}, {"activation": "gelu", "weight_variance": 1.9}])
def test_maps_pass_through_their_fixed_points_and_the_layers(setting):
    spec = phase.Spec(**setting)
    point, theory = phase_theory.fixed_point(spec), phase_theory.layers(spec)
    length, (overlap, _) = phase_theory.length_map(spec), phase_theory.correlation_map(spec)
    assert np.interp(point.q, length["value"], length["next"]) == pytest.approx(point.q, rel=2e-3)
    assert np.interp(point.correlation, overlap["value"], overlap["next"]) == pytest.approx(point.correlation, abs=2e-3)
    following = np.interp(theory["length"][:-1], length["value"], length["next"])
    np.testing.assert_allclose(following, theory["length"][1:], rtol=2e-3)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"activation": "tanh", "weight_variance": 0.5, "bias_variance": 0.0}, "fade to zero"),
        ({"activation": "gelu", "weight_variance": 3.0}, "no one overlap map"),
        ({"activation": "relu", "weight_variance": 3.0, "bias_variance": 0.5}, "in that limit"),
    ],
    ids=str,
)
def test_where_there_is_no_overlap_map_it_is_said(setting, said):
    table, reason = phase_theory.correlation_map(phase.Spec(**setting))
    assert said in reason
    assert len(table) == (0 if "limit" not in said else phase_theory.MAP_POINTS)


def test_caveats_say_what_is_averaged():
    assert phase_theory.caveats(phase.Spec()) == ()
    (deep,) = phase_theory.caveats(phase.Spec(width=64, hidden_layers=16))
    assert "Depth over width is 0.25" in deep
    assert any("mean length" in each for each in phase_theory.caveats(phase.Spec(inputs="digits")))
    assert any("± 71 %" in each for each in phase_theory.caveats(phase.Spec(input_dim=4)))


def test_data_overflow_and_dead_networks_are_answered():
    digits = phase.run(phase.Spec(**SMALL, inputs="digits", overlap=-1.0))
    assert np.isfinite(rows(digits, "length")["predicted"]).all()
    loud = phase.run(
        phase.Spec(width=4, hidden_layers=64, seeds=2, samples=4, activation="linear", weight_variance=100.0)
    )
    assert not np.isinf(loud.table[["measured", "predicted"]].to_numpy()).any()
    dead = phase.run(
        phase.Spec(width=1, hidden_layers=24, seeds=2, samples=4, activation="relu", bias_variance=0.0, input_dim=2)
    )
    assert rows(dead, "correlation")["measured"].isna().any()
    assert len(dead.verdicts) == 3


def test_partial_results_stream_and_cancel_keeps_them():
    seen = []

    def watch(fraction, message, partial=None):
        assert 0 <= fraction <= 1
        if partial is not None:
            seen.append(partial)
            if len(seen) == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        phase.run(phase.Spec(**SMALL), progress=watch)
    assert [len(partial.tables["points"]) for partial in seen] == [4, 8]
    assert not seen[-1].complete


def test_refusals(tmp_path):
    with pytest.raises(fc.BudgetError, match="is the limit here"):
        phase.run(phase.Spec(), limits=fc.Budget(10_000, 1.0))
    with pytest.raises(SpecError):
        spec_from_mapping("phase", {"overlap": 1.5})
    with pytest.raises(InputError, match="needs 2 or more"):
        phase.run(phase.Spec(**SMALL, inputs="sphere", input_dim=1))
    pd.DataFrame({"a": [1.0], "b": [2.0]}).to_csv(tmp_path / "one.csv", index=False)
    with pytest.raises(ValueError):
        phase.run(phase.Spec(**SMALL, inputs="csv", data_file=str(tmp_path / "one.csv")))


def test_default_answer_and_diagram_are_quick():
    result = phase.run(phase.Spec())
    assert result.seconds < 3.0  # 0.4 s on an idle core
    assert phase_theory.diagram("tanh") is phase_theory.diagram("tanh")
