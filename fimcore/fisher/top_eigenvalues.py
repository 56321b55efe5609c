"""The largest eigenvalues of the Fisher matrix or of its layers, by Lanczos, each with the residual |F v - lambda v|.

For a symmetric matrix an eigenvalue lies within the residual (|v| = 1) of lambda.
Source: Lehoucq, Sorensen, Yang, ARPACK Users' Guide (1998); Karakida, Akaho, Amari, arXiv 1806.01316, for the dual side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from fimcore.architecture import check_choice
from fimcore.budget import Budget
from fimcore.fisher.blocks import Progress
from fimcore.fisher.dense import dense
from fimcore.fisher.dual import dual_matrix
from fimcore.fisher.eigenvalue_list import EigenvalueList, FloatArray
from fimcore.fisher.lanczos import fisher_product, leading_eigenpairs, transpose_product
from fimcore.fisher.output_rows import SAMPLED
from fimcore.fisher.parts import AnyFactors, factor_parts
from fimcore.fisher.sampling import Sampling
from fimcore.fisher.structures import Origin
from fimcore.likelihoods import Gaussian, Likelihood
from fimcore.networks import Network

# Up to this side all eigenpairs at once cost less than a few by Lanczos.
DIRECT_SIDE = 128


@dataclass(frozen=True, eq=False, repr=False)
class TopEigenvalues(EigenvalueList):
    """Behaves as a sequence of the eigenvalues.

    Attributes:
        values: (k,), descending.
        residuals: (k,), |F v - lambda v| for the unit eigenvector v found; the eigenvalue is that exact at least.
        vectors: (P, k), in the network's dtype and on its device; zero for eigenvalues that are zero to rounding.
        standard_errors: (k,), to first order, over the labels or signs drawn; zero where nothing was drawn.
    """

    residuals: FloatArray
    vectors: Tensor
    standard_errors: FloatArray

    def __repr__(self) -> str:
        worst = self.residuals.max(initial=0.0)
        return f"TopEigenvalues({np.array2string(self.values, precision=6)}, each within {worst:.1e})"


def top_eigenvalues(
    network: Network,
    x: Tensor,
    likelihood: Likelihood | None = None,
    k: int = 10,
    structure: str = "implicit",
    tol: float = 1e-6,
    *,
    estimator: str = "exact",
    seed: int | None = None,
    labels: Tensor | None = None,
    draws: int = 1,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> TopEigenvalues:
    """The k largest eigenvalues, sorted descending, by Lanczos on the smaller side; the matrix is never formed.

    Args:
        network, x, likelihood, estimator, seed, labels, draws: as in `fisher`. Of "hessian" those of largest magnitude.
        k: how many, from 1 to the smaller of P and N R.
        structure: "implicit" or "dense": the full matrix either way.
        tol: relative accuracy.
        budget: memory allowed for the factors, which are otherwise made in parts on every product.

    Raises:
        ValueError: k or structure out of range.
    """
    check_choice("structure", structure, ("implicit", "dense"))
    family = Gaussian() if likelihood is None else likelihood
    made = factor_parts(
        network,
        x,
        family,
        estimator,
        seed,
        labels,
        draws,
        budget=budget,
    )
    found = top_eigenvalues_from_factors(made, k, tol, progress)
    if estimator not in SAMPLED:
        return found
    errors = Sampling(made, x, family).along(found.vectors)
    return replace(found, standard_errors=errors.double().cpu().numpy())


def top_eigenvalues_from_factors(
    made: AnyFactors, k: int = 1, tol: float = 1e-6, progress: Progress | None = None
) -> TopEigenvalues:
    """`top_eigenvalues` from factors alone."""
    hessian = made.estimator == "hessian"
    parameters = made.layout.parameters
    side = parameters if hessian else min(parameters, made.samples * made.rows)
    if not 1 <= k <= side:
        raise ValueError(f"`k` is {k}; this matrix has at most {side} non-zero eigenvalues: give 1 to {side}.")
    if side > max(DIRECT_SIDE, 2 * k):
        values, vectors = leading_eigenpairs(made, k, tol, progress)
    elif hessian or parameters <= made.samples * made.rows:
        values, vectors = torch.linalg.eigh(dense(made, Origin(made.estimator, "", made.samples)).matrix)
    else:
        values, duals = torch.linalg.eigh(dual_matrix(made, range(1, made.layout.layers + 1)))
        vectors = transpose_product(made, duals[:, values.abs().argsort(descending=True)[:k]])
        values = values.sort(descending=True).values[:k]
        vectors = vectors / vectors.norm(dim=0).clamp(min=torch.finfo(made.dtype).tiny)
    kept = values.abs().argsort(descending=True)[:k]
    order = kept[values[kept].argsort(descending=True)]
    values, vectors = values[order], vectors[:, order]
    # what rounding cannot tell from zero has no direction of its own
    rounding = float(values.abs().max()) * torch.finfo(made.dtype).eps * side
    zero = values.abs() <= rounding
    values, vectors = torch.where(zero, 0, values), torch.where(zero, 0, vectors)
    residuals = (fisher_product(made, vectors) - vectors * values).norm(dim=0)
    return TopEigenvalues(values.double().cpu().numpy(), residuals.double().cpu().numpy(), vectors, np.zeros(k))
