"""Predicted losses of a race: what the linearised network of infinite width does with the residual a network starts from.

With Theta_l the kernel of layer l, K_l = Theta_l / (N variance), mu the eigenvalues of K = sum_l K_l, residuals r = f - y:
    gradient descent   r_t = prod (1 - eta mu) r_0; momentum b: v <- b v + mu r, r <- r - eta v, in every eigendirection
    exact natural      r_t = (1 - eta mu / (mu + lambda))^t r_0
    layer-wise         r_t = (I - eta sum_l K_l (K_l + lambda)^{-1})^t r_0
and loss = |r|^2 / (2 N variance). Damping is part of the prediction.
Source: Jacot, Gabriel, Hongler, arXiv 1806.07572; Karakida, Osawa, arXiv 2010.00879; with damping derived here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fimcore.experiments.setting import architecture_of
from fimcore.experiments.train_names import WORDS
from fimcore.experiments.train_rates import Settings
from fimcore.experiments.train_spec import Spec
from fimcore.experiments.train_tasks import Start
from fimcore.likelihoods import Gaussian
from fimcore.meanfield.kernels import layer_kernels

FloatArray = NDArray[np.float64]

MOMENTUM = 0.9
# Optimizers whose linearised network has a closed rule.
PREDICTED = ("sgd", "momentum", "ngd_exact", "ngd_layer")
# Beyond so many residuals the eigendecomposition costs more than the race.
MOST_INPUTS = 1000


def reason(used: Spec, optimizer: str, samples: int) -> str:
    """Why there is no prediction; empty where there is one."""
    if used.likelihood != "regression":
        return "The prediction is about regression."
    if used.task == "plateau":
        return "The prediction is about wide random networks; the plateau has two units."
    if 0 < used.batch_size < samples:
        return "The prediction is about the full batch."
    if samples > MOST_INPUTS:
        return f"The prediction is computed for up to {MOST_INPUTS} inputs."
    if optimizer not in PREDICTED:
        return f"There is no closed rule for {WORDS[optimizer]} in the linearised network."
    return ""


def kernels(used: Spec, start: Start) -> FloatArray:
    """K_l = Theta_l / (N variance) of the infinitely wide network, (L, N, N); nan where signals overflow."""
    assert isinstance(start.likelihood, Gaussian)
    found = layer_kernels(architecture_of(used), start.x.numpy())
    return np.asarray(found / (len(start.x) * float(start.likelihood.variance)))


def predicted_losses(made: FloatArray, start: Start, optimizer: str, settings: Settings, steps: int) -> FloatArray:
    """Losses at steps 0 .. steps, (steps + 1,); nan from where they grow beyond all bounds.

    made: `kernels`.
    """
    assert isinstance(start.likelihood, Gaussian)
    if not np.isfinite(made).all():
        return np.full(steps + 1, np.nan)
    residual = (start.network(start.x) - start.labels).numpy()
    if optimizer == "ngd_layer":
        identity = settings.damping * np.eye(made.shape[1])
        mixed = np.sum([np.linalg.solve(part + identity, part) for part in made], axis=0)
    else:
        mixed = made.sum(axis=0)
    values, vectors = np.linalg.eigh((mixed + mixed.T) / 2)
    values = np.maximum(values, 0.0)
    if optimizer == "ngd_exact":
        values = values / (values + settings.damping)
    rate = settings.learning_rate / settings.alpha
    shadow = np.square(vectors.T @ residual).sum(axis=1)
    times = np.arange(steps + 1)[:, None]
    with np.errstate(over="ignore", invalid="ignore"):
        factors = _heavy_ball(rate * values, steps) if optimizer == "momentum" else (1.0 - rate * values) ** times
        losses = (np.square(factors) * shadow).sum(axis=1) / (2.0 * len(residual) * float(start.likelihood.variance))
    return np.where(np.isfinite(losses), losses, np.nan)


def _heavy_ball(rates: FloatArray, steps: int) -> FloatArray:
    """r_t / r_0 of heavy-ball descent in each eigendirection, (steps + 1, K)."""
    left, velocity, path = np.ones_like(rates), np.zeros_like(rates), []
    for _ in range(steps + 1):
        path.append(left)
        velocity = MOMENTUM * velocity + rates * left
        left = left - velocity
    return np.array(path)
