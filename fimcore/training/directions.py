"""Natural-gradient directions (G + damping I)^{-1} g from the exact factors of F: G = F, its layer blocks, its unit blocks.

Exact, with J the N R rows of the factors and g = -J^T t / N the gradient:
    primal  (F + damping I)^{-1} g, a P x P Cholesky factorisation;
    dual    -J^T (J J^T + N damping I)^{-1} t, an N R x N R one: the same vector, cheaper where N R < P.
Source: Amari, Natural gradient works efficiently in learning (1998); Karakida, Osawa, Understanding Approximate Fisher
Information for Fast Convergence of Natural Gradient Descent, arXiv 2010.00879 (dual form); Amari, Karakida, Oizumi,
arXiv 1808.07172 (unit blocks).
"""

from __future__ import annotations

import torch
from torch import Tensor

from fimcore.fisher.blocks import block
from fimcore.fisher.dual import dual_matrix
from fimcore.fisher.factors import Factors
from fimcore.fisher.fisher import from_factors
from fimcore.fisher.structures import solve_positive


def gradient_of(made: Factors, coordinates: Tensor) -> Tensor:
    """Gradient g = -J^T t / N from the exact factors and t = `root_coordinates`, (N, R): (P,)."""
    return -made.transpose_product(coordinates.reshape(-1)) / made.samples


def exact_direction(made: Factors, coordinates: Tensor, damping: float, form: str = "cheaper") -> Tensor:
    """(F + damping I)^{-1} g: (P,).

    Args:
        made: exact factors.
        coordinates: t of `root_coordinates`, (N, R).
        damping: added to every diagonal entry of F (absolute, in the units of F).
        form: "primal", "dual" or "cheaper" of the two.

    Raises:
        ValueError: the damped matrix is singular to rounding; the sentence gives a damping that works.
    """
    dual = made.samples * made.rows < made.layout.parameters if form == "cheaper" else form == "dual"
    if not dual:
        return from_factors(made, "dense").solve(gradient_of(made, coordinates), damping)
    kernel = dual_matrix(made, range(1, made.layout.layers + 1))
    weights = solve_positive(kernel, coordinates.reshape(-1, 1) / made.samples, damping)
    return -made.transpose_product(weights[:, 0])


def layer_direction(made: Factors, coordinates: Tensor, damping: float) -> Tensor:
    """(F_layer + damping I)^{-1} g, F_layer the blocks of single layers, each by the smaller of its two matrices: (P,)."""
    t, found = coordinates.reshape(-1, 1) / made.samples, []
    gradient = gradient_of(made, coordinates)
    for layer, size in enumerate(made.layout.layer_sizes, start=1):
        own = made.layout.layer_slice(layer)
        if made.samples * made.rows < size:
            weights = solve_positive(dual_matrix(made, [layer]), t, damping)[:, 0]
            weighted = torch.einsum("xr,xrn->xn", weights.reshape(made.samples, made.rows), made.signals[layer - 1])
            found.append(-(weighted.T @ made.inputs[layer - 1]).reshape(-1))
        else:
            found.append(solve_positive(block(made, layer, layer), gradient[own, None], damping)[:, 0])
    return torch.cat(found)


def unit_direction(made: Factors, coordinates: Tensor, damping: float) -> Tensor:
    """(F_unit + damping I)^{-1} g, F_unit the blocks of single units: (P,). Arguments as in `exact_direction`."""
    return from_factors(made, "unit_blocks").solve(gradient_of(made, coordinates), damping)
