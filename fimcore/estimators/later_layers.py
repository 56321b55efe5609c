"""Which later layer causes the variance of the Hessian estimator.

C of a unit of layer l is a sum of one vector C^m for every later nonlinearity m = l..L-1 (and m = L where the outputs are no
natural parameters), so that V2 = C^T Q C = sum_m (C^m)^T Q C. Shares add up to V2 and may be negative where two layers act
against each other; "alone" is (C^m)^T Q C^m, the variance if only layer m were bent.
Source: derived here from the squared paths; the variance is that of Soen, Sun, arXiv 2402.05379.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore.estimators.output_derivatives import derivative_parts
from fimcore.likelihoods import LikelihoodWithMoments
from fimcore.networks import Network


@dataclass(frozen=True, eq=False)
class LaterLayers:
    """Means over a unit's parameters and over inputs: L tensors (L, n_l), row m - 1 for the layer m that causes it.

    Attributes:
        share: sums over its rows to the mean variance of the Hessian estimator of every unit.
        alone: what it would be if only that layer were nonlinear.
    """

    share: tuple[Tensor, ...]
    alone: tuple[Tensor, ...]

    @property
    def layer_share(self) -> Tensor:
        """Means over the units of each layer: (L, L), row l - 1 the layer of the parameters, column m - 1 the cause."""
        return torch.stack([share.mean(dim=1) for share in self.share])

    @property
    def layer_alone(self) -> Tensor:
        """The same of `alone`: (L, L)."""
        return torch.stack([alone.mean(dim=1) for alone in self.alone])


def later_layers(network: Network, x: Tensor, likelihood: LikelihoodWithMoments, part_size: int) -> LaterLayers:
    """`LaterLayers` at inputs (N, n_0), so many at a time."""
    layers = len(network.weights)
    share = [w.new_zeros(layers, w.shape[0]) for w in network.weights]
    alone = [w.new_zeros(layers, w.shape[0]) for w in network.weights]
    for made in derivative_parts(network, x, likelihood, part_size):
        for layer in made.layers:
            terms = [(m, torch.bmm(made.root, term)) for m, term in made.second_terms(layer)]
            if not terms:
                continue
            fourths = made.inputs(layer).pow(4).mean(dim=1)
            total = torch.stack([term for _, term in terms]).sum(dim=0)
            for m, term in terms:
                share[layer - 1][m - 1] += fourths @ (term * total).sum(dim=1)
                alone[layer - 1][m - 1] += fourths @ term.square().sum(dim=1)
    count = x.shape[0]
    return LaterLayers(tuple(found / count for found in share), tuple(found / count for found in alone))
