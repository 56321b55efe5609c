"""Several labels at once, each there or not: p = sigmoid(f), score y - p, Q = diag(p (1 - p)).

Source: Soen, Sun, Trade-Offs of Diagonal Fisher Information Matrix Estimators, arXiv 2402.05379.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore.likelihoods.cumulants import fourth_from_cumulants, weighted_sum
from fimcore.likelihoods.labels import labels_of_shape


@dataclass(frozen=True)
class Bernoulli:
    """Multi-label classification, p(y_c = 1 | f) = p_c = sigmoid(f_c), independent: score y - p, Q = diag(w), w = p (1 - p).

    Outputs are the logits (N, C); labels are (N, C) zeros and ones.
    """

    def log_likelihood(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """sum_c log sigmoid(+-f_c), with + where the label is 1."""
        return torch.nn.functional.logsigmoid(self._signs(outputs, labels) * outputs).sum(dim=1)

    def sample(self, outputs: Tensor, generator: torch.Generator) -> Tensor:
        """Zeros and ones (N, C) in the outputs' dtype, by one uniform number each in float64 on the CPU."""
        uniform = torch.rand(outputs.shape, generator=generator, dtype=torch.float64)
        return (uniform < torch.sigmoid(outputs.detach().cpu().double())).to(outputs)

    def score(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """y - p, as +-sigmoid(-+f): no digit is lost where p is close to y."""
        signs = self._signs(outputs, labels)
        return signs * torch.sigmoid(-signs * outputs)

    def output_fisher(self, outputs: Tensor) -> Tensor:
        """diag(p (1 - p))."""
        return torch.diag_embed(self._variances(outputs))

    def output_fisher_root(self, outputs: Tensor) -> Tensor:
        """diag(sqrt(p (1 - p)))."""
        return torch.diag_embed(self._variances(outputs).sqrt())

    def output_hessian(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """diag(p (1 - p)) whatever the labels: the output Fisher matrix."""
        self._signs(outputs, labels)
        return self.output_fisher(outputs)

    def third_moment(self, outputs: Tensor, vectors: Tensor, others: Tensor) -> Tensor:
        """E [(v.s)^2 (w.s)] = sum_c w_c (1 - 2 p_c) v_c^2 w'_c, with w' the other direction and 1 - 2 p = -tanh(f/2)."""
        skewness = -self._variances(outputs) * torch.tanh(outputs / 2)
        return weighted_sum(skewness, vectors.square() * others)

    def fourth_moment(self, outputs: Tensor, vectors: Tensor) -> Tensor:
        """kappa_4 + 3 kappa_2^2 with kappa_2 = sum_c w v^2, kappa_4 = sum_c w (1 - 6 w) v^4."""
        variances, squares = self._variances(outputs), vectors.square()
        fourth = weighted_sum(variances * (1 - 6 * variances), squares.square())
        return fourth_from_cumulants(weighted_sum(variances, squares), fourth)

    @staticmethod
    def _variances(outputs: Tensor) -> Tensor:
        return torch.sigmoid(outputs) * torch.sigmoid(-outputs)

    @staticmethod
    def _signs(outputs: Tensor, labels: Tensor) -> Tensor:
        """2 y - 1."""
        given = labels_of_shape("Bernoulli", labels, outputs, outputs.shape[1])
        wrong = (given != 0) & (given != 1)
        if bool(wrong.any()):
            raise ValueError(f"`labels` holds {float(given[wrong][0]):g}; the Bernoulli family takes zeros and ones.")
        return 2 * given - 1
