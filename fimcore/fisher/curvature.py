"""The part of -grad^2 log p that is not the Fisher matrix: minus the network's own second derivative, in factored form.

-grad^2 log p(y|f(x)) = J^T Q J + E, with E = J^T (H_out - Q) J - sum_a s_a grad^2 f_a, s the score in the outputs and H_out =
-d^2 log p / df^2 (equal to Q where the outputs are natural parameters). Between pre-activations of one input,
    E^L = H_out - Q,   E^l = D^l W^{l+1 T} E^{l+1} W^{l+1} D^l - diag((W^{l+1 T} d^{l+1}) * phi''(u^l)),   D^l = diag phi'(u^l),
with d^l the score backpropagated to u^l. E has mean 0 over labels drawn from the model.
Source: Soen, Sun, Trade-Offs of Diagonal Fisher Information Matrix Estimators, arXiv 2402.05379; the recursion is classical.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from fimcore.networks import Network


@dataclass(frozen=True, eq=False)
class Curvature:
    """E of N inputs, never as a matrix over the parameters.

    Attributes:
        network: whose weights are needed by every product.
        first, second: phi'(u^l) and phi''(u^l) of the hidden layers, L - 1 tensors (N, n_l) each.
        scores: d^l, L tensors (N, n_l); averaged over labels where several were drawn (E is linear in them).
        excess: H_out - Q, (N, C, C), or None where it is zero.
    """

    network: Network
    first: tuple[Tensor, ...]
    second: tuple[Tensor, ...]
    scores: tuple[Tensor, ...]
    excess: Tensor | None

    @cached_property
    def units(self) -> tuple[Tensor, ...]:
        """E^l for every layer 1..L: (N, n_l, n_l)."""
        top = self.scores[-1]
        zero = torch.zeros(top.shape[0], top.shape[1], top.shape[1], dtype=top.dtype, device=top.device)
        found = [zero if self.excess is None else self.excess]
        for layer in range(len(self.first), 0, -1):
            weight, slope = self.network.weights[layer], self.first[layer - 1]
            pulled = (weight.T @ found[-1] @ weight) * slope[:, :, None] * slope[:, None, :]
            pulled.diagonal(dim1=1, dim2=2).sub_((self.scores[layer] @ weight) * self.second[layer - 1])
            found.append(pulled)
        return tuple(reversed(found))

    def path(self, layer: int, later: int, units: slice = slice(None)) -> Tensor:
        """du^later / du^layer for some units of the earlier layer, layer <= later: (N, n_later, n)."""
        top = self.scores[layer - 1]
        identity = torch.eye(top.shape[1], dtype=top.dtype, device=top.device)[:, units]
        found = identity.expand(top.shape[0], -1, -1)
        for step in range(layer, later):
            found = self.network.weights[step] @ (self.first[step - 1][:, :, None] * found)
        return found

    def mixed(self, layer: int, later: int, units: slice, later_units: slice) -> Tensor:
        """E between the pre-activations of some units of two layers, layer <= later: (N, n, n')."""
        if layer == later:
            return self.units[layer - 1][:, units, later_units]
        return (self.units[later - 1][:, later_units] @ self.path(layer, later, units)).transpose(1, 2)

    def input_path(self, layer: int, later: int, units: slice = slice(None)) -> Tensor:
        """da^{later-1} / du^layer, layer < later: how the later layer's inputs move, (N, n_{later-1}, n)."""
        return self.first[later - 2][:, :, None] * self.path(layer, later - 1, units)

    def product(self, inputs: tuple[Tensor, ...], columns: list[Tensor]) -> list[Tensor]:
        """sum over inputs of E v for one direction v, a tensor (n_l, k_l) a layer: the same shapes.

        One pass forwards and one backwards with the derivatives along v (Pearlmutter's trick).
        """
        weights, layers = self.network.weights, len(self.scores)
        moved: list[Tensor] = []  # du^l along v
        shift: list[Tensor | None] = [None]  # da^{l-1} along v
        for layer in range(layers):
            step = inputs[layer] @ columns[layer].T
            before = shift[layer]
            if before is not None:
                step = step + before @ weights[layer].T
            moved.append(step)
            if layer < layers - 1:
                shift.append(self.first[layer] * step)
        pulled = torch.zeros_like(self.scores[-1])
        if self.excess is not None:
            pulled = -torch.bmm(self.excess, moved[-1][:, :, None])[:, :, 0]
        results: list[Tensor] = []
        for layer in range(layers - 1, -1, -1):
            part = -(pulled.T @ inputs[layer])
            before = shift[layer]
            if before is not None:
                part[:, :-1] -= self.scores[layer].T @ before
                back = self.scores[layer] @ weights[layer]
                change = self.scores[layer] @ columns[layer][:, :-1] + pulled @ weights[layer]
                pulled = self.second[layer - 1] * moved[layer - 1] * back + self.first[layer - 1] * change
            results.append(part)
        return results[::-1]

    def quadratic_form(self, inputs: tuple[Tensor, ...], columns: list[Tensor]) -> Tensor:
        """v^T E v at every input for one direction v, a tensor (n_l, k_l) a layer: (N,).

        The second derivative of the outputs along v, forwards: with a' = phi' u', a'' = phi'' u'^2 + phi' u'', the next layer
        has u' = V a~ + W a' and u'' = 2 V a' + W a''.
        """
        moved = inputs[0] @ columns[0].T
        bent = torch.zeros_like(moved)
        for layer, slope in enumerate(self.first, start=1):
            weight, direction = self.network.weights[layer], columns[layer]
            shift, bend = slope * moved, self.second[layer - 1] * moved.square() + slope * bent
            moved = inputs[layer] @ direction.T + shift @ weight.T
            bent = 2 * shift @ direction[:, :-1].T + bend @ weight.T
        found = -(self.scores[-1] * bent).sum(dim=1)
        if self.excess is None:
            return found
        return found + torch.einsum("na,nab,nb->n", moved, self.excess, moved)
