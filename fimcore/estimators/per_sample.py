"""Mean, variances and covariance of both estimators at every input: F a_j^2 and V a_j^4 of each unit, written out.

Source: Soen, Sun, On the Variance of the Fisher Information for Deep Learning, arXiv 2107.04205.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter

import torch
from torch import Tensor

from fimcore.budget import check_memory
from fimcore.estimators.output_derivatives import OutputDerivatives, derivative_parts
from fimcore.estimators.unit_moments import unit_moments
from fimcore.likelihoods import LikelihoodWithMoments
from fimcore.networks import Network

QUANTITIES = ("fisher", "var_score", "var_hessian", "covariance", "var_mixture")


@dataclass(frozen=True, eq=False)
class SamplePart:
    """Values at some consecutive inputs, (n, P) each."""

    inputs: slice
    fisher: Tensor
    var_score: Tensor
    var_hessian: Tensor
    covariance: Tensor
    var_mixture: Tensor


@dataclass(frozen=True, eq=False)
class PerSample:
    """Values at every input, made when they are asked for: loop over it for parts, or take a whole (N, P) tensor by name.

    Attributes:
        network, x, likelihood: what they belong to.
        part_size: inputs in one part.
    """

    network: Network
    x: Tensor
    likelihood: LikelihoodWithMoments
    part_size: int

    def __iter__(self) -> Iterator[SamplePart]:
        return self.parts()

    def parts(self, size: int | None = None) -> Iterator[SamplePart]:
        """Parts of so many inputs, `part_size` where left out."""
        if size is not None and size < 1:
            raise ValueError(f"`size` is {size!r}; give a whole number, 1 or more.")
        for made in derivative_parts(self.network, self.x, self.likelihood, size or self.part_size):
            yield SamplePart(made.which, *_written_out(made, QUANTITIES))

    @property
    def fisher(self) -> Tensor:
        """F at every input: (N, P)."""
        return self._whole("fisher")

    @property
    def var_score(self) -> Tensor:
        """Variance of the squared score at every input: (N, P)."""
        return self._whole("var_score")

    @property
    def var_hessian(self) -> Tensor:
        """Variance of minus the second derivative at every input: (N, P)."""
        return self._whole("var_hessian")

    @property
    def covariance(self) -> Tensor:
        """Covariance of the two at every input: (N, P)."""
        return self._whole("covariance")

    @property
    def var_mixture(self) -> Tensor:
        """Variance of the best mixture at every input: (N, P)."""
        return self._whole("var_mixture")

    def _whole(self, quantity: str) -> Tensor:
        shape = self.x.shape[0], self.network.layout.parameters
        check_memory(
            f"{quantity} of {shape[0]:,} inputs and {shape[1]:,} parameters",
            shape[0] * shape[1] * self.x.element_size(),
            None,
            remedy="a loop over `per_sample`, which gives some inputs at a time",
        )
        result = self.x.new_empty(shape)
        for made in derivative_parts(self.network, self.x, self.likelihood, self.part_size):
            (result[made.which],) = _written_out(made, (quantity,))
        return result


def _written_out(made: OutputDerivatives, quantities: tuple[str, ...]) -> list[Tensor]:
    """A tensor (n, P) for every quantity."""
    columns: list[list[Tensor]] = [[] for _ in quantities]
    for layer in made.layers:
        unit, squares = unit_moments(made, layer), made.inputs(layer).square()
        for column, quantity in zip(columns, quantities, strict=True):
            powers = squares if quantity == "fisher" else squares.square()
            strength: Tensor = attrgetter(quantity)(unit)
            column.append((strength[:, :, None] * powers[:, None, :]).flatten(1))
    return [torch.cat(column, dim=1) for column in columns]
