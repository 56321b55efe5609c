"""Regression that also learns its variance: f = (m, rho), v = exp(rho), Q = diag(1/v, 1/2).

Source: Nix, Weigend, Estimating the mean and variance of the target probability distribution (1994).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore.likelihoods.cumulants import fourth_from_cumulants
from fimcore.likelihoods.exponential import exponential
from fimcore.likelihoods.labels import labels_of_shape


@dataclass(frozen=True)
class GaussianWithVariance:
    """Regression, p(y_k | f) = N(m_k, exp(rho_k)): score ((y - m) / v, ((y - m)^2 / v - 1) / 2), Q = diag(1/v, 1/2).

    Outputs are (N, 2K): first the K means m, then the K logarithms rho of the variances v. Labels are (N, K) real numbers.
    The natural parameters (m/v, -1/(2v)) would be the textbook choice, but half of all read-outs break the sign of the
    second; every (m, rho) is a normal law. The price is a Hessian that depends on the labels; its mean is Q.
    """

    def log_likelihood(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """-sum_k [(y - m)^2 / v + rho + log(2 pi)] / 2."""
        mean, log_variance, precision = self._parts(outputs)
        squared = (self._labels(outputs, labels) - mean).square() * precision
        return -0.5 * (squared + log_variance + math.log(2 * math.pi)).sum(dim=1)

    def sample(self, outputs: Tensor, generator: torch.Generator) -> Tensor:
        """m + sqrt(v) z: (N, K), drawn in float64 on the CPU so that a seed means the same labels everywhere."""
        mean, log_variance, _ = self._parts(outputs.detach().cpu().double())
        noise = torch.randn(mean.shape, generator=generator, dtype=torch.float64)
        return (mean + exponential(log_variance / 2, "log standard deviation") * noise).to(outputs)

    def score(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """((y - m) / v, ((y - m)^2 / v - 1) / 2)."""
        mean, _, precision = self._parts(outputs)
        residual = self._labels(outputs, labels) - mean
        return torch.cat([residual * precision, (residual.square() * precision - 1) / 2], dim=1)

    def output_fisher(self, outputs: Tensor) -> Tensor:
        """diag(1/v, 1/2)."""
        _, _, precision = self._parts(outputs)
        return torch.diag_embed(torch.cat([precision, torch.full_like(precision, 0.5)], dim=1))

    def output_fisher_root(self, outputs: Tensor) -> Tensor:
        """diag(1/sqrt(v), 1/sqrt(2))."""
        _, _, precision = self._parts(outputs)
        return torch.diag_embed(torch.cat([precision.sqrt(), torch.full_like(precision, 0.5**0.5)], dim=1))

    def output_hessian(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """For each target [[1/v, (y - m)/v], [(y - m)/v, (y - m)^2 / (2v)]]."""
        mean, _, precision = self._parts(outputs)
        residual = self._labels(outputs, labels) - mean
        mixed = torch.diag_embed(residual * precision)
        upper = torch.cat([torch.diag_embed(precision), mixed], dim=2)
        lower = torch.cat([mixed, torch.diag_embed(residual.square() * precision / 2)], dim=2)
        return torch.cat([upper, lower], dim=1)

    def third_moment(self, outputs: Tensor, vectors: Tensor, others: Tensor) -> Tensor:
        """E [(v.s)^2 (w.s)] = sum_k 2 a^2 b' + 4 a b a' + 8 b^2 b', where v.s = sum_k a z + b (z^2 - 1), primes for w."""
        linear, square = self._coefficients(outputs, vectors)
        other_linear, other_square = self._coefficients(outputs, others)
        mixed = 2 * linear.square() * other_square + 4 * linear * square * other_linear
        return (mixed + 8 * square.square() * other_square).sum(dim=1)

    def fourth_moment(self, outputs: Tensor, vectors: Tensor) -> Tensor:
        """kappa_4 + 3 kappa_2^2 with kappa_2 = sum_k a^2 + 2 b^2, kappa_4 = 48 sum_k b^2 (a^2 + b^2)."""
        linear, square = (part.square() for part in self._coefficients(outputs, vectors))
        second = (linear + 2 * square).sum(dim=1)
        return fourth_from_cumulants(second, 48 * (square * (linear + square)).sum(dim=1))

    def natural_bend(self, outputs: Tensor, vectors: Tensor) -> Tensor:
        """e with v^T (H_out(y) - Q) v = -s(y).e: for v = (j, r), target by target, e = -(2 j r, r^2)."""
        along_means, along_log_variances = vectors.chunk(2, dim=1)
        return torch.cat([-2 * along_means * along_log_variances, -along_log_variances.square()], dim=1)

    def _coefficients(self, outputs: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """The a and b of v.s = sum_k a z + b (z^2 - 1) with z ~ N(0, 1): (N, K, m) each."""
        _, _, precision = self._parts(outputs)
        along_means, along_log_variances = vectors.chunk(2, dim=1)
        return along_means * precision.sqrt()[:, :, None], along_log_variances / 2

    @staticmethod
    def _parts(outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """m, rho and 1/v: (N, K) each."""
        columns = outputs.shape[1]
        if columns % 2:
            raise ValueError(
                f"`outputs` has {columns} column{'s' if columns > 1 else ''}; the Gaussian family with learned variance "
                "needs an even number: a mean and a log variance for every target."
            )
        mean, log_variance = outputs.chunk(2, dim=1)
        return mean, log_variance, exponential(-log_variance, "negative log variance")

    @staticmethod
    def _labels(outputs: Tensor, labels: Tensor) -> Tensor:
        return labels_of_shape("Gaussian (learned variance)", labels, outputs, outputs.shape[1] // 2)
