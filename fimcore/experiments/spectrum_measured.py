"""What the question `spectrum` measures of one network: eigenvalues of F, of its blocks, whitened, and descent near a minimum.

Always by the smaller of the P and the N R side; F = (1/N) sum_x E_y[score score^T] itself is not formed where its dual is smaller.
Source: Karakida, Akaho, Amari, arXiv 1806.01316, 1910.05992 and 1906.02926.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fimcore.experiments.network_spec import NetworkSpec
from fimcore.experiments.setting import factors_of, inputs_of, likelihood_of, network_of
from fimcore.experiments.spectrum_spec import Spec
from fimcore.fisher.blocks import diagonal
from fimcore.fisher.centring import centred_spectrum_from_factors
from fimcore.fisher.factors import Factors
from fimcore.fisher.spectrum import Spectrum, layer_spectra, spectrum_from_factors
from fimcore.fisher.top_eigenvalues import top_eigenvalues_from_factors
from fimcore.fisher.unit_largest import largest_of_units
from fimcore.fisher.whitening import layer_whitened_spectra
from fimcore.training.near_minimum import descend_near_minimum

FloatArray = NDArray[np.float64]
Progress = Callable[[float, str], object]

# Steps of the check; how far the target lies: the change of an output, relative to its noise or its own size, and at most this
# share of the parameters' length.
STEPS, DISTANCE, FARTHEST = 12, 1e-5, 1e-4
OVERFLOWS = "Signals or gradients of network {} overflow, so that its matrix is not finite: lower the weight variance or the depth."


@dataclass(frozen=True, eq=False)
class Eigenvalues:
    """One network's spectrum.

    values: non-zero eigenvalues, descending; parameters: P; outliers: how many are expected to stand out (C, or C - 1 classes);
    outputs (N, C): of softmax networks, whose prediction is about their own outputs; centred: the same with centred outputs.
    """

    seed: int
    values: FloatArray
    parameters: int
    outliers: int
    outputs: FloatArray | None = None
    centred: FloatArray | None = None

    @property
    def zeros(self) -> int:
        """Eigenvalues that are zero to rounding."""
        return self.parameters - len(self.values)

    def statistics(self) -> dict[str, float]:
        """outlier: mean of the C nearly degenerate largest, or of softmax the largest; bulk, median: of the other non-zero ones."""
        values, kept = self.values, 1 if self.outputs is not None else self.outliers
        rest = values[self.outliers :]
        return {
            "outlier": float(values[:kept].mean()) if len(values) else 0.0,
            "bulk": float(rest.mean()) if len(rest) else np.nan,
            "median": float(np.median(rest)) if len(rest) else np.nan,
            "mean": float(values.sum()) / self.parameters,
            "second_moment": float((values**2).sum()) / self.parameters,
        }


@dataclass(frozen=True, eq=False)
class Blocks:
    """Largest eigenvalues of F, of every layer's block (L,), of the unit blocks of every layer (L,), and of the diagonal.

    outlier, layer_outliers (L,): of F and of the layers, the mean of the C nearly degenerate largest (softmax: the largest).
    """

    seed: int
    full: float
    layers: FloatArray
    units: FloatArray
    diagonal: float
    outlier: float
    layer_outliers: FloatArray


@dataclass(frozen=True, eq=False)
class Whitened:
    """Eigenvalues of (F_layers + lambda)^-1 F, one array a damping; largest: lambda_max(F), the unit of the dampings."""

    seed: int
    largest: float
    values: tuple[FloatArray, ...]


@dataclass(frozen=True, eq=False)
class Descent:
    """Losses over the first loss, (STEPS + 1,), below and above 2 / lambda_max."""

    seed: int
    largest: float
    below: FloatArray
    above: FloatArray

    @property
    def factors(self) -> tuple[float, float]:
        """Geometric mean of the loss's factor per step, below and above."""
        return float(self.below[-1] ** (1 / STEPS)), float(self.above[-1] ** (1 / STEPS))


