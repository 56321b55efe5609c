"""The sharpness of a loss: the largest eigenvalue of its Hessian, beside which the Fisher matrix is the Gauss-Newton part.

grad^2 loss = F - (1/N) sum_x sum_a s_a grad^2 f_a where outputs are natural parameters, s the score of the data's labels in the
outputs (Gaussian family: (y - f) / variance). The second term has no sign, and vanishes where the labels are met.
Source: Pearlmutter, Fast Exact Multiplication by the Hessian (1994); Cohen, Kaur, Li, Kolter, Talwalkar, Gradient Descent on
Neural Networks Typically Occurs at the Edge of Stability, arXiv 2103.00065; Martens, arXiv 1412.1193 (Gauss-Newton and Fisher).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackNoConvergence
from torch import Tensor

from fimcore.fisher.factors import Factors, factors_from_rows
from fimcore.fisher.lanczos import arpack
from fimcore.fisher.output_rows import OutputRows
from fimcore.likelihoods import Likelihood, output_hessian
from fimcore.networks import Network

__all__ = ["loss_hessian", "sharpness"]

FloatArray = NDArray[np.float64]


def loss_hessian(network: Network, x: Tensor, labels: Tensor, likelihood: Likelihood) -> Factors:
    """The Hessian of the mean negative log-likelihood at these labels, in factored form: products cost two passes.

    Args:
        network, x: as in `factors`.
        labels: (N, C) numbers of the Gaussian family, (N,) classes of the categorical one.
        likelihood: output family.

    Returns:
        `Factors` of the estimator "hessian"; every function that takes those works on them.
    """
    with torch.no_grad():
        passed = network.forward(x)
        outputs = passed.preactivations[-1]
        scores = likelihood.score(outputs, labels).reshape(outputs.shape)
        excess = output_hessian(likelihood, outputs, labels) - likelihood.output_fisher(outputs)
        root = likelihood.output_fisher_root(outputs).contiguous()
        rows = OutputRows(root, scores, excess if bool(excess.any()) else None)
        return factors_from_rows(network, passed, rows, "hessian")


def sharpness(
    made: Factors,
    start: FloatArray | None = None,
    tol: float = 1e-4,
    progress: Callable[..., object] | None = None,
) -> tuple[float, FloatArray]:
    """Largest eigenvalue (with its sign) of a Hessian or Fisher matrix in factored form, and its unit eigenvector, by Lanczos.

    Args:
        made: of `loss_hessian` or `factors`.
        start: where to begin, best an eigenvector of a step before: (P,).
        tol: relative accuracy.
        progress: called as progress(0.5, message) at every product.
    """
    side = made.layout.parameters

    def product(vector: FloatArray) -> FloatArray:
        if progress:
            progress(0.5, "largest eigenvalue")
        found = made.fisher_product(torch.as_tensor(vector.reshape(-1)).to(made.inputs[0])) / made.samples
        return found.double().cpu().numpy()

    first = np.random.default_rng(0).standard_normal(side) if start is None else start
    if side <= 2:
        values, vectors = np.linalg.eigh(np.stack([product(column) for column in np.eye(side)]))
        return float(values[-1]), vectors[:, -1]
    if not np.any(product(first)):
        return 0.0, first / np.linalg.norm(first)
    try:
        values, vectors = arpack(product, side, k=1, which="LA", tol=tol, v0=first, ncv=min(side, 12), maxiter=200)
    except ArpackNoConvergence:
        return float("nan"), first
    return float(values[-1]), vectors[:, -1]
