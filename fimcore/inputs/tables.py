"""CSV files: one row an input, one column a coordinate, the first line names where it is not all numbers."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd

from fimcore.inputs.arrays import Rows
from fimcore.inputs.content import Limits
from fimcore.inputs.data import InputError


def read_csv(content: bytes, name: str, target: str | int | Path | None, limits: Limits) -> Rows:
    """The numbers of a comma-separated table; the column `target` (a name, or a number from 0) as the label."""
    table = _numbers(_text(content, name, limits), name, limits)
    y = None
    if target is not None:
        column = table.columns[target] if isinstance(target, int) and 0 <= target < table.shape[1] else target
        if column not in table.columns:
            raise InputError(f"`target` is {target!r}; the columns of {name} are {', '.join(table.columns)}.")
        y = table.pop(str(column)).to_numpy(np.float64, copy=True)
    if table.shape[1] == 0:
        raise InputError(f"{name} has no column left besides the target. {limits}")
    return Rows(table.to_numpy(np.float64, copy=True), y, tuple(table.columns))


def _text(content: bytes, name: str, limits: Limits) -> pd.DataFrame:
    """The raw text cells of a CSV, with names from its first line when that line is not all numbers."""
    try:
        first = next(csv.reader(io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{name} is not a text table. {limits}") from error
    if not first:
        raise InputError(f"{name} is empty. {limits}")
    if len(first) > limits.max_columns:
        raise InputError(f"{name} has {len(first)} columns. {limits}")
    named = not all(_is_number(cell) for cell in first)
    try:
        table = pd.read_csv(
            io.BytesIO(content),
            header=0 if named else None,
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{name} is not a regular table: rows differ in length. {limits}") from error
    # rows longer than the line of names: pandas takes column 1 as their names
    if not isinstance(table.index, pd.RangeIndex):
        raise InputError(f"{name} is not a regular table: rows differ in length. {limits}")
    table.columns = [str(column) if named else f"column {number + 1}" for number, column in enumerate(table.columns)]
    return table


def _numbers(text: pd.DataFrame, name: str, limits: Limits) -> pd.DataFrame:
    """Text cells as finite float64, or an error that counts the columns of text and shows the first bad cell."""
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
