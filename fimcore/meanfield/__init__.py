"""The predicted wing: mean-field theory of wide random networks, from Gaussian integrals alone (no network is built).

Source: each module names its own. Nothing here imports the measured wing, so agreement between the two is evidence.
"""

from fimcore.meanfield.block_norms import block_norms
from fimcore.meanfield.critical import CriticalPoint, critical_point
from fimcore.meanfield.fisher_statistics import FisherStatistics, fisher_statistics
from fimcore.meanfield.fixed_points import FixedPoint, Root, fixed_point
from fimcore.meanfield.moments import Moments, moments
from fimcore.meanfield.plateau import rms_ratio_limit
from fimcore.meanfield.propagation import Propagation, propagate

__all__ = [
    "CriticalPoint",
    "FisherStatistics",
    "FixedPoint",
    "Moments",
    "Propagation",
    "Root",
    "block_norms",
    "critical_point",
    "fisher_statistics",
    "fixed_point",
    "moments",
    "propagate",
    "rms_ratio_limit",
]
