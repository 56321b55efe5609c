"""Bounds of F, V1 and V2 of a unit from the labels' law and the size of its derivatives J and C.

Eigenvalues:  lambda_min |J|^2 <= F <= lambda_max |J|^2, the same of V2 with C, and V1 <= lambda_max(M) |J|^4.
Third moment: V1 >= E[(J.s)^3]^2 / F.
Ranges, where J.s lies in [-a, b], R = a + b:  F <= a b <= R^2 / 4,  V1 <= R^4 / 16  and
    V1 <= (3/4 (a-b)^2 + a b) F + 1/4 a b (a-b)^2 - F^2.
Categorical:  lambda_max <= p_(1), 1 - |p|^2, 2 max p (1-p) and 1/2;  V1 <= 2 lambda_max |J|^4, tr M |J|^4, |J|^4 / 4,
    (1/p_min - 2) F^2.  There J and C are centred, J - mean(J), since a constant added to all logits changes nothing.
Source: Soen, Sun, Trade-Offs of Diagonal Fisher Information Matrix Estimators, arXiv 2402.05379 (theorem 4.1 and table 1 for the
eigenvalue forms); the others are derived here.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from fimcore.estimators.output_derivatives import OutputDerivatives
from fimcore.estimators.output_law import OutputLaw
from fimcore.likelihoods import Bernoulli, Categorical


class UnitForm(NamedTuple):
    """One bound of one layer's units: its name, formula, side ("lower" or "upper") and values (N, n_l)."""

    name: str
    formula: str
    side: str
    values: Tensor


def centred(made: OutputDerivatives, vectors: Tensor) -> Tensor:
    """Directions that matter: for the categorical family without their mean over classes."""
    if not isinstance(made.likelihood, Categorical):
        return vectors
    return vectors - vectors.mean(dim=1, keepdim=True)


def ends(made: OutputDerivatives, vectors: Tensor) -> tuple[Tensor, Tensor] | None:
    """(a, b) with v.s in [-a, b] for every label: (N, m) each; None where the score is unbounded."""
    if isinstance(made.likelihood, Categorical):
        # seen from the most probable class, whose own distance from the mean is a sum over the others
        p = torch.softmax(made.outputs, dim=1)
        top = p.argmax(dim=1)[:, None, None].expand(-1, 1, vectors.shape[2])
        apart = vectors - vectors.gather(1, top)
        mean = (p[:, None, :] @ apart)[:, 0]
        return (mean - apart.amin(dim=1)).clamp(min=0), (apart.amax(dim=1) - mean).clamp(min=0)
    if isinstance(made.likelihood, Bernoulli):
        up, down = torch.sigmoid(-made.outputs)[:, None, :], torch.sigmoid(made.outputs)[:, None, :]
        positive, negative = vectors.clamp(min=0), (-vectors).clamp(min=0)
        return (down @ positive + up @ negative)[:, 0], (up @ positive + down @ negative)[:, 0]
    return None


def quadratic_forms(made: OutputDerivatives, law: OutputLaw, vectors: Tensor, letter: str) -> list[UnitForm]:
    """Bounds of v^T Q v for every direction v, a column of `vectors` (N, C, n_l)."""
    size = centred(made, vectors).square().sum(dim=1)
    found = [
        UnitForm("smallest eigenvalue", f"λmin(Q) |{letter}|²", "lower", law.smallest[:, None] * size),
        UnitForm("largest eigenvalue", f"λmax(Q) |{letter}|²", "upper", law.largest[:, None] * size),
    ]
    if law.probabilities is not None and law.class_variances is not None:
        limits = {
            ("largest probability", "p₍₁₎"): law.probabilities.amax(dim=1),
            ("Gini index", "(1 - |p|²)"): law.class_variances.sum(dim=1),
            ("largest class variance", "2 max p (1 - p)"): 2 * law.class_variances.amax(dim=1),
            ("one half", "½"): torch.full_like(law.largest, 0.5),
        }
        found += [
            UnitForm(name, f"{formula} |{letter}|²", "upper", limit[:, None] * size)
            for (name, formula), limit in limits.items()
        ]
    between = ends(made, vectors)
    if between is not None:
        a, b = between
        found += [
            UnitForm("range", f"range({letter}·s)² / 4", "upper", (a + b).square() / 4),
            UnitForm("two-sided range", f"max({letter}·s) max(-{letter}·s)", "upper", a * b),
        ]
    return found


def score_square_forms(made: OutputDerivatives, law: OutputLaw, vectors: Tensor, fisher: Tensor) -> list[UnitForm]:
    """Bounds of Var (v.s)^2 for every direction v, a column of `vectors` (N, C, n_l), with v^T Q v = `fisher` (N, n_l)."""
    fourth = centred(made, vectors).square().sum(dim=1).square()
    third = made.likelihood.third_moment(made.outputs, vectors, vectors)
    skewed = (third / fisher.sqrt()).square().where(fisher > 0, torch.zeros_like(fisher))
    found = [
        UnitForm("third moment", "E[(J·s)³]² / F", "lower", skewed),
        UnitForm("smallest eigenvalue", "λmin(M) |J|⁴", "lower", law.square_smallest[:, None] * fourth),
    ]
    if isinstance(made.likelihood, Categorical) or law.square_trace is None:
        found.append(UnitForm("largest eigenvalue", "λmax(M) |J|⁴", "upper", law.square_largest[:, None] * fourth))
    if law.square_trace is not None:
        found.append(UnitForm("trace", "tr M |J|⁴", "upper", law.square_trace[:, None] * fourth))
    if law.probabilities is not None:
        # roots first, for F^2 of a rare class is zero before F^2 / p is; the end keeps products with it finite
        kind = torch.finfo(fisher.dtype)
        root = law.probabilities.amin(dim=1).clamp(min=kind.tiny).sqrt()[:, None]
        rarest = ((fisher / root).square() - 2 * fisher.square()).clamp(min=0, max=kind.max**0.5)
        found += [
            UnitForm("twice the largest eigenvalue", "2 λmax(Q) |J|⁴", "upper", 2 * law.largest[:, None] * fourth),
            UnitForm("one quarter", "¼ |J|⁴", "upper", fourth / 4),
            UnitForm("rarest class", "(1/p_min - 2) F²", "upper", rarest),
        ]
    between = ends(made, vectors)
    if between is not None:
        a, b = between
        apart, product = (a - b).square(), a * b
        finer = (0.75 * apart + product) * fisher + product * apart / 4 - fisher.square()
        found += [
            UnitForm("range", "range(J·s)⁴ / 16", "upper", (a + b).pow(4) / 16),
            UnitForm("two-sided range", "(¾(a-b)² + ab) F + ¼ab(a-b)² - F²", "upper", finer.clamp(min=0)),
        ]
    return found
