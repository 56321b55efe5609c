"""NPZ files: which array is which, dtypes, shapes, and refusals of pickles, bombs and headers that lie."""

import gzip
import io
import zipfile

import numpy as np
import pytest
import torch

import fimcore as fc
from fimcore.inputs import InputError

X = np.random.default_rng(0).normal(size=(5, 3))
CLASSES = np.arange(5, dtype=np.uint8)


def saved(path, *, compressed=False, **arrays):
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return path


def refusal(path, target=None, **limits):
    with pytest.raises(InputError) as error:
        fc.inputs.load(path, target, **limits)
    return str(error.value)


@pytest.mark.parametrize("input_key", ["x", "X", "images", "data", "anything"])
@pytest.mark.parametrize("label_key", ["y", "Y", "labels", "targets", None])
def test_arrays_are_found_by_their_names(tmp_path, input_key, label_key):
    arrays = {input_key: X} | ({label_key: CLASSES} if label_key else {})
    data = fc.inputs.load(saved(tmp_path / "a.npz", **arrays))
    assert torch.equal(data.x, torch.as_tensor(X))
    assert data.columns == ("column 1", "column 2", "column 3")
    assert data.name == "a.npz"
    if label_key is None:
        assert data.y is None
    else:
        assert data.y.dtype is torch.int64
        assert data.y.tolist() == [0, 1, 2, 3, 4]


def test_compressed_gzipped_and_images(tmp_path):
    images = np.arange(24, dtype=np.uint8).reshape(3, 2, 4)
    plain = saved(tmp_path / "a.npz", compressed=True, images=images, labels=np.array([True, False, True]))
    packed = tmp_path / "a.npz.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    for path in (plain, packed):
        data = fc.inputs.load(path, dtype=torch.float32)
        assert data.x.dtype is torch.float32
        assert data.x.tolist() == images.reshape(3, 8).tolist()
        assert data.columns[:5] == ("pixel 1,1", "pixel 1,2", "pixel 1,3", "pixel 1,4", "pixel 2,1")
        assert data.y.tolist() == [1, 0, 1]
    colours = fc.inputs.load(saved(tmp_path / "c.npz", x=images.reshape(3, 2, 2, 2)))
    assert colours.x.tolist() == images.reshape(3, 8).tolist()
    assert colours.columns[-1] == "entry 2,2,2"


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2", "|b1", "|i1", ">i2", "<u4", ">u8", "longdouble"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_kind_of_number_in_every_order(tmp_path, dtype, order):
    x = np.asarray([[0, 1, 1], [1, 0, 1]]).astype(dtype, order=order)
    data = fc.inputs.load(saved(tmp_path / "a.npz", x=x, y=x))
    assert data.x.tolist() == data.y.tolist() == [[0, 1, 1], [1, 0, 1]]
    assert data.x.dtype is torch.float64
    assert data.y.dtype is (torch.float64 if np.dtype(dtype).kind == "f" else torch.int64)


