"""The standard error of a sampled Fisher matrix, from the sample itself.

Labels are drawn independently at every input, and the exact diagonal at one input, f_p(x), is known in closed form. With d_p(x)
the sampled minus the exact value, E d_p(x) = 0, so that
    Var(F_hat_pp) = (1/N^2) sum_x E d_p(x)^2,   estimated without bias by   (1/N^2) sum_x d_p(x)^2,
whatever the number of labels per input; the trace likewise with the sum of d over the parameters.
Source: Soen, Sun, Trade-Offs of Diagonal Fisher Information Matrix Estimators, arXiv 2402.05379, for what varies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore.fisher.factors import Factors
from fimcore.fisher.parts import AnyFactors, factor_parts, summed
from fimcore.fisher.products import product
from fimcore.likelihoods import Likelihood


@dataclass(frozen=True, eq=False)
class StandardError:
    """Standard error, over the labels or signs that were drawn at these inputs, of an estimated Fisher matrix.

    Attributes:
        diagonal: of every diagonal entry, (P,).
        trace: of the trace.
    """

    diagonal: Tensor
    trace: float


@dataclass(frozen=True, eq=False)
class Sampling:
    """What a sampled matrix was made from, kept so that its standard error can be asked for."""

    made: AnyFactors
    x: Tensor
    likelihood: Likelihood

    def standard_error(self) -> StandardError:
        """Standard error of the diagonal and of the trace."""
        squares = summed(self._squares(drawn, known) for drawn, known in self._pairs())
        count = self.made.samples
        diagonal = torch.cat([square.reshape(-1) for square in squares[:-1]])
        return StandardError(diagonal.sqrt() / count, float(squares[-1].sqrt()) / count)

    @staticmethod
    def _squares(drawn: Factors, known: Factors) -> list[Tensor]:
        """sum_x d(x)^2 of every diagonal entry, a tensor a layer, and last of the trace."""
        found, total = [], torch.zeros(drawn.samples, dtype=drawn.dtype, device=drawn.device)
        for layer, a in enumerate(drawn.inputs, start=1):
            apart = drawn.unit_strength(layer) - known.unit_strength(layer)
            found.append(product(apart.square(), a.pow(4)))
            total += apart.sum(dim=1) * a.square().sum(dim=1)
        return [*found, total.square().sum()]

    def along(self, vectors: Tensor) -> Tensor:
        """Standard error of v^T F v for fixed v, (P, m) -> (m,); to first order that of an eigenvalue with eigenvector v."""
        (squares,) = summed(
            [(drawn.quadratic_form(vectors) - known.quadratic_form(vectors)).square().sum(dim=0)]
            for drawn, known in self._pairs()
        )
        return squares.sqrt() / self.made.samples

    def _pairs(self) -> Iterator[tuple[Factors, Factors]]:
        """Every part as drawn, with the exact one at the same inputs."""
        exact = factor_parts(self.made.network, self.x, self.likelihood, size=self.made.part_size)
        return zip(self.made.parts, exact.parts, strict=True)
