"""How often the Hessian estimator is negative at one label: P(C.s > F), the same for all parameters of a unit.

Gaussian family: Phi(-F / sqrt(V2)). Categorical: sum_y p_y [C_y - C.p > F]. Other families: the share among drawn labels.
Source: Soen, Sun, Trade-Offs of Diagonal Fisher Information Matrix Estimators, arXiv 2402.05379, for the estimator.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore.estimators.output_derivatives import OutputDerivatives, derivative_parts
from fimcore.estimators.unit_moments import along_root
from fimcore.likelihoods import Categorical, Gaussian, LikelihoodWithMoments
from fimcore.networks import Network


@dataclass(frozen=True, eq=False)
class NegativeShare:
    """Share of negative values, a mean over inputs.

    Attributes:
        units: L tensors (n_l,).
        exact: True in closed form; False where it was counted among drawn labels.
    """

    units: tuple[Tensor, ...]
    exact: bool

    @property
    def layers(self) -> Tensor:
        """Means over the units of each layer: (L,)."""
        return torch.stack([unit.mean() for unit in self.units])


def negative_share(
    network: Network, x: Tensor, likelihood: LikelihoodWithMoments, part_size: int, draws: int, seed: int
) -> NegativeShare:
    """`NegativeShare` at inputs (N, n_0); `draws` labels an input from `seed` where the family has no closed form."""
    if draws < 1:
        raise ValueError(f"`draws` is {draws!r}; give a whole number, 1 or more.")
    exact = isinstance(likelihood, (Gaussian, Categorical))
    labels: list[Tensor] = []
    if not exact:
        # all labels before any part, so that they do not depend on the parts
        generator = torch.Generator().manual_seed(seed)
        starts = range(0, x.shape[0], part_size)
        outputs = torch.cat([network(x[start : start + part_size]) for start in starts])
        labels = [likelihood.sample(outputs, generator) for _ in range(draws)]
    found = [weight.new_zeros(weight.shape[0]) for weight in network.weights]
    for made in derivative_parts(network, x, likelihood, part_size):
        for layer in made.layers:
            second = made.second(layer)
            if second is not None:
                fisher = along_root(made.root, made.first(layer))
                found[layer - 1] += _share(made, fisher, second, labels).sum(dim=0)
    return NegativeShare(tuple(share / x.shape[0] for share in found), exact)


def _share(made: OutputDerivatives, fisher: Tensor, second: Tensor, labels: list[Tensor]) -> Tensor:
    """P(C.s > F) at every input: (N, n_l)."""
    if isinstance(made.likelihood, Gaussian):
        deviation = along_root(made.root, second).sqrt()
        share = torch.special.ndtr(-fisher / deviation.where(deviation > 0, torch.ones_like(deviation)))
        return share.where(deviation > 0, torch.zeros_like(share))
    if isinstance(made.likelihood, Categorical):
        p = torch.softmax(made.outputs, dim=1)[:, :, None]
        negative = second - (p * second).sum(dim=1, keepdim=True) > fisher[:, None, :]
        return (p * negative).sum(dim=1)
    scores = [made.likelihood.score(made.outputs, label[made.which]) for label in labels]
    counted = [(score[:, None, :] @ second)[:, 0] > fisher for score in scores]
    return torch.stack(counted).to(fisher.dtype).mean(dim=0)
