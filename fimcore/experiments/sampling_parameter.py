"""What the estimators of one parameter need of a network: first and second derivative of its outputs, at every input.

With J = df / d theta, C = d^2 f / d theta^2 and the score s in the outputs: one label's squared score is (J.s)^2, minus its second
derivative F - C.s. Outputs times beta ("sharpness") multiply f, J and C by beta.
Source: Soen, Sun, Trade-Offs of Diagonal Fisher Information Matrix Estimators, arXiv 2402.05379.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from fimcore.estimators.output_derivatives import OutputDerivatives, derivative_parts, part_size
from fimcore.estimators.unit_moments import along_root
from fimcore.experiments.sampling_spec import Spec
from fimcore.experiments.setting import LABEL_STREAM, TEACHER_STREAM, architecture_of, inputs_of, labels_of, network_of
from fimcore.inputs import InputError
from fimcore.likelihoods import Bernoulli, Categorical, Gaussian
from fimcore.networks import sample_network
from fimcore.parameters import ParameterLayout

Family = Gaussian | Categorical | Bernoulli


@dataclass(frozen=True, eq=False)
class Parameter:
    """One parameter of a network at the inputs that draws are made at.

    Attributes:
        index: its place in the parameter vector.
        name: in words.
        likelihood: output family.
        outputs, first, second: f, J and C at those inputs, (N, C).
        labels: of the data, or None.
        no_labels: why there are none.
    """

    index: int
    name: str
    likelihood: Family
    outputs: Tensor
    first: Tensor
    second: Tensor
    labels: Tensor | None
    no_labels: str = ""

    def sharpened(self, sharpness: float) -> Parameter:
        """The same of the network whose outputs are multiplied by `sharpness`; the data keep their labels."""
        return replace(
            self, outputs=sharpness * self.outputs, first=sharpness * self.first, second=sharpness * self.second
        )

    @cached_property
    def probes(self) -> Tensor:
        """m = B J with B^T B = Q: F = |m|^2 at every input, (N, C)."""
        return self.rooted(self.first)

    @cached_property
    def fisher(self) -> Tensor:
        """F = J^T Q J: (N,)."""
        return self.probes.square().sum(dim=1)

    @cached_property
    def variances(self) -> dict[str, Tensor]:
        """Of one label (or one probe) at every input, (N,) each: V1 = E(J.s)^4 - F^2, V2 = C^T Q C, 2 (F^2 - sum m^4)."""
        fourth = self.likelihood.fourth_moment(self.outputs, self.first[:, :, None])[:, 0]
        return {
            "score": (fourth - self.fisher.square()).clamp(min=0),
            "hessian": self.rooted(self.second).square().sum(dim=1),
            "probe": 2 * (self.fisher.square() - self.probes.pow(4).sum(dim=1)).clamp(min=0),
        }

    def rooted(self, vectors: Tensor) -> Tensor:
        """B v with B^T B = Q for one direction v at every input, (N, C), without the C x C matrices."""
        if isinstance(self.likelihood, Gaussian):
            return vectors / self.likelihood.variance**0.5
        if isinstance(self.likelihood, Bernoulli):
            return vectors * (torch.sigmoid(self.outputs) * torch.sigmoid(-self.outputs)).sqrt()
        return torch.softmax(self.outputs, dim=1).sqrt() * self.centred(vectors)

    def centred(self, vectors: Tensor) -> Tensor:
        """v.s for every class: v_y - sum_c p_c v_c, seen from the most probable class, so that no digit cancels there."""
        chances = torch.softmax(self.outputs, dim=1)
        apart = vectors - vectors.gather(1, chances.argmax(dim=1, keepdim=True))
        return apart - (chances * apart).sum(dim=1, keepdim=True)

    @property
    def confidence(self) -> float:
        """Mean largest probability; nan for regression."""
        if isinstance(self.likelihood, Categorical):
            return float(torch.softmax(self.outputs, dim=1).amax(dim=1).mean())
        if isinstance(self.likelihood, Bernoulli):
            return float(torch.sigmoid(self.outputs.abs()).mean())
        return math.nan


def family_of(spec: Spec) -> Family:
    """The output family."""
    if spec.likelihood == "regression":
        return Gaussian(spec.noise_variance)
    return Categorical() if spec.likelihood == "softmax" else Bernoulli()


def parameter_of(spec: Spec) -> Parameter:
    """The Spec's parameter at all inputs, or at the chosen one.

    Raises:
        OverflowError: the outputs overflow.
    """
    network, x, family = network_of(spec), inputs_of(spec), family_of(spec)
    layer, size = spec.shown_layer, part_size(network.layout, x.shape[0], 8, 1, None)
    parts = list(_layer_parts(derivative_parts(network, x, family, size), layer))
    outputs, first, second, a, strength = (torch.cat(columns) for columns in zip(*parts, strict=True))
    unit, weight = _place(spec, network.layout, strength.T @ a.square())
    offset = network.layout.unit_slice(layer, unit + 1).start + weight
    labels, why = _data_labels(spec, x, family)
    kept = slice(None) if spec.at == "all" else slice(shown_input(spec, len(x)) - 1, shown_input(spec, len(x)))
    powers = a[kept, weight, None]
    return Parameter(
        offset,
        network.layout.name(offset),
        family,
        outputs[kept],
        first[kept, :, unit] * powers,
        second[kept, :, unit] * powers.square(),
        None if labels is None else labels[kept],
        why,
    )


def shown_input(spec: Spec, inputs: int) -> int:
    """The input that is looked at, counted from 1: as set, but never beyond the last."""
    return min(spec.chosen_input, inputs)


def _layer_parts(parts: Iterator[OutputDerivatives], layer: int) -> Iterator[tuple[Tensor, ...]]:
    """Outputs, first and second derivatives of one layer's units, its inputs, and F of its units, part by part."""
    for made in parts:
        first, second = made.first(layer), made.second(layer)
        bent = torch.zeros_like(first) if second is None else second
        yield made.outputs, first, bent, made.inputs(layer), along_root(made.root, first)


def _place(spec: Spec, layout: ParameterLayout, fisher: Tensor) -> tuple[int, int]:
    """Unit and weight, from 0; what the Spec leaves open is where F (n_l, k_l), a sum over inputs, is largest."""
    units, weights = fisher.shape
    rows = range(units) if spec.unit == 0 else [min(spec.unit, units) - 1]
    columns = range(weights) if spec.weight == 0 else [min(spec.weight, weights) - 1]
    part = fisher[list(rows)][:, list(columns)]
    row, column = divmod(int(part.argmax()), part.shape[1])
    return rows[row], columns[column]


def _data_labels(spec: Spec, x: Tensor, family: Family) -> tuple[Tensor | None, str]:
    """Labels of the data, of a teacher where it has none, or why there are none that this family takes."""
    if not isinstance(family, Bernoulli):
        try:
            return labels_of(spec), ""
        except InputError as error:
            return None, str(error)
    if spec.inputs in ("digits", "csv"):
        classes = spec.model_copy(update={"likelihood": "softmax"})
        try:
            found = labels_of(classes)
        except (InputError, ValueError) as error:
            return None, str(error)
        return torch.nn.functional.one_hot(found, spec.outputs).to(x), ""
    teacher = sample_network(architecture_of(spec), spec.seed + TEACHER_STREAM)
    return family.sample(teacher(x), torch.Generator().manual_seed(spec.seed + LABEL_STREAM)), ""
