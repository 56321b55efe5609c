"""Lower and upper bounds of the Fisher diagonal and of both variances, for every parameter.

A bound of a unit at one input, times a_j^2 (F) or a_j^4 (V1, V2), is one of the parameter; its mean over inputs bounds the mean.
`lower` and `upper` take the tightest form at every input before the mean.
Source: Soen, Sun, Trade-Offs of Diagonal Fisher Information Matrix Estimators, arXiv 2402.05379; forms in `bound_forms`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore.estimators.bound_forms import UnitForm, quadratic_forms, score_square_forms
from fimcore.estimators.input_powers import RunningSums
from fimcore.estimators.output_derivatives import derivative_parts
from fimcore.estimators.output_law import output_law
from fimcore.estimators.unit_moments import along_root
from fimcore.likelihoods import LikelihoodWithMoments
from fimcore.networks import Network


@dataclass(frozen=True, eq=False)
class BoundForm:
    """One named bound.

    Attributes:
        name: in words, such as "largest eigenvalue".
        formula: as text.
        side: "lower" or "upper".
        values: (P,) means over inputs.
    """

    name: str
    formula: str
    side: str
    values: Tensor


@dataclass(frozen=True, eq=False)
class Bound:
    """Bounds of one quantity.

    Attributes:
        lower, upper: the tightest at every input, then the mean over inputs, (P,).
        forms: every bound on its own.
    """

    lower: Tensor
    upper: Tensor
    forms: tuple[BoundForm, ...]

    def form(self, name: str, side: str = "upper") -> Tensor:
        """The (P,) values of one form by name.

        Raises:
            KeyError: there is none of that name and side here.
        """
        for form in self.forms:
            if (form.name, form.side) == (name, side):
                return form.values
        known = ", ".join(f"{form.name!r} ({form.side})" for form in self.forms)
        raise KeyError(f"`name` is {name!r} with `side` {side!r}; known here: {known}.")


@dataclass(frozen=True, eq=False)
class Bounds:
    """Bounds of the Fisher diagonal and of the variance of both estimators."""

    fisher: Bound
    var_score: Bound
    var_hessian: Bound


def diagonal_bounds(network: Network, x: Tensor, likelihood: LikelihoodWithMoments, part_size: int) -> Bounds:
    """`Bounds` at inputs (N, n_0), so many at a time."""
    sums = RunningSums(), RunningSums(), RunningSums()
    named: list[list[UnitForm]] = []
    for made in derivative_parts(network, x, likelihood, part_size):
        law = output_law(likelihood, made.outputs)
        for layer in made.layers:
            first, second = made.first(layer), made.second(layer)
            squares = made.inputs(layer).square()
            fourths = squares.square()
            strength = along_root(made.root, first)
            named = [
                quadratic_forms(made, law, first, "J"),
                score_square_forms(made, law, first, strength),
                quadratic_forms(made, law, torch.zeros_like(first) if second is None else second, "C"),
            ]
            for total, forms, powers in zip(sums, named, (squares, fourths, fourths), strict=True):
                total.add(layer, [*_tightest(forms), *(form.values for form in forms)], powers)
    found = []
    for total, forms in zip(sums, named, strict=True):
        lower, upper, *rows = total.mean(x.shape[0])
        known = zip(forms, rows, strict=True)
        kept = tuple(BoundForm(form.name, form.formula, form.side, row) for form, row in known)
        found.append(Bound(lower, upper, kept))
    return Bounds(*found)


def _tightest(forms: list[UnitForm]) -> tuple[Tensor, Tensor]:
    """The largest lower and the smallest upper bound: (N, n_l) each."""
    lower = torch.stack([form.values for form in forms if form.side == "lower"]).amax(dim=0)
    upper = torch.stack([form.values for form in forms if form.side == "upper"]).amin(dim=0)
    return lower, upper
