"""A few eigenpairs by Lanczos, through products with the factors; the matrix is never formed.

On the smaller side: F v (P numbers) or its dual (1/N) J J^T u (N R numbers), which has the same non-zero eigenvalues; v = J^T u.
Source: Lehoucq, Sorensen, Yang, ARPACK Users' Guide (1998), by way of scipy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor

from fimcore.blas_threads import one_thread
from fimcore.fisher.blocks import Progress
from fimcore.fisher.parts import AnyFactors, summed

FloatArray = NDArray[np.float64]

# Vectors kept between restarts: an outlier, as the largest eigenvalue of a Fisher matrix mostly is, needs few products.
SMALLEST_BASIS = 10


def fisher_product(made: AnyFactors, vectors: Tensor) -> Tensor:
    """F v for v (P,) or (P, m), part by part."""
    (total,) = summed([part.fisher_product(vectors)] for part in made.parts)
    return total / made.samples


def transpose_product(made: AnyFactors, rows: Tensor) -> Tensor:
    """J^T t for t (N R,) or (N R, m), part by part: (P,) or (P, m)."""
    pieces = rows.split(made.part_size * made.rows)
    (total,) = summed([part.transpose_product(piece)] for part, piece in zip(made.parts, pieces, strict=True))
    return total


def jacobian_product(made: AnyFactors, vectors: Tensor) -> Tensor:
    """J v for v (P,) or (P, m), part by part: (N R,) or (N R, m)."""
    return torch.cat([part.jacobian_product(vectors) for part in made.parts])


def leading_eigenpairs(
    made: AnyFactors, k: int, tol: float = 1e-10, progress: Progress | None = None
) -> tuple[Tensor, Tensor]:
    """The k eigenvalues of F of largest magnitude, descending, with unit eigenvectors in the parameters: (k,), (P, k)."""
    rows = made.samples * made.rows
    if rows < made.layout.parameters and made.estimator != "hessian":

        def on_rows(rows: Tensor) -> Tensor:
            return jacobian_product(made, transpose_product(made, rows)) / made.samples

        values, duals = largest(on_rows, rows, k, tol, made, progress=progress)
        vectors = transpose_product(made, _like(duals, made))
        norms = vectors.norm(dim=0)
        vectors = vectors / torch.where(norms > 0, norms, 1)
    else:
        values, found = largest(
            lambda vectors: fisher_product(made, vectors), made.layout.parameters, k, tol, made, progress=progress
        )
        vectors = _like(found, made)
    return _like(values, made), vectors


def largest(
    apply: Callable[[Tensor], Tensor],
    side: int,
    k: int,
    tol: float,
    made: AnyFactors,
    progress: Progress | None = None,
) -> tuple[FloatArray, FloatArray]:
    """The k eigenvalues of largest magnitude of a symmetric operator, descending by it, and eigenvectors (side, k).

    Lanczos from one vector sees every eigenvalue once: copies of a repeated one appear by rounding, or not at all. So with
    k > 1 the search goes on across what was found, until nothing larger than the k-th value is left there.
    """
    products = 0

    def product(vector: FloatArray) -> FloatArray:
        nonlocal products
        products += 1
        if progress:
            progress(products / (products + 4 * SMALLEST_BASIS), "largest eigenvalues")
        return apply(_like(vector.reshape(-1), made)).double().cpu().numpy()

    # a fixed seed: the same numbers on every run. A wave would lie in few of the copies of an eigenvalue that belongs to classes.
    generator = np.random.default_rng(0)
    start = generator.standard_normal(side)
    if not np.any(product(start)):
        return np.zeros(k), np.eye(side, k)
    values, vectors = _eigenpairs(product, side, k, tol, start)
    while k > 1 and vectors.shape[1] < side - 1:
        basis = np.linalg.qr(vectors)[0]

        def across(vector: FloatArray, basis: FloatArray = basis) -> FloatArray:
            inside = vector.reshape(-1)
            moved = product(inside - basis @ (basis.T @ inside))
            return moved - basis @ (basis.T @ moved)

        found, beside = _eigenpairs(across, side, 1, tol, generator.standard_normal(side))
        smallest = np.sort(np.abs(values))[-k]
        if not np.abs(found[0]) > smallest * (1 + 10 * tol) + 10 * tol * np.abs(values).max():
            break
        values, vectors = np.append(values, found), np.hstack([vectors, beside])
    order = np.argsort(-np.abs(values))[:k]
    return values[order], vectors[:, order]


def _eigenpairs(
    product: Callable[[FloatArray], FloatArray], side: int, k: int, tol: float, start: FloatArray
) -> tuple[FloatArray, FloatArray]:
    basis = min(side, max(2 * k + 1, SMALLEST_BASIS))
    values, vectors = arpack(product, side, k=k, which="LM", tol=tol, v0=start, ncv=basis)
    return values, vectors


@one_thread()
def arpack(product: Callable[[FloatArray], FloatArray], side: int, **options: Any) -> Any:
    """What scipy's `eigsh` returns, with its options, for a symmetric (side, side) matrix known by its products alone.

    On one thread of BLAS: ARPACK's own small products alternate with those that torch makes.
    """
    return eigsh(LinearOperator((side, side), matvec=product, dtype=np.float64), **options)


def _like(array: FloatArray, made: AnyFactors) -> Tensor:
    return torch.as_tensor(array).to(dtype=made.dtype, device=made.device)
