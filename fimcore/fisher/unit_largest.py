"""The largest eigenvalue among the unit blocks of one layer, without forming any block.

F_ii = (1/N) A^T diag(S_i) A, A the layer's inputs (N, k); its dual is (1/N) diag(r) A A^T diag(r), r = sqrt(S_i). Lanczos runs for
all units at once, a short one to find the best few, and a long one for those.
Source: Amari, Karakida, Oizumi, arXiv 1808.07172 (the blocks); Golub, Van Loan, Matrix Computations (2013), chapter 10.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fimcore.fisher.dual import require_rows
from fimcore.fisher.parts import AnyFactors

# Products of the search among all units, of the few that are looked at again, and how many those are.
SEARCHING, FINAL, FINALISTS = 12, 80, 8


def largest_of_units(made: AnyFactors, layer: int) -> float:
    """max over units i of lambda_max(F_ii) in layer 1..L.

    Raises:
        ValueError: "hessian" factors, whose units have signed strengths.
    """
    require_rows(made, "largest eigenvalue of units")
    inputs = torch.cat([part.inputs[layer - 1] for part in made.parts])
    strengths = torch.cat([part.unit_strength(layer) for part in made.parts])
    side = min(inputs.shape)
    found = _by_lanczos(inputs, strengths, min(SEARCHING, side))
    best = found.topk(min(FINALISTS, len(found))).indices
    return float(_by_lanczos(inputs, strengths[:, best], min(FINAL, side)).max())


def _by_lanczos(inputs: Tensor, strengths: Tensor, steps: int) -> Tensor:
    """Largest Ritz value of every unit's block, strengths (N, units): (units,)."""
    apply, side = _operator(inputs, strengths)
    units = strengths.shape[1]
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(side, units, generator=generator, dtype=torch.float64).to(inputs)
    now, before = start / start.norm(dim=0), torch.zeros_like(start)
    along, between = [], [torch.zeros_like(start[0])]
    for _ in range(steps):
        following = apply(now) - between[-1] * before
        along.append((following * now).sum(dim=0))
        following = following - along[-1] * now
        size = following.norm(dim=0)
        between.append(size)
        # a unit whose directions are used up goes on with zeros, which add nothing
        before, now = now, following / size.clamp(min=torch.finfo(inputs.dtype).tiny)
    off = torch.stack(between[1:-1], dim=1) if steps > 1 else along[0].new_zeros(units, 0)
    small = torch.diag_embed(torch.stack(along, dim=1)) + torch.diag_embed(off, 1) + torch.diag_embed(off, -1)
    return torch.linalg.eigvalsh(small)[:, -1]


def _operator(inputs: Tensor, strengths: Tensor) -> tuple[Callable[[Tensor], Tensor], int]:
    """Every unit's block applied to its own column, on the smaller of the N and the k side."""
    samples, size = inputs.shape
    if samples < size:
        gram, roots = inputs @ inputs.T / samples, strengths.clamp(min=0).sqrt()
        return lambda columns: roots * (gram @ (roots * columns)), samples
    return lambda columns: inputs.T @ (strengths * (inputs @ columns)) / samples, size
