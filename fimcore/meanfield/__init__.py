"""The predicted wing: mean-field theory of wide random networks, from Gaussian integrals alone (no network is built).

Source: each module names its own. Nothing here imports the measured wing, so agreement between the two is evidence.
"""

from fimcore.meanfield.block_norms import block_norms
from fimcore.meanfield.fisher_statistics import FisherStatistics, fisher_statistics
from fimcore.meanfield.moments import Moments, moments
from fimcore.meanfield.plateau import rms_ratio_limit
from fimcore.meanfield.propagation import Propagation, propagate

__all__ = [
    "FisherStatistics",
    "Moments",
    "Propagation",
    "block_norms",
    "fisher_statistics",
    "moments",
    "propagate",
    "rms_ratio_limit",
]
