"""`UnitClosedForm`: Amari's explicit unit blocks, the Fisher matrix of one unit with Gaussian inputs times its signals' strength.

m and Sigma are mean and covariance of a layer's inputs, s^2 = w^T Sigma w, v = Sigma w / s, c = w0 + w . m, and the slope moments
A_k = E[z^k phi'(s z + c)^2] give e = A_1 / A_0 and d = A_2 / A_0 - e^2. With f = E S, S the squared signals of the unit (see
`Factors.unit_strength`), which is F_00 exactly, and with the weights first and the bias last,
    F_ii ~ f [ diag(Sigma, 0) + (d - 1 + e^2) v~ v~^T + e (v~ m~^T + m~ v~^T) + m~ m~^T ],   v~ = (v, 0), m~ = (m, 1).
e and d are mean and variance of z under the density that phi'^2 puts on it; the read-out has e = 0, d = 1. Isotropic: Sigma is
replaced by (tr Sigma / n) I, whose inverse costs O(n) a unit; exact covariances matter from the second layer on.
Source: Amari, Karakida, Oizumi, Fisher Information and Natural Gradient Learning of Random Deep Networks, arXiv 1808.07172.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from fimcore.fisher.blocks import Progress
from fimcore.fisher.factors import Factors
from fimcore.fisher.kfac import eigen
from fimcore.fisher.parts import AnyFactors, counted, summed
from fimcore.fisher.products import symmetric_product
from fimcore.fisher.structures import Origin, check_damping, layer_grids, lost, singular
from fimcore.fisher.unit_structure import UnitStructure
from fimcore.unit_integrals import slope_moments


@dataclass(frozen=True, eq=False, repr=False)
class UnitClosedForm(UnitStructure):
    """Explicit unit blocks, never formed: per layer two moments of the inputs, per unit three numbers and a vector.

    Attributes:
        means: m, (n_{l-1},) a layer.
        covariances: Sigma, (n_{l-1}, n_{l-1}) a layer; isotropic: the variance, a tensor of shape ().
        strengths, shifts, spreads: f, e and d of every unit, (n_l,) a layer.
        directions: v of every unit, (n_l, n_{l-1}) a layer.
    """

    means: tuple[Tensor, ...]
    covariances: tuple[Tensor, ...]
    strengths: tuple[Tensor, ...]
    shifts: tuple[Tensor, ...]
    spreads: tuple[Tensor, ...]
    directions: tuple[Tensor, ...]

    @property
    def dtype(self) -> torch.dtype:
        """dtype of the entries."""
        return self.means[0].dtype

    @property
    def isotropic(self) -> bool:
        """Whether the covariance of a layer's inputs is taken as a multiple of the identity."""
        return self.covariances[0].ndim == 0

    def matvec(self, vector: Tensor) -> Tensor:
        """F v: one product with Sigma a layer (isotropic: none)."""
        self._check_vector(vector)
        found = []
        for layer, grid in enumerate(layer_grids(self.layout, vector)):
            mean, v, weights = self.means[layer], self.directions[layer], grid[:, :-1]
            f, e, d = (self._column(values, layer) for values in (self.strengths, self.shifts, self.spreads))
            along = torch.einsum("nk,nkm->nm", v, weights)
            level = torch.einsum("k,nkm->nm", mean, weights) + grid[:, -1]
            moved = self._covariance_times(layer, weights)
            moved = moved + mean[:, None] * (level + e * along)[:, None]
            moved = moved + v[:, :, None] * ((d - 1 + e.square()) * along + e * level)[:, None]
            moved = torch.cat([moved, (e * along + level)[:, None]], dim=1)
            found.append((f[:, :, None] * moved).flatten(0, 1))
        return torch.cat(found).reshape(vector.shape)

    def solve(self, vector: Tensor, damping: float) -> Tensor:
        """(F + damping I)^{-1} v: the bias is eliminated, Sigma is rotated into its eigenbasis, the rest is of rank two.

        The Schur complement of the weights is f Sigma + damping I + f W K W^T with W = (v, m), r = damping / (f + damping) and
        K = [[d - 1 + r e^2, r e], [r e, r]]: without damping m drops out, and one direction is left.

        Raises:
            ValueError: negative damping, or a matrix that is singular at this damping (a dead unit, dependent inputs).
        """
        self._check_vector(vector)
        check_damping(damping)
        solved = []
        for layer, grid in enumerate(layer_grids(self.layout, vector)):
            values, basis = self._eigen[layer]
            mean, v = self.means[layer], self.directions[layer]
            f, e = self._column(self.strengths, layer), self._column(self.shifts, layer)
            total = f + damping
            bad = lost(f, f.abs(), damping, 0).any()
            bad |= lost(f * values, f.abs() * values.max(), damping, len(values)).any()
            share, left = f / total, damping / total
            right = grid[:, :-1] - (share * (e * v + mean))[:, :, None] * grid[:, -1:]
            if basis is not None:
                mean, v = mean @ basis, v @ basis
                right = torch.einsum("ba,nbm->nam", basis, right)
            inverse = 1 / (f * values + damping)
            core = f[:, :, None] * self._core(layer, left[:, 0])
            pair = torch.stack([v, mean.expand_as(v)], dim=2)
            scaled = inverse[:, :, None] * pair
            middle = torch.eye(2, dtype=v.dtype, device=v.device) + core @ (pair.transpose(1, 2) @ scaled)
            if bool(bad | _cancels(middle)):
                raise singular(self._layer_diagonal(layer).abs().max().expand(2, 2), damping)
            right = inverse[:, :, None] * right
            right = right - scaled @ torch.linalg.solve(middle, core @ (pair.transpose(1, 2) @ right))
            weights = right if basis is None else torch.einsum("ab,nbm->nam", basis, right)
            rise = torch.einsum("nk,nkm->nm", e * self.directions[layer] + self.means[layer], weights)
            solved.append(torch.cat([weights, ((grid[:, -1] - f * rise) / total)[:, None]], dim=1).flatten(0, 1))
        return torch.cat(solved).reshape(vector.shape)

    def diagonal(self) -> Tensor:
        """The diagonal, (P,)."""
        return torch.cat([self._layer_diagonal(layer).reshape(-1) for layer in range(self.layout.layers)])

    def frobenius_norm(self) -> float:
        """sqrt of the sum of squared entries: |Sigma|^2 + 2 tr(K W^T Sigma W) + tr(K W^T W K W^T W) a unit, W = (v~, m~)."""
        total = []
        for layer, units in enumerate(self.layout.units):
            pair = torch.stack([self.directions[layer], self.means[layer].expand(units, -1)], dim=2)
            core, covariance = self._core(layer), self.covariances[layer]
            whole = covariance.square().sum() * (pair.shape[1] if self.isotropic else 1)
            gram = pair.transpose(1, 2) @ pair
            gram[:, 1, 1] += 1
            inner, outer = core @ (pair.transpose(1, 2) @ self._covariance_times(layer, pair)), core @ gram
            squares = whole + 2 * torch.einsum("nii->n", inner) + torch.einsum("nij,nji->n", outer, outer)
            total.append((self.strengths[layer].square() * squares).sum())
        return float(torch.stack(total).sum().clamp(min=0).sqrt())

    @cached_property
    def _eigen(self) -> list[tuple[Tensor, Tensor | None]]:
        """Eigenvalues and eigenvectors of Sigma; isotropic: the variance again and again, and no rotation."""
        if self.isotropic:
            pairs = zip(self.covariances, self.means, strict=True)
            return [(variance.expand(len(mean)), None) for variance, mean in pairs]
        return [eigen(covariance, positive=True) for covariance in self.covariances]

    def _core(self, layer: int, left: float | Tensor = 1.0) -> Tensor:
        """K of every unit with a share `left` of the terms in which the bias takes part: (n, 2, 2)."""
        e, d = self.shifts[layer], self.spreads[layer]
        corner = left * torch.ones_like(e)
        return torch.stack([d - 1 + corner * e.square(), corner * e, corner * e, corner], dim=-1).reshape(-1, 2, 2)

    def _covariance_times(self, layer: int, columns: Tensor) -> Tensor:
        covariance = self.covariances[layer]
        return covariance * columns if self.isotropic else torch.einsum("ab,nbm->nam", covariance, columns)

    def _layer_diagonal(self, layer: int) -> Tensor:
        f, e, d = (self._column(values, layer) for values in (self.strengths, self.shifts, self.spreads))
        mean, v, covariance = self.means[layer], self.directions[layer], self.covariances[layer]
        variance = covariance if self.isotropic else covariance.diagonal()
        weights = variance + (d - 1 + e.square()) * v.square() + 2 * e * v * mean + mean.square()
        return f * torch.cat([weights, torch.ones_like(f)], dim=1)

    def unit_blocks(self, layer: int, units: slice) -> Tensor:
        """Some units' blocks, formed: (n, k, k)."""
        v, mean, covariance = self.directions[layer - 1][units], self.means[layer - 1], self.covariances[layer - 1]
        pair = torch.stack([v, mean.expand_as(v)], dim=2)
        last = torch.tensor([0.0, 1.0], dtype=v.dtype, device=v.device).expand(v.shape[0], 1, 2)
        pair = torch.cat([pair, last], dim=1)
        blocks = pair @ self._core(layer - 1)[units] @ pair.transpose(1, 2)
        inner = blocks[:, :-1, :-1]
        if self.isotropic:
            inner.diagonal(dim1=1, dim2=2).add_(covariance)
        else:
            inner += covariance
        return blocks.mul_(self.strengths[layer - 1][units, None, None])

    @staticmethod
    def _column(values: tuple[Tensor, ...], layer: int) -> Tensor:
        return values[layer][:, None]


