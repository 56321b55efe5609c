"""BlockNorms against entry-by-entry counting on small explicit matrices."""

import itertools
import warnings

import numpy as np
import pytest

from fimcore.norms import BlockNorms

WIDTHS = (3, 4, 2, 2)


def explicit_matrix_and_norms(widths, seed=0):
    """A random symmetric matrix cut into layers and units, with T and U summed block by block."""
    rng = np.random.default_rng(seed)
    starts, layer_of, unit_of = [0], [], []
    for layer, (fan_in, units) in enumerate(itertools.pairwise(widths)):
        starts.append(starts[-1] + units * (fan_in + 1))
        layer_of += [layer] * (units * (fan_in + 1))
        unit_of += [unit for unit in range(units) for _ in range(fan_in + 1)]
    matrix = rng.normal(size=(starts[-1], starts[-1]))
    matrix = matrix + matrix.T
    layers = len(widths) - 1
    pairs = np.array(
        [
            [np.sum(matrix[starts[a] : starts[a + 1], starts[b] : starts[b + 1]] ** 2) for b in range(layers)]
            for a in range(layers)
        ]
    )
    layer_of, unit_of = np.array(layer_of), np.array(unit_of)
    same_layer = layer_of[:, None] == layer_of[None, :]
    same_unit = same_layer & (unit_of[:, None] == unit_of[None, :])
    unit_diagonal = np.array([np.sum(matrix[same_unit & (layer_of == layer)[:, None]] ** 2) for layer in range(layers)])
    return matrix, layer_of, same_layer, same_unit, pairs, unit_diagonal


def test_every_rms_is_the_rms_of_the_entries_it_names():
    matrix, layer_of, same_layer, same_unit, pairs, unit_diagonal = explicit_matrix_and_norms(WIDTHS)
    norms = BlockNorms(pairs, unit_diagonal, WIDTHS)
    for layer in range(3):
        rows = (layer_of == layer)[:, None]
        in_unit = np.sqrt(np.mean(matrix[same_unit & rows] ** 2))
        off_unit = np.sqrt(np.mean(matrix[same_layer & ~same_unit & rows] ** 2))
        assert norms.rms_in_unit[layer] == pytest.approx(in_unit, rel=1e-13)
        assert norms.rms_off_unit[layer] == pytest.approx(off_unit, rel=1e-13)
        assert norms.rms_ratio[layer] == pytest.approx(off_unit / in_unit, rel=1e-13)
        for other in range(3):
            block = matrix[layer_of == layer][:, layer_of == other]
            assert norms.rms_cross[layer, other] == pytest.approx(np.sqrt(np.mean(block**2)), rel=1e-13)
    assert norms.frobenius_norm == pytest.approx(np.linalg.norm(matrix), rel=1e-13)


def test_mass_shares_count_the_hidden_layers_and_all_layers():
    matrix, layer_of, same_layer, same_unit, pairs, unit_diagonal = explicit_matrix_and_norms(WIDTHS, seed=1)
    mass = BlockNorms(pairs, unit_diagonal, WIDTHS).mass
    assert list(mass.columns) == ["layers", "in_unit", "same_layer", "cross_layer"]
    assert list(mass["layers"]) == ["hidden layers", "all layers"]
    for row, keep in enumerate([layer_of < 2, layer_of < 3]):
        inside = keep[:, None] & keep[None, :]
        total = np.sum(matrix[inside] ** 2)
        expected = [
            np.sum(matrix[inside & same_unit] ** 2),
            np.sum(matrix[inside & same_layer & ~same_unit] ** 2),
            np.sum(matrix[inside & ~same_layer] ** 2),
        ]
        np.testing.assert_allclose(
            mass.loc[row, ["in_unit", "same_layer", "cross_layer"]].astype(float),
            np.array(expected) / total,
            rtol=1e-12,
        )


def test_a_rank_one_matrix_has_fully_correlated_layers():
    vector = np.arange(1.0, 1 + 4 * 4 + 2 * 5 + 2 * 3)
    squares = [np.sum(part**2) for part in np.split(vector, [16, 26])]
    norms = BlockNorms(np.outer(squares, squares), np.ones(3), WIDTHS)
    np.testing.assert_allclose(norms.layer_correlation, 1.0, rtol=1e-14)


def test_one_unit_layers_have_no_off_unit_entries():
    norms = BlockNorms(np.eye(2), np.array([0.5, 1.0]), (3, 4, 1))
    assert np.isfinite(norms.rms_ratio[0])
    assert np.isnan(norms.rms_ratio[1])
    assert np.isnan(norms.rms_off_unit[1])


def test_negative_unbiased_estimates_and_dead_layers_become_nan_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        norms = BlockNorms(np.array([[1.0, -0.01], [-0.01, 0.0]]), np.array([1.1, 0.0]), (3, 4, 2))
        assert np.isnan(norms.rms_off_unit[0])
        assert norms.off_unit[0] == pytest.approx(-0.1)
        assert np.isnan(norms.rms_cross[0, 1])
        assert np.isnan(norms.rms_ratio[1])
        assert norms.mass.loc[0, "same_layer"] == pytest.approx(-0.1)
        dead = BlockNorms(np.zeros((2, 2)), np.zeros(2), (3, 4, 2))
        assert dead.mass[["in_unit", "same_layer", "cross_layer"]].isna().all().all()


def test_without_hidden_layers_the_hidden_row_is_nan():
    mass = BlockNorms(np.array([[2.0]]), np.array([1.0]), (3, 2)).mass
    assert mass.loc[0, ["in_unit", "same_layer", "cross_layer"]].isna().all()
    assert mass.loc[1, "in_unit"] == pytest.approx(0.5)


def test_the_value_is_frozen_and_keeps_its_own_copy():
    pairs = np.eye(2)
    norms = BlockNorms(pairs, np.ones(2), (3, 4, 2))
    pairs[0, 0] = 7.0
    assert norms.layer_pairs[0, 0] == 1.0
    with pytest.raises(ValueError):
        norms.layer_pairs[0, 0] = 2.0
    assert "E_{y~p(y|x)}" in repr(norms)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ((np.eye(3), np.ones(2), (3, 4, 2)), "layer_pairs"),
        ((np.eye(2), np.ones(3), (3, 4, 2)), "unit_diagonal"),
        ((np.eye(2), np.ones(2), (3,)), "widths"),
        ((np.eye(2), np.ones(2), (3, 0, 2)), "widths"),
    ],
)
def test_wrong_shapes_are_named(arguments, field):
    with pytest.raises(ValueError, match=f"`{field}`"):
        BlockNorms(*arguments)
