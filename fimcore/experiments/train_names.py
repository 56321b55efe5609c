"""The optimizers of a race: their names for people, their keys in an address, and their damping where nothing is set.

Source: each in the module of `fimcore.training` that defines it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Optimizer = Literal[
    "sgd",
    "momentum",
    "adam",
    "fadam",
    "sophia",
    "ngd_exact",
    "ngd_layer",
    "ngd_tridiagonal",
    "ngd_unit",
    "ngd_closed_form",
    "ngd_quasi_diagonal",
    "ngd_diagonal",
    "kfac",
    "ekfac",
    "cwngd",
    "mbf",
    "empirical_fisher",
]


@dataclass(frozen=True)
class Named:
    """One optimizer.

    short: in legends and on buttons; words: inside a sentence; key: ending of its address keys; damping: in units of the mean
    of F's diagonal at the start, nan for an optimizer that has none; structure: the name `meanfield.ngd_rate` knows.
    """

    short: str
    words: str
    key: str
    damping: float = float("nan")
    structure: str = ""


# Dampings by measurement on the teacher and the digits: at the best step size of each, no other is better on both by much.
NAMED: dict[str, Named] = {
    "sgd": Named("SGD", "SGD", "sgd"),
    "momentum": Named("Momentum", "momentum", "momentum"),
    "adam": Named("Adam", "Adam", "adam"),
    "fadam": Named("FAdam", "FAdam", "fadam"),
    "sophia": Named("Sophia", "Sophia", "sophia"),
    "ngd_exact": Named("Natural, exact", "exact natural gradient", "exact", 1.0, "exact"),
    "ngd_layer": Named("Natural, layers", "layer-wise natural gradient", "layer", 0.3, "layer_blocks"),
    "ngd_tridiagonal": Named(
        "Natural, tridiagonal", "tridiagonal natural gradient", "tridiag", 1.0, "block_tridiagonal"
    ),
    "ngd_unit": Named("Natural, unit-wise", "unit-wise natural gradient", "unit", 0.3, "unit_blocks"),
    "ngd_closed_form": Named("Natural, closed form", "closed-form natural gradient", "closed", 0.3, "unit_closed_form"),
    "ngd_quasi_diagonal": Named(
        "Natural, quasi-diagonal", "quasi-diagonal natural gradient", "quasi", 0.3, "quasi_diagonal"
    ),
    "ngd_diagonal": Named("Natural, diagonal", "diagonal natural gradient", "diag", 0.3, "diagonal"),
    "kfac": Named("K-FAC", "K-FAC", "kfac", 1.0, "kfac"),
    "ekfac": Named("E-KFAC", "E-KFAC", "ekfac", 0.3, "ekfac"),
    "cwngd": Named("CW-NGD", "component-wise natural gradient", "cwngd", 1.0),
    "mbf": Named("Mini-block Fisher", "mini-block Fisher", "mbf", 0.1),
    "empirical_fisher": Named("Empirical Fisher", "empirical natural gradient", "emp", 0.3),
}
OPTIMIZERS: tuple[Optimizer, ...] = tuple(NAMED)  # type: ignore[arg-type]
SHORT_NAMES = {name: each.short for name, each in NAMED.items()}
WORDS = {name: each.words for name, each in NAMED.items()}
DAMPED = tuple(name for name, each in NAMED.items() if each.damping == each.damping)
RATE_KEYS = {name: f"eta_{each.key}" for name, each in NAMED.items()}
DAMPING_KEYS = {name: f"lam_{NAMED[name].key}" for name in DAMPED}

TASKS = ("teacher", "curve", "digits", "plateau", "table")
TASK_NAMES = ("Teacher", "Curve", "Digits", "Plateau", "Your table")
