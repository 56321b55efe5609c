"""Signals of one network against loops over pairs and gradients from autograd; parts of the inputs change nothing."""

import math

import numpy as np
import pytest
import torch

from fimcore import Architecture, sample_network
from fimcore.fisher import signals as module
from fimcore.fisher.signals import signals


def made(activation="tanh", widths=(5, 7, 6, 4, 3), seed=3):
    network = sample_network(Architecture(widths, activation, 1.7, 0.2), seed)
    generator = torch.Generator().manual_seed(11)
    x, partner = (torch.randn(9, widths[0], generator=generator, dtype=torch.float64) for _ in range(2))
    return network, x, partner


def gradient_size(network, x, layer):
    """mean over outputs of |df_c / du^layer|^2 by autograd, from that layer's pre-activation upwards."""
    phi = {"tanh": torch.tanh, "relu": torch.relu}[network.activation]
    u = network.forward(x[None]).preactivations[layer].squeeze(0).clone().requires_grad_()
    signal = u
    for weight, bias in zip(network.weights[layer + 1 :], network.biases[layer + 1 :], strict=True):
        signal = weight @ phi(signal) + bias
    sizes = [torch.autograd.grad(f, u, retain_graph=True)[0].square().sum().item() for f in signal]
    return sum(sizes) / len(sizes)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_equals_loops_over_pairs_and_autograd(activation):
    network, x, partner = made(activation)
    found = signals(network, x, partner)
    both = torch.cat([x, partner])
    for layer in range(3):
        u, v = (network.forward(inputs).preactivations[layer] for inputs in (x, partner))
        lengths = [[float(row @ row) / len(row) for row in side] for side in (u, v)]
        overlap = np.mean([float(a @ b) / len(a) for a, b in zip(u, v, strict=True)])
        assert found.lengths[layer] == pytest.approx(np.mean(lengths), rel=1e-12)
        assert found.overlaps[layer] == pytest.approx(overlap, rel=1e-12)
        expected = overlap / math.sqrt(np.mean(lengths[0]) * np.mean(lengths[1]))
        assert found.correlations[layer] == pytest.approx(expected, rel=1e-12)
        gradients = np.mean([gradient_size(network, row, layer) for row in both])
        assert found.gradients[layer] == pytest.approx(gradients, rel=1e-12)


def test_parts_of_the_inputs_change_nothing_and_tell_progress(monkeypatch):
    network, x, partner = made()
    whole = signals(network, x, partner)
    monkeypatch.setattr(module, "HELD_ENTRIES", 2 * 3 * 7 * 4)  # four pairs at a time
    told = []
    parts = signals(network, x, partner, progress=lambda fraction, message: told.append(fraction))
    for name in ("lengths", "overlaps", "correlations", "gradients"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-12)
    assert told == [4 / 9, 8 / 9, 1.0]


def test_equal_inputs_are_correlated_by_one_and_opposite_ones_by_minus_one_without_biases():
    network, x, _ = made()
    np.testing.assert_allclose(signals(network, x, x).correlations, 1, atol=1e-14)
    odd = sample_network(Architecture((5, 7, 6, 1), "tanh", 1.7, 0.0), 0)
    np.testing.assert_allclose(signals(odd, x, -x).correlations, -1, atol=1e-14)


def test_a_dead_network_has_no_correlation_and_no_gradient():
    network = sample_network(Architecture((2, 1, 1, 1), "relu", 2.0, 0.0), 0)
    x = torch.tensor([[1.0, 1.0]], dtype=torch.float64)
    x = x * (-1.0 if float(network.forward(x).preactivations[0]) > 0 else 1.0)
    found = signals(network, x, x)
    assert np.isnan(found.correlations[1])
    assert found.gradients.tolist() == [0.0, 0.0]


def test_bad_pairs_and_networks_are_refused():
    network, x, partner = made()
    with pytest.raises(ValueError, match="`partner` has shape"):
        signals(network, x, partner[:-1])
    with pytest.raises(ValueError, match="no hidden layer"):
        signals(sample_network(Architecture((5, 1)), 0), x, partner)
