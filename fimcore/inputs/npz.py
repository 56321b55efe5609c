"""NPZ files: named numpy arrays, of which one holds the inputs and one the labels. Pickles are refused, sizes checked first.

Format: a zip of .npy files, each a header with dtype and shape followed by the numbers (numpy.lib.format).
"""

from __future__ import annotations

import io
import math
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fimcore.inputs.arrays import Array, Rows, check_numeric, check_shape, column_names, inputs_from, labels_from
from fimcore.inputs.content import Limits, refusing
from fimcore.inputs.data import InputError

INPUT_KEYS = ("x", "X", "images", "data")
LABEL_KEYS = ("y", "Y", "labels", "targets")
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


@dataclass(frozen=True)
class _Entry:
    """One array of the file before it is read: where it is, and what its header says."""

    key: str
    member: zipfile.ZipInfo
    shape: tuple[int, ...]
    column_major: bool
    dtype: np.dtype[np.generic]
    offset: int

    @property
    def size(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def read_npz(content: bytes, name: str, target: str | int | Path | None, limits: Limits) -> Rows:
    """Inputs under `x`, `X`, `images`, `data` or the only array left, labels under `y`, `Y`, `labels`, `targets` or `target`."""
    with (
        refusing(f"{name} is not an NPZ file or is damaged. {limits}"),
        zipfile.ZipFile(io.BytesIO(content)) as archive,
    ):
        members = {info.filename[:-4]: info for info in archive.infolist() if info.filename.endswith(".npy")}
        input_key, label_key = _keys(tuple(members), target, name, limits)
        wanted = [key for key in (input_key, label_key) if key is not None]
        if sum(members[key].file_size for key in wanted) > limits.max_bytes:
            raise InputError(f"{name} unpacks to more than {limits.max_bytes / 1e6:g} MB. {limits}")
        entries = [_entry(archive, key, members[key], name, limits) for key in wanted]
        check_shape(entries[0].shape, f"{name}: array {input_key!r}", limits)
        arrays = [_read(archive, entry, name, limits) for entry in entries]
    x, what = arrays[0], f"{name}: array {input_key!r}"
    columns = column_names(x.shape[1:])
    if isinstance(target, int):
        return _column_as_label(x, target, columns, what, limits)
    labels = labels_from(arrays[1], x.shape[0], f"{name}: array {label_key!r}", limits) if label_key else None
    return Rows(inputs_from(x, what, limits), labels, columns)


def _keys(keys: tuple[str, ...], target: str | int | Path | None, name: str, limits: Limits) -> tuple[str, str | None]:
    """Which array holds the inputs, and which the labels."""
    listed = ", ".join(keys[:20]) or "none"
    if isinstance(target, str | Path):
        if str(target) not in keys:
            raise InputError(f"`target` is {str(target)!r}; the arrays of {name} are {listed}.")
        label: str | None = str(target)
    elif target is None and len(keys) > 1:
        label = next((key for key in LABEL_KEYS if key in keys), None)
    else:
        label = None
    left = [key for key in keys if key != label]
    found = next((key for key in INPUT_KEYS if key in left), left[0] if len(left) == 1 else None)
    if found is None:
        raise InputError(
            f"{name} holds the arrays {listed}; name the inputs one of {', '.join(INPUT_KEYS)} and the labels one of "
            f"{', '.join(LABEL_KEYS)}. {limits}"
        )
    return found, label


def _entry(archive: zipfile.ZipFile, key: str, member: zipfile.ZipInfo, name: str, limits: Limits) -> _Entry:
    """The header of one array, checked against the size that the zip states."""
    what = f"{name}: array {key!r}"
    # numpy writes these two; others unpack whole blocks at once, however few bytes are asked for
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(f"{what} is compressed in a way numpy does not write. {limits}")
    with archive.open(member) as stream:
        shape, column_major, dtype = _HEADERS[np.lib.format.read_magic(stream)](stream)
        entry = _Entry(key, member, shape, column_major, dtype, stream.tell())
    check_numeric(dtype, what, limits)
    if min(shape, default=0) < 0 or entry.offset + entry.size != member.file_size:
        raise InputError(f"{what} has a header of shape {shape} that does not match its size. {limits}")
    return entry


def _read(archive: zipfile.ZipFile, entry: _Entry, name: str, limits: Limits) -> Array:
    with archive.open(entry.member) as stream:
        stream.read(entry.offset)
        numbers = stream.read(entry.size)
        stream.read(1)  # at the end zipfile compares the checksum
    if len(numbers) != entry.size:
        raise InputError(f"{name}: array {entry.key!r} is truncated. {limits}")
    flat = np.frombuffer(numbers, dtype=entry.dtype)
    return flat.reshape(entry.shape, order="F" if entry.column_major else "C")


def _column_as_label(x: Array, target: int, columns: tuple[str, ...], what: str, limits: Limits) -> Rows:
    """Column `target` (from 0) of a table as the label, the others as inputs."""
    if x.ndim != 2 or not 0 <= target < x.shape[1]:
        raise InputError(
            f"`target` is {target!r}; {what} has shape {x.shape}: a column number from 0 of a table works."
        )
    if x.shape[1] == 1:
        raise InputError(f"{what} has no column left besides the target. {limits}")
    kept = [column for column in range(x.shape[1]) if column != target]
    numbers = inputs_from(x, what, limits)
    labels = labels_from(x[:, target], x.shape[0], what, limits)
    return Rows(numbers[:, kept], labels, tuple(columns[column] for column in kept))
