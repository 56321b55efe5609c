"""Every label of a family with its probability: enumerated, cut off far out, or the nodes of Gauss-Hermite quadrature."""

import itertools

import numpy as np
import torch

import fimcore as fc

OUTPUTS = torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
FAMILIES = [
    fc.Gaussian(),
    fc.Gaussian(variance=2.5),
    fc.GaussianWithVariance(),
    fc.Categorical(),
    fc.Bernoulli(),
    fc.Poisson(),
]


def reference(family, outputs):
    """The law of the labels as torch.distributions has it."""
    laws = torch.distributions
    if isinstance(family, fc.Categorical):
        return laws.Categorical(logits=outputs)
    if isinstance(family, fc.Gaussian):
        return laws.Independent(laws.Normal(outputs, family.variance**0.5), 1)
    if isinstance(family, fc.GaussianWithVariance):
        mean, log_variance = outputs.chunk(2, dim=1)
        return laws.Independent(laws.Normal(mean, (log_variance / 2).exp()), 1)
    if isinstance(family, fc.Bernoulli):
        return laws.Independent(laws.Bernoulli(logits=outputs), 1)
    return laws.Independent(laws.Poisson(outputs.exp()), 1)


def _each_output(family, outputs):
    """Labels and weights of one target each: a list of (values, weights)."""
    if isinstance(family, fc.Bernoulli):
        p = 1 / (1 + np.exp(-outputs))
        return [(np.array([0.0, 1.0]), np.array([1 - q, q])) for q in p]
    nodes, weights = np.polynomial.hermite_e.hermegauss(6)  # exact to degree 11
    weights = weights / weights.sum()
    if isinstance(family, fc.Gaussian):
        return [(mean + family.variance**0.5 * nodes, weights) for mean in outputs]
    means, log_variances = np.split(outputs, 2)
    return [(m + np.exp(rho / 2) * nodes, weights) for m, rho in zip(means, log_variances, strict=True)]


def every_label(family, outputs):
    """Labels (M, ...) and weights (M,) of one input with outputs (C,); exact for polynomials of the score to degree 5."""
    outputs = outputs.numpy()
    if isinstance(family, fc.Categorical):
        weights = np.exp(outputs - outputs.max())
        return torch.arange(len(outputs)), torch.as_tensor(weights / weights.sum())
    if isinstance(family, fc.Poisson):
        raise TypeError("counts have no small joint grid: take one output at a time")
    targets = _each_output(family, outputs)
    labels = np.array(list(itertools.product(*(values for values, _ in targets))))
    weights = np.array([np.prod(part) for part in itertools.product(*(w for _, w in targets))])
    return torch.as_tensor(labels), torch.as_tensor(weights)


def counts(outputs):
    """Counts 0..K of one Poisson output (1,) with their probabilities; the tail beyond K is below 1e-30."""
    rate = float(outputs.exp())
    k = np.arange(int(rate + 12 * rate**0.5 + 60))
    log_factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, len(k))))])
    weights = np.exp(k * float(outputs) - rate - log_factorials)
    return torch.as_tensor(k, dtype=torch.float64)[:, None], torch.as_tensor(weights)


def label_law(family, outputs):
    """Labels and weights of one input: `counts` for a single Poisson output, `every_label` otherwise."""
    return counts(outputs) if isinstance(family, fc.Poisson) else every_label(family, outputs)


def inputs_of(family):
    """Outputs (C,) of single inputs with a label law: one output at a time for counts."""
    return [outputs[:1] for outputs in OUTPUTS] if isinstance(family, fc.Poisson) else list(OUTPUTS)
