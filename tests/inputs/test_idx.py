"""IDX files, the format of MNIST: every type code, labels in a file of their own, and headers that do not fit."""

import gzip
import struct

import numpy as np
import pytest
import torch

import fimcore as fc
from fimcore.inputs import InputError

CODES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
IMAGES = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)
LABELS = np.array([3, 1, 0, 2], dtype=np.uint8)


def idx(array, code=0x08):
    header = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(CODES[code]).tobytes()


def written(path, content):
    path.write_bytes(gzip.compress(content) if path.name.endswith(".gz") else content)
    return path


def refusal(path, target=None, **limits):
    with pytest.raises(InputError) as error:
        fc.inputs.load(path, target, **limits)
    return str(error.value)


@pytest.mark.parametrize("code", CODES)
def test_every_type_code(tmp_path, code):
    path = written(tmp_path / "a.idx", idx(IMAGES, code))
    labels = written(tmp_path / "b.idx", idx(LABELS, code))
    data = fc.inputs.load(path, labels, dtype=torch.float32)
    assert data.x.tolist() == IMAGES.reshape(4, 6).tolist()
    assert data.x.dtype is torch.float32
    assert data.y.tolist() == LABELS.tolist()
    assert data.y.dtype is (torch.float64 if code >= 0x0D else torch.int64)
    assert data.columns[-1] == "pixel 2,3"
    negative = written(tmp_path / "n.idx", idx(-IMAGES.astype(float), code if code > 0x08 else 0x0B))
    assert fc.inputs.load(negative).x.tolist() == (-IMAGES.reshape(4, 6).astype(float)).tolist()


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        ("train-images.idx3-ubyte", "train-labels.idx1-ubyte"),
        ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
        ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte"),
        ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte.gz"),
        ("images-idx3", "labels-idx1"),
    ],
)
def test_labels_beside_the_images_are_found(tmp_path, images, labels):
    path = written(tmp_path / images, idx(IMAGES))
    assert fc.inputs.load(path).y is None
    written(tmp_path / labels, idx(LABELS))
    data = fc.inputs.load(path)
    assert data.y.tolist() == LABELS.tolist()
    assert data.name == images
    other = written(tmp_path / "other.ubyte", idx(LABELS[::-1]))
    for target in (other, str(other), "other.ubyte"):
        assert fc.inputs.load(path, target).y.tolist() == LABELS[::-1].tolist()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "a.idx starts with nothing, not with 00 00"),
        (b"\0\0\x08", "a.idx starts with 00 00 08"),
        (b"\1\0" + idx(IMAGES)[2:], "a.idx starts with 01 00 08 03"),
        (b"\0\0\x0a" + idx(IMAGES)[3:], "a.idx starts with 00 00 0a 03"),
        (b"\0\0\x08\0", "a.idx starts with 00 00 08 00"),
        (b"\0\0\x08\xff" + bytes(1500), "a.idx has 255 dimensions; up to 8 are read"),
        (b"\0\0\x08\x03" + bytes(8), "ends within its header of 3 dimensions"),
        (b"\0\0\x08\x03" + bytes(12), "a.idx is empty: its sizes are 0 x 0 x 0"),
        (idx(IMAGES)[:-1], "a.idx has 39 bytes; its header (4 x 2 x 3) asks for 40"),
        (idx(IMAGES) + b"\0", "a.idx has 41 bytes; its header (4 x 2 x 3) asks for 40"),
        (b"\0\0\x0e\x03" + b"\xff" * 12, "its header (4294967295 x 4294967295 x 4294967295) asks for"),
        (idx(LABELS), "a.idx holds one number a row, as labels do"),
        (idx(IMAGES[:1]), "a.idx has 1 row of values"),
        (idx(np.zeros((2, 30, 30))), "a.idx has 900 columns"),
        (
            idx(np.array([[1, 2], [3, np.nan]]), 0x0E),
            "a.idx has numbers that are not finite, first in row 2, column 2: nan",
        ),
        (idx(np.zeros((100, 20))), "a.idx has 0.0 MB"),
    ],
)
def test_files_that_do_not_fit_their_header(tmp_path, content, sentence):
    message = refusal(written(tmp_path / "a.idx", content), max_bytes=2005, max_columns=20)
    assert sentence in message
    assert "An IDX file of numbers, at most" in message


def test_labels_that_do_not_fit(tmp_path):
    path = written(tmp_path / "images-idx3-ubyte", idx(IMAGES))
    assert "`target` is 0; for an IDX file give the path of the file of labels" in refusal(path, 0)
    assert "`target` is 'none.idx', which does not exist here" in refusal(path, "none.idx")
    written(tmp_path / "labels-idx1-ubyte", idx(LABELS[:3]))
    assert "labels-idx1-ubyte has shape (3,); for 4 inputs labels of shape (4,) or (4, C) work" in refusal(path)
    written(tmp_path / "labels-idx1-ubyte", idx(LABELS)[:-1])
    assert "labels-idx1-ubyte has 11 bytes; its header (4) asks for 12" in refusal(path)
    written(tmp_path / "labels-idx1-ubyte", idx(IMAGES))
    assert "labels-idx1-ubyte has shape (4, 2, 3)" in refusal(path)


def test_several_labels_an_input(tmp_path):
    path = written(tmp_path / "a.idx", idx(IMAGES))
    many = written(tmp_path / "b.idx", idx(IMAGES[:, 0]))
    assert fc.inputs.load(path, many).y.tolist() == IMAGES[:, 0].tolist()
