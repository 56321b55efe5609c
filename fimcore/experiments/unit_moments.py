"""A_0, A_1 and A_2 of one unit against the length of its weights and against its bias: predicted curves, measured points.

A_k = E v^k phi'(|w| v + w_0)^2, v ~ N(0, 1). Measured: the matrices F of real units y = phi(w.x + w_0) + noise on N Gaussian
inputs, A_0 = F_00, A_1 = e.F_w0, A_2 = e.F_ww e with e = w / |w|.
Source: Amari, Karakida, Oizumi, Fisher Information and Natural Gradient Learning of Random Deep Networks, arXiv 1808.07172.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from fimcore import inputs, meanfield
from fimcore.experiments.over_seeds import over_seeds
from fimcore.experiments.result import Verdict, verdict
from fimcore.experiments.setting import INPUT_STREAM
from fimcore.experiments.unit_spec import Spec
from fimcore.fisher import factors, unit_blocks
from fimcore.likelihoods import Gaussian
from fimcore.networks import Network

FloatArray = NDArray[np.float64]

LENGTH, BIAS = "length", "bias"
MOMENTS = ("A0", "A1", "A2")
LABELS = {"A0": "A₀", "A1": "A₁", "A2": "A₂"}
# Coordinates of the inputs of the units that are measured, and how many values the curves and the points have.
DIMENSION, CURVE_POINTS, POINTS = 8, 101, 9
LONGEST, FARTHEST = 4.0, 3.0
MOST_INPUTS = 20_000


def places(scale: float, centre: float) -> dict[str, tuple[FloatArray, FloatArray]]:
    """(lengths, biases) that the points lie at: along either axis through the chosen unit, which is one of them."""
    top, edge = max(LONGEST, 1.25 * scale), max(FARTHEST, 1.25 * abs(centre))
    # closer together where the curves bend: for short weights
    lengths = np.unique(np.append(top * np.linspace(0.0, 1.0, POINTS) ** 2, scale))
    biases = np.unique(np.append(np.linspace(-edge, edge, POINTS), centre))
    return {LENGTH: (lengths, np.full(lengths.size, centre)), BIAS: (np.full(biases.size, scale), biases)}


def predicted(activation: str, lengths: FloatArray, biases: FloatArray) -> FloatArray:
    """A_0, A_1, A_2 in the rows of (3, m)."""
    found = [meanfield.unit_fisher(activation, [w], b) for w, b in zip(lengths.tolist(), biases.tolist(), strict=True)]
    return np.array([[each.A0, each.A1, each.A2] for each in found]).T


def measured(activation: str, lengths: FloatArray, biases: FloatArray, samples: int, seed: int) -> FloatArray:
    """The same from the matrices of real units, each read out by itself with weight 1: (3, m)."""
    e = inputs.gaussian(1, DIMENSION, seed)[0]
    e = e / e.norm()
    count = len(lengths)
    hidden = torch.from_numpy(lengths)[:, None] * e
    weights = (hidden, torch.eye(count, dtype=torch.float64))
    offsets = (torch.from_numpy(biases), torch.zeros(count, dtype=torch.float64))
    network = Network(weights=weights, biases=offsets, activation=activation)
    x = inputs.gaussian(samples, DIMENSION, seed + INPUT_STREAM)
    blocks = unit_blocks(factors(network, x, Gaussian()), 1)
    along = torch.einsum("i,nij,j->n", e, blocks[:, :-1, :-1], e)
    return torch.stack([blocks[:, -1, -1], blocks[:, :-1, -1] @ e, along]).numpy()


def tables(spec: Spec, scale: float, centre: float) -> tuple[dict[str, pd.DataFrame], tuple[Verdict, ...]]:
    """Points with their spread over seeds beside the prediction, fine curves, and a verdict per moment at the chosen unit."""
    rows, curves, verdicts = [], [], []
    samples = min(spec.samples, MOST_INPUTS)
    for against, (lengths, biases) in places(scale, centre).items():
        found = np.array(
            [measured(spec.activation, lengths, biases, samples, spec.seed + number) for number in range(spec.seeds)]
        )
        expected = predicted(spec.activation, lengths, biases)
        for row, moment in enumerate(MOMENTS):
            for place, (length, bias) in enumerate(zip(lengths, biases, strict=True)):
                rows.append(
                    {
                        "against": against,
                        "length": length,
                        "bias": bias,
                        "moment": moment,
                        **over_seeds(found[:, row, place]),
                        "predicted": expected[row, place],
                    }
                )
            if against == LENGTH:
                here = int(np.argmin(abs(lengths - scale)))
                verdicts.append(
                    verdict(f"{LABELS[moment]} of a unit alone", found[:, row, here], float(expected[row, here]))
                )
        fine = [np.linspace(values[0], values[-1], CURVE_POINTS) for values in (lengths, biases)]
        for moment, values in zip(MOMENTS, predicted(spec.activation, *fine), strict=True):
            curves.append(
                pd.DataFrame(
                    {"against": against, "length": fine[0], "bias": fine[1], "moment": moment, "predicted": values}
                )
            )
    return {"moments": pd.DataFrame(rows), "curves": pd.concat(curves, ignore_index=True)}, tuple(verdicts)
