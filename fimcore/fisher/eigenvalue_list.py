"""Eigenvalues that behave as the sequence of their values, for `len`, iteration, indexing and numpy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class EigenvalueList:
    """`values`, float64, sorted descending."""

    values: FloatArray

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[float]:
        return iter(self.values.tolist())

    def __getitem__(self, index: int | slice) -> FloatArray | np.float64:
        return self.values[index]

    def __array__(self, dtype: type | None = None, copy: bool | None = None) -> FloatArray:
        return np.array(self.values, dtype=dtype)
