"""Optimizers as two plain functions each: evaluate (gradient and direction at a network) and move.

theta <- theta - learning_rate * direction: the gradient (sgd), (G + damping I)^{-1} gradient (ngd_...), or Adam's.
Source of Adam: Kingma, Ba, Adam: A Method for Stochastic Optimization, arXiv 1412.6980, as implemented in torch.optim.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore.fisher.factors import Factors, factors
from fimcore.likelihoods import Likelihood
from fimcore.networks import Network
from fimcore.training.directions import exact_direction, gradient_of, unit_direction
from fimcore.training.losses import mean_gradient, root_coordinates

NATURAL: dict[str, Callable[[Factors, Tensor, float], Tensor]] = {
    "ngd_exact": exact_direction,
    "ngd_unit": unit_direction,
}
OPTIMIZERS = ("sgd", "adam", *NATURAL)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The gradient at a network, and for natural gradients what its direction is made from."""

    gradient: Tensor
    factors: Factors | None = None
    coordinates: Tensor | None = None


def evaluate(network: Network, x: Tensor, labels: Tensor, likelihood: Likelihood, optimizer: str) -> Evaluation:
    """Gradient of the loss at a network; natural gradients take it from the same backward pass as the Fisher matrix."""
    if optimizer not in NATURAL:
        return Evaluation(mean_gradient(network, x, labels, likelihood))
    made = factors(network, x, likelihood)
    coordinates = root_coordinates(likelihood, network(x), labels)
    return Evaluation(gradient_of(made, coordinates), made, coordinates)


def move(
    network: Network,
    evaluated: Evaluation,
    optimizer: str,
    learning_rate: float,
    damping: float,
    state: tuple[Tensor, ...],
) -> tuple[Network, tuple[Tensor, ...]]:
    """The network after one update, and the optimizer's state after it."""
    if optimizer == "adam":
        return _adam(network, evaluated.gradient, learning_rate, state)
    direction = evaluated.gradient
    if evaluated.factors is not None and evaluated.coordinates is not None:
        direction = NATURAL[optimizer](evaluated.factors, evaluated.coordinates, damping)
    return network.with_parameters(network.parameter_vector() - learning_rate * direction), state


def _adam(
    network: Network, gradient: Tensor, learning_rate: float, state: tuple[Tensor, ...]
) -> tuple[Network, tuple[Tensor, ...]]:
    """One step of torch.optim.Adam on the parameter vector; state = (updates so far, first moment, second moment)."""
    parameter = torch.nn.Parameter(network.parameter_vector())
    parameter.grad = gradient
    adam = torch.optim.Adam([parameter], lr=learning_rate)
    if state:
        # Cloned, because Adam writes into its moments and a Step is frozen.
        count, first, second = (part.clone() for part in state)
        adam.state[parameter] = {"step": count, "exp_avg": first, "exp_avg_sq": second}
    adam.step()
    kept = adam.state[parameter]
    return network.with_parameters(parameter.detach()), (kept["step"], kept["exp_avg"], kept["exp_avg_sq"])
