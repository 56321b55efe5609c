"""Regression with a given variance: score (y - f) / variance, Q = I / variance.

Source: Kunstner, Balles, Hennig, Limitations of the empirical Fisher approximation, arXiv 1905.12558.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore.likelihoods.labels import labels_of_shape


@dataclass(frozen=True)
class Gaussian:
    """Regression, p(y | f) = N(f, variance I): score (y - f) / variance, Q = I / variance, B = I / sqrt(variance).

    Labels are (N, C) real numbers.

    Raises:
        ValueError: the variance is not a finite number above 0.
    """

    variance: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.variance) and self.variance > 0):
            raise ValueError(f"`variance` is {self.variance!r}; give a finite number above 0.")

    def log_likelihood(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """-|y - f|^2 / (2 variance) - C log(2 pi variance) / 2."""
        squared = (self._labels(outputs, labels) - outputs).square().sum(dim=1)
        return -squared / (2 * self.variance) - 0.5 * outputs.shape[1] * math.log(2 * math.pi * self.variance)

    def sample(self, outputs: Tensor, generator: torch.Generator) -> Tensor:
        """f + sqrt(variance) z, drawn in float64 on the CPU so that a seed means the same labels everywhere."""
        noise = torch.randn(outputs.shape, generator=generator, dtype=torch.float64)
        return (outputs.detach().cpu().double() + noise * self.variance**0.5).to(outputs)

    def score(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """(y - f) / variance."""
        return (self._labels(outputs, labels) - outputs) / self.variance

    def output_fisher(self, outputs: Tensor) -> Tensor:
        """I / variance, as a broadcast view."""
        return self._scaled_identity(outputs, 1 / self.variance)

    def output_fisher_root(self, outputs: Tensor) -> Tensor:
        """I / sqrt(variance), as a broadcast view."""
        return self._scaled_identity(outputs, self.variance**-0.5)

    def output_hessian(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """I / variance whatever the labels: the output Fisher matrix."""
        self._labels(outputs, labels)
        return self.output_fisher(outputs)

    def third_moment(self, outputs: Tensor, vectors: Tensor, others: Tensor) -> Tensor:
        """E [(v.s)^2 (w.s)] = 0: the score is normal with mean 0."""
        return vectors.new_zeros(vectors.shape[0], vectors.shape[2])

    def fourth_moment(self, outputs: Tensor, vectors: Tensor) -> Tensor:
        """E [(v.s)^4] = 3 (|v|^2 / variance)^2."""
        return 3 * (vectors.square().sum(dim=1) / self.variance).square()

    @staticmethod
    def _scaled_identity(outputs: Tensor, scale: float) -> Tensor:
        identity = torch.eye(outputs.shape[1], dtype=outputs.dtype, device=outputs.device)
        return (identity * scale).expand(outputs.shape[0], -1, -1)

    @staticmethod
    def _labels(outputs: Tensor, labels: Tensor) -> Tensor:
        return labels_of_shape("Gaussian", labels, outputs, outputs.shape[1])
