"""Training: full-batch descent on the mean negative log-likelihood, plainly or along natural-gradient directions."""

from fimcore.training.directions import exact_direction, unit_direction
from fimcore.training.losses import mean_gradient, mean_loss, root_coordinates
from fimcore.training.stability import largest_stable_rate
from fimcore.training.step import Step
from fimcore.training.train import OPTIMIZERS, train

__all__ = [
    "OPTIMIZERS",
    "Step",
    "exact_direction",
    "largest_stable_rate",
    "mean_gradient",
    "mean_loss",
    "root_coordinates",
    "train",
    "unit_direction",
]
