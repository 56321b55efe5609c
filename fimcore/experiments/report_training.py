"""What the sanity report holds against theory, third part: the first steps of training on a handful of inputs.

Residuals r = f - y of a random target: gradient descent for five steps at a tenth of its stability limit, and natural gradients for
one step that takes residuals to one half in the linearised network. Measured with `fimcore.training`, predicted from the kernels
of infinite width.
Source: Jacot, Gabriel, Hongler, arXiv 1806.07572; Karakida, Osawa, arXiv 2010.00879.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fimcore import meanfield
from fimcore.experiments.report_checks import Check
from fimcore.experiments.report_setting import Setting
from fimcore.fisher.dual import dual_matrix
from fimcore.fisher.factors import factors
from fimcore.inputs import Data
from fimcore.likelihoods import Gaussian
from fimcore.networks import Network
from fimcore.training import train

FloatArray = NDArray[np.float64]

GRADIENT_STEPS, HALF, TENTH = 5, 0.5, 0.1
# Relative to the mean eigenvalue of the kernel: enough for rounding.
DAMPING = 1e-9
# Damping may take this share off the way along any direction.
MOST_LEFT = 0.01
SINGULAR = "A kernel is singular beside its damping: inputs look alike to a layer, or signals vanish."
STEPPED = {"ngd_exact": "exact", "ngd_layer": "layer_blocks"}


@dataclass(frozen=True, eq=False)
class FirstSteps:
    """One network: its inputs (M, n_0), the residual it starts from (M, C), gradient descent's step size, and |r_t| / |r_0|.

    ratios: per optimizer, missing where it was refused. singular: optimizers with a direction that damping holds back.
    """

    x: FloatArray
    residual: FloatArray
    learning_rate: float
    ratios: dict[str, float]
    singular: frozenset[str] = frozenset()


def first_steps(network: Network, x: torch.Tensor, seed: int) -> FirstSteps:
    """Train on targets that are a random residual of the outputs' own size away from what the network says."""
    outputs = network(x)
    size = outputs.square().mean().sqrt()
    residual = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(seed), dtype=x.dtype)
    residual = residual * torch.where(size > 0, size, torch.ones_like(size))
    data = Data(x, outputs - residual, "random target")
    made = factors(network, x, Gaussian())
    kernel = dual_matrix(made, range(1, made.layout.layers + 1))
    eigenvalues = torch.linalg.eigvalsh(kernel)
    largest, mean = float(eigenvalues[-1]), float(kernel.trace()) / len(kernel)
    if not (np.isfinite(largest) and largest > 0):
        return FirstSteps(x.numpy(), residual.numpy(), float("nan"), {})
    rate = TENTH * 2.0 / largest
    settings = {
        "sgd": (rate, GRADIENT_STEPS, 1.0),
        "ngd_exact": (HALF, 1, 1.0),
        "ngd_layer": (HALF, 1, float(made.layout.layers)),
    }
    smallest = {
        "ngd_exact": float(eigenvalues[0]),
        "ngd_layer": min(
            float(torch.linalg.eigvalsh(dual_matrix(made, [layer]))[0]) for layer in range(1, made.layout.layers + 1)
        ),
    }
    singular = frozenset(name for name, value in smallest.items() if not MOST_LEFT * value >= DAMPING * mean)
    ratios = {}
    for optimizer, (step_size, steps, alpha) in settings.items():
        try:
            run = list(
                train(network, data, optimizer, step_size, DAMPING * mean, steps, likelihood=Gaussian(), alpha=alpha)
            )
        except ValueError:  # a kernel that is singular to rounding
            continue
        ratios[optimizer] = run[-1].residual / run[0].residual
    return FirstSteps(x.numpy(), residual.numpy(), rate, ratios, singular)


def training_checks(setting: Setting, found: list[FirstSteps]) -> list[Check]:
    """Ratios of residuals beside those of the linearised network; a ratio is a share of where the run began."""
    curves = []
    for each in found:
        usable = np.isfinite(each.learning_rate) and not setting.outside
        curves.append(
            meanfield.training_curve(
                setting.arch, each.residual, each.learning_rate, "gd", steps=(GRADIENT_STEPS,), x=each.x
            )
            if usable
            else None
        )
    reason = setting.outside or next((curve.reason for curve in curves if curve is not None and curve.reason), "")
    expected = [np.nan if curve is None else float(curve.ratio[0]) for curve in curves]
    checks = [_check(setting, "gradient descent, five steps", found, "sgd", np.array(expected), reason)]
    for optimizer, structure in STEPPED.items():
        rate = meanfield.ngd_rate(setting.arch, structure, len(found[0].x))
        words = f"natural gradient, {structure.replace('_', ' ')}, one step"
        because = reason or setting.many_outputs or ("" if rate.valid else rate.reason)
        because = because or (SINGULAR if any(optimizer in each.singular for each in found) else "")
        checks.append(_check(setting, words, found, optimizer, np.full(len(found), HALF), because))
    return checks


def _check(
    setting: Setting, words: str, found: list[FirstSteps], optimizer: str, expected: FloatArray, reason: str
) -> Check:
    measured = np.array([each.ratios.get(optimizer, np.nan) for each in found])
    return Check("training", words, "", measured, expected, setting.tolerance("training"), reason, scale=1.0)
