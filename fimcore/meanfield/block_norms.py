"""Predicted block norms at finite width: T_ll' = |F^ll'|_F^2 and U_l = sum_i |F^l_ii|_F^2, mean over random networks.

Source: derived for any widths and any number of outputs C; order parameters as in Karakida, Akaho, Amari, arXiv
1806.01316, blocks as in Amari, Karakida, Oizumi, arXiv 1808.07172.
F = E_x sum_c grad f_c grad f_c^T, so T and U are means over input pairs.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fimcore.architecture import Architecture
from fimcore.meanfield.overlap_fluctuations import HiddenMoments, hidden_moments, overlap_covariances
from fimcore.meanfield.propagation import Propagation, check_inputs, propagate
from fimcore.norms import BlockNorms

__all__ = ["block_norms"]

FloatArray = NDArray[np.float64]


def block_norms(
    arch: Architecture,
    input_q: float = 1.0,
    input_overlap: float = 0.0,
    input_overlap_variance: float | None = None,
    output_scale: float = 1.0,
) -> BlockNorms:
    """Mean-field block norms of the Fisher matrix of a random network, Gaussian regression with unit noise variance.

    T_ll' = T~_ll' E[H^{l-1} H^{l'-1}] and U_l = U~_l E[(H^{l-1})^2] to first order in the fluctuations of the layer
    overlaps H = a . a' + 1, with the backward parts T~, U~ computed exactly in the width. These are population values,
    to be compared with unbiased (pairs of different inputs) estimates averaged over seeds.

    Args:
        arch: the architecture, any widths. Weights are taken as Gaussian. Orthogonal draws share the order parameters but
            not the 1/width terms: ratios still agree to a few per cent, T and U are measured up to 35 % smaller (depth 4,
            width 128).
        input_q: |x|^2 / n_0.
        input_overlap: mean of x . x' / n_0 over pairs of inputs.
        input_overlap_variance: variance of x . x' / n_0 over pairs. Default (input_q^2 - input_overlap^2) / n_0, exact
            for isotropic Gaussian inputs with a common mean, and input_q^2 / n_0 for centred ones.
        output_scale: factor on F, which is 1 / noise variance; T and U scale with its square.

    Returns:
        `fimcore.norms.BlockNorms` (population values, no seed scatter); nan where signals overflow.

    Raises:
        ValueError: naming the field, the value received and what works.

    Source: derived here, see the module's first lines. Against random networks: a few per cent at
    width 96 and depth 4; expect tens of per cent in T and U once depth over width exceeds 0.1.
    """
    input_q, input_overlap = check_inputs(input_q, input_overlap)
    if input_overlap == input_q:
        raise ValueError(
            f"`input_overlap` is {input_overlap!r}; give less than `input_q` = {input_q:g}, "
            "two inputs must be able to differ."
        )
    if not (math.isfinite(output_scale) and output_scale > 0.0):
        raise ValueError(f"`output_scale` is {output_scale!r}; give 1 / noise variance, a finite number above 0.")
    if input_overlap_variance is None:
        input_overlap_variance = (input_q**2 - input_overlap**2) / arch.widths[0]
    elif not (math.isfinite(input_overlap_variance) and input_overlap_variance >= 0.0):
        raise ValueError(f"`input_overlap_variance` is {input_overlap_variance!r}; give a finite number, 0 or more.")
    wave = propagate(arch, input_q, input_overlap)
    widths = np.array(arch.widths, dtype=np.float64)
    if not np.isfinite(wave.q).all():
        layers = len(arch.widths) - 1
        return BlockNorms(np.full((layers, layers), np.nan), np.full(layers, np.nan), arch.widths)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        hidden = hidden_moments(arch, wave)
        scale = np.concatenate([arch.weight_variance * hidden.slope, [1.0]])
        squares, units = _backward(arch, wave, hidden, widths)
        # For Gaussian inputs with a common mean, size and overlap vary alike and covary as their means do.
        shared = 2.0 * input_overlap / (input_q + input_overlap) if input_overlap > 0.0 else 0.0
        start = float(input_overlap_variance) * np.array([[1.0, shared], [shared, 1.0]])
        covariances = overlap_covariances(hidden, start)
        pairs, unit_diagonal = _assemble(wave, hidden, widths, scale, squares, units, covariances)
    return BlockNorms(pairs * output_scale**2, unit_diagonal * output_scale**2, arch.widths)


def _backward(
    arch: Architecture, wave: Propagation, hidden: HiddenMoments, widths: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """T~_l = E sum_cc' (delta_c . delta'_c')^2 and U~_l = E sum_i S_i S'_i per layer, S_i = sum_c delta_ci^2."""
    layers, outputs = widths.size - 1, widths[-1]
    squares, units = np.full(layers, outputs), np.full(layers, outputs)
    for layer in range(layers - 2, -1, -1):
        width = widths[layer + 1]
        whole = outputs * wave.gradient[layer + 1]
        weight = arch.weight_variance**2
        units[layer] = weight * hidden.square[layer] / width * (whole**2 + 2.0 * squares[layer + 1])
        squares[layer] = weight * hidden.slope[layer] ** 2 * (1.0 - 1.0 / width) * squares[layer + 1] + units[layer]
    return squares, units


def _assemble(
    wave: Propagation,
    hidden: HiddenMoments,
    widths: FloatArray,
    scale: FloatArray,
    squares: FloatArray,
    units: FloatArray,
    covariances: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """T (L, L) and U (L,) from the backward parts, the mean overlaps and how both move with the overlaps below."""
    layers, outputs = widths.size - 1, widths[-1]
    fan_in = widths[:-1]
    mean = fan_in * wave.activity_overlap + 1.0
    overlaps = covariances[:, :, 1, 1]
    log_mean = _follow(hidden.mean_by_overlap, hidden.mean_by_size, hidden.correlation, covariances)
    log_square = _follow(hidden.square_by_overlap, hidden.square_by_size, hidden.correlation, covariances)
    log_stretch = _follow(0.0 * hidden.mean_by_size, hidden.stretch_by_size, hidden.correlation, covariances)
    # Share of T~_l that is the square of a mean, which is the part that follows the overlaps of the layers above.
    followed = 2.0 * outputs * wave.gradient_overlap**2 / squares
    pairs, unit_diagonal = np.zeros((layers, layers)), np.zeros(layers)
    for low in range(layers):
        for high in range(low, layers):
            moved = np.sum(log_mean[low:high], axis=0) + followed[high] * np.sum(log_mean[high:], axis=0)
            bent = mean[low] * fan_in[high] * moved[high] + mean[high] * fan_in[low] * moved[low]
            together = mean[low] * mean[high] + fan_in[low] * fan_in[high] * overlaps[low, high]
            pairs[low, high] = pairs[high, low] = squares[high] * np.prod(scale[low:high]) * (together + bent)
        bent = 0.0
        if low < layers - 1:
            whole = outputs * wave.gradient[low + 1]
            both = whole**2 + 2.0 * squares[low + 1]
            above = 4.0 * outputs * wave.gradient_overlap[low + 1] ** 2 / both
            moved = log_square[low] + above * np.sum(log_mean[low + 1 :], axis=0)
            moved += 2.0 * whole**2 / both * np.sum(log_stretch[low + 1 :], axis=0)
            bent = 2.0 * mean[low] * fan_in[low] * float(moved[low])
        unit_diagonal[low] = units[low] * (mean[low] ** 2 + fan_in[low] ** 2 * overlaps[low, low] + bent)
    return pairs, unit_diagonal


def _follow(
    by_overlap: FloatArray, by_size: FloatArray, correlation: FloatArray, covariances: FloatArray
) -> FloatArray:
    """Covariance (L - 1, L) of a logarithm at hidden layer k + 1, fed by layer k, with the overlap O of each layer."""
    size, overlap = covariances[:-1, :, 0, 1], covariances[:-1, :, 1, 1]
    angle = overlap - correlation[:, None] * size
    # Kinks answer to the angle with an infinite slope where inputs coincide, but there the angle does not move.
    angle = np.where(1.0 - correlation[:, None] > 1e-14, by_overlap[:, None] * angle, 0.0)
    return angle + by_size[:, None] * size