def unit_closed_form(
    made: AnyFactors, origin: Origin, progress: Progress | None = None, isotropic: bool = False
) -> UnitClosedForm:
    """`UnitClosedForm` from factors: moments of every layer's inputs over the inputs, and the mean strength of its signals."""
    network, layers, report = made.network, made.layout.layers, counted(progress, made)
    origins: list[Tensor] = []

    def moments_of(part: Factors) -> list[Tensor]:
        found = []
        for layer, a in enumerate(part.inputs, start=1):
            if len(origins) < layer:
                origins.append(a[:, :-1].mean(dim=0))
            # sums about a point near the mean, so that no digits cancel when the mean is large
            centred = a[:, :-1] - origins[layer - 1]
            squares = centred.square().sum(dim=0).mean() if isotropic else symmetric_product(centred)
            found += [centred.sum(dim=0), squares, part.unit_strength(layer).sum(dim=0)]
            report(layer, part)
        return found

    found = [total / made.samples for total in summed(moments_of(part) for part in made.parts)]
    terms = []
    for layer, origin_mean in enumerate(origins, start=1):
        apart, squares, strength = found[3 * layer - 3 : 3 * layer]
        covariance = squares - (torch.outer(apart, apart) if squares.ndim else apart.square().mean())
        unit = network.weights[layer - 1], network.biases[layer - 1]
        activation = "linear" if layer == layers else network.activation
        terms.append(_unit_terms(origin_mean + apart, covariance, strength, *unit, activation))
    return UnitClosedForm(made.layout, origin, *zip(*terms, strict=True))


