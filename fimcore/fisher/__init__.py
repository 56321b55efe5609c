"""The measured wing: Fisher matrices of one network, exact or sampled, computed from factors.

The package is itself callable, so that `fimcore.fisher(network, x, ...)` is the function and `fimcore.fisher.factors` the module.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from fimcore.fisher.block_diagonal import LayerBlocks, UnitBlocks
from fimcore.fisher.block_tridiagonal import BlockTridiagonal
from fimcore.fisher.blocks import block, diagonal, entry, gradient, unit_blocks
from fimcore.fisher.curvature import Curvature
from fimcore.fisher.dense import Dense
from fimcore.fisher.diagonal_only import Diagonal
from fimcore.fisher.dual import dual_matrix
from fimcore.fisher.ekfac import EKFAC
from fimcore.fisher.factors import ESTIMATORS, Factors, factors
from fimcore.fisher.fisher import STRUCTURES, fisher, from_factors, structure_bytes
from fimcore.fisher.grams import (
    block_norms,
    block_norms_from_factors,
    diagonal_square,
)
from fimcore.fisher.implicit import Implicit
from fimcore.fisher.kfac import KFAC
from fimcore.fisher.low_rank import LowRank
from fimcore.fisher.moments import spectrum_moments, spectrum_moments_from_factors
from fimcore.fisher.parts import FactorParts, factor_parts
from fimcore.fisher.quasi_diagonal import QuasiDiagonal
from fimcore.fisher.sampling import StandardError
from fimcore.fisher.spectrum import Spectrum, layer_spectra, spectrum, spectrum_from_factors, unit_spectra
from fimcore.fisher.structures import FisherStructure, Origin
from fimcore.fisher.top_eigenvalues import TopEigenvalues, top_eigenvalues, top_eigenvalues_from_factors
from fimcore.fisher.unit_closed_form import UnitClosedForm
from fimcore.fisher.unit_norms import unit_block_norm_map, unit_norms_from_factors
from fimcore.fisher.whitening import (
    off_block_norm,
    off_block_norm_from_factors,
    whitened_spectrum,
    whitened_spectrum_from_factors,
)

__all__ = [
    "EKFAC",
    "ESTIMATORS",
    "KFAC",
    "STRUCTURES",
    "BlockTridiagonal",
    "Curvature",
    "Dense",
    "Diagonal",
    "FactorParts",
    "Factors",
    "FisherStructure",
    "Implicit",
    "LayerBlocks",
    "LowRank",
    "Origin",
    "QuasiDiagonal",
    "Spectrum",
    "StandardError",
    "TopEigenvalues",
    "UnitBlocks",
    "UnitClosedForm",
    "block",
    "block_norms",
    "block_norms_from_factors",
    "diagonal",
    "diagonal_square",
    "dual_matrix",
    "entry",
    "factor_parts",
    "factors",
    "fisher",
    "from_factors",
    "gradient",
    "layer_spectra",
    "off_block_norm",
    "off_block_norm_from_factors",
    "spectrum",
    "spectrum_from_factors",
    "spectrum_moments",
    "spectrum_moments_from_factors",
    "structure_bytes",
    "top_eigenvalues",
    "top_eigenvalues_from_factors",
    "unit_block_norm_map",
    "unit_blocks",
    "unit_norms_from_factors",
    "unit_spectra",
    "whitened_spectrum",
    "whitened_spectrum_from_factors",
]


class _CallablePackage(ModuleType):
    """The package as a function: Python binds a loaded sub-package over a function of the same name in its parent."""

    def __call__(self, *args: Any, **kwargs: Any) -> FisherStructure:
        return fisher(*args, **kwargs)


sys.modules[__name__].__class__ = _CallablePackage
