"""Gradient descent that begins close to a minimum: the target is what the same network says after a small step along v.

loss = mean over inputs of KL(target | outputs), for Gaussian outputs (1/2N) sum |f - f*|^2 / variance. It is 0 at theta + s v,
where its curvature is F, so that along an eigenvector v of F every step of size eta multiplies the loss by (1 - eta lambda)^2.
Source: LeCun, Bottou, Orr, Muller, Efficient BackProp (1998); Karakida, Akaho, Amari, arXiv 1806.01316.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fimcore.activations import activation
from fimcore.likelihoods import Categorical, Gaussian
from fimcore.networks import Network

__all__ = ["descend_near_minimum"]


def descend_near_minimum(
    network: Network,
    x: Tensor,
    likelihood: Gaussian | Categorical,
    direction: Tensor,
    size: float,
    rate: float,
    steps: int,
    progress: Callable[[float, str], object] | None = None,
) -> NDArray[np.float64]:
    """Losses before and after every one of `steps` steps of full-batch descent, (steps + 1,), with the whole network moving.

    Args:
        network: where descent begins.
        x: (N, n_0).
        likelihood: Gaussian or Categorical.
        direction: (P,), where the minimum lies; size: how far, in parameters.
        rate: step size, above 0.
        progress: called after each step.

    Raises:
        ValueError: a direction of another length, a rate that is not above 0.
    """
    if not rate > 0:
        raise ValueError(f"`rate` is {rate!r}; give a step size above 0.")
    target = network.with_parameters(network.parameter_vector() + size * direction)(x)
    losses = []
    for step in range(steps + 1):
        loss, pull = _loss(likelihood, network(x), target)
        losses.append(loss)
        if step < steps:
            network = _moved(network, x, pull, rate)
        if progress:
            progress((step + 1) / (steps + 1), f"step {step} of {steps}")
    return np.array(losses)


def _loss(likelihood: Gaussian | Categorical, outputs: Tensor, target: Tensor) -> tuple[float, Tensor]:
    """Mean divergence from the target's distribution, and its gradient by the outputs, (N, C)."""
    if isinstance(likelihood, Gaussian):
        away = (outputs - target) / (likelihood.variance * len(outputs))
        return float((away * (outputs - target)).sum()) / 2, away
    own, wanted = torch.log_softmax(outputs, dim=1), torch.log_softmax(target, dim=1)
    # sum p* (e^d - 1 - d), d = log p - log p*: every term is positive, and keeps its digits where d is tiny
    apart = own - wanted
    divergence = (wanted.exp() * (torch.expm1(apart) - apart)).sum() / len(outputs)
    return float(divergence), (own.exp() - wanted.exp()) / len(outputs)


def _moved(network: Network, x: Tensor, pull: Tensor, rate: float) -> Network:
    """The network after one step, by backpropagation of the loss's gradient at the outputs."""
    phi, passed = activation(network.activation), network.forward(x)
    weights, biases = [], []
    for layer in range(len(network.weights) - 1, -1, -1):
        a = passed.activations[layer]
        weights.append(torch.addmm(network.weights[layer], pull.T, a, alpha=-rate))
        biases.append(network.biases[layer] - rate * pull.sum(dim=0))
        if layer:
            pull = (pull @ network.weights[layer]) * phi.slope(passed.preactivations[layer - 1], a)
    return Network(tuple(reversed(weights)), tuple(reversed(biases)), network.activation)
