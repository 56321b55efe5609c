"""Counts: rate lambda = exp(f), score y - lambda, Q = diag(lambda).

Source: Soen, Sun, Trade-Offs of Diagonal Fisher Information Matrix Estimators, arXiv 2402.05379.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore.likelihoods.cumulants import fourth_from_cumulants, weighted_sum
from fimcore.likelihoods.exponential import exponential
from fimcore.likelihoods.labels import labels_of_shape

# A little below 2^53, where float64 stops telling neighbouring counts apart.
LARGEST_SAMPLED_RATE = 2.0**50


@dataclass(frozen=True)
class Poisson:
    """Counts, y_c ~ Poisson(lambda_c), lambda = exp(f), independent: score y - lambda, Q = diag(lambda), B = diag(sqrt(lambda)).

    Outputs are the logarithms of the rates (N, C); labels are (N, C) whole numbers, 0 or more.

    Raises:
        ValueError: a rate overflows the dtype of the outputs.
    """

    def log_likelihood(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """sum_c y f - lambda - log y!."""
        counts, rates = self._labels(outputs, labels), self._rates(outputs)
        return (counts * outputs - rates - torch.lgamma(counts + 1)).sum(dim=1)

    def sample(self, outputs: Tensor, generator: torch.Generator) -> Tensor:
        """Counts (N, C) in the outputs' dtype: the smallest k with P(y <= k) > u, one uniform u each in float64 on the CPU.

        By inversion rather than rejection, so that outputs that differ by rounding give the same labels from the same seed.
        """
        rates = self._rates(outputs.detach().cpu().double())
        if bool((rates > LARGEST_SAMPLED_RATE).any()):
            raise ValueError(
                f"`outputs` reaches {float(outputs.detach().max()):g}; counts are drawn up to a rate of 2^50 = exp(34.6): "
                "make the last layer's weights or the inputs smaller."
            )
        uniform = torch.rand(outputs.shape, generator=generator, dtype=torch.float64)
        # Chernoff: beyond these bounds lies less than the 2^-53 between two uniform numbers
        spread = 9 * rates.sqrt()
        below = (rates - spread - 10).floor().clamp(min=-1)
        enough = (rates + spread + 50).floor()
        while bool((enough - below > 1).any()):
            middle = ((below + enough) / 2).floor()
            cumulative = torch.special.gammaincc(middle.clamp(min=0) + 1, rates)
            reached = (middle >= 0) & (cumulative > uniform)
            enough, below = torch.where(reached, middle, enough), torch.where(reached, below, middle)
        return enough.to(outputs)

    def score(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """y - lambda."""
        return self._labels(outputs, labels) - self._rates(outputs)

    def output_fisher(self, outputs: Tensor) -> Tensor:
        """diag(lambda)."""
        return torch.diag_embed(self._rates(outputs))

    def output_fisher_root(self, outputs: Tensor) -> Tensor:
        """diag(sqrt(lambda))."""
        return torch.diag_embed(self._rates(outputs).sqrt())

    def output_hessian(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """diag(lambda) whatever the labels: the output Fisher matrix."""
        self._labels(outputs, labels)
        return self.output_fisher(outputs)

    def third_moment(self, outputs: Tensor, vectors: Tensor, others: Tensor) -> Tensor:
        """E [(v.s)^2 (w.s)] = sum_c lambda v^2 w."""
        return weighted_sum(self._rates(outputs), vectors.square() * others)

    def fourth_moment(self, outputs: Tensor, vectors: Tensor) -> Tensor:
        """kappa_4 + 3 kappa_2^2 with kappa_2 = sum_c lambda v^2, kappa_4 = sum_c lambda v^4."""
        rates, squares = self._rates(outputs), vectors.square()
        return fourth_from_cumulants(weighted_sum(rates, squares), weighted_sum(rates, squares.square()))

    @staticmethod
    def _rates(outputs: Tensor) -> Tensor:
        return exponential(outputs, "log rate")

    @staticmethod
    def _labels(outputs: Tensor, labels: Tensor) -> Tensor:
        counts = labels_of_shape("Poisson", labels, outputs, outputs.shape[1])
        wrong = (counts < 0) | (counts != counts.floor()) | torch.isinf(counts)
        if bool(wrong.any()):
            raise ValueError(
                f"`labels` holds {float(counts[wrong][0]):g}; the Poisson family takes whole numbers, 0 or more."
            )
        return counts
