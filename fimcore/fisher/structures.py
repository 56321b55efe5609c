"""What every Fisher structure is: a frozen value with matvec, solve, dense, diagonal, eigenvalues and block access.

Each is a symmetric block-diagonal matrix whose blocks tile the parameter vector: one block for `Dense`, one a layer, one a unit,
one a parameter. What differs is the storage; what is common is written once here.
Scale: F = E_x E_{y ~ p(.|x)} [grad l grad l^T], mean over inputs, model expectation over labels.
Source: Amari, Karakida, Oizumi, Fisher Information and Natural Gradient Learning of Random Deep Networks, arXiv 1808.07172.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore.fisher.sampling import Sampling, StandardError
from fimcore.parameters import ParameterLayout


@dataclass(frozen=True)
class Origin:
    """Where a matrix came from, for its `repr` and for exports; `sampling` only where labels or signs were drawn."""

    estimator: str
    likelihood: str
    samples: int
    sampling: Sampling | None = None


@dataclass(frozen=True, eq=False, repr=False)
class FisherStructure(ABC):
    """A symmetric matrix over the parameters, (P, P), in fimcore's parameter order."""

    layout: ParameterLayout
    origin: Origin

    @property
    def shape(self) -> tuple[int, int]:
        """(P, P)."""
        return self.layout.parameters, self.layout.parameters

    @property
    @abstractmethod
    def dtype(self) -> torch.dtype:
        """dtype of the entries, that of the network."""

    @abstractmethod
    def matvec(self, vector: Tensor) -> Tensor:
        """F v for v of shape (P,) or (P, m)."""

    @abstractmethod
    def solve(self, vector: Tensor, damping: float) -> Tensor:
        """(F + damping I)^{-1} v for v of shape (P,) or (P, m).

        Raises:
            ValueError: negative damping, or a matrix that is singular at this damping.
        """

    @abstractmethod
    def diagonal(self) -> Tensor:
        """The diagonal, (P,)."""

    @abstractmethod
    def eigenvalues(self) -> Tensor:
        """All P eigenvalues, sorted descending."""

    @abstractmethod
    def dense(self) -> Tensor:
        """The matrix itself, (P, P), with zeros outside the blocks."""

    @abstractmethod
    def frobenius_norm(self) -> float:
        """sqrt of the sum of squared entries."""

    @property
    def positive(self) -> bool:
        """Whether the structure is positive semi-definite by construction ("hessian" estimates are not)."""
        return self.origin.estimator != "hessian"

    def trace(self) -> float:
        """Sum of the diagonal."""
        return float(self.diagonal().sum())

    def block(self, layer: int, unit: int | None = None) -> Tensor:
        """The diagonal block of layer 1..L, or of one of its units, as a dense matrix."""
        part = self.layout.layer_slice(layer) if unit is None else self.layout.unit_slice(layer, unit)
        return self._square(part)

    def standard_error(self) -> StandardError:
        """Standard error of the diagonal and the trace of the estimated matrix, over the labels or signs drawn.

        It belongs to the matrix before a structure was imposed on it, and is zero where nothing was drawn ("exact", and
        "empirical", whose labels are given).
        """
        if self.origin.sampling is not None:
            return self.origin.sampling.standard_error()
        return StandardError(torch.zeros_like(self.diagonal()), 0.0)

    def _square(self, part: slice) -> Tensor:
        return self.dense()[part, part]

    def __repr__(self) -> str:
        origin = self.origin
        return (
            f"{type(self).__name__}(F = {_FORMULAS[origin.estimator]}, P = {self.layout.parameters}, N = {origin.samples}, "
            f"estimator = {origin.estimator}, likelihood = {origin.likelihood}, dtype = {self.dtype})"
        )

    def _check_vector(self, vector: Tensor) -> None:
        if vector.ndim not in (1, 2) or vector.shape[0] != self.layout.parameters:
            parameters = self.layout.parameters
            raise ValueError(f"`vector` has shape {tuple(vector.shape)}; give ({parameters},) or ({parameters}, m).")
        if vector.dtype != self.dtype:
            raise ValueError(f"`vector` is {vector.dtype}, the matrix {self.dtype}; convert one of them.")


