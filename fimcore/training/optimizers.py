"""Optimizers as two plain functions each: evaluate (gradient and direction at a network) and move.

theta <- theta - learning_rate * direction: the gradient (sgd), (G + damping I)^{-1} gradient (ngd_...), or Adam's.
Source of Adam: Kingma, Ba, Adam: A Method for Stochastic Optimization, arXiv 1412.6980, as implemented in torch.optim.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim.adam import adam

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
    """One step of torch's Adam on the parameter vector; state = (updates so far, first moment, second moment).

    The functional form, because it takes its state from outside; torch.optim.Adam with its defaults calls the same function.
    """
    vector = network.parameter_vector()
    if not state:
        state = (torch.tensor(0.0), torch.zeros_like(vector), torch.zeros_like(vector))
    # Cloned, because Adam writes into its moments and a Step is frozen.
    count, first, second = (part.clone() for part in state)
    adam(
        [vector],
        [gradient],
        [first],
        [second],
        max_exp_avg_sqs=[],
        state_steps=[count],
        foreach=False,
        amsgrad=False,
        beta1=0.9,
        beta2=0.999,
        lr=learning_rate,
        weight_decay=0.0,
        eps=1e-8,
        maximize=False,
    )
    return network.with_parameters(vector), (count, first, second)
