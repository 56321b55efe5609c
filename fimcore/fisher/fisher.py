"""`fisher`: the Fisher matrix of a network in the structure and with the estimator asked for.

F = (1/N) sum_x E_{y ~ p(.|x)} [grad l grad l^T] (estimator "exact").
Source: Amari, Karakida, Oizumi, Fisher Information and Natural Gradient Learning of Random Deep Networks, arXiv 1808.07172.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor

from fimcore.architecture import check_choice
from fimcore.budget import Budget, check_memory, default_budget
from fimcore.fisher.block_diagonal import layer_blocks, unit_block_diagonal
from fimcore.fisher.block_tridiagonal import block_tridiagonal
from fimcore.fisher.blocks import Progress
from fimcore.fisher.dense import dense
from fimcore.fisher.diagonal_only import diagonal_only
from fimcore.fisher.ekfac import ekfac
from fimcore.fisher.implicit import implicit
from fimcore.fisher.kfac import kfac
from fimcore.fisher.low_rank import low_rank, low_rank_bytes
from fimcore.fisher.output_rows import SAMPLED, rows_count
from fimcore.fisher.parts import AnyFactors, factor_parts
from fimcore.fisher.quasi_diagonal import quasi_diagonal
from fimcore.fisher.sampling import Sampling
from fimcore.fisher.structures import FisherStructure, Origin
from fimcore.fisher.unit_closed_form import unit_closed_form
from fimcore.likelihoods import Gaussian, Likelihood
from fimcore.networks import Network
from fimcore.parameters import ParameterLayout

_BUILDERS: dict[str, Callable[..., FisherStructure]] = {
    "dense": dense,
    "layer_blocks": layer_blocks,
    "unit_blocks": unit_block_diagonal,
    "block_tridiagonal": block_tridiagonal,
    "kfac": kfac,
    "ekfac": ekfac,
    "quasi_diagonal": quasi_diagonal,
    "diagonal": diagonal_only,
    "low_rank": low_rank,
    "unit_closed_form": unit_closed_form,
    "implicit": implicit,
}
STRUCTURES = tuple(_BUILDERS)
# What one structure takes besides the factors.
_OPTIONS = {"out": ("dense", "layer_blocks"), "rank": ("low_rank",), "isotropic": ("unit_closed_form",)}


def fisher(
    network: Network,
    x: Tensor,
    likelihood: Likelihood | None = None,
    structure: str = "dense",
    estimator: str = "exact",
    seed: int | None = None,
    labels: Tensor | None = None,
    *,
    draws: int = 1,
    out: Tensor | Sequence[Tensor] | None = None,
    rank: int | None = None,
    isotropic: bool | None = None,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> FisherStructure:
    """Fisher matrix of a network at inputs x, in one of eleven structures.

    Args:
        network: weights and biases.
        x: (N, n_0) inputs. Where their factors do not fit the budget beside the result, they are worked through in parts.
        likelihood: output family; `Gaussian()` (unit variance) where left out.
        structure: "dense", "layer_blocks", "unit_blocks", "block_tridiagonal", "kfac", "ekfac", "quasi_diagonal", "diagonal",
            "low_rank", "unit_closed_form" or "implicit".
        estimator, seed, labels, draws: see `factors`.
        out: memory to write the result into: (P, P) of "dense", one (P_l, P_l) a layer of "layer_blocks".
        rank: of "low_rank"; every non-zero eigenvalue where left out.
        isotropic: of "unit_closed_form": True takes the covariance of a layer's inputs as a multiple of the identity.
        budget: memory allowed for the result and the factors; refused before anything is allocated.
        progress: called as progress(fraction, message) between steps; what it raises cancels the computation.

    Returns:
        A frozen structure with matvec, solve, dense, diagonal, eigenvalues, trace, frobenius_norm, block, standard_error.

    Raises:
        ValueError: wrong names or shapes. BudgetError: the matrix would not fit the budget.
    """
    check_choice("structure", structure, STRUCTURES)
    given = {"out": out, "rank": rank, "isotropic": isotropic}
    options = {name: value for name, value in given.items() if value is not None}
    for name in options:
        if structure not in _OPTIONS[name]:
            raise ValueError(f"`{name}` is given, but only {' and '.join(_OPTIONS[name])} takes it, not {structure!r}.")
    family = Gaussian() if likelihood is None else likelihood
    limit = budget or default_budget()
    item = network.weights[0].element_size()
    result = 0 if out is not None else structure_bytes(network.layout, structure, item)
    if structure == "low_rank":
        rows = x.shape[0] * rows_count(estimator, network.outputs, draws)
        result = low_rank_bytes(network.layout, rows, estimator, rank, item)
    check_memory(
        f"the {structure} Fisher matrix of {network.layout.parameters:,} parameters",
        result,
        limit,
        remedy="a smaller width, or a structure with smaller blocks (unit_blocks, kfac, diagonal, implicit)",
    )
    made = factor_parts(network, x, family, estimator, seed, labels, draws, budget=limit, reserved_bytes=result)
    sampling = Sampling(made, x, family) if estimator in SAMPLED else None
    origin = Origin(estimator, repr(family), made.samples, sampling)
    return _BUILDERS[structure](made, origin, progress, **options)


def from_factors(
    made: AnyFactors, structure: str, likelihood: str = "", progress: Progress | None = None
) -> FisherStructure:
    """The structure from factors alone."""
    check_choice("structure", structure, STRUCTURES)
    return _BUILDERS[structure](made, Origin(made.estimator, likelihood, made.samples), progress)


def structure_bytes(layout: ParameterLayout, structure: str, item: int = 8) -> int:
    """Bytes that a structure's entries take ("low_rank" and "implicit" hold vectors and factors instead: 0)."""
    units, sizes, layers = layout.units, layout.unit_sizes, layout.layer_sizes
    kronecker = sum(n**2 + k**2 for n, k in zip(units, sizes, strict=True))
    entries = {
        "dense": layout.parameters**2,
        "layer_blocks": sum(size**2 for size in layers),
        "unit_blocks": sum(n * k**2 for n, k in zip(units, sizes, strict=True)),
        "block_tridiagonal": sum(size**2 for size in layers) + sum(a * b for a, b in pairwise(layers)),
        "kfac": kronecker,
        "ekfac": kronecker + layout.parameters,
        "quasi_diagonal": 2 * layout.parameters,
        "diagonal": layout.parameters,
        "unit_closed_form": sum(k**2 for k in sizes) + layout.parameters,
        "low_rank": 0,
        "implicit": 0,
    }
    return entries[structure] * item
