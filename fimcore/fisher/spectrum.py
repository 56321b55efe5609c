"""Eigenvalues of the Fisher matrix from whichever of its two sides is smaller.

F = (1/N) J^T J (P x P) and its dual (1/N) J J^T = (1/N) sum_l K^l (N R x N R) have the same non-zero eigenvalues.
Source: Karakida, Akaho, Amari, Universal Statistics of Fisher Information in Deep Neural Networks, arXiv 1806.01316.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor

from fimcore.architecture import check_choice
from fimcore.budget import Budget, check_memory
from fimcore.fisher.blocks import Progress, block, diagonal, unit_blocks
from fimcore.fisher.factors import Factors, factors
from fimcore.fisher.fisher import STRUCTURES, from_factors
from fimcore.likelihoods import Gaussian, Likelihood
from fimcore.networks import Network


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigenvalues of a Fisher matrix: the non-zero ones sorted descending, and how many are zero to rounding.

    Behaves as a sequence of the listed eigenvalues. `values` (float64), `zeros`, `parameters` = P = len(values) + zeros.
    """

    values: NDArray[np.float64]
    zeros: int

    @property
    def parameters(self) -> int:
        """P, listed and zero eigenvalues together."""
        return len(self.values) + self.zeros

    @property
    def largest(self) -> float:
        """The largest eigenvalue; 0 for a zero matrix."""
        return float(self.values[0]) if len(self.values) else 0.0

    @property
    def mean(self) -> float:
        """trace F / P."""
        return float(self.values.sum() / self.parameters)

    @property
    def second_moment(self) -> float:
        """trace F^2 / P."""
        return float((self.values**2).sum() / self.parameters)

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[float]:
        return iter(self.values.tolist())

    def __getitem__(self, index: int | slice) -> NDArray[np.float64] | np.float64:
        return self.values[index]

    def __array__(self, dtype: type | None = None, copy: bool | None = None) -> NDArray[np.float64]:
        return np.array(self.values, dtype=dtype)


