"""Step size and damping of every optimizer of a race, as fields of its Spec: only those that race are shown.

A step size of 0 stands for the search; a damping is in units of the mean of F's diagonal at the start.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from fimcore.experiments.control import Control
from fimcore.experiments.network_spec import NetworkSpec
from fimcore.experiments.train_names import DAMPING_KEYS, NAMED, RATE_KEYS, SHORT_NAMES

# Half decades, as the search tries them, with stops between.
RATE_STEPS = (0.0, 1e-4, 3e-4, 0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.0, 2.0, 5.0, 10.0)
DAMPING_STEPS = (0.001, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0)


def _rate(optimizer: str) -> Any:
    """Type of a step size: 0 stands for the search."""
    return Annotated[
        float,
        Field(0.0, ge=0, le=1000, description="Step size η; searched: the best of eleven on networks of its own."),
        Control(
            f"Step size, {SHORT_NAMES[optimizer]}",
            RATE_KEYS[optimizer],
            "steps",
            options=RATE_STEPS,
            names=("searched", *(f"{rate:g}" for rate in RATE_STEPS[1:])),
            group="Step sizes",
        ),
    ]


def _damping(optimizer: str) -> Any:
    """Type of a damping, relative to the mean of F's diagonal."""
    return Annotated[
        float,
        Field(
            NAMED[optimizer].damping,
            ge=1e-6,
            le=1e4,
            description="λ added to the matrix, in units of the mean of F's diagonal at the start.",
        ),
        Control(
            f"Damping λ, {SHORT_NAMES[optimizer]}",
            DAMPING_KEYS[optimizer],
            "steps",
            options=DAMPING_STEPS,
            group="Damping",
        ),
    ]


class Numbers(NetworkSpec):
    """The network, and the numbers of all optimizers."""

    damping_ngd_exact: _damping("ngd_exact")  # type: ignore[valid-type]
    damping_ngd_layer: _damping("ngd_layer")  # type: ignore[valid-type]
    damping_ngd_tridiagonal: _damping("ngd_tridiagonal")  # type: ignore[valid-type]
    damping_ngd_unit: _damping("ngd_unit")  # type: ignore[valid-type]
    damping_ngd_closed_form: _damping("ngd_closed_form")  # type: ignore[valid-type]
    damping_ngd_quasi_diagonal: _damping("ngd_quasi_diagonal")  # type: ignore[valid-type]
    damping_ngd_diagonal: _damping("ngd_diagonal")  # type: ignore[valid-type]
    damping_kfac: _damping("kfac")  # type: ignore[valid-type]
    damping_ekfac: _damping("ekfac")  # type: ignore[valid-type]
    damping_cwngd: _damping("cwngd")  # type: ignore[valid-type]
    damping_mbf: _damping("mbf")  # type: ignore[valid-type]
    damping_empirical_fisher: _damping("empirical_fisher")  # type: ignore[valid-type]
    lr_sgd: _rate("sgd")  # type: ignore[valid-type]
    lr_momentum: _rate("momentum")  # type: ignore[valid-type]
    lr_adam: _rate("adam")  # type: ignore[valid-type]
    lr_fadam: _rate("fadam")  # type: ignore[valid-type]
    lr_sophia: _rate("sophia")  # type: ignore[valid-type]
    lr_ngd_exact: _rate("ngd_exact")  # type: ignore[valid-type]
    lr_ngd_layer: _rate("ngd_layer")  # type: ignore[valid-type]
    lr_ngd_tridiagonal: _rate("ngd_tridiagonal")  # type: ignore[valid-type]
    lr_ngd_unit: _rate("ngd_unit")  # type: ignore[valid-type]
    lr_ngd_closed_form: _rate("ngd_closed_form")  # type: ignore[valid-type]
    lr_ngd_quasi_diagonal: _rate("ngd_quasi_diagonal")  # type: ignore[valid-type]
    lr_ngd_diagonal: _rate("ngd_diagonal")  # type: ignore[valid-type]
    lr_kfac: _rate("kfac")  # type: ignore[valid-type]
    lr_ekfac: _rate("ekfac")  # type: ignore[valid-type]
    lr_cwngd: _rate("cwngd")  # type: ignore[valid-type]
    lr_mbf: _rate("mbf")  # type: ignore[valid-type]
    lr_empirical_fisher: _rate("empirical_fisher")  # type: ignore[valid-type]

    def rate(self, optimizer: str) -> float:
        """Step size asked for; 0 stands for the search."""
        return float(getattr(self, f"lr_{optimizer}"))

    def relative_damping(self, optimizer: str) -> float:
        """Damping in units of the mean of F's diagonal; 0 for optimizers without one."""
        return float(getattr(self, f"damping_{optimizer}", 0.0))
