"""Moments of the spectrum, trace F^k / P, without an eigenproblem.

trace F^k is that of the dual matrix K/N: trace K, |K|^2, <K, K^2>, |K^2|^2; beyond the first two one product of the smaller side
with itself gives two more.
Source: Karakida, Akaho, Amari, Universal Statistics of Fisher Information in Deep Neural Networks, arXiv 1806.01316.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fimcore.budget import Budget, check_memory, default_budget
from fimcore.fisher.blocks import Progress
from fimcore.fisher.dense import dense
from fimcore.fisher.dual import dual_matrix
from fimcore.fisher.parts import AnyFactors, factor_parts
from fimcore.fisher.structures import Origin
from fimcore.likelihoods import Gaussian, Likelihood
from fimcore.networks import Network


def spectrum_moments(
    network: Network,
    x: Tensor,
    likelihood: Likelihood | None = None,
    orders: int = 4,
    *,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> NDArray[np.float64]:
    """trace F^k / P for k = 1..orders, (orders,): the moments of the eigenvalue density, zeros included.

    Args:
        network, x, likelihood: as in `fisher`.
        orders: how many, 1 or more.
        budget: memory allowed for the smaller of the P and the N R side, with its powers.

    Raises:
        ValueError: orders below 1. BudgetError: neither side fits.
    """
    if orders < 1:
        raise ValueError(f"`orders` is {orders}; give 1 or more.")
    limit = budget or default_budget()
    side = min(network.layout.parameters, x.shape[0] * network.outputs)
    # the matrix, in float64 too, its powers, and one product while it is made
    needed = side**2 * (2 * network.weights[0].element_size() + 8 * ((orders + 1) // 2 + 1))
    check_memory(
        f"moments of the spectrum (a {side:,} x {side:,} matrix)",
        needed,
        limit,
        remedy="fewer inputs or a smaller width",
    )
    family = Gaussian() if likelihood is None else likelihood
    made = factor_parts(network, x, family, budget=limit, reserved_bytes=needed)
    return spectrum_moments_from_factors(made, orders, progress)


def spectrum_moments_from_factors(
    made: AnyFactors, orders: int = 4, progress: Progress | None = None
) -> NDArray[np.float64]:
    """`spectrum_moments` from factors alone."""
    if made.estimator != "hessian" and made.samples * made.rows < made.layout.parameters:
        matrix = dual_matrix(made, range(1, made.layout.layers + 1), progress)
    else:
        matrix = dense(made, Origin(made.estimator, "", made.samples), progress).matrix
    matrix = matrix.double()
    powers: list[Tensor] = [matrix]
    while 2 * len(powers) < orders:
        powers.append(powers[-1] @ matrix)
    traces = [float(matrix.trace())]
    for order in range(2, orders + 1):
        half = order // 2
        traces.append(float(torch.vdot(powers[half - 1].reshape(-1), powers[order - half - 1].reshape(-1))))
    return np.array(traces) / made.layout.parameters
