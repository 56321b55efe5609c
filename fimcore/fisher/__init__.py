"""The measured wing: Fisher matrices of one network, exact or sampled, computed from factors.

The package is itself callable, so that `fimcore.fisher(network, x, ...)` is the function and `fimcore.fisher.factors` the module.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from fimcore.fisher.block_diagonal import LayerBlocks, UnitBlocks
from fimcore.fisher.blocks import block, diagonal, entry, gradient, unit_blocks
from fimcore.fisher.dense import Dense
from fimcore.fisher.diagonal_only import Diagonal
from fimcore.fisher.factors import ESTIMATORS, Factors, factors
from fimcore.fisher.fisher import STRUCTURES, fisher, from_factors, structure_bytes
from fimcore.fisher.grams import (
    block_norms,
    block_norms_from_factors,
    diagonal_square,
    unit_block_norm_map,
    unit_norms_from_factors,
)
from fimcore.fisher.spectrum import (
    Spectrum,
    dual_matrix,
    spectrum,
    spectrum_from_factors,
    top_eigenvalues,
    top_eigenvalues_from_factors,
)
from fimcore.fisher.structures import FisherStructure, Origin

__all__ = [
    "ESTIMATORS",
    "STRUCTURES",
    "Dense",
    "Diagonal",
    "Factors",
    "FisherStructure",
    "LayerBlocks",
    "Origin",
    "Spectrum",
    "UnitBlocks",
    "block",
    "block_norms",
    "block_norms_from_factors",
    "diagonal",
    "diagonal_square",
    "dual_matrix",
    "entry",
    "factors",
    "fisher",
    "from_factors",
    "gradient",
    "spectrum",
    "spectrum_from_factors",
    "structure_bytes",
    "top_eigenvalues",
    "top_eigenvalues_from_factors",
    "unit_block_norm_map",
    "unit_blocks",
    "unit_norms_from_factors",
]


class _CallablePackage(ModuleType):
    """The package as a function: Python binds a loaded sub-package over a function of the same name in its parent."""

    def __call__(self, *args: Any, **kwargs: Any) -> FisherStructure:
        return fisher(*args, **kwargs)


sys.modules[__name__].__class__ = _CallablePackage
