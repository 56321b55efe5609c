"""Arrays of numbers as inputs and labels: one row an input, further dimensions flattened, every number finite."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fimcore.inputs.content import Limits
from fimcore.inputs.data import InputError

Array = NDArray[np.generic]


@dataclass(frozen=True, eq=False)
class Rows:
    """What a reader found: float64 inputs (N, n_0), int64 or float64 labels (N,) or (N, C), names of the columns."""

    x: NDArray[np.float64]
    y: NDArray[np.int64] | NDArray[np.float64] | None
    columns: tuple[str, ...]


def check_shape(shape: tuple[int, ...], what: str, limits: Limits) -> None:
    """Refuse, before anything is read, inputs of too few rows or of too many columns."""
    if not shape:
        raise InputError(f"{what} is a single number; one row an input is needed. {limits}")
    columns = math.prod(shape[1:])
    if shape[0] < 2:
        raise InputError(f"{what} has {shape[0]} row of values; 2 or more are needed. {limits}")
    if not 1 <= columns <= limits.max_columns:
        raise InputError(f"{what} has {columns} columns. {limits}")


def check_numeric(dtype: np.dtype[np.generic], what: str, limits: Limits) -> None:
    """Refuse pickled objects, text, dates and complex numbers."""
    if dtype.hasobject:
        raise InputError(f"{what} holds pickled Python objects, which can run code and are never loaded. {limits}")
    if dtype.kind not in "biuf":
        raise InputError(f"{what} holds {dtype.name}, not real numbers. {limits}")


def column_names(shape: tuple[int, ...]) -> tuple[str, ...]:
    """Names of everything that one row of this shape holds: `column 3`, of images `pixel 1,2`."""
    return tuple(_column_name(number, shape) for number in range(math.prod(shape)))


def _column_name(number: int, shape: tuple[int, ...]) -> str:
    if len(shape) <= 1:
        return f"column {number + 1}"
    place = ",".join(str(int(index) + 1) for index in np.unravel_index(number, shape))
    return f"{'pixel' if len(shape) == 2 else 'entry'} {place}"


def inputs_from(array: Array, what: str, limits: Limits) -> NDArray[np.float64]:
    """(N, ...) numbers as finite float64 (N, n_0)."""
    return _finite(array, what, limits).reshape(array.shape[0], -1)


def labels_from(array: Array, rows: int, what: str, limits: Limits) -> NDArray[np.int64] | NDArray[np.float64]:
    """(N,) or (N, C) numbers: whole-number types as int64, others as finite float64."""
    if array.ndim not in (1, 2) or array.shape[0] != rows:
        raise InputError(
            f"{what} has shape {array.shape}; for {rows} inputs labels of shape ({rows},) or ({rows}, C) work."
        )
    if array.dtype.kind == "f":
        return _finite(array, what, limits)
    if array.dtype.kind == "u" and array.size and int(array.max()) > np.iinfo(np.int64).max:
        raise InputError(f"{what} holds the label {int(array.max())}; labels up to 2^63 - 1 work.")
    return array.astype(np.int64)


def _finite(array: Array, what: str, limits: Limits) -> NDArray[np.float64]:
    with np.errstate(all="ignore"):  # wider floats may overflow; the check below then names the place
        numbers = array.astype(np.float64)
    bad = ~np.isfinite(numbers)
    if bad.any():
        first = int(bad.argmax())
        row, number = divmod(first, math.prod(array.shape[1:]))
        raise InputError(
            f"{what} has numbers that are not finite, first in row {row + 1}, {_column_name(number, array.shape[1:])}: "
            f"{numbers.flat[first]}. {limits}"
        )
    return numbers
