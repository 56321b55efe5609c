"""Inputs: random laws with E|x|^2 / n_0 = 1, real images that ship with scikit-learn, and tables and arrays of your own.

Every random input is drawn in float64 on the CPU from its seed, then converted: a seed means the same inputs in every dtype.
"""

from fimcore.inputs.data import Data, InputError
from fimcore.inputs.digits import digits
from fimcore.inputs.files import content_hash, file_hash, load
from fimcore.inputs.random_laws import correlated_pair, gaussian, power_law, shifted, sphere
from fimcore.inputs.scaling import common_scale, standardise

__all__ = [
    "Data",
    "InputError",
    "common_scale",
    "content_hash",
    "correlated_pair",
    "digits",
    "file_hash",
    "gaussian",
    "load",
    "power_law",
    "shifted",
    "sphere",
    "standardise",
]
