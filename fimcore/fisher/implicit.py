"""`Implicit`: the full Fisher matrix that is never formed, only multiplied: F v = (1/N) J^T (J v).

It holds the factors (or makes them part by part), so that a product costs about as much as a forward and a backward pass.
Source: Schraudolph, Fast Curvature Matrix-Vector Products for Second-Order Gradient Descent (2002); Amari, Karakida, Oizumi,
arXiv 1808.07172, for the factored form.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.sparse.linalg import LinearOperator, cg, minres
from torch import Tensor

from fimcore.blas_threads import one_thread
from fimcore.budget import check_memory
from fimcore.fisher.blocks import Progress, block, diagonal
from fimcore.fisher.dense import dense
from fimcore.fisher.dual import dual_matrix
from fimcore.fisher.grams import block_norms_from_factors
from fimcore.fisher.lanczos import fisher_product, jacobian_product, transpose_product
from fimcore.fisher.parts import AnyFactors
from fimcore.fisher.structures import (
    FisherStructure,
    Origin,
    check_damping,
    descending,
    singular,
    solve_positive,
    solve_symmetric,
)

# Up to this side a direct solve is taken: exact, and no slower than some hundred products.
DIRECT_SIDE = 3000
MOST_PRODUCTS = 3000


@dataclass(frozen=True, eq=False, repr=False)
class Implicit(FisherStructure):
    """`made`: the factors, whole or in parts."""

    made: AnyFactors

    @property
    def dtype(self) -> torch.dtype:
        """dtype of the products."""
        return self.made.dtype

    @property
    def _dual_side(self) -> int:
        return self.made.samples * self.made.rows

    def matvec(self, vector: Tensor) -> Tensor:
        """F v."""
        self._check_vector(vector)
        return fisher_product(self.made, vector)

    def solve(self, vector: Tensor, damping: float) -> Tensor:
        """(F + damping I)^{-1} v, directly on the smaller side, else by conjugate gradients (MINRES where F is indefinite).

        On the dual side (F + lambda)^{-1} v = (v - J^T (J J^T / N + lambda)^{-1} J v / N) / lambda.

        Raises:
            ValueError: singular at this damping, or not solved to the dtype's accuracy.
        """
        self._check_vector(vector)
        check_damping(damping)
        columns = vector.reshape(vector.shape[0], -1)
        parameters, rows = self.layout.parameters, self._dual_side
        if parameters <= min(DIRECT_SIDE, rows) or (not self.positive and parameters <= DIRECT_SIDE):
            solved = solve_symmetric(self.dense(), columns, damping, positive=self.positive)
        elif damping == 0 and self.positive and rows < parameters:
            raise singular(self.diagonal()[:, None, None], damping)
        elif self.positive and rows <= DIRECT_SIDE:
            kernel = dual_matrix(self.made, range(1, self.layout.layers + 1))
            inside = solve_positive(kernel, jacobian_product(self.made, columns), damping)
            solved = (columns - transpose_product(self.made, inside) / self.made.samples) / damping
        else:
            solved = torch.stack([self._iterate(column, damping) for column in columns.T], dim=1)
        return solved.reshape(vector.shape)

    def diagonal(self) -> Tensor:
        """The diagonal, (P,)."""
        return diagonal(self.made)

    def eigenvalues(self) -> Tensor:
        """All P eigenvalues from the smaller side; `fimcore.spectrum` lists the non-zero ones alone."""
        if not self.positive or self.layout.parameters <= self._dual_side:
            return descending(torch.linalg.eigvalsh(self.dense()))
        values = torch.linalg.eigvalsh(dual_matrix(self.made, range(1, self.layout.layers + 1)))
        return descending(torch.cat([values, values.new_zeros(self.layout.parameters - len(values))]))

    def dense(self) -> Tensor:
        """The matrix after all, (P, P)."""
        item = torch.finfo(self.dtype).bits // 8
        check_memory(
            f"the dense matrix of {self.layout.parameters:,} parameters",
            self.layout.parameters**2 * item,
            None,
            remedy="`matvec`, `solve`, `block` and `fimcore.top_eigenvalues`, which never form it",
        )
        return dense(self.made, self.origin).matrix

    def frobenius_norm(self) -> float:
        """sqrt of the sum of squared entries, from the layers' Gram matrices."""
        if not self.positive:
            return float(torch.linalg.matrix_norm(self.dense()))
        return float(block_norms_from_factors(self.made, unbiased=False).layer_pairs.sum()) ** 0.5

    def block(self, layer: int, unit: int | None = None) -> Tensor:
        """The diagonal block of a layer or of one of its units, made on request."""
        if unit is None:
            self.layout.layer_slice(layer)  # refuses a layer there is not
            return block(self.made, layer, layer)
        self.layout.unit_slice(layer, unit)
        own = slice(unit - 1, unit)
        return block(self.made, layer, layer, own, own)

    def _iterate(self, column: Tensor, damping: float) -> Tensor:
        side = self.layout.parameters

        def damped(vector: Tensor) -> Tensor:
            return self.matvec(vector) + damping * vector

        operator = LinearOperator(
            (side, side),
            matvec=lambda array: damped(torch.as_tensor(array).to(column)).double().cpu().numpy(),
            dtype="float64",
        )
        right = column.double().cpu().numpy()
        accuracy = 1e-10 if self.dtype == torch.float64 else 1e-5
        iterate = cg if self.positive else minres
        with one_thread():
            found, _ = iterate(operator, right, rtol=accuracy, maxiter=MOST_PRODUCTS)
        solved = torch.as_tensor(found).to(column)
        rest = float((damped(solved) - column).norm() / column.norm().clamp(min=1e-300))
        if not rest <= 100 * accuracy:
            raise ValueError(
                f"`damping` is {damping:g}: after {MOST_PRODUCTS} products the residual is {rest:.1e} of |v|; give a larger "
                "damping, or a structure with a direct solve (layer_blocks, kfac)."
            )
        return solved


def implicit(made: AnyFactors, origin: Origin, progress: Progress | None = None) -> Implicit:
    """`Implicit` from factors, which it keeps."""
    if progress:
        progress(1.0, "factors")
    return Implicit(made.layout, origin, made)
