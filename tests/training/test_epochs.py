"""Runs looked at between epochs are those of `train`, and end where these end."""

from __future__ import annotations

import math

import pytest
import torch

from fimcore.architecture import Architecture
from fimcore.likelihoods import Categorical
from fimcore.networks import sample_network
from fimcore.training import train
from fimcore.training.epochs import train_epochs

X = torch.randn(11, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
Y = torch.arange(11) % 4


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "fadam"])
def test_epochs_are_steps_of_train(optimizer):
    network = sample_network(Architecture((3, 5, 4), "tanh", 1.5, 0.1), 0)
    steps = list(train(network, (X, Y), optimizer, 0.1, steps=9, seed=5, batch_size=4))
    epochs = list(train_epochs(network, X, Y, Categorical(), optimizer, 0.1, 3, 4, seed=5))
    assert [epoch.number for epoch in epochs] == [0, 1, 2, 3]
    for epoch, step in zip(epochs, steps[::3], strict=True):
        assert epoch.loss == step.loss
        assert epoch.accuracy == step.accuracy
        assert torch.equal(epoch.network.parameter_vector(), step.network.parameter_vector())


def test_a_run_that_diverges_ends_with_a_missing_loss():
    network = sample_network(Architecture((3, 5, 5, 5, 4), "linear", 100.0), 0)
    epochs = list(train_epochs(network, X, Y, Categorical(), "momentum", 1e6, 50, 4))
    assert epochs[-1].diverged
    assert math.isnan(epochs[-1].loss)
    assert len(epochs) < 50
    assert [epoch.number for epoch in epochs] == list(range(len(epochs)))


def test_an_optimizer_that_needs_more_than_gradients_is_refused():
    network = sample_network(Architecture((3, 4), "tanh"), 0)
    with pytest.raises(ValueError, match="`optimizer` is 'kfac'"):
        next(train_epochs(network, X, Y, Categorical(), "kfac", 0.1, 1, 4))
