"""Fisher structures: frozen values with matvec, solve, dense, diagonal, eigenvalues and block access, made from factors alone.

Every structure is a symmetric block-diagonal matrix whose blocks tile the parameter vector: one block for `Dense`, one a layer,
one a unit, one a parameter. What differs is the storage; what is common is written once in `FisherStructure`.
Scale: F = E_x E_{y ~ p(.|x)} [grad l grad l^T], mean over inputs, model expectation over labels.
Source: Amari, Karakida, Oizumi, Fisher Information and Natural Gradient Learning of Random Deep Networks, arXiv 1808.07172.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore.parameters import ParameterLayout


@dataclass(frozen=True)
class Origin:
    """Where a matrix came from, for its `repr` and for exports."""

    estimator: str
    likelihood: str
    samples: int


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

    def trace(self) -> float:
        """Sum of the diagonal."""
        return float(self.diagonal().sum())

    def block(self, layer: int, unit: int | None = None) -> Tensor:
        """The diagonal block of layer 1..L, or of one of its units, as a dense matrix."""
        part = self.layout.layer_slice(layer) if unit is None else self.layout.unit_slice(layer, unit)
        return self._square(part)

    def _square(self, part: slice) -> Tensor:
        return self.dense()[part, part]

    def __repr__(self) -> str:
        origin = self.origin
        return (
            f"{type(self).__name__}(F = E_x E_y|x [score score^T], P = {self.layout.parameters}, N = {origin.samples}, "
            f"estimator = {origin.estimator}, likelihood = {origin.likelihood}, dtype = {self.dtype})"
        )

    def _check_vector(self, vector: Tensor) -> None:
        if vector.ndim not in (1, 2) or vector.shape[0] != self.layout.parameters:
            parameters = self.layout.parameters
            raise ValueError(f"`vector` has shape {tuple(vector.shape)}; give ({parameters},) or ({parameters}, m).")


def check_damping(damping: float) -> None:
    """Refuse a damping that is negative or not a number."""
    if not damping >= 0:
        raise ValueError(f"`damping` is {damping!r}; give a number, 0 or more.")


def solve_positive(blocks: Tensor, vectors: Tensor, damping: float) -> Tensor:
    """(B + damping I)^{-1} V by Cholesky for stacked positive semi-definite blocks: (..., k, k), (..., k, m) -> (..., k, m)."""
    check_damping(damping)
    damped = blocks + damping * torch.eye(blocks.shape[-1], dtype=blocks.dtype, device=blocks.device)
    triangle, failures = torch.linalg.cholesky_ex(damped)
    if bool(failures.any()):
        scale = float(blocks.diagonal(dim1=-2, dim2=-1).max())
        useful = max(scale, 1e-300) * blocks.shape[-1] * torch.finfo(blocks.dtype).eps * 10
        raise ValueError(
            f"`damping` is {damping:g}, at which the matrix is singular to rounding; give about {useful:.1e} or more."
        )
    return torch.cholesky_solve(vectors, triangle)


def descending(values: Tensor) -> Tensor:
    """Sorted from the largest to the smallest."""
    return torch.sort(values.reshape(-1), descending=True).values


@dataclass(frozen=True, eq=False, repr=False)
class Dense(FisherStructure):
    """The full matrix: `matrix` (P, P)."""

    matrix: Tensor

    @property
    def dtype(self) -> torch.dtype:
        """dtype of the entries."""
        return self.matrix.dtype

    def matvec(self, vector: Tensor) -> Tensor:
        """F v."""
        self._check_vector(vector)
        return self.matrix @ vector

    def solve(self, vector: Tensor, damping: float) -> Tensor:
        """(F + damping I)^{-1} v by Cholesky."""
        self._check_vector(vector)
        columns = vector.reshape(vector.shape[0], -1)
        return solve_positive(self.matrix, columns, damping).reshape(vector.shape)

    def diagonal(self) -> Tensor:
        """The diagonal, (P,)."""
        return self.matrix.diagonal().clone()

    def eigenvalues(self) -> Tensor:
        """All P eigenvalues; `fimcore.spectrum` gets the same from the cheaper side."""
        return descending(torch.linalg.eigvalsh(self.matrix))

    def dense(self) -> Tensor:
        """The matrix itself (not a copy)."""
        return self.matrix

    def frobenius_norm(self) -> float:
        """sqrt of the sum of squared entries."""
        return float(torch.linalg.matrix_norm(self.matrix))


@dataclass(frozen=True, eq=False, repr=False)
class LayerBlocks(FisherStructure):
    """One block a layer, cross-layer entries dropped: `blocks` L tensors (P_l, P_l)."""

    blocks: tuple[Tensor, ...]

    @property
    def dtype(self) -> torch.dtype:
        """dtype of the entries."""
        return self.blocks[0].dtype

    def matvec(self, vector: Tensor) -> Tensor:
        """F v, layer by layer."""
        self._check_vector(vector)
        return torch.cat([b @ v for b, v in zip(self.blocks, vector.split(self.layout.layer_sizes), strict=True)])

    def solve(self, vector: Tensor, damping: float) -> Tensor:
        """(F + damping I)^{-1} v, a Cholesky solve a layer."""
        self._check_vector(vector)
        parts = vector.reshape(vector.shape[0], -1).split(self.layout.layer_sizes)
        solved = [solve_positive(b, v, damping) for b, v in zip(self.blocks, parts, strict=True)]
        return torch.cat(solved).reshape(vector.shape)

    def diagonal(self) -> Tensor:
        """The diagonal, (P,)."""
        return torch.cat([b.diagonal() for b in self.blocks])

    def eigenvalues(self) -> Tensor:
        """The union of the blocks' eigenvalues."""
        return descending(torch.cat([torch.linalg.eigvalsh(b) for b in self.blocks]))

    def dense(self) -> Tensor:
        """The matrix with zeros outside the layer blocks."""
        return torch.block_diag(*self.blocks)

    def frobenius_norm(self) -> float:
        """sqrt of the sum of squared entries of the blocks."""
        return float(torch.stack([b.square().sum() for b in self.blocks]).sum().sqrt())


