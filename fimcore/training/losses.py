"""The loss that is minimised, its gradient, and its score in the coordinates of the output root.

loss = -(1/N) sum_x log p(y | f(x)) + constant; Gaussian family: (1/2N) sum_x |f - y|^2 / variance.
Source: Amari, Natural gradient works efficiently in learning (1998); Martens, New insights and perspectives on the
natural gradient method, arXiv 1412.1193.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fimcore.fisher.factors import factors
from fimcore.likelihoods import Categorical, Gaussian, Likelihood
from fimcore.networks import Network


def mean_loss(likelihood: Likelihood, outputs: Tensor, labels: Tensor) -> float:
    """Mean negative log-likelihood; for the Gaussian family without C log(2 pi variance) / 2: a perfect fit has loss 0.

    Args:
        likelihood: output family.
        outputs: f(x), (N, C).
        labels: (N, C) real numbers for the Gaussian family, (N,) classes for the categorical one.
    """
    if isinstance(likelihood, Gaussian):
        # Not through log_likelihood: adding and removing the constant would lose the digits of a small loss.
        return float((outputs - labels).square().sum() / (2 * outputs.shape[0] * likelihood.variance))
    return -float(likelihood.log_likelihood(outputs, labels).mean())


def mean_gradient(network: Network, x: Tensor, labels: Tensor, likelihood: Likelihood) -> Tensor:
    """Gradient of `mean_loss` by the parameters, in fimcore's order: (P,).

    The score at the labels, backpropagated: one forward and one backward pass with a single row per input.
    """
    made = factors(network, x, likelihood, "empirical", labels=labels)
    return -made.transpose_product(torch.ones(made.samples, dtype=made.dtype, device=made.device)) / made.samples


def root_coordinates(likelihood: Likelihood, outputs: Tensor, labels: Tensor) -> Tensor:
    """Solve B^T t = score of the outputs for t, B the root of the output Fisher matrix: (N, R).

    With J the rows of the exact factors, the gradient of the loss is -J^T t / N: gradient and Fisher matrix then share
    one backward pass, and the dual form of the natural gradient needs no division by the damping.
    Gaussian: t = (y - f) / sqrt(variance). Categorical: t = e_y / r_y - r, r = sqrt(softmax(f)), the shortest such t.
    """
    if isinstance(likelihood, Gaussian):
        return likelihood.score(outputs, labels) * float(likelihood.variance**0.5)
    if isinstance(likelihood, Categorical):
        log_root = torch.log_softmax(outputs, dim=1) / 2
        chosen = labels.long()[:, None]
        return (-log_root.exp()).scatter_add(1, chosen, (-log_root.gather(1, chosen)).exp())
    root = likelihood.output_fisher_root(outputs)
    score = likelihood.score(outputs, labels)
    solution: Tensor = torch.linalg.lstsq(root.transpose(1, 2), score[:, :, None]).solution
    return solution[:, :, 0]


def fit(likelihood: Likelihood, outputs: Tensor, labels: Tensor) -> tuple[float, float]:
    """(residual, accuracy): the root mean square of f - y, or the share of right classes; the other one is nan."""
    if isinstance(likelihood, Categorical):
        return float("nan"), float((outputs.argmax(dim=1) == labels).double().mean())
    if labels.shape == outputs.shape:
        return float((outputs - labels).square().mean().sqrt()), float("nan")
    return float("nan"), float("nan")
