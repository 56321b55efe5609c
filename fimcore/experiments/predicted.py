"""What mean-field theory says about a Spec, with the reason wherever it says nothing. The only place that knows both wings' names.

Source: Karakida, Akaho, Amari, Universal Statistics of Fisher Information in Deep Neural Networks, arXiv 1806.01316.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fimcore import meanfield
from fimcore.architecture import Architecture
from fimcore.experiments.network_spec import NetworkSpec
from fimcore.experiments.setting import InputMoments, architecture_of, input_moments, sample_count
from fimcore.norms import BlockNorms

# Depth over width from which single networks have little to do with their average.
DEEPEST = 0.5


@dataclass(frozen=True)
class Prediction:
    """One predicted number (nan: none) and, where there is none or it is only rough, the reason."""

    value: float
    reason: str = ""


@dataclass(frozen=True, eq=False)
class PredictedNorms:
    """Predicted block norms (None: no prediction) and the reason."""

    norms: BlockNorms | None
    reason: str = ""


def _outside(spec: NetworkSpec) -> str:
    """Why a Spec lies outside of what the predictions are about; empty where it lies inside."""
    if spec.likelihood == "softmax":
        return "The prediction is about regression; softmax behaves like regression with fewer outputs."
    if spec.estimator == "empirical":
        return "The prediction is about the Fisher matrix; the empirical matrix is another one."
    return ""


@lru_cache(maxsize=512)
def _norms(architecture: Architecture, moments: InputMoments, output_scale: float) -> PredictedNorms:
    try:
        norms = meanfield.block_norms(
            architecture,
            input_q=moments.length,
            input_overlap=moments.overlap,
            input_overlap_variance=moments.overlap_variance,
            output_scale=output_scale,
        )
    except (ValueError, OverflowError) as error:
        return PredictedNorms(None, str(error))
    if not np.isfinite(norms.layer_pairs).all():
        return PredictedNorms(None, "Signals overflow at this depth and weight variance.")
    return PredictedNorms(norms)


def too_deep(spec: NetworkSpec) -> str:
    """Why a comparison at this depth over width says nothing; empty where it does. Theory is to first order in that ratio."""
    ratio = spec.hidden_layers / spec.width
    if ratio <= DEEPEST:
        return ""
    return f"Depth over width is {ratio:.2g}; the prediction is to first order in it and is trusted up to {DEEPEST:g}."


def norms(spec: NetworkSpec) -> PredictedNorms:
    """Predicted block norms of the Spec's networks: averages over the law of the weights, for the population of inputs."""
    reason = _outside(spec)
    if reason:
        return PredictedNorms(None, reason)
    return _norms(architecture_of(spec), input_moments(spec), 1 / spec.noise_variance)


def largest_eigenvalue(spec: NetworkSpec) -> Prediction:
    """Largest eigenvalue at the Spec's number of inputs."""
    return _statistics(spec, "largest")


def mean_eigenvalue(spec: NetworkSpec) -> Prediction:
    """trace F / P."""
    return _statistics(spec, "mean")


def _statistics(spec: NetworkSpec, quantity: str) -> Prediction:
    reason = _outside(spec)
    if spec.estimator == "score" and quantity == "largest":
        reason = (
            reason or "The prediction is about the exact matrix; sampled labels add noise to the largest eigenvalue."
        )
    if reason:
        return Prediction(np.nan, reason)
    moments = input_moments(spec)
    try:
        found = meanfield.fisher_statistics(
            architecture_of(spec),
            samples=sample_count(spec),
            input_q=moments.length,
            input_overlap=moments.overlap,
            output_scale=1 / spec.noise_variance,
        )
    except (ValueError, OverflowError) as error:
        return Prediction(np.nan, str(error))
    value = float(getattr(found, quantity))
    valid, reason = (found.valid_mean, found.reason_mean) if quantity == "mean" else (found.valid, found.reason)
    if not valid:
        return Prediction(np.nan, reason)
    if not np.isfinite(value):
        return Prediction(np.nan, found.reason or "Signals overflow at this depth and weight variance.")
    return Prediction(value)
