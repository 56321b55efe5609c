"""Input randomness against label randomness, by the law of total variance.

N independent inputs with m labels each:   Var = (1/N) [Var_x F(x) + (1/m) E_x V(x)].
b of n inputs without replacement: the first term is (n - b) / (b (n - 1)) Var_x F. All n inputs: it vanishes.
Source: Soen, Sun, Trade-Offs of Diagonal Fisher Information Matrix Estimators, arXiv 2402.05379.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fimcore.architecture import check_choice

if TYPE_CHECKING:
    from fimcore.estimators.variances import DiagonalVariances

ESTIMATORS = ("score", "hessian", "mixture", "exact")
DRAWN = ("independent", "subset", "all")


@dataclass(frozen=True, eq=False)
class VarianceSplit:
    """Variance of an estimate of the diagonal, (P,) each: `input` from which inputs were drawn, `label` from which labels."""

    input: Tensor
    label: Tensor

    @property
    def total(self) -> Tensor:
        """Their sum."""
        return self.input + self.label


def label_variance(known: DiagonalVariances, estimator: str) -> Tensor:
    """E_x V(x) of one label: (P,)."""
    check_choice("estimator", estimator, ESTIMATORS)
    if estimator == "exact":
        return torch.zeros_like(known.fisher)
    return {"score": known.var_score, "hessian": known.var_hessian, "mixture": known.var_mixture}[estimator]


def total_variance(
    known: DiagonalVariances, estimator: str, inputs: int | None, labels: int, drawn: str
) -> VarianceSplit:
    """See `DiagonalVariances.total_variance`."""
    check_choice("drawn", drawn, DRAWN)
    for name, value in (("inputs", known.samples if inputs is None else inputs), ("labels", labels)):
        if not isinstance(value, Integral) or value < 1:
            raise ValueError(f"`{name}` is {value!r}; give a whole number, 1 or more.")
    count = known.samples if inputs is None else inputs
    label = label_variance(known, estimator) / (count * labels)
    if drawn == "independent":
        return VarianceSplit(known.input_variance / count, label)
    if count > known.samples or (drawn == "all" and count != known.samples):
        raise ValueError(
            f"`inputs` is {count}; with `drawn` {drawn!r} it is {'' if drawn == 'all' else 'at most '}{known.samples}, "
            "the number of inputs at hand."
        )
    share = (known.samples - count) / (count * max(known.samples - 1, 1))
    return VarianceSplit(known.input_variance * share, label)
