"""Output families: p(y | f), its score, its Fisher matrix in the outputs and a square root of it.

F = E_x E_{y ~ p(.|x)} [grad l grad l^T] = E_x J^T Q J, with J the Jacobian of the outputs f and Q = -E d^2 log p / df^2 the
output Fisher matrix; B is any root with B^T B = Q, so that the rows of B J are the vectors whose outer products make F.
Source: Amari, Natural gradient works efficiently in learning (1998); Kunstner, Balles, Hennig, Limitations of the empirical
Fisher approximation, arXiv 1905.12558.

A family of your own needs the methods of `Likelihood` and nothing else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Likelihood(Protocol):
    """What an output family must be able to do. Outputs f are (N, C); R is the number of rows of the root."""

    def log_likelihood(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """log p(y | f): (N,)."""
        ...

    def sample(self, outputs: Tensor, generator: torch.Generator) -> Tensor:
        """One label per input, drawn from p(y | f)."""
        ...

    def score(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """d log p(y | f) / df: (N, C)."""
        ...

    def output_fisher(self, outputs: Tensor) -> Tensor:
        """Q: (N, C, C)."""
        ...

    def output_fisher_root(self, outputs: Tensor) -> Tensor:
        """B with B^T B = Q: (N, R, C)."""
        ...


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
        labels = self._labels(outputs, labels)
        squared = (labels - outputs).square().sum(dim=1)
        return -squared / (2 * self.variance) - 0.5 * outputs.shape[1] * math.log(2 * math.pi * self.variance)

    def sample(self, outputs: Tensor, generator: torch.Generator) -> Tensor:
        """f + sqrt(variance) z, drawn in float64 on the CPU so that a seed means the same labels everywhere."""
        noise = torch.randn(outputs.shape, generator=generator, dtype=torch.float64)
        return outputs + noise.to(outputs) * self.variance**0.5

    def score(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """(y - f) / variance."""
        return (self._labels(outputs, labels) - outputs) / self.variance

    def output_fisher(self, outputs: Tensor) -> Tensor:
        """I / variance, as a broadcast view."""
        return self._scaled_identity(outputs, 1 / self.variance)

    def output_fisher_root(self, outputs: Tensor) -> Tensor:
        """I / sqrt(variance), as a broadcast view."""
        return self._scaled_identity(outputs, self.variance**-0.5)

    @staticmethod
    def _scaled_identity(outputs: Tensor, scale: float) -> Tensor:
        identity = torch.eye(outputs.shape[1], dtype=outputs.dtype, device=outputs.device)
        return (identity * scale).expand(outputs.shape[0], -1, -1)

    @staticmethod
    def _labels(outputs: Tensor, labels: Tensor) -> Tensor:
        if labels.shape != outputs.shape:
            raise ValueError(
                f"`labels` has shape {tuple(labels.shape)}; the Gaussian family takes {tuple(outputs.shape)}."
            )
        return labels.to(outputs)


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
        cumulative = self._probabilities(outputs).double().cpu().cumsum(dim=1)
        uniform = torch.rand(outputs.shape[0], 1, generator=generator, dtype=torch.float64)
        classes = (uniform >= cumulative).sum(dim=1).clamp(max=outputs.shape[1] - 1)
        return classes.to(outputs.device)

    def score(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """e_y - g."""
        labels = self._labels(outputs, labels)
        one_hot = torch.nn.functional.one_hot(labels, outputs.shape[1]).to(outputs.dtype)
        return one_hot - self._probabilities(outputs)

    def output_fisher(self, outputs: Tensor) -> Tensor:
        """diag(g) - g g^T."""
        g = self._probabilities(outputs)
        return torch.diag_embed(g) - g[:, :, None] * g[:, None, :]

    def output_fisher_root(self, outputs: Tensor) -> Tensor:
        """(I - r r^T) diag(r): it has as many rows as classes, and rank C - 1."""
        root = self._probabilities(outputs).sqrt()
        identity = torch.eye(outputs.shape[1], dtype=outputs.dtype, device=outputs.device)
        return (identity - root[:, :, None] * root[:, None, :]) * root[:, None, :]

    @staticmethod
    def _probabilities(outputs: Tensor) -> Tensor:
        if outputs.shape[1] < 2:
            raise ValueError(
                f"`outputs` has {outputs.shape[1]} column; the categorical family needs 2 classes or more."
            )
        return torch.softmax(outputs, dim=1)

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
