"""IDX files, the format of MNIST: two zero bytes, a type code, the number of dimensions, their big-endian sizes, the numbers.

Source: LeCun, Cortes, Burges, The MNIST database of handwritten digits (the format is described at its end).
"""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path

import numpy as np

from fimcore.inputs.arrays import Array, Rows, check_shape, column_names, inputs_from, labels_from
from fimcore.inputs.content import Limits, is_file, read_content
from fimcore.inputs.data import InputError

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: Path, target: str | int | Path | None, limits: Limits) -> Rows:
    """Inputs of an IDX file; labels from the IDX file `target`, or from the one beside `...images-idx3...`."""
    if isinstance(target, int):
        raise InputError(f"`target` is {target!r}; for an IDX file give the path of the file of labels.")
    array = parse_idx(read_content(path, limits), path.name, limits)
    if array.ndim == 1:
        raise InputError(
            f"{path.name} holds one number a row, as labels do; give the file of inputs as `path`. {limits}"
        )
    check_shape(array.shape, path.name, limits)
    x = inputs_from(array, path.name, limits)
    label_file = labels_beside(path) if target is None else _label_file(path, target)
    labels = None
    if label_file is not None:
        found = parse_idx(read_content(label_file, limits), label_file.name, limits)
        labels = labels_from(found, x.shape[0], label_file.name, limits)
    return Rows(x, labels, column_names(array.shape[1:]))


def parse_idx(content: bytes, name: str, limits: Limits) -> Array:
    """The array of an IDX file, its size compared with the header before anything is allocated."""
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in TYPES or content[3] == 0:
        start = content[:4].hex(" ") or "nothing"
        raise InputError(
            f"{name} starts with {start}, not with 00 00, a type code and a number of dimensions. {limits}"
        )
    dtype, dimensions = np.dtype(TYPES[content[2]]), content[3]
    offset = 4 + 4 * dimensions
    if dimensions > 8:
        raise InputError(f"{name} has {dimensions} dimensions; up to 8 are read. {limits}")
    if len(content) < offset:
        raise InputError(f"{name} ends within its header of {dimensions} dimensions. {limits}")
    shape = struct.unpack(f">{dimensions}I", content[4:offset])
    expected = offset + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        sizes = " x ".join(map(str, shape))
        raise InputError(f"{name} has {len(content)} bytes; its header ({sizes}) asks for {expected}. {limits}")
    if 0 in shape:
        raise InputError(f"{name} is empty: its sizes are {' x '.join(map(str, shape))}. {limits}")
    return np.frombuffer(content, dtype=dtype, offset=offset).reshape(shape)


def labels_beside(path: Path) -> Path | None:
    """The file `labels-idx1` beside one named `images-idx3`, gzipped or not, or None."""
    name, found = re.subn(r"images([-.])idx3", r"labels\1idx1", path.name)
    if not found:
        return None
    other = name[:-3] if name.lower().endswith(".gz") else f"{name}.gz"
    return next((file for file in (path.with_name(name), path.with_name(other)) if is_file(file)), None)


def _label_file(path: Path, target: str | Path) -> Path:
    """`target` as it is given, or in the folder of the inputs."""
    for file in (Path(target), path.parent / target):
        if is_file(file):
            return file
    raise InputError(f"`target` is {str(target)!r}, which does not exist here; give the path of an IDX file of labels.")
