"""What an estimator puts at the outputs: rows r_{x,c} with F = E_x sum_c (J^T r)(J^T r)^T, and the scores of "hessian".

Everything random is drawn here, for all inputs at once, so that numbers depend on the seed and never on how inputs are chunked.
Source: Kunstner, Balles, Hennig, Limitations of the empirical Fisher approximation, arXiv 1905.12558; Soen, Sun, Trade-Offs of
Diagonal Fisher Information Matrix Estimators, arXiv 2402.05379; Sun, arXiv 2505.13614 (probe).
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import NamedTuple

import torch
from torch import Tensor

from fimcore.architecture import check_choice
from fimcore.likelihoods import Likelihood, output_hessian

ESTIMATORS = ("exact", "score", "hessian", "empirical", "probe")
SAMPLED = ("score", "hessian", "probe")


class OutputRows(NamedTuple):
    """Rows (N, R, C); of "hessian" also the mean score (N, C) and the mean excess H_out - Q (N, C, C) where not zero."""

    root: Tensor
    scores: Tensor | None = None
    excess: Tensor | None = None


def check_estimator(estimator: str, seed: int | None, labels: Tensor | None, draws: int) -> None:
    """Refuse an unknown estimator, and a seed, labels or draws that it does not take or lacks."""
    check_choice("estimator", estimator, ESTIMATORS)
    if (seed is not None) != (estimator in SAMPLED):
        wanted = "needs a whole number" if seed is None else "must be left out"
        raise ValueError(f"`seed` is {seed!r}; the estimator {estimator!r} draws random numbers or not: it {wanted}.")
    if seed is not None and not (isinstance(seed, Integral) and 0 <= seed < 2**63):
        raise ValueError(f"`seed` is {seed!r}; give a whole number, 0 or more and below 2^63.")
    if (labels is not None) != (estimator == "empirical"):
        wanted = "needs the data's labels" if labels is None else "must be left out: only 'empirical' uses labels"
        raise ValueError(f"`labels` is {'None' if labels is None else 'given'}; estimator {estimator!r} {wanted}.")
    if draws < 1 or (draws > 1 and estimator not in SAMPLED):
        raise ValueError(
            f"`draws` is {draws}; give 1 or more for the estimators {', '.join(SAMPLED)}, and leave it at 1 elsewhere."
        )


def rows_count(estimator: str, outputs: int, draws: int) -> int:
    """R, the rows per input that an estimator makes."""
    return {"score": draws, "probe": draws, "empirical": 1}.get(estimator, outputs)


@dataclass(frozen=True, eq=False)
class OutputPlan:
    """Everything that was drawn for all inputs at once, from which the rows of some inputs are made when they are needed.

    Attributes:
        likelihood: the output family.
        outputs: f, (N, C).
        estimator: what the rows are for.
        labels: drawn from the model ("score", "hessian"), or the data's ("empirical").
        signs: of "probe", tensors (N, R) of -1 and 1.
    """

    likelihood: Likelihood
    outputs: Tensor
    estimator: str
    labels: tuple[Tensor, ...] = ()
    signs: tuple[Tensor, ...] = ()

    def rows(self, inputs: slice = slice(None)) -> OutputRows:
        """The rows of some of the inputs."""
        outputs, family = self.outputs[inputs], self.likelihood
        if self.estimator == "exact":
            return OutputRows(family.output_fisher_root(outputs).contiguous())
        if self.estimator == "probe":
            root = family.output_fisher_root(outputs)
            drawn = [torch.einsum("nr,nrc->nc", signs[inputs].to(root), root) for signs in self.signs]
            return OutputRows(torch.stack(drawn, dim=1) / len(drawn) ** 0.5)
        scores = torch.stack([family.score(outputs, label[inputs]) for label in self.labels], dim=1)
        if self.estimator != "hessian":
            return OutputRows(scores / len(self.labels) ** 0.5)
        hessians = [output_hessian(family, outputs, label[inputs]) for label in self.labels]
        excess = torch.stack(hessians).mean(dim=0) - family.output_fisher(outputs)
        root = family.output_fisher_root(outputs).contiguous()
        return OutputRows(root, scores.mean(dim=1), excess if bool(excess.any()) else None)


def output_plan(
    likelihood: Likelihood, outputs: Tensor, estimator: str, seed: int | None, labels: Tensor | None, draws: int
) -> OutputPlan:
    """What an estimator draws at the outputs (N, C) of all inputs.

    Raises:
        OverflowError: the outputs are not finite.
    """
    if not bool(torch.isfinite(outputs).all()):
        raise OverflowError(
            "the network's outputs overflow; lower `weight_variance` or the number of layers, or use a bounded activation."
        )
    if labels is not None:
        likelihood.score(outputs, labels)  # refuses labels of another shape here and not in some part
        return OutputPlan(likelihood, outputs, estimator, labels=(labels,))
    if estimator == "exact":
        return OutputPlan(likelihood, outputs, estimator)
    generator = torch.Generator().manual_seed(int(seed or 0))
    if estimator == "probe":
        shape = outputs.shape[0], likelihood.output_fisher_root(outputs[:1]).shape[1]
        signs = tuple(2 * torch.randint(0, 2, shape, generator=generator) - 1 for _ in range(draws))
        return OutputPlan(likelihood, outputs, estimator, signs=signs)
    drawn = tuple(likelihood.sample(outputs, generator) for _ in range(draws))
    return OutputPlan(likelihood, outputs, estimator, labels=drawn)
