"""Both estimators by brute force: every label with its weight, derivatives of log p(y | f(x; theta)) in theta by autograd.

Nothing here uses a formula of fimcore: networks and densities are written from the textbook, and moments are weighted sums.
"""

import itertools
import math

import numpy as np
import torch

import fimcore as fc

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


class WaitingTime:
    """p(y | f) = exp(f - y exp(f)): f is no natural parameter, since that is -exp(f)."""

    def log_likelihood(self, outputs, labels):
        return (outputs - labels * outputs.exp()).sum(dim=1)

    def sample(self, outputs, generator):
        uniform = torch.rand(outputs.shape, generator=generator, dtype=torch.float64)
        return -torch.log1p(-uniform).to(outputs) / outputs.exp()

    def score(self, outputs, labels):
        return 1 - labels * outputs.exp()

    def output_fisher(self, outputs):
        return torch.eye(outputs.shape[1]).to(outputs).expand(len(outputs), -1, -1)

    output_fisher_root = output_fisher


class WaitingTimeWithMoments(WaitingTime):
    def third_moment(self, outputs, vectors, others):
        return -2 * (vectors**2 * others).sum(dim=1)

    def fourth_moment(self, outputs, vectors):
        return 6 * (vectors**4).sum(dim=1) + 3 * (vectors**2).sum(dim=1) ** 2


FAMILIES = {
    "gaussian": fc.Gaussian(),
    "noisy gaussian": fc.Gaussian(variance=2.5),
    "gaussian with variance": fc.GaussianWithVariance(),
    "categorical": fc.Categorical(),
    "bernoulli": fc.Bernoulli(),
    "poisson": fc.Poisson(),
    "waiting time": WaitingTimeWithMoments(),
}


def log_density(likelihood, f, y):
    """log p(y | f) of one input, up to what does not depend on f."""
    name = type(likelihood).__name__
    if name == "Gaussian":
        return -((y - f) ** 2).sum() / (2 * likelihood.variance)
    if name == "GaussianWithVariance":
        m, rho = f[: len(f) // 2], f[len(f) // 2 :]
        return (-((y - m) ** 2) / (2 * torch.exp(rho)) - rho / 2).sum()
    if name == "Categorical":
        return ((torch.arange(len(f)) == y) * f).sum() - torch.logsumexp(f, 0)
    if name == "Bernoulli":
        return (y * f - torch.log1p(torch.exp(f))).sum()
    if name == "Poisson":
        return (y * f - torch.exp(f)).sum()
    assert "WaitingTime" in name
    return (f - y * torch.exp(f)).sum()


def label_law(likelihood, f, nodes=7):
    """Labels (M, ...) and weights (M,) of one input, exact for polynomials in the label up to degree 2 nodes - 1.

    The score of a learned variance is of degree 2 in the label, its fourth power of degree 8.
    """
    name = type(likelihood).__name__
    if name == "Categorical":
        return torch.arange(len(f)), torch.softmax(f, 0)
    if name == "Bernoulli":
        each = [(np.array([0.0, 1.0]), np.array([1 / (1 + math.exp(v)), 1 / (1 + math.exp(-v))])) for v in f.tolist()]
    elif name == "Poisson":
        each = [_counts(math.exp(v)) for v in f.tolist()]
    elif "WaitingTime" in name:
        places, weights = np.polynomial.laguerre.laggauss(nodes)
        each = [(places * math.exp(-v), weights) for v in f.tolist()]
    else:
        places, weights = np.polynomial.hermite_e.hermegauss(nodes)
        mean, deviation = f, torch.full_like(f, getattr(likelihood, "variance", 1.0) ** 0.5)
        if name == "GaussianWithVariance":
            mean, deviation = f[: len(f) // 2], torch.exp(f[len(f) // 2 :] / 2)
        each = [
            (m + d * places, weights / weights.sum()) for m, d in zip(mean.tolist(), deviation.tolist(), strict=True)
        ]
    labels = np.array(list(itertools.product(*(values for values, _ in each))))
    weights = np.array([math.prod(part) for part in itertools.product(*(weights for _, weights in each))])
    assert abs(weights.sum() - 1) < 1e-12
    return torch.tensor(labels), torch.tensor(weights)


def _counts(rate):
    most = int(rate + 14 * rate**0.5 + 20)
    counts = np.arange(most, dtype=float)
    return counts, np.exp(counts * math.log(rate) - rate - np.array([math.lgamma(k + 1) for k in counts]))


def parameter_vector(network):
    rows = [torch.cat([w, b[:, None]], dim=1).reshape(-1) for w, b in zip(network.weights, network.biases, strict=True)]
    return torch.cat(rows).double()


def outputs_of(vector, widths, activation, x):
    """f(x) of one input (n_0,)."""
    at, values = 0, x
    for layer, (fan_in, units) in enumerate(itertools.pairwise(widths), start=1):
        grid = vector[at : at + units * (fan_in + 1)].reshape(units, fan_in + 1)
        at += units * (fan_in + 1)
        values = grid[:, :-1] @ values + grid[:, -1]
        if layer < len(widths) - 1:
            values = PLAIN[activation](values)
    return values


def values_and_weights(network, point, likelihood, nodes=7):
    """Squared scores and minus second derivatives of one input for every label, (M, P) each, and the weights (M,)."""
    vector, point = parameter_vector(network), point.double()
    outputs = outputs_of(vector, network.widths, network.activation, point)
    labels, weights = label_law(likelihood, outputs, nodes)

    def value(v, y):
        return log_density(likelihood, outputs_of(v, network.widths, network.activation, point), y)

    scores = torch.func.vmap(torch.func.grad(value), (None, 0))(vector, labels)
    hessians = torch.func.vmap(torch.func.hessian(value), (None, 0))(vector, labels)
    return scores.square(), -hessians.diagonal(dim1=1, dim2=2), weights


def moments(network, x, likelihood):
    """F, V1, V2 and c12 at every input: four tensors (N, P)."""
    found = []
    for point in x:
        squares, seconds, weights = values_and_weights(network, point, likelihood)
        mean, other = weights @ squares, weights @ seconds
        apart, other_apart = squares - mean, seconds - other
        torch.testing.assert_close(mean, other, rtol=1e-9, atol=1e-10)  # both estimators have one mean
        cross = weights @ (apart * other_apart)
        found.append((mean, weights @ apart.square(), weights @ other_apart.square(), cross))
    return tuple(torch.stack(column) for column in zip(*found, strict=True))


def small_case(family, activation="tanh", widths=(3, 4, 3, 2), samples=4, seed=0, dtype=torch.float64, spread=1.0):
    """A network, inputs and the likelihood of that name."""
    architecture = fc.Architecture(widths, activation=activation, weight_variance=1.3 * spread, bias_variance=0.2)
    network = fc.sample_network(architecture, seed=seed, dtype=dtype)
    return network, fc.inputs.gaussian(samples, widths[0], seed=seed + 1).to(dtype), FAMILIES[family]
