"""Both sides of the comparison for many units at once: measured unit blocks, and the closed form of the same units.

In a network F_ii = E S_i a~ a~^T with S_i the squared signal that reaches the unit; alone, y = phi(w.a + w_0) + noise of variance
1 gives E phi'(u)^2 a~ a~^T. The closed form of the latter is A_0 K with K_00 = 1, and of the former E S_i K.
Source: Amari, Karakida, Oizumi, Fisher Information and Natural Gradient Learning of Random Deep Networks, arXiv 1808.07172.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from fimcore import meanfield
from fimcore.fisher import Factors, Origin, unit_blocks
from fimcore.fisher.unit_closed_form import UnitClosedForm, unit_closed_form
from fimcore.networks import Network
from fimcore.unit_integrals import slope_moments

ISOTROPIC, COVARIANCE, OWN = "isotropic", "covariance", "own inputs"


def some_inputs(made: Factors, part: slice) -> Factors:
    """The factors of some of the inputs."""
    inputs, signals, slopes = (tuple(a[part] for a in each) for each in (made.inputs, made.signals, made.slopes))
    return replace(made, inputs=inputs, signals=signals, slopes=slopes)


def alone(made: Factors) -> Factors:
    """The same units on the same inputs, each read out by itself with weight 1 and noise of variance 1: S_i = phi'(u_i)^2."""
    readout = torch.ones_like(made.signals[-1][:, :1])
    return replace(made, signals=(*(slope[:, None, :] for slope in made.slopes), readout))


@dataclass(frozen=True, eq=False)
class LayerForm:
    """The closed form of some units of one layer: shapes (n, k, k) with 1 in the bias entry, A_0 (n,)."""

    shapes: Tensor
    zeroth: Tensor


def fitted(made: Factors, isotropic: bool) -> UnitClosedForm:
    """What the closed form needs to know about the inputs of every layer, from these inputs."""
    return unit_closed_form(made, Origin(made.estimator, "", made.samples), isotropic=isotropic)


def layer_form(form: UnitClosedForm, network: Network, layer: int, units: slice) -> LayerForm:
    """The closed form of some units of hidden layer 1..L-1, with the mean and covariance that were found."""
    weight, bias = network.weights[layer - 1][units], network.biases[layer - 1][units]
    mean, covariance = form.means[layer - 1], form.covariances[layer - 1]
    moved = weight @ covariance if covariance.ndim else weight * covariance
    scale = (moved * weight).sum(dim=1).clamp(min=0).sqrt()
    zeroth = slope_moments(network.activation, scale.numpy(), (bias + weight @ mean).numpy()).zeroth
    found = torch.from_numpy(np.asarray(zeroth, dtype=np.float64))
    # strengths of 1: the shape alone, and nothing where the slope vanishes wherever inputs fall
    bare = replace(form, strengths=tuple(torch.ones_like(each) for each in form.strengths))
    return LayerForm(bare.unit_blocks(layer, units) * (found > 0)[:, None, None], found)


def known_form(network: Network, units: slice) -> LayerForm:
    """The closed form of some units of layer 1 for inputs of mean 0 and variance 1 in every direction: nothing is fitted."""
    found = [
        meanfield.unit_fisher(network.activation, w, float(b))
        for w, b in zip(network.weights[0][units].numpy(), network.biases[0][units].tolist(), strict=True)
    ]
    shapes = [each.dense() / each.A0 if each.A0 > 0 else np.zeros((each.w.size + 1,) * 2) for each in found]
    return LayerForm(torch.from_numpy(np.stack(shapes)), torch.tensor([each.A0 for each in found], dtype=torch.float64))


@dataclass(frozen=True, eq=False)
class Halves:
    """One matrix per unit, measured on two halves of the inputs, and the same predicted from each half: (n, k, k) each.

    Noise in the two halves is independent, so that sum D_a D_b of the differences D = measured - predicted estimates what is
    wrong without bias, and |D_a - D_b|^2 / 4 what is noise; they add up to |(D_a + D_b) / 2|^2.
    """

    first: Tensor
    second: Tensor

    def size(self) -> Tensor:
        """sum F_a F_b, the squared norm without noise: (n,)."""
        return (self.first * self.second).sum(dim=(1, 2))

    def compare(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """(wrong, noise): squared errors over the squared norm, (n,) each; `wrong` may be below 0, nan where the norm is 0."""
        one, other, size = self.first - first, self.second - second, self.size()
        size = torch.where(size > 0, size, torch.nan)
        return (one * other).sum(dim=(1, 2)) / size, (one - other).square().sum(dim=(1, 2)) / 4 / size

    def whole(self, samples: tuple[int, int]) -> Tensor:
        """The matrix of all inputs."""
        return (samples[0] * self.first + samples[1] * self.second) / sum(samples)


def measured_halves(halves: tuple[Factors, Factors], layer: int, units: slice) -> Halves:
    """Unit blocks of both halves."""
    return Halves(*(unit_blocks(half, layer, units) for half in halves))


def own_inputs(network: Halves, unit: Halves) -> tuple[Tensor, Tensor]:
    """E S_i times the unit's own matrix over its bias entry, per half: exact where the signal is a constant times phi'^2."""
    return _scaled(unit.first, network.first), _scaled(unit.second, network.second)


def _scaled(shape: Tensor, scale: Tensor) -> Tensor:
    corner = shape[:, -1:, -1:]
    return torch.where(corner > 0, shape / torch.where(corner > 0, corner, 1.0) * scale[:, -1:, -1:], 0.0)


def times(values: Tensor, form: LayerForm) -> Tensor:
    """A factor per unit times its shape."""
    return values[:, None, None] * form.shapes
