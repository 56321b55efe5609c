"""Block norms of a Fisher matrix: T_ll' = |F^ll'|_F^2 for layer pairs, U_l = sum_i |F^l_ii|_F^2 for units' own blocks.

Source: definitions after Amari, Karakida, Oizumi, "Fisher Information and Natural Gradient Learning of Random Deep
Networks", arXiv 1808.07172. Every size of a block relative to another one is a function of T and U, so the measured and
the predicted wing both return this value and are compared field by field.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

__all__ = ["BlockNorms"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class BlockNorms:
    """Squared Frobenius norms of the blocks of one Fisher matrix, F = E_x E_{y~p(y|x)} [grad l grad l^T].

    Parameters
    ----------
    layer_pairs : (L, L), squared Frobenius norm of each layer-pair block, symmetric.
    unit_diagonal : (L,), sum over the units of a layer of the squared Frobenius norm of the unit's own block.
    widths : n_0, ..., n_L. A unit of layer l owns k_l = n_{l-1} + 1 parameters, its weights and its bias.

    Units: those of F squared (F has the units of a log likelihood per squared parameter).

    Unbiased estimates of T and U can come out slightly negative. They are kept as they are; a root of a negative
    estimate is nan ("no estimate"), so average ``layer_pairs``, ``unit_diagonal`` or ``off_unit`` over seeds before
    taking roots.

    Raises ValueError for arrays whose shape does not fit ``widths``.
    """

    layer_pairs: FloatArray
    unit_diagonal: FloatArray
    widths: tuple[int, ...]

    def __post_init__(self) -> None:
        widths = tuple(int(width) for width in self.widths)
        if len(widths) < 2 or min(widths) < 1:
            raise ValueError(
                f"`widths` must list at least two positive widths n_0, ..., n_L; received {self.widths!r}."
            )
        layers = len(widths) - 1
        object.__setattr__(self, "widths", widths)
        object.__setattr__(self, "layer_pairs", _frozen(self.layer_pairs, "layer_pairs", (layers, layers)))
        object.__setattr__(self, "unit_diagonal", _frozen(self.unit_diagonal, "unit_diagonal", (layers,)))

    @property
    def layers(self) -> int:
        """Number of weight layers L."""
        return len(self.widths) - 1

    @property
    def units(self) -> FloatArray:
        """Units n_l of each layer, (L,)."""
        return np.array(self.widths[1:], dtype=np.float64)

    @property
    def parameters_per_unit(self) -> FloatArray:
        """Parameters k_l = n_{l-1} + 1 of one unit, (L,)."""
        return np.array(self.widths[:-1], dtype=np.float64) + 1.0

    @property
    def off_unit(self) -> FloatArray:
        """Squared norm of same-layer blocks between different units, T_ll - U_l, (L,). May be negative by chance."""
        return np.diagonal(self.layer_pairs) - self.unit_diagonal

    @property
    def rms_in_unit(self) -> FloatArray:
        """RMS entry inside the units' own blocks, sqrt(U_l / (n_l k_l^2)), (L,)."""
        return _root(self.unit_diagonal / (self.units * self.parameters_per_unit**2))

    @property
    def rms_off_unit(self) -> FloatArray:
        """RMS entry between different units of one layer, sqrt((T_ll - U_l) / (n_l (n_l - 1) k_l^2)), (L,).

        nan for a layer of one unit, which has no such entries.
        """
        entries = self.units * (self.units - 1.0) * self.parameters_per_unit**2
        return _root(_divide(self.off_unit, entries))

    @property
    def rms_ratio(self) -> FloatArray:
        """RMS off-unit entry over RMS in-unit entry of the same layer, (L,); nan for one-unit and for dead layers."""
        return _divide(self.rms_off_unit, self.rms_in_unit)

    @property
    def rms_cross(self) -> FloatArray:
        """RMS entry between layers, sqrt(T_ll' / (n_l n_l' k_l k_l')), (L, L); diagonal: the layer's whole block."""
        parameters = self.units * self.parameters_per_unit
        return _root(self.layer_pairs / np.outer(parameters, parameters))

    @property
    def layer_correlation(self) -> FloatArray:
        """Norm of a layer-pair block over the geometric mean of the layers' own, |F_ll'| / sqrt(|F_ll| |F_l'l'|)."""
        norms = _root(self.layer_pairs)
        own = np.diagonal(norms)
        return _divide(norms, np.sqrt(np.outer(own, own)))

    @property
    def frobenius_norm(self) -> float:
        """Frobenius norm of the whole Fisher matrix, sqrt(sum_ll' T_ll'); nan if an unbiased estimate is negative."""
        return float(_root(np.asarray(self.layer_pairs.sum())))

    @property
    def mass(self) -> pd.DataFrame:
        """Shares of |F|_F^2 held by in-unit, same-layer off-unit and cross-layer blocks, for hidden and for all layers.

        in_unit = sum_l U_l / sum_ll' T_ll', same_layer = sum_l (T_ll - U_l) / sum_ll' T_ll', cross_layer the rest. The
        hidden row leaves the read-out out, whose single unit at C = 1 is wholly "in unit" and hides the trend. Shares
        add up to 1; a row without layers or without mass is nan.
        """
        rows = [("hidden layers", self.layers - 1), ("all layers", self.layers)]
        table = [(name, *self._shares(count)) for name, count in rows]
        return pd.DataFrame(table, columns=["layers", "in_unit", "same_layer", "cross_layer"])

    def _shares(self, count: int) -> tuple[float, float, float]:
        pairs = self.layer_pairs[:count, :count]
        total = float(pairs.sum())
        if not total > 0.0 or not np.isfinite(total):
            return (np.nan, np.nan, np.nan)
        in_unit = float(self.unit_diagonal[:count].sum()) / total
        own_layer = float(np.trace(pairs)) / total
        return (in_unit, own_layer - in_unit, 1.0 - own_layer)

    def __repr__(self) -> str:
        with np.printoptions(precision=4):
            return (
                f"BlockNorms(widths={self.widths}, rms_ratio={self.rms_ratio}, "
                "F = E_x E_{y~p(y|x)} [grad l grad l^T], T_ll' = |F^ll'|_F^2, U_l = sum_i |F^l_ii|_F^2)"
            )


def _frozen(values: ArrayLike, name: str, shape: tuple[int, ...]) -> FloatArray:
    array = np.array(values, dtype=np.float64)
    if array.shape != shape:
        raise ValueError(f"`{name}` must have shape {shape} for these widths; received shape {array.shape}.")
    array.flags.writeable = False
    return array


def _root(values: FloatArray) -> FloatArray:
    """Square root with nan, and no warning, where an unbiased estimate is negative."""
    return np.sqrt(np.where(values >= 0.0, values, np.nan))


def _divide(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Quotient with nan, and no warning, where there is nothing to divide by."""
    present = denominator > 0.0
    return np.where(present, numerator / np.where(present, denominator, 1.0), np.nan)
