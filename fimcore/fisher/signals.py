"""Signals of one network layer by layer: q^l = mean |u^l|^2 / n_l, overlap of pairs, and mean |df_c / du^l|^2 backwards.

Source: Poole et al., Exponential expressivity in deep neural networks through transient chaos, arXiv 1606.05340 (length and
overlap); Schoenholz et al., Deep Information Propagation, arXiv 1611.01232 (the gradient on its way back).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fimcore.activations import activation
from fimcore.networks import Network

__all__ = ["Signals", "signals"]

Progress = Callable[..., object]
FloatArray = NDArray[np.float64]

# Backpropagated signals held at once: inputs x outputs x units of the widest layer.
HELD_ENTRIES = 2_000_000


@dataclass(frozen=True, eq=False)
class Signals:
    """Means over inputs of one network; arrays of length L - 1, hidden layer l at index l - 1.

    lengths: |u^l|^2 / n_l, over both inputs of every pair.
    overlaps: u^l . u'^l / n_l, over pairs.
    correlations: overlaps / sqrt(mean length of the first inputs x of the second); nan where a length is 0.
    gradients: |df_c / du^l|^2, over inputs and outputs c.
    """

    lengths: FloatArray
    overlaps: FloatArray
    correlations: FloatArray
    gradients: FloatArray


def signals(network: Network, x: Tensor, partner: Tensor, progress: Progress | None = None) -> Signals:
    """Length, overlap and gradient size in every hidden layer, for pairs (x_i, partner_i).

    A ratio of averages has a smaller bias at finite width than an average of cosines, hence `correlations`.

    Args:
        network: at least one hidden layer.
        x, partner: (N, n_0) each, row i of one belongs to row i of the other.
        progress: called as progress(fraction, message) between parts of the inputs.

    Returns:
        `Signals`, arrays of length L - 1.

    Raises:
        ValueError: `x` and `partner` differ in shape, or the network has no hidden layer.
    """
    if x.shape != partner.shape:
        raise ValueError(f"`partner` has shape {tuple(partner.shape)}, `x` {tuple(x.shape)}; give pairs row by row.")
    layers = len(network.weights)
    if layers < 2:
        raise ValueError("`network` has no hidden layer; signals are followed through one or more of them.")
    pairs = x.shape[0]
    part = max(1, HELD_ENTRIES // (2 * network.outputs * max(network.widths[1:])))
    # first inputs, second inputs, overlaps, gradients
    sums = torch.zeros(4, layers - 1, dtype=torch.float64)
    for begin in range(0, pairs, part):
        sums += _sums(network, x[begin : begin + part], partner[begin : begin + part]).cpu()
        if progress:
            progress(min(1.0, (begin + part) / pairs), "signals")
    first, second, overlaps = (sums[:3] / pairs).numpy()
    with np.errstate(invalid="ignore", divide="ignore"):
        # roots one by one: the product of two large lengths would overflow
        correlations = overlaps / (np.sqrt(first) * np.sqrt(second))
    gradients = (sums[3] / (2 * pairs * network.outputs)).numpy()
    return Signals((first + second) / 2, overlaps, correlations, gradients)


def _sums(network: Network, x: Tensor, partner: Tensor) -> Tensor:
    """Sums over these pairs: (4, L - 1) of both lengths, overlaps and gradients."""
    count = x.shape[0]
    preactivations = network.forward(torch.cat([x, partner])).preactivations[:-1]
    slope = activation(network.activation).first
    found = torch.zeros(4, len(preactivations), dtype=torch.float64, device=x.device)
    delta = network.weights[-1].expand(2 * count, -1, -1)  # (2 N, C, n_{L-1}): df_c / da^{L-1}
    for layer in range(len(preactivations) - 1, -1, -1):
        u = preactivations[layer]
        one, other = u[:count], u[count:]
        found[0, layer] = one.square().sum() / u.shape[1]
        found[1, layer] = other.square().sum() / u.shape[1]
        found[2, layer] = (one * other).sum() / u.shape[1]
        delta = delta * slope(u)[:, None, :]
        found[3, layer] = delta.square().sum()
        if layer:
            delta = delta @ network.weights[layer]
    return found
