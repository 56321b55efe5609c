"""Kernels of infinitely wide networks on given inputs: Theta = sum_l g^l (n_{l-1} a^{l-1} + 1), per pair of inputs.

a^{l-1}(x, x') is the overlap of the activities on the way into layer l, g^l(x, x') the overlap of df/du^l.
Source: Lee et al., Deep Neural Networks as Gaussian Processes, arXiv 1711.00165 (NNGP); Jacot, Gabriel, Hongler, Neural Tangent
Kernel, arXiv 1806.07572; for the sum that keeps widths and biases, Karakida, Akaho, Amari, arXiv 1806.01316.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fimcore.architecture import Architecture, check_choice
from fimcore.meanfield.pair_arrays import pair_arrays
from fimcore.meanfield.propagation import LOUDEST

__all__ = ["PARAMETRISATIONS", "kernel_factors", "layer_kernels", "nngp", "ntk"]

FloatArray = NDArray[np.float64]

PARAMETRISATIONS = ("standard", "ntk")


def nngp(arch: Architecture, x: ArrayLike) -> FloatArray:
    """Covariance of one output between inputs, E f(x) f(x') = s_w a^{L-1}(x, x') + s_b, (N, N).

    a^0 = x . x' / n_0, a^l = E phi(u) phi(u') at the covariance s_w a^{l-1} + s_b. Widths matter through their number only.

    Args:
        arch: the architecture. x: inputs (N, n_0), any finite numbers.

    Returns:
        (N, N), symmetric and positive semidefinite; all nan where signals overflow on the way.

    Raises:
        ValueError: naming the field, the value received and what works.

    Source: arXiv 1711.00165.
    """
    activities, _ = kernel_factors(arch, x)
    return arch.weight_variance * activities[-1] + arch.bias_variance


def ntk(arch: Architecture, x: ArrayLike, parametrisation: str = "standard") -> FloatArray:
    """Tangent kernel of one output, E grad f(x) . grad f(x'), (N, N); C outputs have it C-fold (times I_C).

    "standard": sum_l g^l (n_{l-1} a^{l-1} + 1), the kernel of the Fisher matrix of weights and biases themselves (its non-zero
    eigenvalues are those of the kernel over N). "ntk": sum_l g^l (s_w a^{l-1} + s_b), for weights scaled by sqrt(s_w / n) and
    biases by sqrt(s_b) inside the network. The two are not proportional.

    Args:
        arch: the architecture. x: inputs (N, n_0). parametrisation: "standard" or "ntk".

    Returns:
        (N, N), symmetric and positive semidefinite; all nan where signals overflow. The kernel of a single network of width
        n differs from it by a relative n^(-1/2) (about 0.1 to 0.2 at 1000 to 250 and depth 3).

    Raises:
        ValueError: naming the field, the value received and what works.

    Source: arXiv 1806.07572, 1806.01316.
    """
    return layer_kernels(arch, x, parametrisation).sum(axis=0)


def layer_kernels(arch: Architecture, x: ArrayLike, parametrisation: str = "standard") -> FloatArray:
    """The terms of `ntk`, one per layer, (L, N, N); each is the kernel of that layer's own block of the Fisher matrix."""
    check_choice("parametrisation", parametrisation, PARAMETRISATIONS)
    activities, gradients = kernel_factors(arch, x)
    if parametrisation == "standard":
        fan_in = np.array(arch.widths[:-1], dtype=np.float64)[:, None, None]
        return gradients * (fan_in * activities + 1.0)
    return gradients * (arch.weight_variance * activities + arch.bias_variance)


def kernel_factors(arch: Architecture, x: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Overlaps a^{l-1} of the activities into layer l and g^l of df/du^l, each (L, N, N), layer l at index l - 1."""
    inputs = _checked_inputs(arch, x)
    layers, weight, bias = arch.layers, arch.weight_variance, arch.bias_variance
    with np.errstate(over="ignore", invalid="ignore"):
        overlap = inputs @ inputs.T / inputs.shape[1]
    activities = np.full((layers, *overlap.shape), np.nan)
    gradients = np.full_like(activities, np.nan)
    slopes = []
    for layer in range(layers):
        activities[layer] = overlap
        covariance = _covariance(weight, bias, overlap)
        if covariance is None:
            return np.full_like(activities, np.nan), gradients
        if layer < layers - 1:
            overlap, slope = pair_arrays(arch.activation, covariance)
            slopes.append(slope)
    gradients[-1] = 1.0
    for layer in range(layers - 2, -1, -1):
        gradients[layer] = weight * slopes[layer] * gradients[layer + 1]
    if not np.isfinite(gradients).all():
        return np.full_like(activities, np.nan), np.full_like(activities, np.nan)
    return activities, gradients


def _covariance(weight: float, bias: float, overlap: FloatArray) -> FloatArray | None:
    """s_w a + s_b with correlations no larger than 1; None beyond 1e150, where squares overflow."""
    loudest = float(np.max(np.diagonal(overlap)))
    if not (math.isfinite(loudest) and weight * loudest + bias <= LOUDEST):
        return None
    covariance = weight * overlap + bias
    scale = np.sqrt(np.diagonal(covariance))
    limit = np.outer(scale, scale)
    return np.clip(0.5 * (covariance + covariance.T), -limit, limit)


def _checked_inputs(arch: Architecture, x: ArrayLike) -> FloatArray:
    inputs = np.asarray(x, dtype=np.float64)
    if inputs.ndim != 2 or inputs.shape[0] == 0 or inputs.shape[1] != arch.widths[0]:
        raise ValueError(f"`x` has shape {inputs.shape}; give (N, {arch.widths[0]}), at least one input.")
    if not np.isfinite(inputs).all():
        raise ValueError("`x` holds numbers that are not finite; give finite inputs.")
    return inputs
