"""`diagonal_variances`: both random estimators of the Fisher diagonal in closed form, without drawing one label.

I1 = (d l / d theta)^2 and I2 = -d^2 l / d theta^2 at a label drawn from the model both have mean F(x) = J^T Q J; at one input
    Var I1 = E(J.s)^4 - F^2,   Var I2 = C^T Q C,   Cov = -E[(J.s)^2 (C.s)],   C = d^2 f / d theta^2.
Source: Soen, Sun, Trade-Offs of Diagonal Fisher Information Matrix Estimators, arXiv 2402.05379; On the Variance of the Fisher
Information for Deep Learning, arXiv 2107.04205; the covariance and the mixture are derived here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from fimcore.budget import Budget
from fimcore.estimators.batch_level import BatchVariances, batch_variances
from fimcore.estimators.bounds import Bounds, diagonal_bounds
from fimcore.estimators.input_powers import RunningSums
from fimcore.estimators.later_layers import LaterLayers, later_layers
from fimcore.estimators.mixture import mixture_variance, mixture_weight
from fimcore.estimators.needed_methods import with_moments
from fimcore.estimators.negative_share import NegativeShare, negative_share
from fimcore.estimators.output_derivatives import Progress, derivative_parts, part_size
from fimcore.estimators.per_sample import PerSample
from fimcore.estimators.samples_needed import SamplesNeeded, samples_needed
from fimcore.estimators.total_variance import VarianceSplit, total_variance
from fimcore.estimators.unit_moments import unit_moments
from fimcore.likelihoods import Gaussian, Likelihood, LikelihoodWithMoments
from fimcore.networks import Network
from fimcore.parameters import ParameterLayout

# Vectors of P numbers alive while the sums are made.
RESULT_VECTORS = 16


@dataclass(frozen=True, eq=False, repr=False)
class DiagonalVariances:
    """Both estimators of the Fisher diagonal at N inputs: tensors (P,), means over the inputs of values for one label.

    Attributes:
        network, x, likelihood: what they belong to.
        part_size: inputs worked with at a time.
        fisher: F, the mean of both estimators.
        var_score: variance of the squared score, label randomness alone.
        var_hessian: variance of minus the second derivative, label randomness alone.
        covariance: of the two for the same label.
        var_mixture: variance of the best mixture, its weight chosen for every unit at every input.
        input_variance: Var_x F(x), divided by N.
    """

    network: Network
    x: Tensor
    likelihood: LikelihoodWithMoments
    part_size: int
    fisher: Tensor
    var_score: Tensor
    var_hessian: Tensor
    covariance: Tensor
    var_mixture: Tensor
    input_variance: Tensor

    @property
    def layout(self) -> ParameterLayout:
        """Order and names of the parameters."""
        return self.network.layout

    @property
    def samples(self) -> int:
        """N, the number of inputs."""
        return self.x.shape[0]

    @property
    def mixture_weight(self) -> Tensor:
        """(P,) The score estimator's weight in the best mixture with one weight for all inputs."""
        return mixture_weight(self.var_score, self.var_hessian, self.covariance)

    @property
    def var_common_mixture(self) -> Tensor:
        """(P,) Variance of the mixture with `mixture_weight`: between `var_mixture` and the smaller of the two."""
        return mixture_variance(self.var_score, self.var_hessian, self.covariance)

    @cached_property
    def bounds(self) -> Bounds:
        """Lower and upper bounds of `fisher`, `var_score` and `var_hessian` from the outputs' law and norms of derivatives."""
        return diagonal_bounds(self.network, self.x, self.likelihood, self.part_size)

    @cached_property
    def later_layers(self) -> LaterLayers:
        """Which later layer's nonlinearity causes the variance of the Hessian estimator, unit by unit."""
        return later_layers(self.network, self.x, self.likelihood, self.part_size)

    @cached_property
    def batch(self) -> BatchVariances:
        """Variances of estimators that see the N inputs as one batch."""
        return batch_variances(self.network, self.x, self.likelihood, self.part_size)

    @property
    def per_sample(self) -> PerSample:
        """The same values at every input: a loop over parts of the inputs, or (N, P) tensors where they fit into memory."""
        return PerSample(self.network, self.x, self.likelihood, self.part_size)

    def negative_share(self, draws: int = 16, seed: int = 0) -> NegativeShare:
        """How often minus the second derivative is negative, unit by unit, although its mean never is."""
        return negative_share(self.network, self.x, self.likelihood, self.part_size, draws, seed)

    def total_variance(
        self, estimator: str, inputs: int | None = None, labels: int = 1, drawn: str = "independent"
    ) -> VarianceSplit:
        """Variance of an estimate from so many inputs and labels per input, input and label randomness apart.

        Args:
            estimator: "score", "hessian", "mixture" or "exact" (expectation over labels in closed form).
            inputs: how many; N where left out.
            labels: per input.
            drawn: "independent" (fresh from the law of the inputs), "subset" (of these N without replacement) or "all" (all N).

        Raises:
            ValueError: unknown names, or numbers that do not fit.
        """
        return total_variance(self, estimator, inputs, labels, drawn)

    def samples_needed(
        self,
        relative_error: float = 0.1,
        confidence: float = 0.95,
        method: str = "clt",
        inputs: str = "fixed",
    ) -> SamplesNeeded:
        """Samples for which the estimate is within `relative_error` of F with probability `confidence` or more.

        "chebyshev": V / ((1 - confidence) (relative_error F)^2);  "clt": z^2 V / (relative_error F)^2;  "exact": where the
        estimate's law is known (Gaussian family, or no variance at all), nan elsewhere.

        Args:
            relative_error: above 0.
            confidence: between 0 and 1.
            method: "clt", "chebyshev" or "exact".
            inputs: "fixed" (labels alone are random: V is their variance) or "random" (pairs of input and label: V also holds
                `input_variance`).

        Raises:
            ValueError: unknown names, or numbers outside their range.
        """
        return samples_needed(self, relative_error, confidence, method, inputs)

    def by_unit(self, values: Tensor) -> tuple[Tensor, ...]:
        """Means over each unit's parameters of (P,) values: L tensors (n_l,)."""
        layout = self.layout
        if values.shape != (layout.parameters,):
            raise ValueError(f"`values` has shape {tuple(values.shape)}; give ({layout.parameters},).")
        grids = zip(values.split(layout.layer_sizes), layout.units, strict=True)
        return tuple(grid.reshape(units, -1).mean(dim=1) for grid, units in grids)

    def by_layer(self, values: Tensor) -> Tensor:
        """Means over each layer's parameters of (P,) values: (L,)."""
        return torch.stack([units.mean() for units in self.by_unit(values)])

    def __repr__(self) -> str:
        return (
            f"DiagonalVariances(parameters={self.layout.parameters:,}, samples={self.samples:,}, "
            f"likelihood={self.likelihood!r})\n"
            "  F = E_x E_(y~p(.|x)) (d log p / d theta)^2, a mean over inputs; variances for one label an input"
        )