def spectrum(
    network: Network,
    x: Tensor,
    likelihood: Likelihood | None = None,
    structure: str = "dense",
    *,
    estimator: str = "exact",
    seed: int | None = None,
    labels: Tensor | None = None,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> Spectrum:
    """All eigenvalues of a Fisher structure, sorted descending, by the cheaper of the P and the N R side.

    Args:
        network, x, likelihood, estimator, seed, labels: as in `fisher`.
        structure: "dense", "layer_blocks", "unit_blocks" or "diagonal".
        budget: memory allowed for the smaller side.
        progress: called between blocks.

    Raises:
        BudgetError: even the smaller side does not fit; use fewer inputs or `top_eigenvalues`.
    """
    check_choice("structure", structure, STRUCTURES)
    layout = network.layout
    made = factors(network, x, Gaussian() if likelihood is None else likelihood, estimator, seed, labels)
    sides = {"dense": (layout.parameters,), "layer_blocks": layout.layer_sizes}.get(structure, layout.unit_sizes)
    side = max(min(size, made.samples * made.rows) for size in sides)
    check_memory(
        f"the {structure} spectrum (a {side:,} x {side:,} matrix)",
        2 * side**2 * 8,
        budget,
        remedy="fewer inputs or a smaller width; `top_eigenvalues` needs no matrix",
    )
    return spectrum_from_factors(made, structure, progress)


def spectrum_from_factors(made: Factors, structure: str = "dense", progress: Progress | None = None) -> Spectrum:
    """`spectrum` from factors alone."""
    layout, dual = made.layout, made.samples * made.rows
    parts: list[Tensor] = []
    if structure == "diagonal":
        parts.append(diagonal(made))
    elif structure == "dense":
        if dual < layout.parameters:
            parts.append(torch.linalg.eigvalsh(dual_matrix(made, range(1, layout.layers + 1), progress)))
        else:
            parts.append(torch.linalg.eigvalsh(from_factors(made, "dense", progress=progress).dense()))
    for layer in range(1, layout.layers + 1) if structure in ("layer_blocks", "unit_blocks") else ():
        if structure == "unit_blocks":
            parts.append(torch.linalg.eigvalsh(unit_blocks(made, layer)).reshape(-1))
        elif dual < layout.layer_sizes[layer - 1]:
            parts.append(torch.linalg.eigvalsh(dual_matrix(made, [layer])))
        else:
            parts.append(torch.linalg.eigvalsh(block(made, layer, layer)))
        if progress:
            progress(layer / layout.layers, f"layer {layer} of {layout.layers}")
    return _listed(torch.cat(parts), layout.parameters)


def _listed(values: Tensor, parameters: int) -> Spectrum:
    """Sort, and count as zero what rounding cannot tell from zero."""
    ordered = torch.sort(values, descending=True).values
    largest = float(ordered[0]) if len(ordered) else 0.0
    floor = largest * torch.finfo(values.dtype).eps * max(len(ordered), 10)
    listed = ordered[ordered > floor].double().cpu().numpy()
    return Spectrum(listed, parameters - len(listed))


def dual_matrix(made: Factors, layers: range | list[int], progress: Progress | None = None) -> Tensor:
    """(1/N) sum over the given layers (1..L) of K^l, a (N R, N R) matrix."""
    count, rows = made.samples, made.rows
    total = torch.zeros(count * rows, count * rows, dtype=made.dtype, device=made.device)
    for done, layer in enumerate(layers, start=1):
        signals, inputs = made.signals[layer - 1].reshape(count * rows, -1), made.inputs[layer - 1]
        gram = inputs @ inputs.T
        kernel = (signals @ signals.T).view(count, rows, count, rows)
        kernel *= gram[:, None, :, None]
        total += kernel.view(count * rows, count * rows)
        if progress:
            progress(done / len(layers), f"layer {layer}")
    return total / count


def top_eigenvalues(
    network: Network,
    x: Tensor,
    likelihood: Likelihood | None = None,
    k: int = 10,
    structure: str = "implicit",
    tol: float = 1e-6,
) -> NDArray[np.float64]:
    """The k largest eigenvalues, sorted descending, by Lanczos on the smaller side; the matrix is never formed.

    Args:
        network, x, likelihood: as in `fisher`.
        k: how many, at least 1 and fewer than the smaller of P and N R.
        structure: "implicit" (the full matrix), the only one Lanczos is needed for.
        tol: relative accuracy.

    Raises:
        ValueError: k or structure out of range.
    """
    check_choice("structure", structure, ("implicit",))
    made = factors(network, x, Gaussian() if likelihood is None else likelihood)
    return top_eigenvalues_from_factors(made, k, tol)


def top_eigenvalues_from_factors(
    made: Factors, k: int = 1, tol: float = 1e-6, progress: Progress | None = None
) -> NDArray[np.float64]:
    """`top_eigenvalues` from factors alone."""
    side = min(made.layout.parameters, made.samples * made.rows)
    if not 1 <= k <= side:
        raise ValueError(f"`k` is {k}; this matrix has at most {side} non-zero eigenvalues: give 1 to {side}.")
    if side <= max(64, 2 * k):
        values = spectrum_from_factors(made).values[:k]
        return np.concatenate([values, np.zeros(k - len(values))])
    on_dual = made.samples * made.rows < made.layout.parameters

    def apply(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        if progress:
            progress(0.5, "largest eigenvalue")
        given = torch.as_tensor(vector.reshape(-1)).to(made.inputs[0])
        if on_dual:
            result = made.jacobian_product(made.transpose_product(given))
        else:
            result = made.transpose_product(made.jacobian_product(given))
        return (result / made.samples).double().cpu().numpy()

    start = np.cos(np.arange(side, dtype=np.float64))  # fixed and generic: the same numbers on every run
    if not np.any(apply(start)):
        return np.zeros(k)
    operator = LinearOperator((side, side), matvec=apply, dtype=np.float64)
    return np.sort(eigsh(operator, k=k, which="LA", tol=tol, v0=start, return_eigenvectors=False))[::-1]
