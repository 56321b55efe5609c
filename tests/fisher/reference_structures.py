"""Every structure from the full matrices of single inputs, by masks and textbook algebra; nothing of fimcore is used."""

from __future__ import annotations

import itertools

import torch
from brute_force import PLAIN, places
from torch import Tensor

KEPT = {
    "dense": lambda a, b: True,
    "implicit": lambda a, b: True,
    "low_rank": lambda a, b: True,
    "layer_blocks": lambda a, b: a[0] == b[0],
    "unit_blocks": lambda a, b: a[:2] == b[:2],
    "block_tridiagonal": lambda a, b: abs(a[0] - b[0]) <= 1,
    "diagonal": lambda a, b: a == b,
}


def reference(structure: str, matrices: Tensor, inputs: list[Tensor], network, *, isotropic: bool = False) -> Tensor:
    """The structure's dense matrix (P, P) from per-input matrices (N, P, P) and layer inputs (N, k_l)."""
    widths, full = network.widths, matrices.mean(dim=0)
    if structure in KEPT:
        where = places(widths)
        mask = torch.tensor([[KEPT[structure](a, b) for b in where] for a in where])
        return torch.where(mask, full, 0)
    if structure in ("kfac", "ekfac"):
        return torch.block_diag(*[_kronecker(structure, m, a) for m, a in _layers(matrices, inputs, widths)])
    if structure == "quasi_diagonal":
        return torch.block_diag(*[_completed(block) for block in _unit_blocks(full, widths)])
    assert structure == "unit_closed_form"
    return _closed_form(full, inputs, network, isotropic)


def _layers(matrices: Tensor, inputs: list[Tensor], widths: tuple[int, ...]):
    """Per layer the per-input matrix between pre-activations, which are the entries between biases, and the inputs."""
    where = places(widths)
    for layer, a in enumerate(inputs, start=1):
        biases = [at for at, (number, _, place) in enumerate(where) if number == layer and place == a.shape[1] - 1]
        yield matrices[:, biases][:, :, biases], a


def _kronecker(structure: str, m: Tensor, a: Tensor) -> Tensor:
    g, inputs = m.mean(dim=0), a.T @ a / len(a)
    if structure == "kfac":
        return torch.kron(g, inputs)
    basis = torch.kron(torch.linalg.eigh(g)[1], torch.linalg.eigh(inputs)[1])
    exact = torch.stack([torch.kron(one, torch.outer(b, b)) for one, b in zip(m, a, strict=True)]).mean(dim=0)
    return basis @ torch.diag((basis.T @ exact @ basis).diagonal()) @ basis.T


def _unit_blocks(full: Tensor, widths: tuple[int, ...]) -> list[Tensor]:
    sizes = [fan_in + 1 for fan_in, units in itertools.pairwise(widths) for _ in range(units)]
    at, found = 0, []
    for size in sizes:
        found.append(full[at : at + size, at : at + size])
        at += size
    return found


def _completed(block: Tensor) -> Tensor:
    """The diagonal and the bias's row kept; M_kj = F_0k F_0j / F_00 for two different weights."""
    bias = block[-1]
    found = torch.outer(bias, bias) / bias[-1]
    found.diagonal().copy_(block.diagonal())
    return found


def _closed_form(full: Tensor, inputs: list[Tensor], network, isotropic: bool) -> Tensor:
    """Amari's unit block times the measured bias entry over A_0: E over u ~ N(c, s^2) of phi'(u)^2 (a, 1)(a, 1)^T given u."""
    blocks = iter(_unit_blocks(full, network.widths))
    found = []
    for layer, (weight, bias, a) in enumerate(zip(network.weights, network.biases, inputs, strict=True), start=1):
        a = a[:, :-1]
        m, fan_in = a.mean(dim=0), a.shape[1]
        sigma = (a - m).T @ (a - m) / len(a)
        if isotropic:
            sigma = torch.eye(fan_in, dtype=torch.float64) * sigma.trace() / fan_in
        activation = network.activation if layer < len(inputs) else "linear"
        for w, w0 in zip(weight.double(), bias.double(), strict=True):
            found.append(next(blocks)[-1, -1] * _unit(activation, w, float(w0), m, sigma))
    return torch.block_diag(*found)


def _unit(activation: str, w: Tensor, w0: float, m: Tensor, sigma: Tensor) -> Tensor:
    """E phi'(w.a + w0)^2 (a, 1)(a, 1)^T / E phi'^2 for a ~ N(m, sigma), by conditioning on u = w.a + w0.

    Given u = c + s z the input has mean m + v z with v = sigma w / s, and covariance sigma - v v^T. The integral over z is a
    trapezoidal sum, which for smooth functions that die off is exact to rounding.
    """
    s, c = float(w @ sigma @ w) ** 0.5, float(w @ m) + w0
    v = sigma @ w / s
    z = torch.linspace(-14, 14, 5601, dtype=torch.float64)
    slope = torch.func.vmap(torch.func.grad(PLAIN[activation]))(c + s * z)
    weight = slope**2 * torch.exp(-(z**2) / 2)
    weight = weight / weight.sum()
    mean = torch.cat([m + v * z[:, None], torch.ones(len(z), 1, dtype=torch.float64)], dim=1)
    found = (mean.T * weight) @ mean
    found[:-1, :-1] += sigma - torch.outer(v, v)
    return found
