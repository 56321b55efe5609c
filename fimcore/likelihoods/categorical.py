"""Classification: g = softmax(f), score e_y - g, Q = diag(g) - g g^T.

Source: Kunstner, Balles, Hennig, Limitations of the empirical Fisher approximation, arXiv 1905.12558.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore.likelihoods.cumulants import weighted_sum


@dataclass(frozen=True)
class Categorical:
    """Classification, p(y = c | f) = g_c, g = softmax(f): score e_y - g, Q = diag(g) - g g^T, B = (I - r r^T) diag(r), r = sqrt(g).

    Labels are (N,) whole numbers 0..C-1. Needs C >= 2.
    """

    def log_likelihood(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """log softmax(f)_y."""
        labels = self._labels(outputs, labels)
        return torch.log_softmax(outputs, dim=1).gather(1, labels[:, None])[:, 0]

    def sample(self, outputs: Tensor, generator: torch.Generator) -> Tensor:
        """One class per input, by inverting the cumulative probabilities in float64 on the CPU."""
        cumulative = self._probabilities(outputs.detach().cpu().double()).cumsum(dim=1)
        uniform = torch.rand(outputs.shape[0], 1, generator=generator, dtype=torch.float64)
        classes = (uniform >= cumulative).sum(dim=1).clamp(max=outputs.shape[1] - 1)
        return classes.to(outputs.device)

    def score(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """e_y - g, with 1 - g_y as the sum of the others, which keeps the digits of a confident answer."""
        chosen = self._labels(outputs, labels)[:, None]
        g = self._probabilities(outputs)
        return (-g).scatter(1, chosen, g.scatter(1, chosen, 0).sum(dim=1, keepdim=True))

    def output_fisher(self, outputs: Tensor) -> Tensor:
        """diag(g) - g g^T."""
        g = self._probabilities(outputs)
        matrix = -g[:, :, None] * g[:, None, :]
        matrix.diagonal(dim1=1, dim2=2).copy_(g * self._complements(g))
        return matrix

    def output_fisher_root(self, outputs: Tensor) -> Tensor:
        """(I - r r^T) diag(r): it has as many rows as classes, and rank C - 1."""
        g = self._probabilities(outputs)
        root = g.sqrt()
        matrix = -root[:, :, None] * g[:, None, :]
        matrix.diagonal(dim1=1, dim2=2).copy_(root * self._complements(g))
        return matrix

    def output_hessian(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """diag(g) - g g^T whatever the labels: the output Fisher matrix."""
        self._labels(outputs, labels)
        return self.output_fisher(outputs)

    def third_moment(self, outputs: Tensor, vectors: Tensor, others: Tensor) -> Tensor:
        """E [(v.s)^2 (w.s)] = sum_y g_y (v_y - v.g)^2 (w_y - w.g)."""
        g = self._probabilities(outputs)
        return weighted_sum(g, self._centred(g, vectors).square() * self._centred(g, others))

    def fourth_moment(self, outputs: Tensor, vectors: Tensor) -> Tensor:
        """E [(v.s)^4] = sum_y g_y (v_y - v.g)^4."""
        g = self._probabilities(outputs)
        return weighted_sum(g, self._centred(g, vectors).square().square())

    @staticmethod
    def _centred(g: Tensor, vectors: Tensor) -> Tensor:
        """v_y - v.g, seen from the most probable class: there it is a sum over the others, and no digit cancels."""
        top = g.argmax(dim=1)[:, None, None].expand(-1, 1, vectors.shape[2])
        apart = vectors - vectors.gather(1, top)
        return apart - weighted_sum(g, apart)[:, None, :]

    @staticmethod
    def _probabilities(outputs: Tensor) -> Tensor:
        if outputs.shape[1] < 2:
            raise ValueError(
                f"`outputs` has {outputs.shape[1]} column; the categorical family needs 2 classes or more."
            )
        return torch.softmax(outputs, dim=1)

    @staticmethod
    def _complements(g: Tensor) -> Tensor:
        """1 - g. For the most probable class the sum of the others: 1 - g would lose every digit of a confident answer."""
        top = g.argmax(dim=1, keepdim=True)
        others = g.scatter(1, top, 0).sum(dim=1, keepdim=True)
        return (1 - g).scatter(1, top, others)

    @staticmethod
    def _labels(outputs: Tensor, labels: Tensor) -> Tensor:
        count, classes = outputs.shape
        whole = labels.to(torch.int64)
        if labels.shape != (count,) or not torch.equal(whole.to(labels.dtype), labels):
            raise ValueError(
                f"`labels` has shape {tuple(labels.shape)}; the categorical family takes ({count},) whole numbers."
            )
        if count and not 0 <= int(whole.min()) <= int(whole.max()) < classes:
            raise ValueError(
                f"`labels` runs from {int(whole.min())} to {int(whole.max())}; "
                f"with {classes} outputs it must lie in 0..{classes - 1}."
            )
        return whole.to(outputs.device)
