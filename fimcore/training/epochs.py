"""The same runs as `train`, looked at only between epochs: the loss over all data is not computed at every update.

With batches of B out of N inputs that loss costs N / B times what the update itself does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore.likelihoods import Likelihood
from fimcore.networks import Network
from fimcore.training.losses import fit, mean_loss
from fimcore.training.optimizers import UPDATES
from fimcore.training.point import Point, Settings, batch, evaluated

# Those that need no more than the gradient at a point.
OPTIMIZERS = ("sgd", "momentum", "adam", "fadam")


@dataclass(frozen=True, eq=False)
class Epoch:
    """A network after so many passes over the data; a run that diverged ends with one whose loss is nan.

    Attributes:
        number: passes over the data; 0 is the network as given.
        loss, accuracy: over all data (`mean_loss`, and the share of right classes).
        diverged: a loss or gradient was not finite.
        network: the network.
    """

    number: int
    loss: float
    accuracy: float
    diverged: bool
    network: Network


def train_epochs(
    network: Network,
    x: Tensor,
    labels: Tensor,
    likelihood: Likelihood,
    optimizer: str,
    learning_rate: float,
    epochs: int,
    batch_size: int,
    seed: int = 0,
) -> Iterator[Epoch]:
    """Epoch 0, then one after every pass of ceil(N / batch_size) updates; batches are those of `train` with this seed.

    Args:
        network: where to start.
        x, labels: (N, n_0), and labels in the shape the output family takes.
        likelihood: output family.
        optimizer: "sgd", "momentum", "adam" or "fadam".
        learning_rate, epochs, batch_size, seed: as in `train`.

    Raises:
        ValueError: another optimizer.
    """
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"`optimizer` is {optimizer!r}; choose one of {', '.join(OPTIMIZERS)}.")
    update, settings = UPDATES[optimizer], Settings(learning_rate)
    state: tuple[Tensor, ...] = ()
    every, number = math.ceil(len(x) / batch_size), 0
    for epoch in range(epochs + 1):
        outputs = network(x)
        loss = mean_loss(likelihood, outputs, labels) if bool(torch.isfinite(outputs).all()) else math.nan
        if not math.isfinite(loss):
            yield Epoch(epoch, math.nan, math.nan, True, network)
            return
        yield Epoch(epoch, loss, fit(likelihood, outputs, labels)[1], False, network)
        for _ in range(every if epoch < epochs else 0):
            at = evaluated(Point(network, *batch(x, labels, batch_size, number, seed), likelihood, number, seed), False)
            if not bool(torch.isfinite(at.gradient).all()):
                yield Epoch(epoch + 1, math.nan, math.nan, True, network)
                return
            vector, state = update(at, settings, state)
            network, number = network.with_parameters(vector), number + 1
