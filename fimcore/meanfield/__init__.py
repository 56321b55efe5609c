"""The predicted wing: mean-field theory of wide random networks, from Gaussian integrals alone (no network is built).

Source: each module names its own. Nothing here imports the measured wing, so agreement between the two is evidence.
"""

from fimcore.meanfield.activity_scatter import ActivityScatter, activity_scatter
from fimcore.meanfield.block_norms import block_norms
from fimcore.meanfield.critical import CriticalPoint, critical_point
from fimcore.meanfield.decay import Decay, DepthDecay, depth_decay
from fimcore.meanfield.fisher_statistics import FisherStatistics, fisher_statistics
from fimcore.meanfield.fixed_points import FixedPoint, Root, fixed_point
from fimcore.meanfield.input_metric import InputMetricStatistics, input_metric_statistics
from fimcore.meanfield.kernels import layer_kernels, nngp, ntk
from fimcore.meanfield.learning_rate import LearningRateBound, max_learning_rate
from fimcore.meanfield.moments import Moments, moments
from fimcore.meanfield.ngd_rate import NgdRate, ngd_rate
from fimcore.meanfield.output_centring import CentredStatistics, centred_statistics
from fimcore.meanfield.plateau import rms_ratio_limit
from fimcore.meanfield.propagation import Propagation, propagate
from fimcore.meanfield.second_moment import second_moment_gap
from fimcore.meanfield.softmax_statistics import SoftmaxStatistics, fisher_statistics_softmax
from fimcore.meanfield.training_curve import TrainingCurve, training_curve
from fimcore.meanfield.two_layer_relu import TwoLayerReluSpectrum, two_layer_relu_spectrum
from fimcore.meanfield.unit_fisher import UnitFisher, unit_fisher

__all__ = [
    "ActivityScatter",
    "CentredStatistics",
    "CriticalPoint",
    "Decay",
    "DepthDecay",
    "FisherStatistics",
    "FixedPoint",
    "InputMetricStatistics",
    "LearningRateBound",
    "Moments",
    "NgdRate",
    "Propagation",
    "Root",
    "SoftmaxStatistics",
    "TrainingCurve",
    "TwoLayerReluSpectrum",
    "UnitFisher",
    "activity_scatter",
    "block_norms",
    "centred_statistics",
    "critical_point",
    "depth_decay",
    "fisher_statistics",
    "fisher_statistics_softmax",
    "fixed_point",
    "input_metric_statistics",
    "layer_kernels",
    "max_learning_rate",
    "moments",
    "ngd_rate",
    "nngp",
    "ntk",
    "propagate",
    "rms_ratio_limit",
    "second_moment_gap",
    "training_curve",
    "two_layer_relu_spectrum",
    "unit_fisher",
]
