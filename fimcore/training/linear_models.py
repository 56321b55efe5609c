"""Linear and logistic regression: loss, gradient, exact and empirical Fisher, and both estimators with their variances.

eta = x . theta, mean mu(eta), w = Var(y | x). F = E w x x^T, empirical E (y - mu)^2 x x^T; score squared (y - mu)^2 x x^T
with a label of the model, minus Hessian w x x^T. Both models are linear in theta, so minus Hessian has no label noise.
Source: Kunstner et al., Limitations of the empirical Fisher approximation, arXiv 1905.12558.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.special import expit

Model = Literal["linear", "logistic"]
Array = np.ndarray


def means(model: Model, parameters: Array, inputs: Array) -> Array:
    """Mean label (..., N) of inputs (..., N, d) under parameters (..., d)."""
    natural = np.matmul(inputs, parameters[..., None])[..., 0]
    return natural if model == "linear" else np.asarray(expit(natural))


def label_variances(model: Model, mean: Array) -> Array:
    """w = Var(y | x): 1 for unit noise, p (1 - p) for a class."""
    return np.ones_like(mean) if model == "linear" else mean * (1 - mean)


def loss(model: Model, parameters: Array, inputs: Array, labels: Array) -> Array:
    """Mean negative log-likelihood in nats over the N inputs; the constant log(2 pi) / 2 of linear regression is left out."""
    natural = np.matmul(inputs, parameters[..., None])[..., 0]
    if model == "linear":
        return np.asarray(np.mean((labels - natural) ** 2, axis=-1) / 2)
    return np.asarray(np.mean(np.logaddexp(0, natural) - labels * natural, axis=-1))


def gradient(model: Model, parameters: Array, inputs: Array, labels: Array) -> Array:
    """Gradient (..., d) of the mean negative log-likelihood."""
    residuals = means(model, parameters, inputs) - labels
    return np.asarray(np.matmul(residuals[..., None, :], inputs)[..., 0, :] / inputs.shape[-2])


def weighted(inputs: Array, weights: Array) -> Array:
    """E weight x x^T of shape (..., d, d): every matrix here is one of these."""
    return np.asarray(np.matmul(np.swapaxes(inputs * weights[..., None], -1, -2), inputs) / inputs.shape[-2])


def fisher(model: Model, parameters: Array, inputs: Array) -> Array:
    """Exact Fisher over the inputs; on a sub-sample of them it is the minus-Hessian estimator."""
    return weighted(inputs, label_variances(model, means(model, parameters, inputs)))


def squared_scores(model: Model, parameters: Array, inputs: Array, labels: Array) -> Array:
    """E (y - mu)^2 x x^T: the score-squared estimator with labels of the model, the empirical Fisher with those of the data."""
    return weighted(inputs, (labels - means(model, parameters, inputs)) ** 2)


def model_labels(model: Model, mean: Array, generator: np.random.Generator) -> Array:
    """One label of the model for every mean."""
    if model == "linear":
        return mean + generator.standard_normal(mean.shape)
    return (generator.random(mean.shape) < mean).astype(float)


def single_pair_variances(
    model: Model, parameters: Array, inputs: Array, chance: Array | None = None
) -> tuple[Array, Array]:
    """Var of one score-squared and of one minus-Hessian draw of the diagonal, each (..., d), over inputs and labels.

    Var_1 = E x_i^4 E[(y - mu)^4 | x] - F_ii^2 with fourth moments 3 and w (1 - 3 w); Var_2 = E x_i^4 w^2 - F_ii^2.
    chance: probabilities (N,) of the inputs; equal ones where None.
    """
    weights = label_variances(model, means(model, parameters, inputs))
    share = np.full(inputs.shape[-2], 1 / inputs.shape[-2]) if chance is None else chance
    fourth = np.full_like(weights, 3.0) if model == "linear" else weights * (1 - 3 * weights)
    squared = inputs**2
    squares = np.einsum("n,...n,...nd->...d", share, weights, squared) ** 2
    score = np.einsum("n,...n,...nd,...nd->...d", share, fourth, squared, squared) - squares
    hessian = np.einsum("n,...n,...nd,...nd->...d", share, weights**2, squared, squared) - squares
    return np.asarray(score), np.asarray(hessian)


def optimum(model: Model, inputs: Array, labels: Array, steps: int = 60) -> Array:
    """Parameters of least loss, by Newton steps from zero (one step is exact for linear regression)."""
    parameters = np.zeros(inputs.shape[-1])
    for _ in range(steps):
        step = np.linalg.solve(fisher(model, parameters, inputs), gradient(model, parameters, inputs, labels))
        parameters = parameters - step
        if np.abs(step).max() < 1e-13:
            break
    return parameters
