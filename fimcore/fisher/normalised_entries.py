"""RMS entries of the diagonal-normalised Fisher matrix, F_pq / sqrt(F_pp F_qq), without forming the matrix.

Dividing by the diagonal rescales each unit's inputs by its own numbers: with d_{ia} the diagonal, H_i(x,x') =
sum_a a_a(x) a_a(x') / d_{ia}, M_ij(x) = sum_c delta_{c,i}(x) delta_{c,j}(x) and S_i = M_ii, the squared entries of the blocks are
    between units i, j:  mean over (x,x') of M_ij(x) M_ij(x') H_i(x,x') H_j(x,x'),
    inside unit i:       mean over (x,x') of S_i(x) S_i(x') H_i(x,x')^2.
Source of the factored form: Amari, Karakida, Oizumi, arXiv 1808.07172.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from fimcore.fisher.dual import require_rows
from fimcore.fisher.factors import Factors

# Up to this number of rows the sum over pairs of rows is cheaper than that over pairs of units.
FEW_ROWS = 4


class NormalisedEntries(NamedTuple):
    """Mean squared entry of D^{-1/2} F D^{-1/2} inside units' own blocks and between units of the layer; nan: no such entry."""

    in_unit: float
    off_unit: float


def normalised_entries(
    made: Factors, layer: int, units: int | None = None, samples: int | None = None
) -> NormalisedEntries:
    """Mean squares of one layer's diagonal-normalised entries, pairs x = x' left out (without bias but for the diagonal's own).

    The diagonal is that of all N inputs. Parameters that never move the output (zero diagonal) have no normalised entry and
    are left out of the mean.

    Args:
        made: factors of the network.
        layer: 1..L.
        units: only blocks among the first `units` units (random networks: units are exchangeable), all where left out.
        samples: pairs among the first `samples` inputs only, all where left out.

    Raises:
        ValueError: fewer than two inputs; the estimator "hessian", which has no rows.
    """
    require_rows(made, "normalised entry")
    made.layout.layer_slice(layer)  # refuses a layer there is not
    if min(made.samples, samples or made.samples) < 2:
        raise ValueError(f"`samples` is {min(made.samples, samples or made.samples)}; pairs of inputs need 2 or more.")
    a, delta = made.inputs[layer - 1].double(), made.signals[layer - 1][:, :, slice(units)].double()
    strength = delta.square().sum(dim=1)
    diagonal = strength.T @ a.square() / made.samples
    inverse = torch.where(diagonal > 0, 1 / diagonal, torch.zeros_like(diagonal))
    a, delta, strength = a[:samples], delta[:samples], strength[:samples]
    grams = torch.stack([(a * row) @ a.T for row in inverse])
    grams.diagonal(dim1=1, dim2=2).zero_()
    own = float((strength.T[:, :, None] * strength.T[:, None, :] * grams.square()).sum())
    whole = _by_rows(delta, grams) if delta.shape[1] <= FEW_ROWS else _by_units(delta, grams)
    live = (diagonal > 0).sum(dim=1).double()
    pairs = a.shape[0] * (a.shape[0] - 1)
    in_unit, entries = float(live.square().sum()), float(live.sum() ** 2)
    return NormalisedEntries(_over(own, in_unit * pairs), _over(whole - own, (entries - in_unit) * pairs))


def _by_rows(delta: Tensor, grams: Tensor) -> float:
    """sum over pairs of rows c, c' of |sum_i delta_ci(x) delta_c'i(x') H_i(x,x')|^2."""
    total = 0.0
    for first in delta.unbind(1):
        for second in delta.unbind(1):
            kernel = torch.einsum("xi,yi,ixy->xy", first, second, grams)
            total += float(kernel.square().sum())
    return total


def _by_units(delta: Tensor, grams: Tensor) -> float:
    """The same sum with the rows folded first: sum_ij M_ij(x) M_ij(x') H_i(x,x') H_j(x,x')."""
    folded = torch.bmm(delta.transpose(1, 2), delta)
    total = 0.0
    for place, mine in enumerate(folded):
        near = grams[:, place].T
        total += float((torch.bmm(folded * mine, near[:, :, None])[:, :, 0] * near).sum())
    return total


def _over(total: float, count: float) -> float:
    return total / count if count else float("nan")
