"""What one network tells about its units, layer by layer: errors of the closed form without noise, directions, inputs, factors.

Directions: d = (G + lambda)^{-1} g against (F_ii + lambda)^{-1} g with g the unit's part of the loss gradient, by the cosine in
the metric of F_ii. Inputs: how far from isotropic, from centred and from Gaussian what a layer receives is.
Source: Amari, Karakida, Oizumi, Fisher Information and Natural Gradient Learning of Random Deep Networks, arXiv 1808.07172.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fimcore.experiments.setting import factors_of, inputs_of, labels_of, likelihood_of, network_of
from fimcore.experiments.unit_forms import (
    COVARIANCE,
    ISOTROPIC,
    OWN,
    Halves,
    LayerForm,
    alone,
    fitted,
    known_form,
    layer_form,
    measured_halves,
    own_inputs,
    some_inputs,
    times,
)
from fimcore.experiments.unit_spec import Spec
from fimcore.fisher import Factors
from fimcore.fisher.unit_closed_form import UnitClosedForm
from fimcore.training import mean_gradient

FloatArray = NDArray[np.float64]

ALONE, NETWORK = "alone", "network"
PAIRS = ((ALONE, ISOTROPIC), (ALONE, COVARIANCE), (NETWORK, ISOTROPIC), (NETWORK, COVARIANCE), (NETWORK, OWN))
DIRECTIONS = (COVARIANCE, ISOTROPIC, "gradient", "halves")
# Entries of the blocks of as many units as are held at once.
CHUNK_ENTRIES = 2**21


@dataclass(frozen=True, eq=False)
class LayerMeasured:
    """One layer of one network.

    wrong, noise: squared relative error without noise, and the noise, typical unit (median), by (matrix, form).
    cosines: mean over units, by direction. factors: E S_i / A_0 of every unit. dead: units whose block is zero.
    mean_share: |m|^2 over the mean squared length of the inputs. anisotropy: squared share of the covariance that is not a
    multiple of the identity. kurtosis: mean excess kurtosis of the inputs' coordinates (Gaussian: 0).
    """

    wrong: dict[tuple[str, str], float]
    noise: dict[tuple[str, str], float]
    cosines: dict[str, float]
    factors: FloatArray
    dead: int
    mean_share: float
    anisotropy: float
    kurtosis: float


@dataclass(frozen=True, eq=False)
class Measured:
    """One network; `layers` is empty where signals overflow."""

    seed: int
    layers: tuple[LayerMeasured, ...]


def halves_of(made: Factors) -> tuple[Factors, Factors]:
    """Two halves of the inputs; of an odd number the second is larger by one."""
    middle = made.samples // 2
    return some_inputs(made, slice(0, middle)), some_inputs(made, slice(middle, None))


def finite(made: Factors) -> bool:
    """Whether no signal overflowed."""
    return all(bool(each.isfinite().all()) for each in (*made.inputs, *made.signals))


def measure(spec: Spec, number: int, tick: Callable[[float], None] | None = None) -> Measured:
    """All hidden layers of network `number`; `tick` hears which share of the work is done."""
    made = factors_of(spec, number)
    if not finite(made):
        return Measured(spec.seed + number, ())
    gradient = mean_gradient(
        network_of(spec, number), inputs_of(spec, number), labels_of(spec, number), likelihood_of(spec)
    )
    scene = _Scene.of(spec, made, gradient)
    layers = []
    for layer in range(1, spec.hidden_layers + 1):
        parts = []
        chunks = list(_chunks(spec.measured_units, made.layout.unit_sizes[layer - 1]))
        for place, units in enumerate(chunks, start=1):
            parts.append(scene.units(layer, units))
            if tick:
                tick((layer - 1 + place / len(chunks)) / spec.hidden_layers)
        layers.append(_summary(scene, layer, parts))
    return Measured(spec.seed + number, tuple(layers))


def _chunks(units: int, size: int) -> Iterator[slice]:
    step = max(1, CHUNK_ENTRIES // size**2)
    for start in range(0, units, step):
        yield slice(start, min(start + step, units))


@dataclass(frozen=True, eq=False)
class _Scene:
    """One network with everything that is about all of its units."""

    spec: Spec
    made: Factors
    gradient: Tensor
    halves: tuple[Factors, Factors]
    alone: tuple[Factors, Factors]
    forms: dict[str, tuple[UnitClosedForm, UnitClosedForm, UnitClosedForm]]

    @classmethod
    def of(cls, spec: Spec, made: Factors, gradient: Tensor) -> _Scene:
        halves = halves_of(made)
        sets = (*halves, made)
        forms = {
            kind: (fitted(sets[0], flat), fitted(sets[1], flat), fitted(sets[2], flat))
            for kind, flat in ((ISOTROPIC, True), (COVARIANCE, False))
        }
        return cls(spec, made, gradient, halves, (alone(halves[0]), alone(halves[1])), forms)

    @property
    def counts(self) -> tuple[int, int]:
        return self.halves[0].samples, self.halves[1].samples

    def predicted(self, layer: int, units: slice) -> dict[str, tuple[LayerForm, LayerForm, LayerForm]]:
        """The closed form of some units by its two kinds, from either half and from all inputs."""
        network = self.made.network
        if layer == 1 and self.spec.law_known:
            known = known_form(network, units)
            return dict.fromkeys((ISOTROPIC, COVARIANCE), (known, known, known))
        found = {}
        for kind, (first, second, every) in self.forms.items():
            found[kind] = (
                layer_form(first, network, layer, units),
                layer_form(second, network, layer, units),
                layer_form(every, network, layer, units),
            )
        return found

    def units(self, layer: int, units: slice) -> _Units:
        """Everything about some units of a layer."""
        network, unit = (measured_halves(each, layer, units) for each in (self.halves, self.alone))
        predicted = self.predicted(layer, units)
        strengths = [block[:, -1, -1] for block in (network.first, network.second)]
        compared = {(NETWORK, OWN): network.compare(*own_inputs(network, unit))}
        for kind, (first, second, _) in predicted.items():
            compared[(ALONE, kind)] = unit.compare(times(first.zeroth, first), times(second.zeroth, second))
            compared[(NETWORK, kind)] = network.compare(times(strengths[0], first), times(strengths[1], second))
        whole = network.whole(self.counts)
        strength = whole[:, -1, -1]
        full = {kind: times(strength, forms[2]) for kind, forms in predicted.items()}
        zeroth = predicted[COVARIANCE][2].zeroth
        factors = torch.where(zeroth > 0, strength / torch.where(zeroth > 0, zeroth, 1.0), torch.nan)
        own = self.gradient[self.made.layout.layer_slice(layer)].reshape(self.made.layout.units[layer - 1], -1)[units]
        return _Units(compared, directions(whole, full, network, own, self.spec.damping), factors, strength == 0)


@dataclass(frozen=True, eq=False)
class _Units:
    compared: dict[tuple[str, str], tuple[Tensor, Tensor]]
    cosines: dict[str, Tensor]
    factors: Tensor
    dead: Tensor


def directions(
    whole: Tensor, predicted: dict[str, Tensor], halves: Halves, gradient: Tensor, damping: float
) -> dict[str, Tensor]:
    """Cosines in the metric of each unit's own block, by direction: (n,); nan where block or gradient is zero."""
    own = damping * whole.diagonal(dim1=1, dim2=2).mean(dim=1)
    alive = own > 0
    damped = torch.where(alive, own, 1.0)[:, None] * torch.ones_like(gradient)

    def solve(matrix: Tensor) -> Tensor:
        return torch.linalg.solve(matrix + torch.diag_embed(damped), gradient)

    exact, first, second = solve(whole), solve(halves.first), solve(halves.second)
    found = {kind: _cosines(whole, solve(matrix), exact) for kind, matrix in predicted.items()}
    found["gradient"] = _cosines(whole, gradient, exact)
    found["halves"] = _cosines(whole, first, second)
    return {kind: torch.where(alive, values, torch.nan) for kind, values in found.items()}


