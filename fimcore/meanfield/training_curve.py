"""Training of a linearised network: r_t = (I - eta Theta / N)^t r_0 by gradient descent, (1 - eta alpha)^t r_0 by natural ones.

r = f - y on N training inputs, loss (1/2N) |r|^2; with y the weights of the layers (1 for layer blocks), test outputs move by
-(1 - (1 - eta alpha)^t) / alpha sum_l y_l Theta_l(x*, X) Theta_l(X, X)^-1 r_0.
Source: Jacot, Gabriel, Hongler, arXiv 1806.07572; Karakida, Osawa, arXiv 2010.00879; Rudner, Wenzel, Teh, Gal, The Natural Neural
Tangent Kernel (2019); the K-FAC test kernel is derived here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fimcore.architecture import Architecture, check_choice
from fimcore.meanfield.kernels import kernel_factors
from fimcore.meanfield.ngd_rate import ngd_rate, tridiagonal_weights

__all__ = ["TrainingCurve", "training_curve"]

FloatArray = NDArray[np.float64]

OPTIMIZERS = {
    "gd": "",
    "ngd_exact": "exact",
    "ngd_layer": "layer_blocks",
    "ngd_tridiagonal": "block_tridiagonal",
    "kfac": "kfac",
}
# Beyond this condition number a kernel's inverse says nothing about test points.
WORST_CONDITION = 1e12


@dataclass(frozen=True, eq=False)
class TrainingCurve:
    """Residuals of the linearised network at the given steps.

    steps (T,); residuals (T, N) or (T, N, C): f_t - y on the training inputs; ratio (T,): |r_t| / |r_0|; loss (T,): |r_t|^2 / 2N.
    test_change: f_t(x*) - f_0(x*), (T, M) or (T, M, C); None where none was asked for or there is no prediction (reason_test).
    alpha: rate of the natural gradient, nan for gd. stable: whether residuals shrink at this learning rate.
    valid, reason: whether residuals may be shown as a prediction.
    """

    steps: NDArray[np.int64]
    residuals: FloatArray
    ratio: FloatArray
    loss: FloatArray
    test_change: FloatArray | None
    alpha: float
    stable: bool
    valid: bool
    reason: str
    reason_test: str


def training_curve(
    kernel: Architecture | ArrayLike,
    residual: ArrayLike,
    learning_rate: float,
    optimizer: str = "gd",
    steps: Sequence[int] = (0, 1, 2, 5, 10, 20, 50, 100),
    x: ArrayLike | None = None,
    test_x: ArrayLike | None = None,
    test_kernel: ArrayLike | None = None,
) -> TrainingCurve:
    """Residuals and test outputs of gradient descent or an undamped natural gradient on the linearised network.

    Args:
        kernel: the architecture (then give ``x``, and ``test_x`` for test points), or a kernel of one output in the standard
            parametrisation: (N, N), or (L, N, N) layer by layer, which ngd_layer, ngd_tridiagonal and kfac need.
        residual: f_0 - y, (N,) or (N, C). learning_rate: eta, above 0.
        optimizer: "gd", "ngd_exact", "ngd_layer", "ngd_tridiagonal" or "kfac". steps: whole numbers, 0 or more.
        x: training inputs (N, n_0). test_x: (M, n_0). test_kernel: Theta(x*, X), (M, N) or (L, M, N), with a kernel.

    Returns:
        `TrainingCurve`. Networks of width n follow it up to a relative n^(-1/2).

    Raises:
        ValueError: naming the field, the value received and what works.

    Source: arXiv 1806.07572, 2010.00879.
    """
    check_choice("optimizer", optimizer, tuple(OPTIMIZERS))
    if not (math.isfinite(learning_rate) and learning_rate > 0.0):
        raise ValueError(f"`learning_rate` is {learning_rate!r}; give a finite number above 0.")
    times = np.array(steps)
    if times.ndim != 1 or times.size == 0 or not np.all((times >= 0) & (times == np.floor(times))):
        raise ValueError(f"`steps` is {steps!r}; give whole numbers, 0 or more.")
    start = np.asarray(residual, dtype=np.float64)
    train, test, factors = _kernels(kernel, x, test_x, test_kernel, optimizer)
    layers, count = train.shape[:2]
    if start.ndim not in (1, 2) or start.shape[0] != count or not np.isfinite(start).all():
        raise ValueError(f"`residual` has shape {start.shape}; give ({count},) or ({count}, C) finite numbers.")
    columns = start.reshape(count, -1)
    alpha, reason, reason_test = math.nan, "", ""
    if not np.isfinite(train).all():
        reason = "Signals or gradients grow without bound on the way through this network."
    elif optimizer != "gd":
        alpha, reason = _rate(kernel, optimizer, layers, train, columns.shape[1])
    change = None
    if reason:
        moved = np.full((times.size, *columns.shape), np.nan)
        stable = False
    elif optimizer == "gd":
        values, vectors = np.linalg.eigh(train.sum(axis=0) / count)
        left, gone = _powers(learning_rate * values, times)
        shadow = vectors.T @ columns
        moved = np.einsum("ik,tk,kc->tic", vectors, left, shadow)
        stable = bool(learning_rate * values[-1] < 2.0)
        if test is not None:
            over = np.where(values > 0.0, gone / np.where(values > 0.0, values, 1.0), learning_rate * times[:, None])
            change = -np.einsum("mk,tk,kc->tmc", test.sum(axis=0) @ vectors / count, over, shadow)
    else:
        left, gone = _powers(np.array([learning_rate * alpha]), times)
        moved = left[:, :, None] * columns
        stable = learning_rate * alpha < 2.0
        if test is not None:
            mixed, reason_test = _mixing(optimizer, train, test, factors)
            change = None if reason_test else -gone[:, :, None] / alpha * (mixed @ columns)
    size = np.linalg.norm(columns)
    norms = np.linalg.norm(moved.reshape(times.size, -1), axis=1)
    return TrainingCurve(
        steps=times.astype(np.int64),
        residuals=moved.reshape(times.size, *start.shape),
        ratio=norms / size if size > 0.0 else np.full(times.size, np.nan),
        loss=norms**2 / (2.0 * count),
        test_change=None if change is None else change.reshape(times.size, change.shape[1], *start.shape[1:]),
        alpha=alpha,
        stable=stable,
        valid=not reason,
        reason=reason,
        reason_test=reason_test or reason,
    )


def _kernels(
    kernel: Architecture | ArrayLike,
    x: ArrayLike | None,
    test_x: ArrayLike | None,
    test_kernel: ArrayLike | None,
    optimizer: str,
) -> tuple[FloatArray, FloatArray | None, tuple[FloatArray, FloatArray] | None]:
    """Theta_l(X, X), Theta_l(x*, X) and, from an architecture, the two factors of both on all inputs."""
    if isinstance(kernel, Architecture):
        if x is None:
            raise ValueError("`x` is None; give the training inputs (N, n_0) with an architecture.")
        inputs = np.asarray(x, dtype=np.float64)
        everything = inputs if test_x is None else np.concatenate([inputs, np.asarray(test_x, dtype=np.float64)])
        activities, gradients = kernel_factors(kernel, everything)
        overlaps = np.array(kernel.widths[:-1], dtype=np.float64)[:, None, None] * activities + 1.0
        whole, count = gradients * overlaps, inputs.shape[0]
        test = None if test_x is None else whole[:, count:, :count]
        return whole[:, :count, :count], test, (gradients, overlaps)
    train = np.asarray(kernel, dtype=np.float64)
    stacked = train[None] if train.ndim == 2 else train
    if stacked.ndim != 3 or stacked.shape[1] != stacked.shape[2] or stacked.size == 0:
        raise ValueError(f"`kernel` has shape {train.shape}; give an Architecture, (N, N) or (L, N, N).")
    if train.ndim == 2 and optimizer not in ("gd", "ngd_exact"):
        raise ValueError(f"`kernel` has shape {train.shape}; {optimizer} needs one kernel per layer, (L, N, N).")
    if test_kernel is None:
        return stacked, None, None
    test = np.asarray(test_kernel, dtype=np.float64)
    test = test[None] if test.ndim == 2 else test
    if test.ndim != 3 or test.shape[0] != stacked.shape[0] or test.shape[2] != stacked.shape[1]:
        raise ValueError(f"`test_kernel` has shape {test.shape}; give (M, N), or (L, M, N) with a kernel per layer.")
    return stacked, test, None


def _rate(
    kernel: Architecture | ArrayLike, optimizer: str, layers: int, train: FloatArray, outputs: int
) -> tuple[float, str]:
    """alpha, and why there is none."""
    count = train.shape[1]
    if isinstance(kernel, Architecture):
        if outputs != kernel.outputs:
            raise ValueError(f"`residual` has {outputs} columns; give {kernel.outputs}, one for each output.")
        found = ngd_rate(kernel, OPTIMIZERS[optimizer], count)
        if not found.valid:
            return math.nan, found.reason
    for part in train.sum(axis=0)[None] if optimizer == "ngd_exact" else train:
        if np.linalg.cond(part) > WORST_CONDITION:
            return (
                math.nan,
                "A kernel is singular to rounding (inputs that coincide, or too many): residuals do not all shrink.",
            )
    if isinstance(kernel, Architecture):
        return found.alpha, ""
    if optimizer == "kfac":
        return float(count * (layers - 1) + 1), ""
    return 1.0 if optimizer == "ngd_exact" else float(_layer_weights(optimizer, layers).sum()), ""


def _layer_weights(optimizer: str, layers: int) -> FloatArray:
    return tridiagonal_weights(layers) if optimizer == "ngd_tridiagonal" else np.ones(layers)


def _powers(rates: FloatArray, times: NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
    """(1 - rate)^t and 1 - (1 - rate)^t, (T, K), without cancellation at small rates."""
    with np.errstate(over="ignore"):
        left = (1.0 - rates) ** times[:, None]
        small = np.abs(rates) < 0.5
        gone = -np.expm1(times[:, None] * np.log1p(-np.where(small, rates, 0.0)))
        return left, np.where(small, gone, 1.0 - left)


def _mixing(
    optimizer: str, train: FloatArray, test: FloatArray, factors: tuple[FloatArray, FloatArray] | None
) -> tuple[FloatArray, str]:
    """The matrix (M, N) that takes training residuals to test outputs: sum_l y_l Theta_l(x*, X) Theta_l(X, X)^-1."""
    if optimizer == "ngd_exact":
        return _through(test.sum(axis=0), train.sum(axis=0)), ""
    if optimizer != "kfac":
        weights = _layer_weights(optimizer, train.shape[0])
        return np.sum([y * _through(far, near) for y, far, near in zip(weights, test, train, strict=True)], axis=0), ""
    if factors is None:
        return np.empty((0, 0)), "K-FAC needs signals and activities apart; give an architecture instead of a kernel."
    count, mixed = train.shape[1], np.zeros(test.shape[1:])
    for signals, overlaps in zip(*factors, strict=True):
        part = _through(overlaps[count:, :count], overlaps[:count, :count])
        if np.ptp(signals) > 0.0:  # the read-out's signals, and those of a linear network, are the same for all inputs
            part *= count * _through(signals[count:, :count], signals[:count, :count])
        mixed += part
    return mixed, ""


def _through(far: FloatArray, near: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.solve(near, far.T).T, dtype=np.float64)
