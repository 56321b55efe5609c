"""Estimators of the Fisher diagonal: their exact variances, bounds, and how many samples each of them needs.

Source: Soen, Sun, Trade-Offs of Diagonal Fisher Information Matrix Estimators, arXiv 2402.05379.
"""

from fimcore.estimators.batch_level import BatchVariances
from fimcore.estimators.bounds import Bound, BoundForm, Bounds
from fimcore.estimators.later_layers import LaterLayers
from fimcore.estimators.negative_share import NegativeShare
from fimcore.estimators.per_sample import PerSample, SamplePart
from fimcore.estimators.samples_needed import SamplesNeeded
from fimcore.estimators.total_variance import VarianceSplit
from fimcore.estimators.variances import DiagonalVariances, diagonal_variances

__all__ = [
    "BatchVariances",
    "Bound",
    "BoundForm",
    "Bounds",
    "DiagonalVariances",
    "LaterLayers",
    "NegativeShare",
    "PerSample",
    "SamplePart",
    "SamplesNeeded",
    "VarianceSplit",
    "diagonal_variances",
]
