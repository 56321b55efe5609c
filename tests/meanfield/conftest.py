"""Random networks in plain numpy, forward and backward by hand: the measurement the predictions are held against.

Deliberately independent of the measured wing and of the activations under test.
"""

import numpy as np
import pytest
from scipy.special import erf, expit

ACTIVATIONS = {
    "tanh": (np.tanh, lambda u: 1.0 / np.cosh(u) ** 2),
    "relu": (lambda u: u * (u > 0), lambda u: (u > 0).astype(float)),
    "sigmoid": (expit, lambda u: expit(u) * expit(-u)),
    "erf": (erf, lambda u: 2.0 / np.sqrt(np.pi) * np.exp(-u * u)),
    "linear": (lambda u: u, np.ones_like),
    "silu": (lambda u: u * expit(u), lambda u: expit(u) * (1.0 + u * expit(-u))),
}


class Measured:
    """One random network on N inputs: per layer the activities and the back-propagated signals of every output."""

    def __init__(self, arch, samples, seed, input_mean_square=0.0):
        rng = np.random.default_rng(seed)
        value, slope = ACTIVATIONS[arch.activation]
        layers, outputs = len(arch.widths) - 1, arch.widths[-1]
        x = np.sqrt(1.0 - input_mean_square) * rng.normal(size=(samples, arch.widths[0])) + np.sqrt(input_mean_square)
        activity, pre, weights = [x], [], []
        for fan_in, width in zip(arch.widths[:-1], arch.widths[1:], strict=True):
            weights.append(rng.normal(size=(width, fan_in)) * np.sqrt(arch.weight_variance / fan_in))
            pre.append(activity[-1] @ weights[-1].T + rng.normal(size=width) * np.sqrt(arch.bias_variance))
            activity.append(value(pre[-1]))
        signal = [np.broadcast_to(np.eye(outputs), (samples, outputs, outputs))]
        for layer in range(layers - 1, 0, -1):
            signal.insert(0, slope(pre[layer - 1])[:, None, :] * (signal[0] @ weights[layer]))
        self.samples, self.outputs, self.layers = samples, outputs, layers
        self.activity, self.signal, self.pre = activity[:-1], signal, pre
        self.overlaps = [a @ a.T + 1.0 for a in self.activity]

    def kernels(self):
        """K^l[(x, c), (x', c')], whose sum over N has the non-zero eigenvalues of the Fisher matrix."""
        rows = self.samples * self.outputs
        return [
            (d.reshape(rows, -1) @ d.reshape(rows, -1).T) * np.kron(h, np.ones((self.outputs, self.outputs)))
            for d, h in zip(self.signal, self.overlaps, strict=True)
        ]

    def unbiased_norms(self):
        """T_ll' and U_l as means over pairs of different inputs."""
        apart = 1.0 - np.eye(self.samples)
        count = self.samples * (self.samples - 1)
        mask = np.kron(apart, np.ones((self.outputs, self.outputs)))
        kernels = self.kernels()
        pairs = np.array([[np.sum(a * b * mask) / count for b in kernels] for a in kernels])
        squares = [np.sum(d**2, axis=1) for d in self.signal]
        units = [np.sum((s @ s.T) * h**2 * apart) / count for s, h in zip(squares, self.overlaps, strict=True)]
        return pairs, np.array(units)


@pytest.fixture(scope="session")
def measure():
    return Measured
