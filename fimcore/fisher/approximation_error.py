"""Relative Frobenius error of a structure, |F - A|_F / |F|_F, without the P x P matrix.

|F - A|^2 = |F|^2 - 2 <F, A> + |A|^2. A structure that keeps entries of F, or its diagonal in a basis of its own (E-KFAC, low rank),
is a projection: <F, A> = |A|^2. The others, with a~ the inputs of a layer, delta_c its signals and S_i the strength of a unit:
    K-FAC           <F_ll, G (x) A> = (1/N) sum_x sum_c (delta_c^T G delta_c)(a~^T A a~)
    quasi-diagonal  <F_ii, M_i> = sum_k D_k F_kk + F_00 (1/N) sum_x S_i ((q, 1) . a~)^2
    closed form     <F_ii, A_i> = (f / N) sum_x S_i [a^T Sigma a + p^T K p],  p = (v . a, m . a + 1).
The error is a difference of squares: below 1e-7 it is rounding (in float64), and at rounding it is 0.
Source: Martens, Grosse, arXiv 1503.05671 (Kronecker factors); Amari, Karakida, Oizumi, arXiv 1808.07172 (unit blocks).
"""

from __future__ import annotations

import math

import torch

from fimcore.fisher.dual import require_rows
from fimcore.fisher.factors import Factors
from fimcore.fisher.grams import block_norms_from_factors
from fimcore.fisher.kfac import KFAC
from fimcore.fisher.parts import AnyFactors
from fimcore.fisher.quasi_diagonal import QuasiDiagonal
from fimcore.fisher.structures import FisherStructure
from fimcore.fisher.unit_closed_form import UnitClosedForm


def relative_error(made: AnyFactors, structure: FisherStructure, norm: float | None = None) -> float:
    """|F - A|_F / |F|_F; nan where F is zero.

    Args:
        made: factors of F, the same that the structure was made from.
        structure: A.
        norm: |F|_F where it is known; from the layers' Gram matrices where left out.

    Raises:
        ValueError: the estimator "hessian".
    """
    require_rows(made, "norm by Gram matrices")
    square = _square(made) if norm is None else norm**2
    own = structure.frobenius_norm() ** 2
    rest = square - own if _projects(structure) else square - 2 * inner_product(made, structure) + own
    return math.sqrt(max(rest, 0.0) / square) if square > 0 else math.nan


def identity_error(made: AnyFactors, trace: float, norm: float | None = None) -> float:
    """|F - c I|_F / |F|_F at its smallest, c = tr F / P: sqrt(1 - (tr F)^2 / (P |F|^2)); nan where F is zero."""
    square = _square(made) if norm is None else norm**2
    return math.sqrt(max(1 - trace**2 / (made.layout.parameters * square), 0.0)) if square > 0 else math.nan


def inner_product(made: AnyFactors, structure: FisherStructure) -> float:
    """<F, A> = sum of the products of entries."""
    if _projects(structure):
        return structure.frobenius_norm() ** 2
    return sum(_of_part(part, structure) for part in made.parts) / made.samples


def _square(made: AnyFactors) -> float:
    return float(block_norms_from_factors(made, unbiased=False).layer_pairs.sum())


def _projects(structure: FisherStructure) -> bool:
    """Whether A is the part of F that lies in a subspace of matrices."""
    return not isinstance(structure, KFAC | QuasiDiagonal | UnitClosedForm)


def _of_part(part: Factors, structure: FisherStructure) -> float:
    """N <F, A>, the part of it that some inputs have."""
    total = 0.0
    for layer in range(1, part.layout.layers + 1):
        if isinstance(structure, KFAC):
            total += _kronecker(part, structure, layer)
        elif isinstance(structure, QuasiDiagonal):
            total += _completed(part, structure, layer)
        else:
            assert isinstance(structure, UnitClosedForm)
            total += _closed_form(part, structure, layer)
    return total


def _kronecker(part: Factors, structure: KFAC, layer: int) -> float:
    signals, inputs = part.signals[layer - 1], part.inputs[layer - 1]
    outer = ((signals @ structure.output_factors[layer - 1]) * signals).sum(dim=(1, 2))
    inner = ((inputs @ structure.input_factors[layer - 1]) * inputs).sum(dim=1)
    return float(outer @ inner)


def _completed(part: Factors, structure: QuasiDiagonal, layer: int) -> float:
    """M = diag(D, 0) + F_00 (q, 1)(q, 1)^T with q = F_0k / F_00 and D_k = F_kk - F_00 q_k^2, unit by unit."""
    strength, inputs = part.unit_strength(layer), part.inputs[layer - 1]
    kept, coupling = structure.diagonals[layer - 1], structure.couplings[layer - 1]
    bias = kept[:, -1:]
    line = coupling / torch.where(bias == 0, torch.ones_like(bias), bias)
    rest = kept - coupling * line
    diagonal = strength.T @ inputs.square()
    along = (strength * (inputs @ line.T).square()).sum(dim=0)
    return float((rest * diagonal)[:, :-1].sum() + bias[:, 0] @ along)


def _closed_form(part: Factors, structure: UnitClosedForm, layer: int) -> float:
    strength, inputs = part.unit_strength(layer), part.inputs[layer - 1][:, :-1]
    place = layer - 1
    covariance, mean = structure.covariances[place], structure.means[place]
    shift, spread = structure.shifts[place], structure.spreads[place]
    if structure.isotropic:
        whole = covariance * inputs.square().sum(dim=1)
    else:
        whole = ((inputs @ covariance) * inputs).sum(dim=1)
    along, level = inputs @ structure.directions[place].T, (inputs @ mean + 1)[:, None]
    pair = (spread - 1 + shift.square()) * along.square() + 2 * shift * along * level + level.square()
    return float(((strength * (whole[:, None] + pair)).sum(dim=0) * structure.strengths[place]).sum())
