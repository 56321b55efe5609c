"""Inputs: random laws with E|x|^2 / n_0 = 1, real images that ship with scikit-learn, and tables of your own.

Every random input is drawn in float64 on the CPU from its seed, then converted: a seed means the same inputs in every dtype.
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor


class InputError(ValueError):
    """A file or setting that cannot be used as inputs; the message says what works."""


@dataclass(frozen=True, eq=False)
class Data:
    """Inputs with their labels: x (N, n_0), y (N,) or (N, C) or None, a name, and the columns' names where they have any."""

    x: Tensor
    y: Tensor | None
    name: str
    columns: tuple[str, ...] = ()


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(int(seed))


def _check_size(count: int, dim: int) -> None:
    for field, value in (("count", count), ("dim", dim)):
        if int(value) != value or value < 1:
            raise InputError(f"`{field}` is {value!r}; give a whole number, 1 or more.")


def gaussian(
    count: int, dim: int, seed: int = 0, dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu"
) -> Tensor:
    """Independent standard normal inputs, x_j ~ N(0, 1): (count, dim)."""
    _check_size(count, dim)
    return torch.randn(count, dim, generator=_generator(seed), dtype=torch.float64).to(dtype=dtype, device=device)


def sphere(
    count: int, dim: int, seed: int = 0, dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu"
) -> Tensor:
    """Uniform inputs on the sphere of radius sqrt(dim), |x|^2 = dim: (count, dim)."""
    _check_size(count, dim)
    draw = torch.randn(count, dim, generator=_generator(seed), dtype=torch.float64)
    x = draw * (dim**0.5 / draw.norm(dim=1, keepdim=True))
    return x.to(dtype=dtype, device=device)


def digits(dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu") -> Data:
    """1,797 real 8 x 8 images of handwritten digits with their labels 0..9, shipped with scikit-learn (no download).

    Pixels are shifted and scaled by one common mean and one common standard deviation, so that the mean of |x|^2 / n_0 is 1.
    Images keep their overlap: x.x'/n_0 of two different images is not 0 on average.
    """
    from sklearn.datasets import load_digits

    bundle = load_digits()
    pixels = np.asarray(bundle.data, dtype=np.float64)
    x = (pixels - pixels.mean()) / pixels.std()
    names = tuple(f"pixel {row + 1},{column + 1}" for row in range(8) for column in range(8))
    labels = torch.as_tensor(np.asarray(bundle.target, dtype=np.int64), device=device)
    return Data(torch.as_tensor(x).to(dtype=dtype, device=device), labels, "digits", names)


def standardise(x: Tensor) -> Tensor:
    """Each column to mean 0 and variance 1 (a constant column to 0): (N, n_0)."""
    centred = x - x.mean(dim=0)
    deviation = centred.square().mean(dim=0).sqrt()
    return torch.where(deviation > 0, centred / torch.where(deviation > 0, deviation, 1), 0)


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


def load(
    path: str | Path,
    target: str | int | None = None,
    *,
    max_bytes: int = 200_000_000,
    max_columns: int = 4096,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Data:
    """Read a table of numbers: one row an input, one column a coordinate; a first line of names is recognised.

    Args:
        path: a .csv file, comma separated.
        target: column (name, or number counted from 0) to use as the label y instead of a coordinate.
        max_bytes, max_columns: refuse larger files before parsing them.

    Raises:
        InputError: naming the file, what was found and what works.
    """
    path = Path(path)
    if path.suffix.lower() != ".csv":
        raise InputError(f"`path` is {path.name!r}; a .csv file works.")
    if not path.is_file():
        raise InputError(f"`path` is {path.name!r}, which does not exist here; give the name of a .csv file.")
    size = path.stat().st_size
    limits = f"A CSV with numbers only, at most {max_bytes / 1e6:g} MB and {max_columns} columns, works."
    if size > max_bytes:
        raise InputError(f"{path.name} has {size / 1e6:.1f} MB. {limits}")
    table = _numbers(_read_csv(path, limits), path.name, max_columns, limits)
    y = None
    if target is not None:
        name = table.columns[target] if isinstance(target, int) and 0 <= target < table.shape[1] else target
        if name not in table.columns:
            raise InputError(f"`target` is {target!r}; the columns of {path.name} are {', '.join(table.columns)}.")
        y = torch.tensor(table.pop(str(name)).to_numpy(np.float64), device=device)
    if table.shape[1] == 0:
        raise InputError(f"{path.name} has no column left besides the target. {limits}")
    x = torch.tensor(table.to_numpy(np.float64)).to(dtype=dtype, device=device)
    return Data(x, y, path.name, tuple(table.columns))


def _read_csv(path: Path, limits: str) -> pd.DataFrame:
    """The raw text cells of a CSV, with names from its first line when that line is not all numbers."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            first = next(csv.reader(stream), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path.name} is not a text table. {limits}") from error
    if not first:
        raise InputError(f"{path.name} is empty. {limits}")
    named = not all(_is_number(cell) for cell in first)
    try:
        table = pd.read_csv(path, header=0 if named else None, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{path.name} is not a regular table: rows differ in length. {limits}") from error
    if not isinstance(
        table.index, pd.RangeIndex
    ):  # rows longer than the line of names: pandas takes column 1 as their names
        raise InputError(f"{path.name} is not a regular table: rows differ in length. {limits}")
    table.columns = [str(name) if named else f"column {number + 1}" for number, name in enumerate(table.columns)]
    return table


def _numbers(text: pd.DataFrame, name: str, max_columns: int, limits: str) -> pd.DataFrame:
    """Text cells as finite float64, or an error that counts the columns of text and shows the first bad cell."""
    if text.shape[1] > max_columns:
        raise InputError(f"{name} has {text.shape[1]} columns. {limits}")
    if text.shape[0] < 2:
        raise InputError(f"{name} has {text.shape[0]} row of values; 2 or more are needed. {limits}")
    numbers = text.apply(pd.to_numeric, errors="coerce").astype(np.float64)
    bad = ~np.isfinite(numbers.to_numpy())
    if bad.any():
        row, column = (int(index[0]) for index in np.nonzero(bad))
        count = int(bad.any(axis=0).sum())
        cell = str(text.iat[row, column])[:24]
        raise InputError(
            f"{name} has {count} column{'s' if count > 1 else ''} with text or missing numbers, first in column "
            f"{numbers.columns[column]!r}, row {row + 1}: {cell!r}. {limits}"
        )
    return numbers


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
