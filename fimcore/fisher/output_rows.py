"""What an estimator puts at the outputs: rows r_{x,c} with F = E_x sum_c (J^T r)(J^T r)^T, and the scores of "hessian".

Everything random is drawn here, for all inputs at once, so that numbers depend on the seed and never on how inputs are chunked.
Source: Kunstner, Balles, Hennig, Limitations of the empirical Fisher approximation, arXiv 1905.12558; Soen, Sun, Trade-Offs of
Diagonal Fisher Information Matrix Estimators, arXiv 2402.05379; Sun, arXiv 2505.13614 (probe).
"""

from __future__ import annotations

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

    def part(self, inputs: slice) -> OutputRows:
        """The rows of some of the inputs."""
        return OutputRows(*(None if value is None else value[inputs] for value in self))  # type: ignore[arg-type]


def check_estimator(estimator: str, seed: int | None, labels: Tensor | None, draws: int) -> None:
    """Refuse an unknown estimator, and a seed, labels or draws that it does not take or lacks."""
    check_choice("estimator", estimator, ESTIMATORS)
    if (seed is not None) != (estimator in SAMPLED):
        wanted = "needs a whole number" if seed is None else "must be left out"
        raise ValueError(f"`seed` is {seed!r}; the estimator {estimator!r} draws random numbers or not: it {wanted}.")
    if (labels is not None) != (estimator == "empirical"):
        wanted = "needs the data's labels" if labels is None else "must be left out: only 'empirical' uses labels"
        raise ValueError(f"`labels` is {'None' if labels is None else 'given'}; estimator {estimator!r} {wanted}.")
    if draws < 1 or (draws > 1 and estimator not in SAMPLED):
        raise ValueError(
            f"`draws` is {draws}; give 1 or more for the estimators {', '.join(SAMPLED)}, and leave it at 1 elsewhere."
        )


def output_rows(
    likelihood: Likelihood, outputs: Tensor, estimator: str, seed: int | None, labels: Tensor | None, draws: int
) -> OutputRows:
    """Rows of an estimator at the outputs (N, C) of all inputs.

    Raises:
        OverflowError: the outputs are not finite.
    """
    if not bool(torch.isfinite(outputs).all()):
        raise OverflowError(
            "the network's outputs overflow; lower `weight_variance` or the number of layers, or use a bounded activation."
        )
    if labels is not None:
        return OutputRows(likelihood.score(outputs, labels)[:, None, :])
    if estimator == "exact":
        return OutputRows(likelihood.output_fisher_root(outputs).contiguous())
    generator = torch.Generator().manual_seed(int(seed or 0))
    if estimator == "probe":
        root = likelihood.output_fisher_root(outputs)
        return OutputRows(torch.cat([_probe(root, generator) for _ in range(draws)], dim=1) / draws**0.5)
    drawn = [likelihood.sample(outputs, generator) for _ in range(draws)]
    scores = torch.stack([likelihood.score(outputs, label) for label in drawn], dim=1)
    if estimator == "score":
        return OutputRows(scores / draws**0.5)
    excess = torch.stack([output_hessian(likelihood, outputs, label) for label in drawn]).mean(dim=0)
    excess = excess - likelihood.output_fisher(outputs)
    root = likelihood.output_fisher_root(outputs).contiguous()
    return OutputRows(root, scores.mean(dim=1), excess if bool(excess.any()) else None)


def _probe(root: Tensor, generator: torch.Generator) -> Tensor:
    """Random signs through the output root: (N, 1, C) with E of its outer product equal to Q."""
    bits = torch.randint(0, 2, root.shape[:2], generator=generator)
    signs = (2 * bits - 1).to(root)
    return torch.einsum("nr,nrc->nc", signs, root)[:, None, :]
