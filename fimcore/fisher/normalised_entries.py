"""RMS entries of the diagonal-normalised Fisher matrix, F_pq / sqrt(F_pp F_qq), without forming the matrix.

Dividing by the diagonal rescales each unit's inputs by its own numbers: with d_{ia} the diagonal, H_i(x,x') =
sum_a a_a(x) a_a(x') / d_{ia}, M_ij(x) = sum_c delta_{c,i}(x) delta_{c,j}(x) and S_i = M_ii, the squared entries of the blocks are
    between units i, j:  mean over (x,x') of M_ij(x) M_ij(x') H_i(x,x') H_j(x,x'),
    inside unit i:       mean over (x,x') of S_i(x) S_i(x') H_i(x,x')^2.
Source of the factored form: Amari, Karakida, Oizumi, arXiv 1808.07172.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from fimcore.fisher.dual import require_rows
from fimcore.fisher.factors import Factors
from fimcore.fisher.products import product

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
    sums = _by_rows if delta.shape[1] <= FEW_ROWS else _by_units
    own, whole = sums(a, inverse, delta, strength)
    live = (diagonal > 0).sum(dim=1).double()
    pairs = a.shape[0] * (a.shape[0] - 1)
    in_unit, entries = float(live.square().sum()), float(live.sum() ** 2)
    return NormalisedEntries(_over(own, in_unit * pairs), _over(whole - own, (entries - in_unit) * pairs))


def _grams(a: Tensor, inverse: Tensor) -> Iterator[Tensor]:
    """H_i of every unit, zero at x = x'."""
    for row in inverse:
        gram = product((a * row).T, a.T)
        gram.fill_diagonal_(0.0)
        yield gram


def _by_rows(a: Tensor, inverse: Tensor, delta: Tensor, _: Tensor) -> tuple[float, float]:
    """Sums inside units and in all, over pairs of rows c, c' of delta_ci(x) delta_c'i(x') H_i(x,x')."""
    rows = range(delta.shape[1])
    whole = torch.zeros(len(rows), len(rows), a.shape[0], a.shape[0], dtype=a.dtype, device=a.device)
    own = 0.0
    for unit, gram in enumerate(_grams(a, inverse)):
        for first in rows:
            left = gram * delta[:, first, unit, None]
            for second in rows:
                kernel = left * delta[:, second, unit]
                own += float(torch.dot(kernel.reshape(-1), kernel.reshape(-1)))
                whole[first, second] += kernel
    return own, float(whole.square_().sum())


def _by_units(a: Tensor, inverse: Tensor, delta: Tensor, strength: Tensor) -> tuple[float, float]:
    """The same with the rows folded first: sum_ij M_ij(x) M_ij(x') H_i(x,x') H_j(x,x')."""
    grams = torch.stack(list(_grams(a, inverse)))
    own = float((strength.T[:, :, None] * strength.T[:, None, :] * grams.square()).sum())
    folded = torch.bmm(delta.transpose(1, 2), delta)
    whole = 0.0
    for place, mine in enumerate(folded):
        near = grams[:, place].T
        whole += float((torch.bmm(folded * mine, near[:, :, None])[:, :, 0] * near).sum())
    return own, whole


def _over(total: float, count: float) -> float:
    return total / count if count else float("nan")