def _unit_terms(
    mean: Tensor, covariance: Tensor, strength: Tensor, weight: Tensor, bias: Tensor, activation: str
) -> tuple[Tensor, ...]:
    """m, Sigma, f, e, d and v of one layer; what belongs to units is worked out in float64."""
    wide, exact = weight.detach().double(), covariance.double()
    moved = wide @ exact if exact.ndim else wide * exact
    scale = (moved * wide).sum(dim=1).clamp(min=0).sqrt()
    centre = bias.detach().double() + wide @ mean.double()
    zeroth, first, second = slope_moments(activation, scale.cpu().numpy(), centre.cpu().numpy())
    # a slope that is zero wherever inputs fall: the unit moves nothing, and its block is zero
    alive = zeroth > np.finfo(np.float64).tiny
    whole = np.where(alive, zeroth, 1.0)
    shift = np.where(alive, first / whole, 0.0)
    spread = np.where(alive, np.maximum(second / whole - shift**2, 0.0), 1.0)
    direction = moved / torch.where(scale > 0, scale, torch.ones_like(scale))[:, None]
    found = (torch.from_numpy(np.asarray(values, dtype=np.float64)) for values in (alive, shift, spread))
    living, e, d = (values.to(strength) for values in found)
    return mean, covariance, strength * living, e, d, direction.to(strength)


def _cancels(middle: Tensor) -> Tensor:
    """Whether a determinant of stacked (2, 2) matrices I + X is zero up to rounding of its terms."""
    size = (middle - torch.eye(2, dtype=middle.dtype, device=middle.device)).abs()
    terms = (1 + size[:, 0, 0]) * (1 + size[:, 1, 1]) + size[:, 0, 1] * size[:, 1, 0]
    return lost(torch.linalg.det(middle), terms, 0.0, 4).any()
