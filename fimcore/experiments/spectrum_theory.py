"""What mean-field theory says about the eigenvalues of a Spec's Fisher matrix, with the reason wherever it is silent.

Source: Karakida, Akaho, Amari, arXiv 1806.01316 (regression), 1910.05992 (softmax), 1906.02926 (centred outputs).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fimcore import meanfield
from fimcore.experiments.network_spec import NetworkSpec
from fimcore.experiments.predicted import Prediction
from fimcore.experiments.report_setting import Setting
from fimcore.experiments.setting import architecture_of, input_moments, inputs_of, sample_count

FloatArray = NDArray[np.float64]

# Share of the second moment that the softmax formula may leave out.
MOST_FLUCTUATION = 0.05
QUANTITIES = ("outlier", "bulk", "mean", "second_moment")
EMPIRICAL = "The prediction is about the Fisher matrix; the empirical matrix is another one."
SAMPLED = "The prediction is about the exact matrix; sampled labels add noise to single eigenvalues."
OVERFLOW = "Signals overflow at this depth and weight variance."
MEDIAN = "Theory gives the mean of the bulk; the wider the bulk, the further its median lies below."
FLUCTUATING = (
    "The softmax formula has the mean overlap of two inputs only; its fluctuations add about {:.0f} % or more here."
)
FEW_PARAMETERS = "There are more rows N C than parameters, so that zeros are missing from the bulk of the dual matrix."


def setting_of(spec: NetworkSpec) -> Setting:
    """The Spec with moments of its inputs and the relative spread of their lengths."""
    return Setting(spec, architecture_of(spec), input_moments(spec), _uneven(spec.model_copy(update={"width": 1})))


@lru_cache(maxsize=256)
def _uneven(spec: NetworkSpec) -> float:
    """Relative spread of the inputs' lengths |x|^2; the width only matters to random inputs, which are known without."""
    if spec.inputs == "sphere":
        return 0.0
    if spec.inputs == "gaussian":
        return 0.0 if spec.input_dim == 0 else math.sqrt(2 / spec.input_dim)
    lengths = inputs_of(spec).square().sum(dim=1)
    return float(lengths.std(correction=0) / lengths.mean()) if float(lengths.mean()) > 0 else 0.0


def statistics(spec: NetworkSpec, outputs: list[FloatArray] | None = None) -> dict[str, Prediction]:
    """The predicted numbers of `QUANTITIES` and "median"; of softmax given the outputs (N, C) of every network."""
    setting = setting_of(spec)
    try:
        found = _softmax(setting, outputs or []) if spec.likelihood == "softmax" else _regression(setting)
    except (ValueError, OverflowError) as error:
        found = {name: Prediction(np.nan, str(error)) for name in QUANTITIES}
    return found | {"median": Prediction(np.nan, MEDIAN)}


def outlier_places(spec: NetworkSpec, outputs: list[FloatArray], places: int) -> list[Prediction]:
    """Predicted eigenvalue at every place from the largest on: one value for all C outputs, or C - 1 different ones of softmax."""
    if spec.likelihood == "regression":
        return [statistics(spec)["outlier"]] * places
    setting = setting_of(spec)
    made = [_softmax_of(setting, own) for own in outputs]
    reason = _silent(setting, made)[1]
    if reason:
        return [Prediction(np.nan, reason)] * places
    rows = np.array([each.outliers[:places] for each in made])
    return [_stated(float(value), "") for value in rows.mean(axis=0)]


def layers(spec: NetworkSpec) -> list[Prediction]:
    """Predicted largest eigenvalue of every layer's own block."""
    setting = setting_of(spec)
    count = setting.arch.layers
    if spec.likelihood == "softmax":
        return [Prediction(np.nan, "The prediction per layer is about regression.")] * count
    found = _plain(setting)
    outside = _outliers_outside(setting)
    return [
        _stated(
            float(found.layers[place]),
            outside or ("" if found.layers_valid[place] else found.reason_layers or found.reason),
        )
        for place in range(count)
    ]


