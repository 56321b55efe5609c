"""`LowRank`: the leading eigenpairs of the Fisher matrix, F ~ sum_k lambda_k v_k v_k^T.

With every non-zero eigenvalue it is the Fisher matrix itself, in N R instead of P numbers a parameter: F has rank N R at most.
Source: Karakida, Akaho, Amari, Universal Statistics of Fisher Information in Deep Neural Networks, arXiv 1806.01316 (few large
eigenvalues, the rest near zero).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore.fisher.blocks import Progress
from fimcore.fisher.dense import dense
from fimcore.fisher.lanczos import leading_eigenpairs
from fimcore.fisher.parts import AnyFactors
from fimcore.fisher.structures import FisherStructure, Origin, as_column, check_damping, descending
from fimcore.parameters import ParameterLayout

# Below this side all eigenpairs cost no more than a few by Lanczos.
SMALL_SIDE = 512


@dataclass(frozen=True, eq=False, repr=False)
class LowRank(FisherStructure):
    """`vectors` (P, r) with orthonormal columns, `values` (r,) by descending magnitude."""

    vectors: Tensor
    values: Tensor

    @property
    def rank(self) -> int:
        """r."""
        return self.values.shape[0]

    @property
    def dtype(self) -> torch.dtype:
        """dtype of the entries."""
        return self.vectors.dtype

    def matvec(self, vector: Tensor) -> Tensor:
        """V (lambda * V^T v)."""
        self._check_vector(vector)
        return self.vectors @ (as_column(self.values, vector) * (self.vectors.T @ vector))

    def solve(self, vector: Tensor, damping: float) -> Tensor:
        """(F + damping I)^{-1} v: 1 / (lambda_k + damping) along the eigenvectors, 1 / damping across them."""
        self._check_vector(vector)
        check_damping(damping)
        damped = self.values + damping
        if (damping == 0 and self.rank < self.layout.parameters) or bool((damped == 0).any()):
            raise ValueError(
                f"`damping` is {damping:g}, and this matrix of rank {self.rank} over {self.layout.parameters} parameters "
                "is singular; give more than 0."
            )
        along = self.vectors.T @ vector
        found = self.vectors @ (along / as_column(damped, vector))
        if self.rank == self.layout.parameters:
            return found
        return found + (vector - self.vectors @ along) / damping

    def diagonal(self) -> Tensor:
        """sum_k lambda_k v_k^2, (P,)."""
        return self.vectors.square() @ self.values

    def trace(self) -> float:
        """sum_k lambda_k."""
        return float(self.values.sum())

    def eigenvalues(self) -> Tensor:
        """The r eigenvalues kept and P - r zeros."""
        zeros = self.values.new_zeros(self.layout.parameters - self.rank)
        return descending(torch.cat([self.values, zeros]))

    def dense(self) -> Tensor:
        """V diag(lambda) V^T."""
        return (self.vectors * self.values) @ self.vectors.T

    def frobenius_norm(self) -> float:
        """sqrt(sum_k lambda_k^2)."""
        return float(self.values.norm())

    def _square(self, part: slice) -> Tensor:
        return (self.vectors[part] * self.values) @ self.vectors[part].T


def low_rank(made: AnyFactors, origin: Origin, progress: Progress | None = None, rank: int | None = None) -> LowRank:
    """`LowRank` from factors, by the cheaper of the two sides; a few eigenpairs of a large matrix by Lanczos.

    Raises:
        ValueError: rank out of range.
    """
    parameters, rows = made.layout.parameters, made.samples * made.rows
    most = parameters if made.estimator == "hessian" else min(parameters, rows)
    if rank is not None and not 1 <= rank <= most:
        raise ValueError(f"`rank` is {rank}; this matrix has rank {most} at most: give 1 to {most}.")
    kept = rank or most
    if most > SMALL_SIDE and kept < most // 4:
        values, vectors = leading_eigenpairs(made, kept, progress=progress)
    elif made.estimator == "hessian" or parameters <= rows:
        values, vectors = torch.linalg.eigh(dense(made, origin, progress).matrix)
    else:
        # by QR and not through the dual matrix, whose eigenvectors of small eigenvalues pull back to no orthogonal ones
        basis, triangle = torch.linalg.qr(torch.cat([part.jacobian() for part in made.parts]).T)
        values, inside = torch.linalg.eigh(triangle @ triangle.T / made.samples)
        alive = values > float(values[-1]) * torch.finfo(made.dtype).eps * most
        values, vectors = values[alive], basis @ inside[:, alive]
    order = values.abs().argsort(descending=True)[:kept]
    return LowRank(made.layout, origin, vectors[:, order].contiguous(), values[order])


def low_rank_bytes(layout: ParameterLayout, rows: int, estimator: str, rank: int | None, item: int) -> int:
    """Bytes of a `LowRank` of N R rows and of what making it holds beside the factors."""
    parameters = layout.parameters
    most = parameters if estimator == "hessian" else min(parameters, rows)
    kept = most if rank is None else min(rank, most)
    if most > SMALL_SIDE and kept < most // 4:
        return 2 * parameters * (kept + 20) * 8  # Lanczos works in float64
    side = parameters if estimator == "hessian" or parameters <= rows else rows
    return (3 * parameters * side + 3 * side**2) * item
