"""What inputs are once they are here, and the error for those that cannot be used."""

from __future__ import annotations

from dataclasses import dataclass

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