def finite_factors(spec: NetworkSpec, number: int) -> Factors:
    """Factors of network `number`.

    Raises:
        OverflowError: they are not finite.
    """
    made = factors_of(spec, number)
    if not all(bool(torch.isfinite(part).all()) for part in (*made.inputs, *made.signals)):
        raise OverflowError(OVERFLOWS.format(spec.seed + number))
    return made


def expected_outliers(spec: NetworkSpec) -> int:
    """Eigenvalues that mean-field theory lets stand out: one an output, one fewer than classes."""
    return spec.outputs - 1 if spec.likelihood == "softmax" else spec.outputs


def eigenvalues(spec: NetworkSpec, number: int, centred: bool = False, progress: Progress | None = None) -> Eigenvalues:
    """The spectrum of network `number`."""
    made = finite_factors(spec, number)
    found = spectrum_from_factors(made, progress=progress)
    outputs = made.network(inputs_of(spec, number)).numpy() if spec.likelihood == "softmax" else None
    taken = centred_spectrum_from_factors(made).values if centred else None
    return Eigenvalues(
        spec.seed + number, found.values, found.parameters, min(expected_outliers(spec), len(found)), outputs, taken
    )


def blocks(spec: NetworkSpec, number: int, progress: Progress | None = None) -> Blocks:
    """Largest eigenvalues of the full matrix and of its block-diagonal parts, of network `number`."""
    made = finite_factors(spec, number)
    layers = made.layout.layers
    units = []
    for layer in range(1, layers + 1):
        units.append(largest_of_units(made, layer))
        if progress:
            progress(layer / (layers + 2), f"units of layer {layer}")
    own, full = layer_spectra(made), spectrum_from_factors(made)
    kept = 1 if spec.likelihood == "softmax" else spec.outputs
    return Blocks(
        spec.seed + number,
        full.largest,
        np.array([each.largest for each in own]),
        np.array(units),
        float(diagonal(made).max()),
        _leading(full, kept),
        np.array([_leading(each, kept) for each in own]),
    )


def _leading(found: Spectrum, kept: int) -> float:
    return float(found.values[:kept].mean()) if len(found) else 0.0


def whitened(spec: Spec, number: int, progress: Progress | None = None) -> Whitened:
    """Whitened spectra of network `number` at every damping of the Spec."""
    made = finite_factors(spec.at(), number)
    largest = spectrum_from_factors(made).largest
    if largest == 0:
        return Whitened(spec.seed + number, 0.0, tuple(np.array([]) for _ in spec.swept_dampings))
    dampings = [share * largest for share in spec.swept_dampings]
    found = layer_whitened_spectra(made, dampings, progress)
    return Whitened(spec.seed + number, largest, tuple(each.values for each in found))


def descent(spec: Spec, number: int, progress: Progress | None = None) -> Descent:
    """Descent of network `number` towards a minimum along F's leading eigenvector, just below and just above 2 / lambda_max."""
    network, x = network_of(spec, number), inputs_of(spec, number)
    made = finite_factors(spec.at(estimator="exact"), number)
    top = top_eigenvalues_from_factors(made, 1)
    largest = float(top.values[0])
    if largest == 0:
        nothing = np.full(STEPS + 1, np.nan)
        return Descent(spec.seed + number, 0.0, nothing, nothing)
    loudness = max(1.0, float(network(x).square().mean() / spec.noise_variance) ** 0.5)
    size = min(DISTANCE * loudness / largest**0.5, FARTHEST * float(network.parameter_vector().norm()))
    losses = []
    for place, share in enumerate((1 - spec.margin, 1 + spec.margin)):

        def inner(fraction: float, message: str, place: int = place) -> None:
            if progress:
                progress((place + fraction) / 2, message)

        found = descend_near_minimum(
            network,
            x,
            likelihood_of(spec),
            top.vectors[:, 0],
            size,
            share * 2 / largest,
            STEPS,
            inner,
        )
        losses.append(found / found[0])
    return Descent(spec.seed + number, largest, losses[0], losses[1])