def _cosines(metric: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """u^T F v / sqrt(u^T F u v^T F v) of every unit."""

    def inner(one: Tensor, other: Tensor) -> Tensor:
        return torch.einsum("ni,nij,nj->n", one, metric, other)

    sizes = (inner(left, left) * inner(right, right)).clamp(min=0).sqrt()
    return torch.where(sizes > 0, (inner(left, right) / sizes).clamp(-1, 1), torch.nan)


def _summary(scene: _Scene, layer: int, parts: list[_Units]) -> LayerMeasured:
    def joined(take: Callable[[_Units], Tensor]) -> FloatArray:
        return np.asarray(torch.cat([take(part) for part in parts]).numpy(), dtype=np.float64)

    wrong = {pair: _over(np.nanmedian, joined(lambda part, pair=pair: part.compared[pair][0])) for pair in PAIRS}  # type: ignore[misc]
    noise = {pair: _over(np.nanmedian, joined(lambda part, pair=pair: part.compared[pair][1])) for pair in PAIRS}  # type: ignore[misc]
    cosines = {kind: _over(np.nanmean, joined(lambda part, kind=kind: part.cosines[kind])) for kind in DIRECTIONS}  # type: ignore[misc]
    dead = int(joined(lambda part: part.dead).sum())
    return LayerMeasured(wrong, noise, cosines, joined(lambda part: part.factors), dead, *_inputs(scene, layer))


def _over(average: Callable[[FloatArray], np.floating], values: FloatArray) -> float:
    """An average over the units that have a number."""
    return float(average(values)) if np.isfinite(values).any() else float("nan")


def _inputs(scene: _Scene, layer: int) -> tuple[float, float, float]:
    """Share of the mean, squared anisotropy of the covariance, excess kurtosis of a layer's inputs; no noise in the first two."""
    first, second, every = scene.forms[COVARIANCE]
    means = [form.means[layer - 1] for form in (first, second)]
    covariances = [form.covariances[layer - 1] for form in (first, second)]
    square, trace = float(means[0] @ means[1]), float(every.covariances[layer - 1].trace())
    size = float((covariances[0] * covariances[1]).sum())
    flat = float(covariances[0].trace() * covariances[1].trace()) / len(means[0])
    a = scene.made.inputs[layer - 1][:, :-1]
    apart = a - every.means[layer - 1]
    spread = apart.square().mean(dim=0)
    moving = spread > 1e-24 * (1 + a.square().mean(dim=0))
    fourth = apart[:, moving].square().square().mean(dim=0) / spread[moving].square() - 3
    total = square + trace
    return (
        square / total if total > 0 else float("nan"),
        1 - flat / size if size > 0 else float("nan"),
        float(fourth.mean()) if bool(moving.any()) else float("nan"),
    )