def centred(spec: NetworkSpec) -> dict[str, Prediction]:
    """Predicted mean, bulk (mean of the non-zero ones) and largest eigenvalue with centred outputs; the largest never is."""
    setting = setting_of(spec)
    found = _cached(meanfield.centred_statistics, *_arguments(setting), 1 / spec.noise_variance)
    outside = setting.outside or _not_exact(spec)
    reason = outside or found.reason_mean
    rows = "" if sample_count(spec) * spec.outputs <= setting.arch.parameters else FEW_PARAMETERS
    return {
        "centred_outlier": Prediction(np.nan, outside or found.reason),
        "centred_bulk": _stated(found.bulk, reason or rows),
        "centred_mean": _stated(found.mean, reason),
    }


def _arguments(setting: Setting) -> tuple[Any, ...]:
    moments = setting.moments
    return setting.arch, sample_count(setting.spec), moments.length, moments.overlap


def _plain(setting: Setting) -> meanfield.FisherStatistics:
    return _cached(meanfield.fisher_statistics, *_arguments(setting), 1 / setting.spec.noise_variance)


@lru_cache(maxsize=2048)
def _cached(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


def _gap(setting: Setting) -> float:
    """What fluctuating overlaps add to the second moment of regression, as a share."""
    return float(_cached(meanfield.second_moment_gap, *_arguments(setting), setting.moments.overlap_variance))


def _not_exact(spec: NetworkSpec) -> str:
    return {"exact": "", "score": SAMPLED, "empirical": EMPIRICAL}[spec.estimator]


def _outliers_outside(setting: Setting) -> str:
    return setting.outside or _not_exact(setting.spec)


def _stated(value: float, reason: str) -> Prediction:
    """A value where it may be shown and is finite, else the reason."""
    if reason or not np.isfinite(value):
        return Prediction(np.nan, reason or OVERFLOW)
    return Prediction(value)


def _regression(setting: Setting) -> dict[str, Prediction]:
    spec = setting.spec
    found = _plain(setting)
    gap = _gap(setting)
    means = setting.outside or ("" if spec.estimator != "empirical" else EMPIRICAL) or found.reason_mean
    outliers = _outliers_outside(setting) or found.reason
    squares = means or _not_exact(spec) or setting.many_outputs
    rows = "" if sample_count(spec) * spec.outputs <= setting.arch.parameters else FEW_PARAMETERS
    return {
        "outlier": _stated(found.largest, outliers),
        "bulk": _stated(found.bulk, outliers or rows),
        "mean": _stated(found.mean, means),
        "second_moment": _stated(found.second_moment * (1 + gap), squares),
    }


def _softmax(setting: Setting, outputs: list[FloatArray]) -> dict[str, Prediction]:
    if not outputs:
        return {name: Prediction(np.nan, "The prediction needs the outputs of the network.") for name in QUANTITIES}
    made = [_softmax_of(setting, own) for own in outputs]
    means, outliers = _silent(setting, made)
    gap = _gap(setting)
    fluctuating = "" if gap <= MOST_FLUCTUATION else FLUCTUATING.format(100 * gap)
    average = {
        name: float(np.mean([getattr(each, name) for each in made]))
        for name in ("largest", "bulk", "mean", "second_moment")
    }
    return {
        "outlier": _stated(average["largest"], outliers),
        "bulk": _stated(average["bulk"], outliers),
        "mean": _stated(average["mean"], means),
        "second_moment": _stated(average["second_moment"], outliers or fluctuating),
    }


def _softmax_of(setting: Setting, outputs: FloatArray) -> meanfield.SoftmaxStatistics:
    return meanfield.fisher_statistics_softmax(setting.arch, outputs, setting.moments.length, setting.moments.overlap)


def _silent(setting: Setting, made: list[meanfield.SoftmaxStatistics]) -> tuple[str, str]:
    """Why the means, and why single eigenvalues, of softmax networks are not predicted."""
    spec = setting.spec
    means = setting.outside or (EMPIRICAL if spec.estimator == "empirical" else "") or made[0].reason_mean
    return means, _outliers_outside(setting) or next((each.reason for each in made if each.reason), "")
