"""How the layer overlaps of two inputs vary between networks: covariances of A^l = (|a|^2 + |a'|^2) / 2n and O^l = a . a' / n.

Source: derived here by first-order propagation. To first order in 1/n, dO' = s_w (D (dO - rho dA) + (dE phi phi / dq) dA) and
dA' = s_w (dE phi^2 / dq) dA plus independent noise of order 1/n in each layer; rho is the correlation at that layer.
Keeping A beside O matters where inputs look alike: both then move together and the angle between them does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fimcore.architecture import Architecture
from fimcore.gaussian_integrals import (
    d2phi,
    dphi,
    expectation,
    fourth_moments,
    pair_moments,
    phi,
    single_moments,
    size_slopes,
)
from fimcore.meanfield.fixed_points import SCALE_FREE
from fimcore.meanfield.propagation import Propagation

__all__ = ["HiddenMoments", "hidden_moments", "overlap_covariances"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class HiddenMoments:
    """Per hidden layer k, (L - 1,): D = E phi' phi', E = E phi'^2 phi'^2, and how the logarithms follow the overlaps.

    ``mean_by_overlap`` and ``square_by_overlap``: s_w d ln D / d q12 and s_w d ln E / d q12; they multiply dO - rho dA.
    ``mean_by_size``, ``square_by_size``, ``stretch_by_size``: s_w d ln D / dq, s_w d ln E / dq at fixed correlation and
    s_w d ln E phi'^2 / dq; they multiply dA. ``transfer`` (L - 1, 2, 2): (dA, dO) below to (dA, dO) above; ``noise`` the
    covariance of (A, O) that the layer adds.
    """

    slope: FloatArray
    square: FloatArray
    correlation: FloatArray
    mean_by_overlap: FloatArray
    square_by_overlap: FloatArray
    mean_by_size: FloatArray
    square_by_size: FloatArray
    stretch_by_size: FloatArray
    transfer: FloatArray
    noise: FloatArray


def hidden_moments(arch: Architecture, wave: Propagation) -> HiddenMoments:
    """Moments of the hidden layers at their mean-field variance and covariance."""
    weight, activation = arch.weight_variance, arch.activation
    count = len(arch.widths) - 2
    columns = {
        name: np.zeros(count) for name in HiddenMoments.__dataclass_fields__ if name not in ("transfer", "noise")
    }
    transfer, noise = np.zeros((count, 2, 2)), np.zeros((count, 2, 2))
    for layer in range(count):
        q, q12 = float(wave.q[layer]), float(wave.q12[layer])
        one, second = single_moments(activation, q), pair_moments(activation, q, q, q12)
        fourth, by_size = fourth_moments(activation, q, q, q12), size_slopes(activation, q, q12)
        fourth_power = expectation(lambda u: phi(activation, u) ** 4, q)
        rho = q12 / q if q > 0.0 else 1.0
        columns["slope"][layer], columns["square"][layer] = second.dphi_dphi, fourth.dphi2_dphi2
        columns["correlation"][layer] = rho
        columns["mean_by_overlap"][layer] = weight * second.d2phi_d2phi / second.dphi_dphi
        columns["square_by_overlap"][layer] = weight * fourth.dphi2_dphi2_slope / fourth.dphi2_dphi2
        columns["mean_by_size"][layer] = weight * by_size[1] / second.dphi_dphi
        columns["square_by_size"][layer] = weight * by_size[2] / fourth.dphi2_dphi2
        columns["stretch_by_size"][layer] = weight * _stretch_slope(activation, q) / one.dphi_dphi
        across = weight * (by_size[0] - second.dphi_dphi * rho)
        transfer[layer] = [[weight * one.phi_phi_slope, 0.0], [across, weight * second.dphi_dphi]]
        mixed = fourth.phi3_phi - one.phi_phi * second.phi_phi
        size = 0.5 * (fourth_power + fourth.phi2_phi2) - one.phi_phi**2
        noise[layer] = [[size, mixed], [mixed, fourth.phi2_phi2 - second.phi_phi**2]]
        noise[layer] /= arch.widths[layer + 1]
    return HiddenMoments(transfer=transfer, noise=noise, **columns)


def _stretch_slope(activation: str, q: float) -> float:
    """d/dq E phi'(u)^2 = E u phi'(u) phi''(u) / q."""
    if activation in SCALE_FREE or q == 0.0:
        return 0.0
    return expectation(lambda u: u * dphi(activation, u) * d2phi(activation, u), q) / q


def overlap_covariances(hidden: HiddenMoments, first: FloatArray) -> FloatArray:
    """Covariances (L, L, 2, 2) of (A, O) between the layers 0, ..., L - 1, given those of the inputs, (2, 2)."""
    layers = hidden.slope.size + 1
    result = np.zeros((layers, layers, 2, 2))
    result[0, 0] = first
    for layer in range(1, layers):
        step = hidden.transfer[layer - 1]
        result[layer, layer] = step @ result[layer - 1, layer - 1] @ step.T + hidden.noise[layer - 1]
    for low in range(layers):
        for high in range(low + 1, layers):
            result[low, high] = result[low, high - 1] @ hidden.transfer[high - 1].T
            result[high, low] = result[low, high].T
    return result
