"""Cosines between directions in the parameters: in the metric of F, and Euclidean.

cos_F(u, v) = u^T F v / sqrt(u^T F u v^T F v), with u^T F v = (J u) . (J v) / N: what two steps change in the outputs, compared.
The matrix is not formed. A direction that changes nothing (F u = 0) has no cosine: nan.
Source: Amari, Natural gradient works efficiently in learning (1998), for the metric.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fimcore.fisher.dual import require_rows
from fimcore.fisher.lanczos import jacobian_product
from fimcore.fisher.parts import AnyFactors


def fisher_cosines(made: AnyFactors, directions: Tensor, references: Tensor) -> Tensor:
    """cos_F of every column of `directions` (P, m) with the same column of `references` (P, m): (m,), between -1 and 1.

    Raises:
        ValueError: other shapes, or the estimator "hessian", whose matrix is no metric.
    """
    require_rows(made, "metric")
    _check(made, directions, references)
    return cosines(jacobian_product(made, directions), jacobian_product(made, references))


def cosines(directions: Tensor, references: Tensor) -> Tensor:
    """Euclidean cosine of every column with the same column: (p, m), (p, m) -> (m,); nan where a column is zero."""
    sizes = directions.norm(dim=0) * references.norm(dim=0)
    found = (directions * references).sum(dim=0) / sizes
    return torch.where(sizes > 0, found.clamp(-1, 1), torch.nan)


def _check(made: AnyFactors, *columns: Tensor) -> None:
    for name, given in zip(("directions", "references"), columns, strict=True):
        if given.ndim != 2 or given.shape[0] != made.layout.parameters or given.shape != columns[0].shape:
            raise ValueError(
                f"`{name}` has shape {tuple(given.shape)}; give ({made.layout.parameters}, m), both with the same m."
            )
