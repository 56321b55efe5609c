"""Brute force: Fisher matrices from autograd on a plain torch function, and labels by enumeration or quadrature.

Nothing here uses the factors; parameters are put in fimcore's order by hand.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import Tensor

PLAIN = {
    "tanh": torch.tanh,
    "erf": torch.erf,
    "relu": torch.relu,
    "leaky_relu": lambda u: torch.where(u > 0, u, 0.01 * u),
    "gelu": lambda u: u * 0.5 * (1 + torch.erf(u / 2**0.5)),
    "silu": lambda u: u / (1 + torch.exp(-u)),
    "softplus": lambda u: torch.log1p(torch.exp(u)),
    "sigmoid": lambda u: 1 / (1 + torch.exp(-u)),
    "sin": torch.sin,
    "elu": lambda u: torch.where(u > 0, u, torch.expm1(u)),
    "linear": lambda u: u,
}


def outputs_of(vector: Tensor, widths: tuple[int, ...], activation: str, x: Tensor) -> Tensor:
    """f(x) for a parameter vector ordered layer, unit, weights then bias: (C,) for one input (n_0,)."""
    at = 0
    for number, (fan_in, units) in enumerate(itertools.pairwise(widths), start=1):
        rows = []
        for _ in range(units):
            weights, bias = vector[at : at + fan_in], vector[at + fan_in]
            rows.append(weights @ x + bias)
            at += fan_in + 1
        x = torch.stack(rows)
        if number < len(widths) - 1:
            x = PLAIN[activation](x)
    return x


def parameter_vector(network) -> Tensor:
    values = []
    for weight, bias in zip(network.weights, network.biases, strict=True):
        for unit in range(weight.shape[0]):
            values += [*weight[unit].tolist(), float(bias[unit])]
    return torch.tensor(values, dtype=torch.float64)


def jacobians(network, x: Tensor) -> Tensor:
    """(N, C, P) by autograd, one input at a time."""
    vector = parameter_vector(network)

    def outputs(v: Tensor, point: Tensor) -> Tensor:
        return outputs_of(v, network.widths, network.activation, point)

    return torch.stack([torch.func.jacrev(outputs)(vector, point) for point in x.double()])


def exact_fisher(network, x: Tensor, family: str, variance: float = 1.0) -> Tensor:
    """E_x E_{y~p} score score^T, with the label expectation by enumeration (classes) or Gauss-Hermite quadrature (Gaussian)."""
    jacobian = jacobians(network, x)
    matrix = torch.zeros(jacobian.shape[2], jacobian.shape[2], dtype=torch.float64)
    nodes, weights = np.polynomial.hermite_e.hermegauss(8)
    weights = weights / weights.sum()
    for point, j in zip(x.double(), jacobian, strict=True):
        f = outputs_of(parameter_vector(network), network.widths, network.activation, point)
        if family == "categorical":
            probabilities = torch.exp(f) / torch.exp(f).sum()
            for label in range(len(f)):
                score = (torch.eye(len(f), dtype=torch.float64)[label] - probabilities) @ j
                matrix += probabilities[label] * torch.outer(score, score)
        else:
            for choice in itertools.product(range(len(nodes)), repeat=len(f)):
                noise = torch.tensor([nodes[i] for i in choice]) * variance**0.5
                score = (noise / variance) @ j
                matrix += float(np.prod([weights[i] for i in choice])) * torch.outer(score, score)
    return matrix / len(x)