# What each estimator is, or estimates; the mean over x is over these inputs.
_FORMULAS = {
    "exact": "E_x E_y|x [score score^T]",
    "score": "E_x E_y|x [score score^T], labels drawn",
    "hessian": "E_x E_y|x [-grad^2 log p], labels drawn",
    "probe": "E_x E_y|x [score score^T], random signs",
    "empirical": "E_x [score score^T] at the data's labels, not the model's",
}


def as_column(values: Tensor, vector: Tensor) -> Tensor:
    """A number a row, shaped to multiply v of shape (P,) or (P, m)."""
    return values if vector.ndim == 1 else values[:, None]


def check_damping(damping: float) -> None:
    """Refuse a damping that is negative or not a number."""
    if not 0 <= damping < math.inf:
        raise ValueError(f"`damping` is {damping!r}; give a finite number, 0 or more.")


def layer_grids(layout: ParameterLayout, vector: Tensor) -> list[Tensor]:
    """A vector (P,) or (P, m) as one tensor (n_l, k_l, m) a layer."""
    pieces = vector.reshape(vector.shape[0], -1).split(layout.layer_sizes)
    shapes = zip(pieces, layout.units, layout.unit_sizes, strict=True)
    return [piece.reshape(units, size, -1) for piece, units, size in shapes]


def lost(values: Tensor, largest: Tensor, damping: float, size: int) -> Tensor:
    """Where values are zero up to rounding of `largest` over sums of `size` terms, and no damping above it lifts them."""
    eps = torch.finfo(values.dtype).eps
    noise = (values.abs() <= size * eps * largest) & (damping <= 4 * eps * largest)
    return noise | ((values + damping).abs() <= eps * largest)


def check_out(out: Tensor, shape: tuple[int, ...], like: Tensor) -> None:
    """Refuse memory for a result that does not have its shape, dtype and device."""
    if tuple(out.shape) != shape or out.dtype != like.dtype or out.device != like.device:
        raise ValueError(
            f"`out` is {tuple(out.shape)} {out.dtype} on {out.device}; give {shape} {like.dtype} on {like.device}."
        )


def solve_symmetric(blocks: Tensor, vectors: Tensor, damping: float, *, positive: bool) -> Tensor:
    """(B + damping I)^{-1} V for stacked symmetric blocks: (..., k, k), (..., k, m) -> (..., k, m).

    Cholesky where the blocks are positive semi-definite by construction, else LU with pivoting, whose solution is checked.

    Raises:
        ValueError: negative damping, or a matrix that is singular to rounding at this damping.
    """
    check_damping(damping)
    damped = blocks + damping * torch.eye(blocks.shape[-1], dtype=blocks.dtype, device=blocks.device)
    if positive:
        triangle, failures = torch.linalg.cholesky_ex(damped)
        if not bool(failures.any()):
            return torch.cholesky_solve(vectors, triangle)
    else:
        solved, failures = torch.linalg.solve_ex(damped, vectors)
        rest = (damped @ solved - vectors).norm()
        # a backward-stable solution misses only where its own size multiplies the rounding
        if not bool(failures.any()) and bool(rest <= torch.finfo(blocks.dtype).eps ** 0.5 * vectors.norm()):
            return solved
    raise singular(blocks, damping)


def solve_positive(blocks: Tensor, vectors: Tensor, damping: float) -> Tensor:
    """`solve_symmetric` for positive semi-definite blocks."""
    return solve_symmetric(blocks, vectors, damping, positive=True)


def singular(blocks: Tensor, damping: float) -> ValueError:
    """The refusal of a singular matrix, with the damping that would help."""
    scale = float(blocks.diagonal(dim1=-2, dim2=-1).abs().max())
    useful = max(scale, 1e-300) * blocks.shape[-1] * torch.finfo(blocks.dtype).eps * 10
    return singular_below(max(useful, 10 * damping), damping)


def singular_below(useful: float, damping: float) -> ValueError:
    """The sentence of that refusal."""
    return ValueError(
        f"`damping` is {damping:g}, at which the matrix is singular to rounding; give about {useful:.1e} or more."
    )


def descending(values: Tensor) -> Tensor:
    """Sorted from the largest to the smallest."""
    return torch.sort(values.reshape(-1), descending=True).values
