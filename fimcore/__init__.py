"""fimcore: Fisher information matrices of deep networks, measured exactly and predicted by mean-field theory.

Scale, everywhere: F = E_x E_{y ~ p(y|x;theta)} [grad log p (grad log p)^T], a mean over inputs and the model's expectation over
labels. Names are loaded on first use, so that the command line and the predicted wing start without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fimcore import estimators, experiments, inputs, likelihoods, meanfield
    from fimcore.architecture import ACTIVATION_NAMES, Architecture
    from fimcore.budget import Budget, BudgetError
    from fimcore.estimators.variances import DiagonalVariances, diagonal_variances
    from fimcore.fisher.factors import Factors, factors
    from fimcore.fisher.fisher import fisher
    from fimcore.fisher.grams import block_norms
    from fimcore.fisher.moments import spectrum_moments
    from fimcore.fisher.spectrum import Spectrum, spectrum
    from fimcore.fisher.top_eigenvalues import TopEigenvalues, top_eigenvalues
    from fimcore.fisher.unit_norms import unit_block_norm_map
    from fimcore.fisher.whitening import off_block_norm, whitened_spectrum
    from fimcore.likelihoods import (
        Bernoulli,
        Categorical,
        Gaussian,
        GaussianWithVariance,
        Likelihood,
        Poisson,
    )
    from fimcore.networks import Network, sample_network
    from fimcore.norms import BlockNorms
    from fimcore.parameters import ParameterLayout
    from fimcore.training import train

__version__ = "0.1.0"

__all__ = [
    "ACTIVATION_NAMES",
    "Architecture",
    "Bernoulli",
    "BlockNorms",
    "Budget",
    "BudgetError",
    "Categorical",
    "DiagonalVariances",
    "Factors",
    "Gaussian",
    "GaussianWithVariance",
    "Likelihood",
    "Network",
    "ParameterLayout",
    "Poisson",
    "Spectrum",
    "TopEigenvalues",
    "block_norms",
    "diagonal_variances",
    "estimators",
    "experiments",
    "factors",
    "fisher",
    "inputs",
    "likelihoods",
    "meanfield",
    "off_block_norm",
    "sample_network",
    "spectrum",
    "spectrum_moments",
    "top_eigenvalues",
    "train",
    "unit_block_norm_map",
    "whitened_spectrum",
]

_HOMES = {
    "fimcore.architecture": ("ACTIVATION_NAMES", "Architecture"),
    "fimcore.norms": ("BlockNorms",),
    "fimcore.budget": ("Budget", "BudgetError"),
    "fimcore.estimators.variances": ("DiagonalVariances", "diagonal_variances"),
    "fimcore.fisher.factors": ("Factors", "factors"),
    "fimcore.fisher.grams": ("block_norms",),
    "fimcore.fisher.moments": ("spectrum_moments",),
    "fimcore.fisher.spectrum": ("Spectrum", "spectrum"),
    "fimcore.fisher.top_eigenvalues": ("TopEigenvalues", "top_eigenvalues"),
    "fimcore.fisher.unit_norms": ("unit_block_norm_map",),
    "fimcore.fisher.whitening": ("off_block_norm", "whitened_spectrum"),
    "fimcore.likelihoods": (
        "Bernoulli",
        "Categorical",
        "Gaussian",
        "GaussianWithVariance",
        "Likelihood",
        "Poisson",
    ),
    "fimcore.networks": ("Network", "sample_network"),
    "fimcore.parameters": ("ParameterLayout",),
    "fimcore.training": ("train",),
}
_PACKAGES = ("estimators", "experiments", "fisher", "inputs", "likelihoods", "meanfield", "training")


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name in _PACKAGES:
        return import_module(f"fimcore.{name}")
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'fimcore' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