def test_targets_by_name_and_by_column(tmp_path):
    path = saved(tmp_path / "a.npz", x=X, y=CLASSES, other=X[:, :2])
    assert fc.inputs.load(path, "other").y.tolist() == X[:, :2].tolist()
    by_column = fc.inputs.load(path, 1)
    assert by_column.x.tolist() == X[:, [0, 2]].tolist()
    assert by_column.y.tolist() == X[:, 1].tolist()
    assert by_column.columns == ("column 1", "column 3")
    table = saved(tmp_path / "t.npz", table=np.array([[1, 2], [3, 4]]))
    assert fc.inputs.load(table, 0).y.dtype is torch.int64
    one = saved(tmp_path / "one.npz", x=X[:, 0], y=X)
    assert fc.inputs.load(one).x.tolist() == X[:, :1].tolist()
    assert "`target` is 'none'; the arrays of a.npz are x, y, other" in refusal(path, "none")
    assert "`target` is 3; a.npz: array 'x' has shape (5, 3)" in refusal(path, 3)
    assert "`target` is 0; a.npz: array 'x' has shape (3, 2, 4)" in refusal(
        saved(tmp_path / "a.npz", x=np.zeros((3, 2, 4))), 0
    )
    assert "no column left besides the target" in refusal(saved(tmp_path / "a.npz", x=X[:, :1]), 0)


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"a": X, "b": X}, "a.npz holds the arrays a, b; name the inputs one of x, X, images, data"),
        ({}, "a.npz holds the arrays none"),
        ({"x": np.array([[1, None], [2, 3]], dtype=object)}, "array 'x' holds pickled Python objects"),
        ({"x": X, "y": np.array(["a"] * 5)}, "array 'y' holds str32, not real numbers"),
        ({"x": X + 1j}, "array 'x' holds complex128, not real numbers"),
        ({"x": np.zeros(3, dtype="datetime64[s]")}, "not real numbers"),
        ({"x": np.zeros(3, dtype=[("a", "f8")])}, "not real numbers"),
        ({"x": np.float64(3)}, "array 'x' is a single number"),
        ({"x": X[:1]}, "array 'x' has 1 row of values; 2 or more are needed"),
        ({"x": X[:, :0]}, "array 'x' has 0 columns"),
        ({"x": np.zeros((2, 5, 5))}, "array 'x' has 25 columns"),
        ({"x": X, "y": CLASSES[:4]}, "array 'y' has shape (4,); for 5 inputs labels of shape (5,) or (5, C) work"),
        ({"x": X, "y": np.zeros((5, 1, 1))}, "array 'y' has shape (5, 1, 1)"),
        ({"x": X, "y": np.full(5, 2**64 - 1, dtype=np.uint64)}, "the label 18446744073709551615"),
        ({"x": np.array([[1, 2], [3, np.inf], [np.nan, 4]])}, "not finite, first in row 2, column 2: inf"),
        ({"x": np.array([[[1, 2]], [[np.nan, 4]]])}, "not finite, first in row 2, pixel 1,1: nan"),
        (
            {"x": X, "y": np.array([0, 1, np.nan, 1, 1])},
            "array 'y' has numbers that are not finite, first in row 3, column 1",
        ),
        ({"x": np.zeros((60, 20))}, "a.npz has 0.0 MB"),
    ],
)
def test_arrays_that_cannot_be_used(tmp_path, arrays, sentence):
    message = refusal(saved(tmp_path / "a.npz", **arrays), max_bytes=9000, max_columns=20)
    assert sentence in message
    assert "work" in message


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def zipped(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_bombs_are_refused_before_they_unpack(tmp_path):
    bomb = zipped(tmp_path / "a.npz", {"x.npy": npy(np.zeros((2000, 100))), "ignored.npy": npy(X)})
    assert bomb.stat().st_size < 20_000
    assert "a.npz unpacks to more than 0.02 MB" in refusal(bomb, max_bytes=20_000)
    assert fc.inputs.load(bomb, max_bytes=2_000_000).x.shape == (2000, 100)
    packed = tmp_path / "b.npz.gz"
    packed.write_bytes(gzip.compress(saved(tmp_path / "plain.npz", x=np.zeros((2000, 100))).read_bytes()))
    assert "b.npz.gz unpacks to more than 0.02 MB" in refusal(packed, max_bytes=20_000)
    # what is not asked for is not unpacked
    beside = zipped(tmp_path / "c.npz", {"x.npy": npy(X), "big.npy": npy(np.zeros((2000, 100)))})
    assert fc.inputs.load(beside, max_bytes=20_000).x.shape == (5, 3)


def test_headers_that_lie_are_refused(tmp_path):
    content = npy(X)
    longer = content.replace(b"(5, 3)", b"(9, 3)")
    assert "a header of shape (9, 3) that does not match its size" in refusal(
        zipped(tmp_path / "a.npz", {"x.npy": longer})
    )
    negative = content.replace(b"(5, 3), ", b"(-5, -3)")
    assert "does not match its size" in refusal(zipped(tmp_path / "a.npz", {"x.npy": negative}))
    for other in (content[:-1], content + b"\0"):
        assert "does not match its size" in refusal(zipped(tmp_path / "a.npz", {"x.npy": other}))
    assert "compressed in a way numpy does not write" in refusal(
        zipped(tmp_path / "a.npz", {"x.npy": content}, zipfile.ZIP_BZIP2)
    )
    for broken in (b"", b"PK", content, b"\x93NUMPY", zipped(tmp_path / "z", {"x.npy": b"junk"}).read_bytes()):
        (tmp_path / "a.npz").write_bytes(broken)
        assert "a.npz is not an NPZ file or is damaged. An NPZ with arrays of numbers" in refusal(tmp_path / "a.npz")


def test_a_changed_number_fails_the_checksum(tmp_path):
    path = zipped(tmp_path / "a.npz", {"x.npy": npy(X)}, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    place = content.index(X[2].tobytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert "damaged" in refusal(path)
