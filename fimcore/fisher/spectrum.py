"""Eigenvalues of the Fisher matrix from whichever of its two sides is smaller.

F = (1/N) J^T J (P x P) and its dual (1/N) J J^T = (1/N) sum_l K^l (N R x N R) have the same non-zero eigenvalues.
Source: Karakida, Akaho, Amari, Universal Statistics of Fisher Information in Deep Neural Networks, arXiv 1806.01316.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fimcore.architecture import check_choice
from fimcore.budget import Budget, check_memory, default_budget
from fimcore.fisher.blocks import Progress, block, unit_blocks
from fimcore.fisher.dual import dual_matrix
from fimcore.fisher.eigenvalue_list import EigenvalueList, FloatArray
from fimcore.fisher.fisher import STRUCTURES, from_factors, structure_bytes
from fimcore.fisher.output_rows import rows_count
from fimcore.fisher.parts import AnyFactors, factor_parts
from fimcore.likelihoods import Gaussian, Likelihood
from fimcore.networks import Network

# Structures whose diagonal blocks are those of the full matrix.
WHOLE_LAYERS = ("dense", "implicit", "layer_blocks", "block_tridiagonal")


@dataclass(frozen=True, eq=False, repr=False)
class Spectrum(EigenvalueList):
    """Eigenvalues of a Fisher matrix: the non-zero ones sorted descending, and how many are zero to rounding.

    Behaves as a sequence of the listed eigenvalues. `values` (float64), `zeros`, `parameters` = P = len(values) + zeros.
    """

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
        return self.moment(1)

    @property
    def second_moment(self) -> float:
        """trace F^2 / P."""
        return self.moment(2)

    def moment(self, order: int) -> float:
        """trace F^order / P."""
        return float((self.values**order).sum() / self.parameters)

    def __repr__(self) -> str:
        shown = np.array2string(self.values, precision=4, threshold=8, edgeitems=3)
        return f"Spectrum({shown}, {len(self.values)} of P = {self.parameters} eigenvalues are not zero)"


def spectrum(
    network: Network,
    x: Tensor,
    likelihood: Likelihood | None = None,
    structure: str = "dense",
    *,
    layer: int | None = None,
    unit: int | None = None,
    estimator: str = "exact",
    seed: int | None = None,
    labels: Tensor | None = None,
    draws: int = 1,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> Spectrum:
    """All eigenvalues of a Fisher structure, sorted descending, by the cheaper of the P and the N R side.

    Args:
        network, x, likelihood, estimator, seed, labels, draws: as in `fisher`.
        structure: as in `fisher`; "dense", "layer_blocks", "unit_blocks" and "diagonal" never form more than they need.
        layer: only the diagonal block of layer 1..L.
        unit: only the block of this unit of that layer.
        budget: memory allowed for the smaller side.
        progress: called between blocks.

    Raises:
        BudgetError: even the smaller side does not fit; use fewer inputs or `top_eigenvalues`.
    """
    check_choice("structure", structure, STRUCTURES)
    if unit is not None and layer is None:
        raise ValueError(f"`unit` is {unit}, but `layer` is missing; give both, or `layer` alone.")
    layout = network.layout
    limit = budget or default_budget()
    family = Gaussian() if likelihood is None else likelihood
    rows = rows_count(estimator, network.outputs, draws)
    dual = np.inf if estimator == "hessian" else x.shape[0] * rows
    item = network.weights[0].element_size()
    if layer is not None:
        part = layout.layer_slice(layer) if unit is None else layout.unit_slice(layer, unit)
        sides: tuple[int, ...] = (part.stop - part.start,)
    else:
        whole = (layout.parameters,)
        sides = {"layer_blocks": layout.layer_sizes, "unit_blocks": layout.unit_sizes, "diagonal": (1,)}.get(
            structure, whole
        )
    side = int(max(min(size, dual) for size in sides))
    needed = 2 * side**2 * item
    if layer is None and structure not in ("dense", "layer_blocks", "implicit"):
        needed += structure_bytes(layout, structure, item)
    check_memory(
        f"the {structure} spectrum (a {side:,} x {side:,} matrix)",
        needed,
        limit,
        remedy="fewer inputs or a smaller width; `top_eigenvalues` needs no matrix",
    )
    made = factor_parts(network, x, family, estimator, seed, labels, draws, budget=limit, reserved_bytes=needed)
    if layer is None:
        return spectrum_from_factors(made, structure, progress)
    if structure in WHOLE_LAYERS or (structure == "unit_blocks" and unit is not None):
        return listed(block_eigenvalues(made, layer, unit), part.stop - part.start)
    block_of = from_factors(made, structure).block(layer, unit)
    return listed(torch.linalg.eigvalsh(block_of), part.stop - part.start)


def spectrum_from_factors(made: AnyFactors, structure: str = "dense", progress: Progress | None = None) -> Spectrum:
    """`spectrum` from factors alone."""
    layout = made.layout
    if structure == "layer_blocks":
        parts = []
        for layer in range(1, layout.layers + 1):
            parts.append(block_eigenvalues(made, layer))
            if progress:
                progress(layer / layout.layers, f"layer {layer} of {layout.layers}")
        return listed(torch.cat(parts), layout.parameters)
    if structure in ("dense", "implicit") and _dual_is_smaller(made, layout.parameters):
        values = torch.linalg.eigvalsh(dual_matrix(made, range(1, layout.layers + 1), progress))
        return listed(values, layout.parameters)
    name = "dense" if structure == "implicit" else structure
    return listed(from_factors(made, name, progress=progress).eigenvalues(), layout.parameters)


def block_eigenvalues(made: AnyFactors, layer: int, unit: int | None = None) -> Tensor:
    """Eigenvalues of a layer's or a unit's diagonal block, from its smaller side, without the zeros that side leaves out."""
    if unit is not None:
        own = slice(unit - 1, unit)
        return torch.linalg.eigvalsh(block(made, layer, layer, own, own))
    if _dual_is_smaller(made, made.layout.layer_sizes[layer - 1]):
        return torch.linalg.eigvalsh(dual_matrix(made, [layer]))
    return torch.linalg.eigvalsh(block(made, layer, layer))


def layer_spectra(made: AnyFactors) -> tuple[Spectrum, ...]:
    """The spectrum of every layer's diagonal block, from factors."""
    return tuple(
        listed(block_eigenvalues(made, layer), size) for layer, size in enumerate(made.layout.layer_sizes, start=1)
    )


def unit_spectra(made: AnyFactors, layer: int) -> FloatArray:
    """All eigenvalues of the block of every unit of layer 1..L, each row descending: (n_l, k_l), from factors."""
    values = torch.linalg.eigvalsh(unit_blocks(made, layer)).flip(1)
    return values.double().cpu().numpy()


def _dual_is_smaller(made: AnyFactors, side: int) -> bool:
    return made.estimator != "hessian" and made.samples * made.rows < side


def listed(values: Tensor, parameters: int, amplified: float = 1.0) -> Spectrum:
    """Sort, and count as zero what rounding, made larger by a factor if need be, cannot tell from zero."""
    ordered = torch.sort(values.reshape(-1), descending=True).values
    largest = float(ordered.abs().max()) if len(ordered) else 0.0
    floor = largest * torch.finfo(values.dtype).eps * max(len(ordered), 10) * amplified
    kept = ordered[ordered.abs() > floor].double().cpu().numpy()
    return Spectrum(kept, parameters - len(kept))