@dataclass(frozen=True, eq=False, repr=False)
class UnitBlocks(FisherStructure):
    """One block a unit, entries between units dropped: `blocks` L tensors (n_l, k_l, k_l)."""

    blocks: tuple[Tensor, ...]

    @property
    def dtype(self) -> torch.dtype:
        """dtype of the entries."""
        return self.blocks[0].dtype

    def matvec(self, vector: Tensor) -> Tensor:
        """F v, unit by unit."""
        self._check_vector(vector)
        return torch.cat([(b @ v).flatten(0, 1) for b, v in self._pairs(vector)]).reshape(vector.shape)

    def solve(self, vector: Tensor, damping: float) -> Tensor:
        """(F + damping I)^{-1} v, a Cholesky solve a unit, batched over the units of a layer."""
        self._check_vector(vector)
        solved = [solve_positive(b, v, damping).flatten(0, 1) for b, v in self._pairs(vector)]
        return torch.cat(solved).reshape(vector.shape)

    def diagonal(self) -> Tensor:
        """The diagonal, (P,)."""
        return torch.cat([b.diagonal(dim1=1, dim2=2).reshape(-1) for b in self.blocks])

    def eigenvalues(self) -> Tensor:
        """The union of the blocks' eigenvalues."""
        return descending(torch.cat([torch.linalg.eigvalsh(b).reshape(-1) for b in self.blocks]))

    def dense(self) -> Tensor:
        """The matrix with zeros outside the unit blocks."""
        return torch.block_diag(*[unit for layer in self.blocks for unit in layer])

    def frobenius_norm(self) -> float:
        """sqrt of the sum of squared entries of the blocks."""
        return float(torch.stack([b.square().sum() for b in self.blocks]).sum().sqrt())

    def block(self, layer: int, unit: int | None = None) -> Tensor:
        """The diagonal block of a layer (block-diagonal itself), or of one unit."""
        part = self.layout.layer_slice(layer) if unit is None else self.layout.unit_slice(layer, unit)
        units = self.blocks[layer - 1]
        if unit is not None:
            size = part.stop - part.start
            return units[(part.stop - self.layout.layer_offsets[layer - 1]) // size - 1]
        return torch.block_diag(*units)

    def _pairs(self, vector: Tensor) -> list[tuple[Tensor, Tensor]]:
        parts = vector.reshape(vector.shape[0], -1).split(self.layout.layer_sizes)
        return [(b, v.reshape(b.shape[0], b.shape[1], -1)) for b, v in zip(self.blocks, parts, strict=True)]


@dataclass(frozen=True, eq=False, repr=False)
class Diagonal(FisherStructure):
    """Only the diagonal: `values` (P,)."""

    values: Tensor

    @property
    def dtype(self) -> torch.dtype:
        """dtype of the entries."""
        return self.values.dtype

    def matvec(self, vector: Tensor) -> Tensor:
        """F v, entry by entry."""
        self._check_vector(vector)
        return self._column(self.values, vector) * vector

    def solve(self, vector: Tensor, damping: float) -> Tensor:
        """v / (F_ii + damping)."""
        self._check_vector(vector)
        check_damping(damping)
        damped = self.values + damping
        if bool((damped <= 0).any()):
            raise ValueError(
                f"`damping` is {damping:g}, and {int((damped <= 0).sum())} parameters have a zero diagonal; give more than 0."
            )
        return vector / self._column(damped, vector)

    def diagonal(self) -> Tensor:
        """The diagonal, (P,)."""
        return self.values.clone()

    def eigenvalues(self) -> Tensor:
        """The sorted diagonal."""
        return descending(self.values)

    def dense(self) -> Tensor:
        """The matrix with zeros off the diagonal."""
        return torch.diag(self.values)

    def frobenius_norm(self) -> float:
        """sqrt of the sum of squared diagonal entries."""
        return float(self.values.norm())

    def block(self, layer: int, unit: int | None = None) -> Tensor:
        """The diagonal block of a layer or unit, itself diagonal."""
        part = self.layout.layer_slice(layer) if unit is None else self.layout.unit_slice(layer, unit)
        return torch.diag(self.values[part])

    @staticmethod
    def _column(values: Tensor, vector: Tensor) -> Tensor:
        return values if vector.ndim == 1 else values[:, None]
