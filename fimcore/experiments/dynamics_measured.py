"""What is measured at one moment of a run: spectrum, curvatures, block ratios and a small picture of the Fisher matrix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fimcore.experiments.dynamics_spec import Spec
from fimcore.experiments.matrix_picture import parameter_edges, picture
from fimcore.experiments.setting import (
    LABEL_STREAM,
    TEACHER_STREAM,
    architecture_of,
    inputs_of,
    labels_of,
    likelihood_of,
    network_of,
)
from fimcore.fisher import (
    Factors,
    block_norms_from_factors,
    factors,
    spectrum_from_factors,
    unit_norms_from_factors,
)
from fimcore.likelihoods import Gaussian, Likelihood
from fimcore.networks import Network, sample_network
from fimcore.parameters import ParameterLayout
from fimcore.training import curve_fitting, loss_hessian, sharpness

Progress = Callable[..., object]
FloatArray = NDArray[np.float64]

# Cells along a side of a frame, and the largest matrix whose every entry goes into one; beyond, cells show pairs of units.
CELLS, MOST_PARAMETERS = 120, 1500


@dataclass(frozen=True, eq=False)
class Start:
    """Where a run begins: network, data and output family."""

    network: Network
    x: Tensor
    labels: Tensor
    likelihood: Likelihood


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One moment; the last four are there for the first seed only.

    Attributes:
        step, loss: when, and the loss there.
        fisher_top: largest eigenvalue of F.
        sharpness: largest eigenvalue of the loss's Hessian.
        trace, effective_rank: tr F and (tr F)^2 / tr F^2.
        eigenvalues: the non-zero ones, descending.
        ratios: RMS entry between units of a layer over RMS entry inside its units, (L,); nan for a layer of one unit.
        cells: the frame.
    """

    step: int
    loss: float
    fisher_top: float
    sharpness: float
    trace: float = np.nan
    effective_rank: float = np.nan
    eigenvalues: FloatArray = field(default_factory=lambda: np.empty(0))
    ratios: FloatArray = field(default_factory=lambda: np.empty(0))
    cells: FloatArray = field(default_factory=lambda: np.empty((0, 0)))


def start_of(spec: Spec, number: int) -> Start:
    """Network, inputs and labels of seed `number` of an effective Spec."""
    likelihood = likelihood_of(spec)
    if spec.task == "curve":
        task = curve_fitting(architecture_of(spec), spec.samples, seed=spec.seed + number)
        assert task.data.y is not None
        return Start(task.network, task.data.x, task.data.y, likelihood)
    network, x = network_of(spec, number), inputs_of(spec, number)
    if spec.task == "digits":
        return Start(network, x, labels_of(spec, number), likelihood)
    outputs = sample_network(architecture_of(spec), spec.seed + number + TEACHER_STREAM)(x)
    if isinstance(likelihood, Gaussian):
        return Start(network, x, outputs, likelihood)
    generator = torch.Generator().manual_seed(spec.seed + number + LABEL_STREAM)
    return Start(network, x, likelihood.sample(outputs, generator), likelihood)


def edges_of(layout: ParameterLayout) -> NDArray[np.int64]:
    """Edges of a frame's cells: of equal numbers of parameters, or of whole units where the matrix is large."""
    if layout.parameters <= MOST_PARAMETERS:
        return parameter_edges(slice(0, layout.parameters), CELLS)
    units = layout.unit_offsets()
    size = -(-(len(units) - 1) // CELLS)
    return np.unique(np.append(units[:-1:size], layout.parameters)).astype(np.int64)


class Camera:
    """Measures snapshots one after the other; eigenvectors of the one before are where the next search begins."""

    def __init__(self, start: Start, normalised: bool, whole: bool) -> None:
        self.start, self.normalised, self.whole = start, normalised, whole
        self.edges = edges_of(start.network.layout)
        self._vectors: list[FloatArray | None] = [None, None]

    def take(self, step: int, loss: float, network: Network, progress: Progress | None = None) -> Snapshot:
        """Everything about one moment; numbers that overflow come out as nan."""
        start = self.start
        made = factors(network, start.x, start.likelihood)
        hessian = loss_hessian(network, start.x, start.labels, start.likelihood)
        bend, self._vectors[0] = sharpness(hessian, self._vectors[0], progress=progress)
        if not self.whole:
            top, self._vectors[1] = sharpness(made, self._vectors[1], progress=progress)
            return Snapshot(step, loss, top, bend)
        values = spectrum_from_factors(made).values
        total, square = float(values.sum()), float((values**2).sum())
        return Snapshot(
            step,
            loss,
            float(values[0]) if len(values) else 0.0,
            bend,
            total,
            total**2 / square if square > 0 else np.nan,
            values,
            block_norms_from_factors(made, unbiased=False).rms_ratio,
            self._cells(made, progress),
        )

    def _cells(self, made: Factors, progress: Progress | None) -> FloatArray:
        if made.layout.parameters <= MOST_PARAMETERS:
            shown = picture(made, self.edges, self.edges, "diagonal", normalised=self.normalised, progress=progress)
            return shown.full.astype(np.float32).astype(np.float64)
        return _unit_cells(made, self.edges, self.normalised)


def _unit_cells(made: Factors, edges: NDArray[np.int64], normalised: bool) -> FloatArray:
    """Root mean square entries between units, pooled; normalised: norms of blocks over those of both units' own."""
    layers = range(1, made.layout.layers + 1)
    norms = np.block([[unit_norms_from_factors(made, a, b).double().cpu().numpy() for b in layers] for a in layers])
    sizes = np.diff(made.layout.unit_offsets()).astype(np.float64)
    if normalised:
        own = np.sqrt(np.diag(norms))
        scale = np.where(own > 0, 1 / np.where(own > 0, own, 1), 0.0)
        squares, counts = (norms * np.outer(scale, scale)) ** 2, np.ones_like(norms)
    else:
        squares, counts = norms**2, np.outer(sizes, sizes)
    begins = np.searchsorted(made.layout.unit_offsets(), edges[:-1])

    def pooled(values: FloatArray) -> FloatArray:
        return np.add.reduceat(np.add.reduceat(values, begins, axis=0), begins, axis=1)

    found: FloatArray = np.sqrt(pooled(squares) / pooled(counts))
    return found
