"""Files of one's own as inputs: which reader takes them, and short names for their content."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import torch

from fimcore.inputs.arrays import Rows
from fimcore.inputs.content import Limits, is_file, read_content
from fimcore.inputs.data import Data, InputError
from fimcore.inputs.idx import read_idx
from fimcore.inputs.npz import read_npz
from fimcore.inputs.tables import read_csv

_WORKS = "a .csv, .npz or IDX file (its name ends in -ubyte, .ubyte or .idx) works, also as .gz"


def load(
    path: str | Path,
    target: str | int | Path | None = None,
    *,
    max_bytes: int = 200_000_000,
    max_columns: int = 4096,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Data:
    """Read numbers from a CSV, NPZ or IDX file, each also gzipped: one row an input, further dimensions flattened.

    CSV: one column a coordinate; a first line of names is recognised. NPZ: inputs under x, X, images, data or the only array
    left, labels under y, Y, labels or targets; pickled objects are never loaded. IDX, the format of MNIST: labels in a file
    of their own, found by itself where the names are `...images-idx3...` and `...labels-idx1...`.

    Args:
        path: the file; its name decides how it is read.
        target: the label y. CSV: a column by name or by number from 0. NPZ: an array by name, or a column of the inputs by
            number from 0. IDX: the path of the file of labels.
        max_bytes: refuse files that are larger, or that unpack to more, before they are read or unpacked any further.
        max_columns: refuse inputs with more coordinates.
        dtype, device: of x. Labels of a whole-number type (NPZ, IDX) come as int64, others as float64.

    Raises:
        InputError: naming the file, what was found and what works.
    """
    path = Path(path)
    kind = _kind(path.name)
    if not is_file(path):
        raise InputError(f"`path` is {path.name!r}, which does not exist here; {_WORKS}.")
    rows = _read(path, kind, target, max_bytes, max_columns)
    x = torch.as_tensor(rows.x).to(dtype=dtype, device=device)
    if not bool(torch.isfinite(x).all()):
        raise InputError(f"`dtype` is {dtype}; {path.name} holds numbers that overflow it: torch.float64 works.")
    labels = None if rows.y is None else torch.as_tensor(rows.y, device=device)
    return Data(x, labels, path.name, rows.columns)


def _kind(name: str) -> str:
    """How a file of this name is read: csv, npz or idx."""
    bare = name.lower().removesuffix(".gz")
    for suffix in ("csv", "npz"):
        if bare.endswith(f".{suffix}"):
            return suffix
    if bare.endswith(("-ubyte", ".ubyte", ".idx")) or "idx1" in bare or "idx3" in bare:
        return "idx"
    raise InputError(f"`path` is {name!r}; {_WORKS}.")


def _read(path: Path, kind: str, target: str | int | Path | None, max_bytes: int, max_columns: int) -> Rows:
    if kind == "csv":
        limits = Limits("A CSV with numbers only", max_bytes, max_columns)
        return read_csv(read_content(path, limits), path.name, target, limits)
    if kind == "npz":
        limits = Limits("An NPZ with arrays of numbers", max_bytes, max_columns)
        return read_npz(read_content(path, limits), path.name, target, limits)
    return read_idx(path, target, Limits("An IDX file of numbers", max_bytes, max_columns))


def content_hash(content: bytes) -> str:
    """A short name for a file's content: the first 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(content).hexdigest()[:16]


def file_hash(path: str | Path, max_bytes: int = 200_000_000) -> str:
    """`content_hash` of a file; empty where there is no such file or it is larger than `max_bytes`.

    Read again only when the file's time or size has changed.
    """
    path = Path(path)
    try:
        state = path.stat()
        if not path.is_file() or state.st_size > max_bytes:
            return ""
        return _hash_of_file(path.absolute(), state.st_mtime_ns, state.st_size)
    except (OSError, ValueError):  # ValueError: a null character in the path
        return ""


@lru_cache(maxsize=64)
def _hash_of_file(path: Path, _time: int, _size: int) -> str:
    return content_hash(path.read_bytes())
