"""CSV tables of one's own, plain and gzipped: what is read, and the sentence for everything that is not."""

import gzip

import pytest
import torch

import fimcore as fc
from fimcore.inputs import InputError, content_hash, file_hash


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
    with pytest.raises(InputError, match=r"`path` is 'x.pkl'; a .csv, .npz or IDX file .* works, also as .gz"):
        fc.inputs.load(tmp_path / "x.pkl")
    file = tmp_path / "t.csv"
    file.write_text("a,b\n1,2\n3,4\n")
    for target in ("c", 2, -1):
        with pytest.raises(InputError, match=rf"`target` is {target!r}; the columns of t\.csv are a, b"):
            fc.inputs.load(file, target=target)
    with pytest.raises(InputError, match=r"`target` is 'c'; the columns of t\.csv are a, b"):
        fc.inputs.load(file, target="c")
    with pytest.raises(InputError, match=r"which does not exist here; a \.csv"):
        fc.inputs.load("x" * 5000 + ".csv")
    (tmp_path / "big.csv").write_text("1e300,2\n3,4\n")
    with pytest.raises(InputError, match=r"`dtype` is torch\.float32; big\.csv holds numbers that overflow it"):
        fc.inputs.load(tmp_path / "big.csv", dtype=torch.float32)


def test_a_gzipped_table_is_the_table(tmp_path):
    content = b"a,b,label\n1,2,0\n3,4.5,1\n"
    file = tmp_path / "t.CSV.GZ"
    file.write_bytes(gzip.compress(content))
    data = fc.inputs.load(file, "label", dtype=torch.float32)
    assert data.x.tolist() == [[1, 2], [3, 4.5]]
    assert data.x.dtype is torch.float32
    assert data.y.tolist() == [0, 1]
    assert data.name == "t.CSV.GZ"
    file.write_bytes(gzip.compress(b"a,b\n1,x\n3,4\n"))
    with pytest.raises(InputError, match=r"t\.CSV\.GZ has 1 column with text .* works"):
        fc.inputs.load(file)


def test_hashes_name_content(tmp_path):
    assert content_hash(b"abc") == "ba7816bf8f01cfea"
    file = tmp_path / "t.csv"
    file.write_bytes(b"abc")
    assert file_hash(file) == content_hash(b"abc")
    assert file_hash(file, max_bytes=2) == ""
    assert file_hash(tmp_path / "none.csv") == file_hash("nul\0l") == ""
