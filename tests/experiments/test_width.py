"""The question width: measured ratios equal block norms, the sheet's plateau values, slopes, streaming, refusal."""

import numpy as np
import pandas as pd
import pytest

import fimcore as fc
from fimcore.experiments import SpecError, spec_from_mapping, width
from fimcore.experiments.setting import inputs_of, network_of
from fimcore.experiments.width_verdicts import verdicts


def test_ratios_equal_block_norms_of_each_network():
    spec = width.Spec(widths=[4, 8], samples=40, seeds=3, hidden_layers=2)
    points = width.run(spec).tables["points"]
    setting = spec.at(8)
    norms = fc.block_norms(network_of(setting, 1), inputs_of(setting, 1))
    row = points[(points["width"] == 8) & (points["seed"] == 1) & (points["layer"] == 2)].iloc[0]
    assert row["rms_ratio"] == pytest.approx(norms.rms_ratio[1], rel=1e-12)
    assert sorted(points["layer"].unique()) == [1, 2]


def test_plateau_of_a_wide_tanh_network():
    """Few outputs: the ratio does not fall with width. Layers 1 to 3 of tanh (1.8, 0.1): 0.322, 0.424, 0.476."""
    spec = width.Spec(widths=[64, 256], weight_variance=1.8, bias_variance=0.1, samples=400, seeds=4)
    result = width.run(spec)
    ratios = result.tables["ratios"]
    wide = ratios[ratios["width"] == 256]
    np.testing.assert_allclose(wide["measured"], [0.322, 0.424, 0.476], rtol=0.12)
    np.testing.assert_allclose(wide["predicted"], [0.322, 0.424, 0.476], rtol=0.03)
    slopes = result.tables["slopes"]
    assert (slopes["slope"].abs() < 0.15).all()
    assert (slopes["low"] <= slopes["slope"]).all()
    assert [verdict.quantity for verdict in result.verdicts[:3]] == [f"Slope of layer {layer}" for layer in (1, 2, 3)]


def test_as_many_outputs_as_units_falls_with_slope_minus_one_half():
    spec = width.Spec(widths=[32, 64, 128], outputs="n", weight_variance=1.8, bias_variance=0.0, samples=30, seeds=4)
    tables = width.run(spec).tables
    np.testing.assert_allclose(tables["ratios"]["measured"], tables["ratios"]["predicted"], rtol=0.08)
    np.testing.assert_allclose(tables["slopes"]["slope"], [-0.48, -0.48, -0.48], atol=0.06)
    np.testing.assert_allclose(tables["slopes"]["predicted"], -0.5, atol=0.04)


def test_mass_shares_add_up_and_are_predicted():
    mass = width.run(width.Spec(widths=[8, 32], samples=100, seeds=4)).tables["mass"]
    sums = mass.groupby(["width", "layers"])[["measured", "predicted"]].sum()
    np.testing.assert_allclose(sums.to_numpy(), 1, atol=1e-12)


def test_partial_results_stream_and_cancel_keeps_them():
    seen = []

    def watch(fraction, message, partial=None):
        assert 0 <= fraction <= 1
        if partial is not None:
            seen.append(partial)
            if len(seen) == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        width.run(width.Spec(widths=[4, 8], samples=20, seeds=4), progress=watch)
    assert [len(partial.tables["points"]) for partial in seen] == [3, 6, 9]
    assert not seen[-1].complete


def test_softmax_has_no_prediction_and_says_why():
    result = width.run(width.Spec(widths=[4, 8], samples=20, seeds=2, likelihood="softmax", outputs=10))
    assert result.tables["ratios"]["predicted"].isna().all()
    assert all(verdict.word == "no prediction" for verdict in result.verdicts)
    assert "softmax" in result.verdicts[0].sentence


