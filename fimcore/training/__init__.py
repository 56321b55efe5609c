"""Training: descent on the mean negative log-likelihood, by first-order methods and along natural-gradient directions."""

from fimcore.training.directions import exact_direction, layer_direction, unit_direction
from fimcore.training.losses import mean_gradient, mean_loss, root_coordinates
from fimcore.training.rate_search import RateSearch, search_learning_rate
from fimcore.training.sharpness import loss_hessian, sharpness
from fimcore.training.stability import largest_stable_rate
from fimcore.training.step import Step
from fimcore.training.tasks import Task, committee_plateau, curve_fitting, digits_classification, teacher_student
from fimcore.training.train import OPTIMIZERS, train

__all__ = [
    "OPTIMIZERS",
    "RateSearch",
    "Step",
    "Task",
    "committee_plateau",
    "curve_fitting",
    "digits_classification",
    "exact_direction",
    "largest_stable_rate",
    "layer_direction",
    "loss_hessian",
    "mean_gradient",
    "mean_loss",
    "root_coordinates",
    "search_learning_rate",
    "sharpness",
    "teacher_student",
    "train",
    "unit_direction",
]
