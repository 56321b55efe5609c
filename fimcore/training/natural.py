"""Natural gradients: theta <- theta - eta (G + damping I)^{-1} g for every structure G of the measured wing.

G = F itself and its layer blocks go through the smaller of two matrices: with g = -J^T t / N,
    (G + damping)^{-1} g = -J^T (J J^T / N + damping)^{-1} t / N;
the others solve in their own form. Amari's closed form inverts no matrix of data: a unit costs O(n) where
its inputs are isotropic.
Source: Amari, Natural gradient works efficiently in learning (1998); Amari, Karakida, Oizumi, arXiv 1808.07172; Martens, Grosse,
arXiv 1503.05671; George et al., arXiv 1806.03884; Ollivier, arXiv 1303.0818; Karakida, Osawa, arXiv 2010.00879.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor

from fimcore.budget import check_memory, default_budget
from fimcore.fisher.factors import factors
from fimcore.fisher.fisher import from_factors, structure_bytes
from fimcore.fisher.kfac import KFAC
from fimcore.fisher.structures import Origin
from fimcore.fisher.unit_closed_form import unit_closed_form
from fimcore.training.directions import exact_direction, layer_direction
from fimcore.training.point import Evaluation, Settings

Direction = Callable[[Evaluation, Settings], Tensor]


def _exact(at: Evaluation, settings: Settings) -> Tensor:
    return exact_direction(*at.exact(), settings.damping)


def _layers(at: Evaluation, settings: Settings) -> Tensor:
    return layer_direction(*at.exact(), settings.damping)


def _structured(at: Evaluation, settings: Settings, structure: str) -> Tensor:
    made, _ = at.exact()
    check_memory(
        f"a step of the structure {structure}",
        structure_bytes(made.layout, structure, at.gradient.element_size()),
        default_budget(),
        remedy="a smaller width, or kfac, ngd_layer, ngd_quasi_diagonal or ngd_closed_form",
    )
    found = from_factors(made, structure)
    if isinstance(found, KFAC):
        return found.solve(at.gradient, settings.damping, settings.form)
    return found.solve(at.gradient, settings.damping)


def _diagonal(at: Evaluation, settings: Settings) -> Tensor:
    """The diagonal by any estimator; what is drawn is drawn anew at every step."""
    point, made = at.point, at.made
    if settings.estimator != "exact":
        seed = None if settings.estimator == "empirical" else point.label_seed
        labels = point.labels if settings.estimator == "empirical" else None
        made = factors(point.network, point.x, point.likelihood, settings.estimator, seed, labels)
    assert made is not None
    return from_factors(made, "diagonal").solve(at.gradient, settings.damping)


def _closed_form(at: Evaluation, settings: Settings) -> Tensor:
    """Amari's explicit inverse: O(n) a unit where a layer's inputs count as isotropic, else through their exact covariance."""
    made, _ = at.exact()
    found = unit_closed_form(made, Origin(made.estimator, "", made.samples), isotropic=settings.isotropic)
    return found.solve(at.gradient, settings.damping)


DIRECTIONS: dict[str, Direction] = {
    "ngd_exact": _exact,
    "ngd_layer": _layers,
    "ngd_tridiagonal": partial(_structured, structure="block_tridiagonal"),
    "ngd_unit": partial(_structured, structure="unit_blocks"),
    "ngd_closed_form": _closed_form,
    "ngd_quasi_diagonal": partial(_structured, structure="quasi_diagonal"),
    "ngd_diagonal": _diagonal,
    "kfac": partial(_structured, structure="kfac"),
    "ekfac": partial(_structured, structure="ekfac"),
}


def natural(
    at: Evaluation, settings: Settings, state: tuple[Tensor, ...], direction: Direction
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One step along a damped natural gradient; it carries no state."""
    return at.point.network.parameter_vector() - settings.step_size * direction(at, settings), state