@pytest.mark.parametrize(
    "change",
    [
        {"narrowest": 64, "widest": 16},
        {"outputs": "m"},
        {"outputs": 0},
        {"widths": [0, 4]},
        {"widths": ["a"]},
        {"widest": 10**6},
        {"likelihood": "softmax"},
        {"hidden_layers": 0},
        {"samples": 1},
        {"weight_variance": 0},
        {"bias_variance": -1},
        {"width": 0},
        {"observable": "median"},
    ],
    ids=str,
)
def test_bad_sweeps_are_refused(change):
    with pytest.raises(SpecError) as error:
        spec_from_mapping("width", change)
    assert len(error.value.lines) == 1
    field, value = next(iter(change.items()))
    assert field in error.value.lines[0] or field == "likelihood"
    assert str(value).strip("[]").split(",")[0] in error.value.lines[0]


def test_sweep_widths():
    assert width.Spec().swept == (16, 32, 64, 128, 256, 512)
    assert width.Spec(narrowest=10, widest=50).swept == (10, 20, 40, 50)
    assert width.Spec(widths=(64, 4)).swept == (4, 64)
    assert width.Spec(outputs="n").at(32).outputs == 32


def test_too_large_is_refused_before_it_starts():
    with pytest.raises(fc.BudgetError, match="is the limit here"):
        width.run(width.Spec(), limits=fc.Budget(10_000, 1.0))


def test_a_refused_list_of_widths_names_its_own_widest_and_one_of_its_own_that_fits():
    spec = width.Spec(widths=(1024, 2048, 4096), outputs="n", seeds=32)
    with pytest.raises(fc.BudgetError) as refusal:
        width.run(spec, limits=fc.Budget(2**30, 1.0))
    assert str(refusal.value).startswith("Width 4096 with 3 hidden layers has")
    assert str(refusal.value).endswith("Lower the widths, the inputs N or the outputs.")
    spec = width.Spec(widths=(3, 24, 100, 4000), samples=20, seeds=1, input_dim=5)
    enough = width.cost(spec.narrowed(100))
    with pytest.raises(fc.BudgetError, match=r"Largest width that works with these settings: 100\."):
        width.run(spec, limits=fc.Budget(enough.bytes, 1e9))
    assert spec.narrowed(100).widths == (3, 24, 100)
    assert width.Spec(narrowest=16, widest=512).narrower_widths() == (256, 128, 64, 32)


def test_one_seed_and_one_width_are_answered():
    result = width.run(width.Spec(widths=[8], samples=20, seeds=1))
    assert result.tables["slopes"]["slope"].isna().all()
    assert {verdict.word for verdict in result.verdicts} <= {"too few seeds to say", "no prediction"}


def slopes(low, slope, high, predicted):
    row = {"observable": "ratio", "part": "layer 1", "slope": slope, "low": low, "high": high, "predicted": predicted}
    return pd.DataFrame([row | {"networks": 40, "reason": ""}])


@pytest.mark.parametrize(
    ("found", "seeds", "word"),
    [
        ((-0.6, -0.5, -0.4), 8, "agrees"),
        ((-0.6, -0.5, -0.4), 4, "agrees"),
        ((-0.6, -0.5, -0.4), 3, "too few seeds to say"),
        ((-0.54, -0.53, -0.52), 8, "close"),
        ((-0.57, -0.56, -0.55), 8, "disagrees"),
        ((np.nan, -0.5, np.nan), 8, "too few seeds to say"),
    ],
)
def test_words_of_a_slope(found, seeds, word):
    (verdict,) = verdicts(slopes(*found, -0.5), seeds)
    assert verdict.word == word
    assert verdict.sentence.endswith(f": {word}.")


def test_a_steep_slope_is_close_within_ten_percent():
    assert verdicts(slopes(-1.1, -1.09, -1.08, -1.0), 8)[0].word == "close"


def test_two_seeds_never_agree():
    result = width.run(width.Spec(widths=[8, 16, 32], samples=30, seeds=2))
    assert {verdict.word for verdict in result.verdicts} == {"too few seeds to say", "no prediction"}
