"""From a Spec to its data: moments of a table without its Gram matrix, files that are rewritten, label columns."""

import time

import numpy as np
import pytest
import torch

from fimcore.experiments.explore_spec import Spec
from fimcore.experiments.setting import input_moments, inputs_of, labels_of
from fimcore.inputs import InputError, standardise


def table(folder, numbers, name="table.csv"):
    path = folder / name
    np.savetxt(path, numbers, delimiter=",", fmt="%.6g")
    return path


def spec_for(path, **changes):
    return Spec(inputs="csv", data_file=str(path), **changes)


def test_moments_of_a_table_equal_those_of_its_gram_matrix(tmp_path):
    numbers = np.random.default_rng(0).standard_normal((60, 5)) ** 2
    path = table(tmp_path, numbers)
    x = standardise(torch.tensor(np.loadtxt(path, delimiter=",")))
    gram = x @ x.T / 5
    overlaps = gram[~torch.eye(60, dtype=torch.bool)]
    found = input_moments(spec_for(path))
    assert found.length == pytest.approx(float(gram.diagonal().mean()), rel=1e-12)
    assert found.overlap == pytest.approx(float(overlaps.mean()), rel=1e-9)
    assert found.overlap_variance == pytest.approx(float(overlaps.var(correction=0)), rel=1e-9)


def test_moments_of_twenty_thousand_rows_need_no_gram_matrix(tmp_path, monkeypatch):
    """The Gram matrix would hold 3.2 GB."""
    spec = spec_for(table(tmp_path, np.random.default_rng(0).standard_normal((20_000, 4))))
    inputs_of(spec)
    sizes = []
    product = torch.Tensor.__matmul__
    monkeypatch.setattr(
        torch.Tensor, "__matmul__", lambda a, b: sizes.append((a.shape[0], b.shape[-1])) or product(a, b)
    )
    start = time.perf_counter()
    found = input_moments(spec)
    assert time.perf_counter() - start < 1
    assert max(max(size) for size in sizes) <= 4
    assert found.length == pytest.approx(1)
    assert found.overlap_variance == pytest.approx(1 / 4, rel=0.02)
    asked = len(sizes)
    assert input_moments(spec) == found
    assert len(sizes) == asked


def test_a_rewritten_table_is_read_again(tmp_path):
    path = table(tmp_path, [[1, 2], [3, 5], [4, 9]])
    spec = spec_for(path, seed=1)
    first, moments = inputs_of(spec), input_moments(spec)
    table(tmp_path, [[1, 2], [3, 5], [4, 8], [0, 1]])
    assert inputs_of(spec).shape == (4, 2)
    assert input_moments(spec) != moments
    table(tmp_path, [[1, 2], [3, 5], [4, 9]])
    assert torch.equal(inputs_of(spec), first)
    assert labels_of(spec).shape == (3, 1)


def test_label_columns_are_counted_from_one_and_the_fault_says_so(tmp_path):
    path = table(tmp_path, [[1, 2, 0, 7], [3, 5, 1, 8], [4, 9, 1, 9]], "0123456789abcdef.csv")
    spec = spec_for(path, target=3, likelihood="softmax", outputs=2)
    assert sorted(labels_of(spec).tolist()) == [0, 1, 1]
    assert inputs_of(spec).shape == (3, 3)
    with pytest.raises(InputError) as fault:
        inputs_of(spec_for(path, target=7))
    assert str(fault.value) == "Label column 7 does not exist: the table has 4 columns."
    single = table(tmp_path, [[1], [2], [3]], "fedcba9876543210.csv")
    with pytest.raises(InputError, match="one column only"):
        inputs_of(spec_for(single, target=1))
