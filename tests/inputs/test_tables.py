"""Random inputs, the real digits, and tables of one's own."""

import pytest
import torch

import fimcore as fc
from fimcore.inputs import InputError, content_hash, standardise


def test_random_inputs_have_unit_mean_square():
    for draw in (fc.inputs.gaussian, fc.inputs.sphere):
        x = draw(4000, 12, seed=3)
        assert x.shape == (4000, 12)
        assert float(x.square().mean()) == pytest.approx(1, abs=4.5 * (2 / x.numel()) ** 0.5)
        assert torch.equal(x, draw(4000, 12, seed=3))
        assert not torch.equal(x, draw(4000, 12, seed=4))
        assert draw(3, 2, dtype=torch.float32).dtype is torch.float32
    radii = fc.inputs.sphere(50, 7).square().sum(dim=1)
    torch.testing.assert_close(radii, torch.full((50,), 7.0, dtype=torch.float64))


def test_digits_are_real_and_scaled():
    data = fc.inputs.digits()
    assert data.x.shape == (1797, 64)
    assert sorted(set(data.y.tolist())) == list(range(10))
    assert float(data.x.mean()) == pytest.approx(0, abs=1e-12)
    assert float(data.x.square().mean()) == pytest.approx(1)


def test_csv_with_and_without_names(tmp_path):
    named = tmp_path / "named.csv"
    named.write_text("a,b,label\n1,2,0\n3,4.5,1\n-1e3,0,1\n")
    data = fc.inputs.load(named, target="label")
    assert data.columns == ("a", "b")
    assert data.x.tolist() == [[1, 2], [3, 4.5], [-1000, 0]]
    assert data.y.tolist() == [0, 1, 1]
    assert fc.inputs.load(named, target=0).columns == ("b", "label")
    bare = tmp_path / "bare.csv"
    bare.write_text("1,2\n3,4\n")
    assert fc.inputs.load(bare).x.tolist() == [[1, 2], [3, 4]]
    assert fc.inputs.load(bare).columns == ("column 1", "column 2")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "t.csv is empty"),
        (b"a,b\n", "t.csv has 0 row of values"),
        (b"a,b\n1,2\n", "t.csv has 1 row of values"),
        (b"a,b\n1,x\n3,4\n", "t.csv has 1 column with text or missing numbers, first in column 'b', row 1: 'x'"),
        (b"a,b\n1,\n3,4\n", "first in column 'b', row 1: ''"),
        (b"a,b\n1,nan\n3,inf\n", "first in column 'b', row 1: 'nan'"),
        (b"a,b\n1,2\n3,4,5\n", "rows differ in length"),
        (b"a,b\n1,2,3\n4,5,6\n", "rows differ in length"),
        (b"a,b\n1,2,3\n4,5\n", "rows differ in length"),
        (b"a,b\n1,2,\n3,4,\n", "rows differ in length"),
        (b"a,b\n1,2,3,4\n5,6,7,8\n", "rows differ in length"),
        (b"\xff\xfe\x00\x01\x02", "is not a text table"),
        (b"1,2\n" + b"3,4\n" * 2000, "has 0.0 MB"),
        (",".join("abcdefghij").encode() + b"\n" + b"1,2,3,4,5,6,7,8,9,10\n" * 3, "t.csv has 10 columns"),
    ],
)
def test_bad_tables_get_one_sentence(tmp_path, content, sentence):
    file = tmp_path / "t.csv"
    file.write_bytes(content)
    with pytest.raises(InputError) as error:
        fc.inputs.load(file, max_bytes=5000, max_columns=8)
    assert sentence in str(error.value)
    assert "works" in str(error.value)


def test_missing_files_wrong_suffixes_and_targets(tmp_path):
    with pytest.raises(InputError, match=r"`path` is 'none\.csv', which does not exist here"):
        fc.inputs.load(tmp_path / "none.csv")
    with pytest.raises(InputError, match=r"`path` is 'x.pkl'; a .csv file works"):
        fc.inputs.load(tmp_path / "x.pkl")
    file = tmp_path / "t.csv"
    file.write_text("a,b\n1,2\n3,4\n")
    with pytest.raises(InputError, match=r"`target` is 'c'; the columns of t\.csv are a, b"):
        fc.inputs.load(file, target="c")


def test_standardise():
    x = torch.tensor([[1.0, 5.0], [3.0, 5.0]], dtype=torch.float64)
    assert standardise(x).tolist() == [[-1, 0], [1, 0]]
    with pytest.raises(InputError, match="`count` is 0"):
        fc.inputs.gaussian(0, 3)
    assert content_hash(b"abc") == "ba7816bf8f01cfea"