def diagonal_variances(
    network: Network,
    x: Tensor,
    likelihood: Likelihood | None = None,
    *,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> DiagonalVariances:
    """Exact mean, variances and covariance of the two random estimators of the Fisher diagonal.

    Args:
        network: weights and biases, any activation.
        x: (N, n_0) inputs in the network's dtype and on its device.
        likelihood: output family with `third_moment` and `fourth_moment`; `Gaussian()` where left out.
        budget: memory allowed; the inputs are worked through in parts that fit.
        progress: called as progress(fraction, message) between parts; what it raises cancels the computation.

    Returns:
        `DiagonalVariances`, everything (P,) in the network's dtype.

    Raises:
        ValueError: wrong shapes, or a likelihood without a method that is needed. BudgetError: the result would not fit.
        OverflowError: the network's outputs are not finite.
    """
    family = with_moments(Gaussian() if likelihood is None else likelihood)
    size = part_size(network.layout, x.shape[0], network.weights[0].element_size(), RESULT_VECTORS, budget)
    squares, fourths = RunningSums(), RunningSums()
    for made in derivative_parts(network, x, family, size):
        for layer in made.layers:
            unit, powers = unit_moments(made, layer), made.inputs(layer).square()
            squares.add(layer, [unit.fisher], powers)
            statistics = [unit.var_score, unit.var_hessian, unit.covariance, unit.var_mixture, unit.fisher.square()]
            fourths.add(layer, statistics, powers.square())
        if progress:
            progress(made.which.stop / x.shape[0], "variances")
    (fisher,) = squares.mean(x.shape[0])
    var_score, var_hessian, covariance, var_mixture, second = fourths.mean(x.shape[0])
    input_variance = (second - fisher.square()).clamp(min=0)
    return DiagonalVariances(
        network, x, family, size, fisher, var_score, var_hessian, covariance, var_mixture, input_variance
    )
