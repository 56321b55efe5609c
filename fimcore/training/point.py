"""Where an update is made: the network, the batch it sees, and the settings of the optimizer.

Batches are a function of the seed and the number of the step alone, so that a run can be resumed from any step: within an epoch
of ceil(N / B) steps every input is seen once, in an order drawn anew for each epoch.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from fimcore.fisher.factors import Factors, factors
from fimcore.likelihoods import Likelihood
from fimcore.networks import Network
from fimcore.training.losses import mean_gradient, root_coordinates

# Streams of one seed: which inputs a step sees, and which labels are drawn at it.
EPOCH_STREAM, LABEL_STREAM = 1_000_003, 7_000_003


@dataclass(frozen=True)
class Settings:
    """Numbers of an optimizer. alpha: the step is learning_rate / alpha and the last three are those of `train`."""

    learning_rate: float
    damping: float = 1e-3
    alpha: float = 1.0
    form: str = "factored"
    estimator: str = "exact"
    isotropic: bool = True

    @property
    def step_size(self) -> float:
        """What a direction is multiplied with."""
        return self.learning_rate / self.alpha


@dataclass(frozen=True, eq=False)
class Point:
    """A network and the batch (x, labels) that step `number` sees."""

    network: Network
    x: Tensor
    labels: Tensor
    likelihood: Likelihood
    number: int
    seed: int

    @property
    def label_seed(self) -> int:
        """Seed of labels drawn at this step."""
        return (self.seed + 1) * LABEL_STREAM + self.number


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The gradient at a point, and for natural gradients the exact factors and t with gradient = -J^T t / N."""

    point: Point
    gradient: Tensor
    made: Factors | None = field(default=None)
    coordinates: Tensor | None = field(default=None)

    def exact(self) -> tuple[Factors, Tensor]:
        """Factors and coordinates of a natural gradient."""
        assert self.made is not None
        assert self.coordinates is not None
        return self.made, self.coordinates


def evaluated(point: Point, natural: bool) -> Evaluation:
    """The gradient of the loss; a natural gradient takes it from the same backward pass as the Fisher matrix."""
    network, x, likelihood = point.network, point.x, point.likelihood
    if not natural:
        return Evaluation(point, mean_gradient(network, x, point.labels, likelihood))
    made = factors(network, x, likelihood)
    coordinates = root_coordinates(likelihood, network(x), point.labels)
    gradient = -made.transpose_product(coordinates.reshape(-1)) / made.samples
    return Evaluation(point, gradient, made, coordinates)


def batch(x: Tensor, labels: Tensor, size: int | None, number: int, seed: int) -> tuple[Tensor, Tensor]:
    """The inputs and labels of step `number` (from 0): all of them, or the next `size` of this epoch's order."""
    count = x.shape[0]
    if size is None or size >= count:
        return x, labels
    steps = -(-count // size)
    epoch, place = divmod(number, steps)
    generator = torch.Generator().manual_seed((seed + 1) * EPOCH_STREAM + epoch)
    chosen = torch.randperm(count, generator=generator)[place * size : (place + 1) * size].to(x.device)
    return x[chosen], labels[chosen]
