"""Rate of natural-gradient descent in the linear regime: if (1/N) J G^+ J^T = alpha I, residuals shrink by 1 - eta alpha a step.

G is the Fisher matrix or an approximation of it, J the NC x P Jacobian. K^l = J_l J_l^T is the kernel of one layer.
Source: Karakida, Osawa, Understanding Approximate Fisher Information for Fast Convergence of Natural Gradient Descent in Wide
Neural Networks, arXiv 2010.00879; the counting of active units, linear networks and depths 3s + 2 are derived here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fimcore.architecture import Architecture, check_choice
from fimcore.meanfield.fisher_statistics import check_samples

__all__ = ["NgdRate", "ngd_rate", "tridiagonal_weights"]

EXACT = ("exact", "dense", "implicit")
NO_RATE = {
    "diagonal": "diagonal blocks cannot undo correlations between parameters, and residuals shrink at different speeds",
    "quasi_diagonal": "it keeps a unit's bias column and diagonal only, and residuals shrink at different speeds",
    "ekfac": "its rescaled eigenvalues do not factor over pairs of inputs",
    "low_rank": "directions outside the kept ones are not followed at all",
    "unit_closed_form": "it replaces the inputs of a layer by Gaussian ones",
}
STRUCTURES = (*EXACT, "layer_blocks", "block_tridiagonal", "kfac", "unit_blocks", *NO_RATE)


@dataclass(frozen=True)
class NgdRate:
    """alpha and when it holds.

    alpha: with step eta, f_t - y = (1 - eta alpha)^t (f_0 - y) on the training inputs; nan where nothing is predicted.
    best_learning_rate: 1 / alpha. isotropic: whether every residual has this rate exactly; if not, alpha is their mean.
    condition: what the rate needs, in words. valid: whether this setting meets it; reason: if not, or if only on average, why.
    """

    structure: str
    alpha: float
    best_learning_rate: float
    isotropic: bool
    condition: str
    valid: bool
    reason: str


def ngd_rate(arch: Architecture, structure: str, samples: int) -> NgdRate:
    """alpha of natural-gradient descent with this structure, undamped (pseudo-inverse), squared error on N inputs.

    exact 1; layer_blocks L; block_tridiagonal 1^T T^+ 1, T the L x L matrix with ones on three diagonals: ceil(L / 3); kfac
    N (L - 1) + 1 with the output factor I; unit_blocks the number of units (one output), about sum of hidden units / C + 1 (C
    outputs), with half of the hidden units for relu.

    Args:
        arch: the architecture. structure: "exact" (or "dense", "implicit"), "layer_blocks", "block_tridiagonal", "kfac",
            "unit_blocks"; for the other structures of the measured wing the answer is that there is no rate.
        samples: N, number of different training inputs.

    Returns:
        `NgdRate`.

    Raises:
        ValueError: naming the field, the value received and what works.

    Source: arXiv 2010.00879. The rate is that of the network linearised at its start; a finite network follows it for steps that
    change its weights little, which undamped unit blocks do not (their steps have heavy tails at any width).
    """
    check_choice("structure", structure, STRUCTURES)
    count = check_samples(samples)
    if structure in NO_RATE:
        return NgdRate(
            structure, math.nan, math.nan, False, "none", False, f"There is no single rate: {NO_RATE[structure]}."
        )
    if structure in EXACT:
        return _made(structure, 1.0, "N C <= P, and no hidden layer narrower than C", _exact_fails(arch, count))
    if structure == "layer_blocks":
        return _made(structure, float(arch.layers), "every layer's kernel has full rank", _layers_fail(arch, count))
    if structure == "block_tridiagonal":
        fails = _exact_fails(arch, count) if arch.layers <= 2 else _layers_fail(arch, count)
        found = _made(
            structure, float(tridiagonal_weights(arch.layers).sum()), "every layer's kernel has full rank", fails
        )
        singular = arch.layers % 3 == 2
        note = "The matrix has no inverse at depth 3s + 2; the rate is that of its pseudo-inverse." if singular else ""
        return found if not note or not found.valid else NgdRate(**{**vars(found), "reason": note})
    if structure == "kfac":
        return _kfac(arch, count)
    return _units(arch, count)


def tridiagonal_weights(layers: int) -> NDArray[np.float64]:
    """y with T y = 1 for the L x L matrix T of ones on three diagonals, (L,); it exists at every depth.

    T is singular at L = 3s + 2, but 1 is orthogonal to its null vector (1, -1, 0, 1, -1, ...), so alpha = 1^T y is unique.
    """
    weights = np.zeros(layers)
    if layers % 3 == 2:
        weights[0::3] = 1.0
    else:
        weights[(layers % 3 == 0) :: 3] = 1.0
    return weights


def _made(structure: str, alpha: float, condition: str, fails: str, average: str = "") -> NgdRate:
    if fails:
        return NgdRate(structure, math.nan, math.nan, False, condition, False, fails)
    return NgdRate(structure, alpha, 1.0 / alpha, not average, condition, True, average)


def _spare(arch: Architecture) -> float:
    """Share of the hidden units that answer to an input."""
    return 0.5 if arch.activation == "relu" else 1.0


def _inputs_fail(arch: Architecture, count: int, layers: slice = slice(None)) -> str:
    """Whether some layer sees N inputs that its n_{l-1} + 1 parameters a unit cannot tell apart."""
    narrowest = min(arch.widths[:-1][layers])
    if count > narrowest + 1:
        return f"{count} inputs exceed the {narrowest + 1} parameters of a unit behind the narrowest layer."
    return ""


def _outputs_fail(arch: Architecture) -> str:
    if arch.hidden_widths and arch.outputs > _spare(arch) * min(arch.hidden_widths):
        return f"{arch.outputs} outputs are too many for a hidden layer of {min(arch.hidden_widths)} units."
    return ""


def _exact_fails(arch: Architecture, count: int) -> str:
    if arch.activation == "linear" or arch.layers == 1:
        return _inputs_fail(arch, count)
    if count <= _spare(arch) * arch.widths[-2]:
        return ""
    if count * arch.outputs > arch.parameters:
        return f"{count} inputs with {arch.outputs} outputs exceed the {arch.parameters} parameters."
    return _outputs_fail(arch)


def _layers_fail(arch: Architecture, count: int) -> str:
    if arch.activation == "linear":
        return _inputs_fail(arch, count) or _outputs_fail(arch)
    for layer, (below, width) in enumerate(zip(arch.widths[:-1], arch.widths[1:], strict=True), 1):
        parameters = width * (below + 1)
        usable = _spare(arch) * parameters if layer < arch.layers else parameters
        if count * arch.outputs > usable:
            half = ", of which relu uses half," if usable < parameters else ""
            return (
                f"{count} inputs with {arch.outputs} outputs exceed the {parameters} parameters{half} of layer {layer}."
            )
    return _outputs_fail(arch)


def _kfac(arch: Architecture, count: int) -> NgdRate:
    condition = "N C <= n_l in hidden layers, N <= n_{l-1} + 1 in all; the output factor is the identity"
    fails = _inputs_fail(arch, count)
    if arch.activation == "linear" or arch.layers == 1:
        # signals do not depend on the input, so their factor holds no sum over inputs
        return _made("kfac", float(arch.layers), condition, fails or _outputs_fail(arch))
    narrowest = min(arch.hidden_widths)
    if not fails and count * arch.outputs > _spare(arch) * narrowest:
        half = ", half of them silent," if arch.activation == "relu" else ""
        fails = (
            f"{count} inputs with {arch.outputs} outputs exceed a hidden layer of {narrowest} units{half} in number."
        )
    return _made("kfac", float(count * (arch.layers - 1) + 1), condition, fails)


def _units(arch: Architecture, count: int) -> NgdRate:
    condition = "N <= n_{l-1} + 1 in all layers, and every unit's signal differs from zero on every input"
    hidden, outputs, average = sum(arch.hidden_widths), arch.outputs, ""
    relu = arch.activation == "relu" and hidden > 0
    if outputs > 1 and hidden > 0:
        average = "A unit's rows for different outputs are parallel, so the rate holds on average over residuals only"
    if relu:
        average = f"{average}, and half" if average else "Half"
        average += " of the relu units are silent on a given input, which half differs between inputs"
    alpha = hidden * (0.5 if relu else 1.0) / outputs + 1.0
    return _made("unit_blocks", alpha, condition, _inputs_fail(arch, count), average and average + ".")
