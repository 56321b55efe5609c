"""Brute force: Fisher matrices from autograd on plain torch functions, and labels by enumeration or quadrature.

Nothing here uses factors, structures or scores of fimcore; parameters are put in fimcore's order by hand. Of a likelihood only
`sample` and `output_fisher_root` are called, where a test must repeat the labels or signs that a seed stands for.
"""

from __future__ import annotations

import itertools
import math

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
    return layer_values(vector, widths, activation, x)[-1]


def layer_values(vector: Tensor, widths: tuple[int, ...], activation: str, x: Tensor) -> list[Tensor]:
    """What enters every layer of one input, with the 1 appended, and the outputs at the end: L + 1 vectors."""
    at, values = 0, []
    for number, (fan_in, units) in enumerate(itertools.pairwise(widths), start=1):
        rows = []
        values.append(torch.cat([x, torch.ones(1, dtype=x.dtype)]))
        for _ in range(units):
            weights, bias = vector[at : at + fan_in], vector[at + fan_in]
            rows.append(weights @ x + bias)
            at += fan_in + 1
        x = torch.stack(rows)
        if number < len(widths) - 1:
            x = PLAIN[activation](x)
    return [*values, x]


def places(widths: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """(layer, unit, place in the unit) of every parameter, layers from 1, the bias last in its unit."""
    return [
        (layer, unit, place)
        for layer, (fan_in, units) in enumerate(itertools.pairwise(widths), start=1)
        for unit in range(units)
        for place in range(fan_in + 1)
    ]


def parameter_vector(network) -> Tensor:
    values = []
    for weight, bias in zip(network.weights, network.biases, strict=True):
        for unit in range(weight.shape[0]):
            values += [*weight[unit].tolist(), float(bias[unit])]
    return torch.tensor(values, dtype=torch.float64)


def plain_outputs(network, x: Tensor) -> Tensor:
    """(N, C) in float64."""
    vector = parameter_vector(network)
    return torch.stack([outputs_of(vector, network.widths, network.activation, point) for point in x.double()])


def layer_inputs(network, x: Tensor) -> list[Tensor]:
    """L tensors (N, k_l): what enters each layer, with the 1 appended."""
    vector = parameter_vector(network)
    rows = [layer_values(vector, network.widths, network.activation, point)[:-1] for point in x.double()]
    return [torch.stack(layer) for layer in zip(*rows, strict=True)]


def jacobians(network, x: Tensor) -> Tensor:
    """(N, C, P) by autograd, one input at a time."""
    vector = parameter_vector(network)

    def outputs(v: Tensor, point: Tensor) -> Tensor:
        return outputs_of(v, network.widths, network.activation, point)

    return torch.stack([torch.func.jacrev(outputs)(vector, point) for point in x.double()])


# ------------------------------------------------------------------------------------------------------- families of labels


def log_density(likelihood, f: Tensor, y: Tensor) -> Tensor:
    """log p(y | f) of one input, f (C,), written from the textbook."""
    name = type(likelihood).__name__
    if name == "Gaussian":
        v = likelihood.variance
        return -((y - f) ** 2).sum() / (2 * v) - len(f) / 2 * math.log(2 * math.pi * v)
    if name == "GaussianWithVariance":
        m, rho = f[: len(f) // 2], f[len(f) // 2 :]
        return (-((y - m) ** 2) / (2 * torch.exp(rho)) - rho / 2 - math.log(2 * math.pi) / 2).sum()
    if name == "Categorical":
        return ((torch.arange(len(f)) == y) * f).sum() - torch.logsumexp(f, 0)
    if name == "Bernoulli":
        return (y * f - torch.log1p(torch.exp(f))).sum()
    assert name == "Poisson"
    return (y * f - torch.exp(f) - torch.lgamma(y + 1)).sum()


def label_law(likelihood, f: Tensor) -> tuple[Tensor, Tensor]:
    """Labels and weights whose weighted sums are expectations over y ~ p(. | f), exact for what a Fisher matrix needs."""
    name, outputs = type(likelihood).__name__, len(f)
    if name == "Categorical":
        return torch.arange(outputs), torch.exp(f) / torch.exp(f).sum()
    if name in ("Bernoulli", "Poisson"):
        # at rates up to 3 the counts beyond 29 weigh less than 1e-18
        most = 2 if name == "Bernoulli" else 30
        assert name == "Bernoulli" or float(f.max()) < math.log(3)
        labels = torch.cartesian_prod(*[torch.arange(most, dtype=torch.float64)] * outputs).reshape(-1, outputs)
        weights = torch.exp(torch.func.vmap(lambda y: log_density(likelihood, f, y))(labels))
        assert abs(float(weights.sum()) - 1) < 1e-12
        return labels, weights
    # Gauss-Hermite with 4 nodes: polynomials up to degree 7; score products reach degree 4
    if name == "Gaussian":
        mean, scale = f, torch.full_like(f, likelihood.variance**0.5)
    else:
        mean, scale = f[: outputs // 2], torch.exp(f[outputs // 2 :] / 2)
    nodes, weights = (torch.tensor(a) for a in np.polynomial.hermite_e.hermegauss(4))
    count = len(mean)
    choices = torch.cartesian_prod(*[torch.arange(4)] * count).reshape(-1, count)
    return mean + scale * nodes[choices], (weights / weights.sum())[choices].prod(dim=1)


def output_scores(likelihood, f: Tensor, labels: Tensor) -> Tensor:
    """d log p(y | f) / df of one input at several labels, by autograd: (M, C)."""
    return torch.func.vmap(torch.func.grad(lambda at, y: log_density(likelihood, at, y)), (None, 0))(f, labels)


# ---------------------------------------------------------------------------------------------------- one matrix an input


def per_input(network, x: Tensor, likelihood, estimator: str = "exact", seed=None, labels=None, draws=1) -> Tensor:
    """(N, P, P) in float64, the matrix of every input before the mean over inputs is taken."""
    f, jacobian = plain_outputs(network, x), jacobians(network, x)
    if estimator == "exact":
        found = []
        for at, j in zip(f, jacobian, strict=True):
            law, weights = label_law(likelihood, at)
            scores = output_scores(likelihood, at, law)
            found.append(j.T @ (scores.T * weights) @ scores @ j)
        return torch.stack(found)
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    if estimator == "probe":
        root = likelihood.output_fisher_root(f)
        rows = []
        for _ in range(draws):
            signs = 2 * torch.randint(0, 2, root.shape[:2], generator=generator).double() - 1
            rows.append(torch.einsum("nr,nrc,ncp->np", signs, root, jacobian))
        return sum(row[:, :, None] * row[:, None, :] for row in rows) / draws
    if estimator == "empirical":
        drawn = [labels]
    else:
        drawn = [likelihood.sample(f, generator) for _ in range(draws)]
    if estimator == "hessian":
        return sum(minus_hessians(network, x, likelihood, label) for label in drawn) / len(drawn)
    total = 0
    for label in drawn:
        scores = torch.stack([output_scores(likelihood, at, y[None])[0] for at, y in zip(f, label, strict=True)])
        rows = torch.einsum("nc,ncp->np", scores, jacobian)
        total = total + rows[:, :, None] * rows[:, None, :]
    return total / len(drawn)


def minus_hessians(network, x: Tensor, likelihood, labels: Tensor) -> Tensor:
    """-d^2 log p(y | f(x; theta)) / dtheta^2 of every input by autograd: (N, P, P)."""
    vector = parameter_vector(network)

    def value(v: Tensor, point: Tensor, y: Tensor) -> Tensor:
        return log_density(likelihood, outputs_of(v, network.widths, network.activation, point), y)

    return -torch.func.vmap(torch.func.hessian(value), (None, 0, 0))(vector, x.double(), labels)


def exact_fisher(network, x: Tensor, family: str, variance: float = 1.0) -> Tensor:
    """E_x E_{y~p} score score^T of the families "gaussian" and "categorical"."""
    name = {"gaussian": "Gaussian", "categorical": "Categorical"}[family]
    likelihood = type(name, (), {"variance": variance})()
    return per_input(network, x, likelihood).mean(dim=0)
