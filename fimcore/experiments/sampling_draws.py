"""Draws of the estimators of one parameter: a random input, a label there, and what it says of F.

Source: Soen, Sun, Trade-Offs of Diagonal Fisher Information Matrix Estimators, arXiv 2402.05379; the probe after Sun,
Deterministic Bounds and Random Estimates of Metric Tensors on Neuromanifolds, arXiv 2505.13614.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from fimcore.experiments.sampling_parameter import Parameter

FloatArray = NDArray[np.float64]
ESTIMATORS = ("score", "hessian", "probe")


def draw(parameter: Parameter, count: int, seed: int) -> dict[tuple[str, str], FloatArray]:
    """(estimator, labels) to so many single draws; the two that need a label share it.

    Labels "model" are drawn from the network's own law, "data" are those that the data have at the drawn input.
    """
    generator = torch.Generator().manual_seed(seed)
    which = torch.randint(parameter.outputs.shape[0], (count,), generator=generator)
    family, fisher = parameter.likelihood, parameter.fisher
    outputs, first, second = parameter.outputs[which], parameter.first[which], parameter.second[which]
    made: dict[tuple[str, str], FloatArray] = {}
    labels = {"model": family.sample(outputs, generator)}
    if parameter.labels is not None:
        labels["data"] = parameter.labels[which]
    for name, label in labels.items():
        score = family.score(outputs, label)
        made["score", name] = (first * score).sum(dim=1).square().numpy()
        made["hessian", name] = (fisher[which] - (second * score).sum(dim=1)).numpy()
    probes = parameter.probes[which]
    signs = 2.0 * torch.randint(2, probes.shape, generator=generator).to(probes) - 1
    made["probe", "none"] = (probes * signs).sum(dim=1).square().numpy()
    return made


def data_means(parameter: Parameter) -> dict[str, float]:
    """Mean squared score (empirical Fisher) and mean minus second derivative over all data pairs."""
    if parameter.labels is None:
        return {}
    score = parameter.likelihood.score(parameter.outputs, parameter.labels)
    bent = parameter.fisher - (parameter.second * score).sum(dim=1)
    return {
        "score": float((parameter.first * score).sum(dim=1).square().mean()),
        "hessian": float(bent.mean()),
    }


def averages(values: FloatArray, labels: int) -> FloatArray:
    """Means over so many consecutive draws; what is left over is dropped."""
    whole = len(values) // labels * labels
    return np.asarray(values[:whole].reshape(-1, labels).mean(axis=1))
