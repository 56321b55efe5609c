"""The question explore: pictures equal the dense matrix, numbers equal brute force, and every setting is refused or answered."""

import json
import re

import numpy as np
import pytest
import torch
from pydantic import ValidationError

import fimcore as fc
from fimcore.experiments import SpecError, explore, spec_from_mapping
from fimcore.experiments import matrix_picture as pictures
from fimcore.experiments.setting import factors_of, inputs_of, labels_of, network_of
from fimcore.experiments.zoom import Place, Zoom

SMALL = {"width": 4, "hidden_layers": 2, "samples": 50, "seeds": 4}


def dense_of(spec):
    network, x = network_of(spec), inputs_of(spec)
    return fc.fisher(network, x, fc.Gaussian(spec.noise_variance)).dense().numpy(), network.layout


@pytest.mark.parametrize("cells", [7, 13, 45, 400])
@pytest.mark.parametrize("blocks", ["unit", "layer", "diagonal"])
@pytest.mark.parametrize("reduction", pictures.REDUCTIONS)
@pytest.mark.parametrize("normalised", [False, True])
def test_pooled_cells_equal_the_dense_matrix(cells, blocks, reduction, normalised, monkeypatch):
    monkeypatch.setattr(pictures, "STRIP_ENTRIES", 60)
    spec = explore.Spec(**SMALL)
    matrix, layout = dense_of(spec)
    if normalised:
        scale = np.sqrt(matrix.diagonal())
        matrix = matrix / np.outer(scale, scale)
    edges = pictures.parameter_edges(slice(0, layout.parameters), cells)
    found = pictures.picture(
        factors_of(spec), edges, edges, explore.STRUCTURE[blocks], reduction=reduction, normalised=normalised
    )
    kept = np.zeros_like(matrix)
    spots = [layout.locate(index) for index in range(layout.parameters)]
    for i, a in enumerate(spots):
        for j, b in enumerate(spots):
            if {"unit": a[:2] == b[:2], "layer": a.layer == b.layer, "diagonal": i == j}[blocks]:
                kept[i, j] = matrix[i, j]
    for name, whole in (("full", matrix), ("kept", kept)):
        expected = np.empty((len(edges) - 1, len(edges) - 1))
        for i in range(len(edges) - 1):
            for j in range(len(edges) - 1):
                cell = whole[edges[i] : edges[i + 1], edges[j] : edges[j + 1]]
                expected[i, j] = {
                    "largest": cell.flat[np.abs(cell).argmax()],
                    "mean_square": np.sqrt((cell**2).mean()),
                    "sum_square": (cell**2).sum(),
                }[reduction]
        np.testing.assert_allclose(np.abs(getattr(found, name)), np.abs(expected), rtol=1e-10, atol=1e-13)
        if reduction == "largest" and cells == 400:
            np.testing.assert_allclose(getattr(found, name), expected, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("zoom", ["", "2", "2x1", "1.3", "2.1x1.4", "9", "2.99"])
@pytest.mark.parametrize("level", ["parameters", "units", "layers"])
def test_zoomed_pictures_show_the_right_block(zoom, level):
    spec = explore.Spec(**SMALL, zoom=zoom, level=level)
    matrix, layout = dense_of(spec)
    shown = explore.matrix(spec)
    place = Zoom.parse(zoom, layout)
    rows, columns = place.rows.part(layout), place.columns.part(layout)
    assert (shown.rows.edges[0], shown.rows.edges[-1]) == (rows.start, rows.stop)
    assert (shown.columns.edges[0], shown.columns.edges[-1]) == (columns.start, columns.stop)
    block = matrix[rows, columns]
    depth = place.depth
    what = ("layers", "units", "parameters")[max(("layers", "units", "parameters").index(level), depth)]
    if what == "parameters":
        np.testing.assert_allclose(shown.full, block, rtol=1e-10, atol=1e-14)
        return
    for i in range(shown.full.shape[0]):
        for j in range(shown.full.shape[1]):
            a, b = shown.rows.edges[i : i + 2] - rows.start, shown.columns.edges[j : j + 2] - columns.start
            cell = block[a[0] : a[1], b[0] : b[1]]
            expected = (cell**2).sum() if what == "layers" else np.sqrt((cell**2).mean())
            assert shown.full[i, j] == pytest.approx(expected, rel=1e-10)
    names = {"layers": r"layer \d+", "units": r"layer \d+ · unit \d+"}[what]
    assert all(re.fullmatch(names, name) for name in shown.rows.names)


def test_summary_equals_brute_force():
    spec = explore.Spec(**SMALL, likelihood="softmax", outputs=3)
    table = explore.summary(spec)
    assert table["seed"].tolist() == [0, 1, 2, 3]
    matrix = fc.fisher(network_of(spec, 2), inputs_of(spec, 2), fc.Categorical()).dense()
    assert table["largest_eigenvalue"][2] == pytest.approx(float(torch.linalg.eigvalsh(matrix)[-1]), rel=1e-5)
    assert table["mean_eigenvalue"][2] == pytest.approx(float(matrix.diagonal().mean()))


@pytest.mark.parametrize("blocks", ["unit", "layer", "diagonal"])
def test_facts_equal_the_dense_matrix(blocks):
    spec = explore.Spec(**SMALL, blocks=blocks)
    matrix, layout = dense_of(spec)
    structure = explore.STRUCTURE[blocks]
    kept = fc.fisher(network_of(spec), inputs_of(spec), structure=structure).dense().numpy()
    found = explore.facts(spec)
    assert found["dropped_share"] == pytest.approx(1 - (kept**2).sum() / (matrix**2).sum())
    mask = fc.fisher(network_of(spec), inputs_of(spec), structure=structure)
    inside = np.zeros_like(matrix, dtype=bool)
    for i in range(layout.parameters):
        a = layout.locate(i)
        for j in range(layout.parameters):
            b = layout.locate(j)
            inside[i, j] = {"unit": a[:2] == b[:2], "layer": a.layer == b.layer, "diagonal": i == j}[blocks]
    ratio = np.sqrt((matrix[~inside] ** 2).mean() / (matrix[inside] ** 2).mean())
    assert found["entry_ratio"] == pytest.approx(ratio)
    assert mask.layout.parameters == found["parameters"]


def test_unbiased_diagonal_square():
    """Over all ordered pairs of a small population the U-statistic is the population's value."""
    from fimcore.fisher import diagonal_square

    spec = explore.Spec(**{**SMALL, "samples": 6})
    made = factors_of(spec)
    own = [
        factors_row.diagonal()
        for factors_row in (fc.fisher(network_of(spec), inputs_of(spec)[i : i + 1]) for i in range(6))
    ]
    expected = sum(float(own[i] @ own[j]) for i in range(6) for j in range(6) if i != j) / 30
    assert diagonal_square(made, unbiased=True) == pytest.approx(expected)
    assert diagonal_square(made, unbiased=False) == pytest.approx(float((sum(own) / 6).square().sum()))


def test_pinned_and_strongest_entries():
    spec = explore.Spec(**SMALL)
    matrix, _ = dense_of(spec)
    row, column = explore.strongest_entry(spec, (4, 12), (20, 31))
    block = np.abs(matrix[4:12, 20:31])
    assert (row - 4, column - 20) == np.unravel_index(block.argmax(), block.shape)
    pinned = explore.pinned_entry(spec, row, column)
    assert pinned["value"] == pytest.approx(matrix[row, column], rel=1e-12)
    assert pinned["normalised"] == pytest.approx(
        matrix[row, column] / np.sqrt(matrix[row, row] * matrix[column, column])
    )
    assert pinned["kept"] == 0
    assert explore.pinned_entry(spec, 0, 1)["kept"] == pytest.approx(matrix[0, 1])


def test_monte_carlo_and_empirical_settings():
    spec = explore.Spec(**SMALL, estimator="score", draws=3)
    assert factors_of(spec).rows == 3
    exact = fc.fisher(network_of(spec), inputs_of(spec), structure="diagonal").values
    draws = torch.stack(
        [
            fc.fisher(network_of(spec), inputs_of(spec), structure="diagonal", estimator="score", seed=s).values
            for s in range(300)
        ]
    )
    sampled = fc.fisher.from_factors(factors_of(spec), "diagonal").values
    spread = draws.std(dim=0) / 3**0.5
    assert float(((sampled - exact) / spread).abs().max()) < 6
    empirical = explore.Spec(**SMALL, estimator="empirical", inputs="digits", likelihood="softmax", outputs=10)
    assert factors_of(empirical).rows == 1
    assert labels_of(empirical).dtype == torch.int64
    assert factors_of(explore.Spec(**SMALL, estimator="empirical", inputs="digits", outputs=10)).rows == 1


@pytest.mark.parametrize(
    "change",
    [
        {"width": 0},
        {"weight_variance": -1},
        {"weight_variance": float("nan")},
        {"bias_variance": float("inf")},
        {"hidden_layers": 0},
        {"activation": "<script>"},
        {"outputs": 1, "likelihood": "softmax"},
        {"unknown": 3},
        {"zoom": "../../etc"},
        {"seeds": 10**9},
        {"estimator": "empirical", "inputs": "digits", "outputs": 3, "likelihood": "softmax"},
    ],
    ids=str,
)
def test_bad_settings_are_refused_in_a_sentence(change):
    with pytest.raises(ValidationError):
        explore.Spec(**change)
    with pytest.raises(SpecError) as error:
        spec_from_mapping("explore", change)
    assert len(error.value.lines) == 1
    assert "\n" not in error.value.lines[0]


def test_too_large_is_refused_with_what_fits():
    spec = explore.Spec(width=512, hidden_layers=6)
    with pytest.raises(
        fc.BudgetError, match=r"Width 512 with 6 hidden layers has 1.58 million parameters \(the full matrix"
    ):
        explore.run(spec)
    with pytest.raises(fc.BudgetError, match="Largest width that works with these settings: 16"):
        explore.run(explore.Spec(width=32), limits=fc.Budget(330_000_000, 1e9))


@pytest.mark.parametrize("activation", ["tanh", "relu", "erf", "gelu", "linear"])
def test_run_is_finite_and_saves(activation, tmp_path):
    spec = explore.Spec(**SMALL, activation=activation)
    result = explore.run(spec)
    assert np.isfinite(result.table.to_numpy(dtype=float)).all()
    assert len(result.verdicts) == len(explore.MEASURES)
    for suffix in ("json", "csv", "npz", "py"):
        result.save(tmp_path / f"r.{suffix}")
    saved = json.loads((tmp_path / "r.json").read_text())
    assert saved["settings"]["width"] == 4
    assert saved["seeds"] == [0, 1, 2, 3]
    with np.load(tmp_path / "r.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["full"], result.arrays["full"])
        np.testing.assert_array_equal(arrays["summary.largest_eigenvalue"], result.table["largest_eigenvalue"])
    space = {}
    exec(compile((tmp_path / "r.py").read_text(), "script", "exec"), space)
    np.testing.assert_allclose(space["result"].table.to_numpy(dtype=float), result.table.to_numpy(dtype=float))


def test_a_dead_network_is_answered():
    """ReLU, narrow, deep, no bias: every hidden unit is off for these inputs at this seed, and only the read-out's bias moves."""
    spec = explore.Spec(width=2, hidden_layers=6, samples=50, seeds=4, activation="relu", bias_variance=0.0)
    found = explore.facts(spec)
    assert found["all_hidden_dead"]
    assert found["dead"] == found["parameters"] - 1
    result = explore.run(spec)
    assert not np.isinf(result.table.to_numpy(dtype=float)).any()
    assert not explore.facts(explore.Spec(**SMALL))["all_hidden_dead"]


def test_the_mean_eigenvalue_is_predicted_only_where_depth_is_small_beside_width():
    narrow, wide = explore.Spec(), explore.Spec(width=128, hidden_layers=3, inputs="gaussian")
    row = explore.predictions(narrow).set_index("measure").loc["mean_eigenvalue"]
    assert np.isnan(row["predicted"])
    assert "Depth over width" in row["reason"]
    assert np.isfinite(explore.predictions(wide).set_index("measure").loc["mean_eigenvalue", "predicted"])


@pytest.mark.parametrize("activation", ["linear", "relu", "tanh"])
@pytest.mark.parametrize("noise_variance", [1e-6, 1e6])
def test_the_most_extreme_setting_stays_finite(activation, noise_variance):
    """Depth 12 at the largest variances: entries of 1e50 and their squares still fit; nothing becomes infinite unsaid."""
    spec = explore.Spec(
        **{**SMALL, "hidden_layers": 12},
        activation=activation,
        weight_variance=100.0,
        bias_variance=100.0,
        noise_variance=noise_variance,
    )
    result = explore.run(spec)
    assert np.isfinite(result.table.to_numpy(dtype=float)).all()
    assert np.isfinite(result.arrays["full"]).all()


def test_progress_cancels_every_part():
    class StoppedError(Exception):
        pass

    def stop(*_):
        raise StoppedError

    spec = explore.Spec(**SMALL)
    for part in (explore.matrix, explore.summary, explore.eigenvalues, explore.run):
        with pytest.raises(StoppedError):
            part(spec, progress=stop)


def test_zoom_text():
    layout = fc.ParameterLayout((3, 4, 2))
    assert str(Zoom.parse("2x1", layout)) == "2x1"
    assert str(Zoom.parse("2.1x1", layout)) == "2x1"
    assert Zoom.parse("2.1x1.4", layout).breadcrumb() == ("All", "layer 2 × layer 1", "unit 1 × unit 4")
    assert Zoom.parse("1.2", layout).breadcrumb() == ("All", "layer 1", "unit 2")
    assert str(Zoom().dive(layout, 0, 20)) == "1x2"
    assert str(Zoom().dive(layout, 0, 20).dive(layout, 5, 17)) == "1.2x2.1"
    assert str(Zoom.parse("1.2", layout).rise(1)) == "1"
    assert Place(7).inside(layout) == Place()
