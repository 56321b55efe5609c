"""The diagonal second derivative of the outputs in the pre-activations, by squared paths through the network.

d^2 f_c / (du^l_i)^2 = sum_{m=l}^{L-1} sum_k g^m_{ck} phi''(u^m_k) (du^m_k / du^l_i)^2,   g^m = df / da^m,
one term for every later nonlinearity m. The paths du^m / du^l are shared by all outputs, so that no (C, n_l, n_l) tensor appears.
Source: the chain rule; what it is for: Soen, Sun, Trade-Offs of Diagonal Fisher Information Matrix Estimators, arXiv 2402.05379.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor


def squared_paths(
    weights: Sequence[Tensor], slopes: Sequence[Tensor], gains: Sequence[Tensor | None], layer: int
) -> Iterator[tuple[int, Tensor]]:
    """The terms of hidden layer 1..L-1, one for every later hidden layer m >= layer that bends: (m, (N, C, n_layer)).

    Args:
        weights: of the network, L tensors (n_l, n_{l-1}).
        slopes: phi'(u^m), L - 1 tensors (N, n_m).
        gains: g^m phi''(u^m), L - 1 tensors (N, C, n_m), or None where phi'' vanishes.
        layer: whose pre-activations are varied.
    """
    own = gains[layer - 1]
    if own is not None:
        yield layer, own
    last = max((m for m, gain in enumerate(gains, start=1) if gain is not None), default=0)
    path: Tensor | None = None  # du^m / du^layer, transposed: (N, n_layer, n_m)
    for later in range(layer + 1, last + 1):
        onwards, slope = weights[later - 1].T, slopes[later - 2]
        # the 2-d factor on the right makes this one large product instead of N small ones
        path = slope[:, :, None] * onwards if path is None else (path * slope[:, None, :]) @ onwards
        gain = gains[later - 1]
        if gain is not None:
            yield later, torch.bmm(gain, path.square().transpose(1, 2))
