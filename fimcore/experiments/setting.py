"""From a Spec to what the measured wing computes with: architecture, inputs, labels, likelihood and factors.

Network number s of a Spec is drawn from seed + s; its random inputs from their own stream of the same seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from fimcore import inputs
from fimcore.architecture import Architecture
from fimcore.experiments.network_spec import CSV_MAX_BYTES, CSV_MAX_COLUMNS, NetworkSpec
from fimcore.fisher.factors import Factors, factors
from fimcore.likelihoods import Categorical, Gaussian
from fimcore.networks import Network, sample_network

# Separate streams, so that weights, inputs, teacher and sampled labels of one seed are independent.
INPUT_STREAM, TEACHER_STREAM, LABEL_STREAM = 1_000_003, 2_000_003, 3_000_017


@dataclass(frozen=True)
class InputMoments:
    """Length, mean overlap and variance of the overlap of the inputs, x.x'/n_0, as mean-field theory needs them."""

    length: float
    overlap: float
    overlap_variance: float


def _table(spec: NetworkSpec) -> inputs.Data:
    """The real data of a Spec: digits as they are, columns of a CSV standardised to mean 0 and variance 1."""
    return _read(spec.inputs, *_file(spec))


def _file(spec: NetworkSpec) -> tuple[str, str, int]:
    """What a table is read from: path, hash of its content (a file that was rewritten is another one), label column."""
    if spec.inputs == "digits":
        return "", "", 0
    return spec.data_file, inputs.file_hash(spec.data_file, CSV_MAX_BYTES) if spec.data_file else "", spec.target


@lru_cache(maxsize=8)
def _read(inputs_name: str, data_file: str, _content: str, target: int) -> inputs.Data:
    if inputs_name == "digits":
        return inputs.digits()
    if not data_file:
        raise inputs.InputError("`data_file` is empty; the input 'csv' needs a file of numbers.")
    data = inputs.load(data_file, max_bytes=CSV_MAX_BYTES, max_columns=CSV_MAX_COLUMNS)
    if not target:
        return inputs.Data(inputs.standardise(data.x), None, data.name, data.columns)
    columns = data.x.shape[1]
    if target > columns:
        count = f"{columns} column{'s' if columns > 1 else ''}"
        raise inputs.InputError(f"Label column {target} does not exist: the table has {count}.")
    if columns == 1:
        raise inputs.InputError("The table has one column only, which is the label: no column is left as input.")
    kept = [column for column in range(columns) if column != target - 1]
    names = tuple(data.columns[column] for column in kept)
    return inputs.Data(inputs.standardise(data.x[:, kept]), data.x[:, target - 1], data.name, names)


def input_dimension(spec: NetworkSpec) -> int:
    """n_0: of the data set, or as set, or the width where it is left at 0."""
    if spec.inputs in ("digits", "csv"):
        return int(_table(spec).x.shape[1])
    return spec.input_dim or spec.width


def sample_count(spec: NetworkSpec) -> int:
    """N: as set, but never more than the data set has rows."""
    if spec.inputs in ("digits", "csv"):
        return min(spec.samples, int(_table(spec).x.shape[0]))
    return spec.samples


def architecture_of(spec: NetworkSpec) -> Architecture:
    """Widths (n_0, width, ..., width, outputs) with the Spec's activation and variances."""
    widths = (input_dimension(spec), *[spec.width] * spec.hidden_layers, spec.outputs)
    return Architecture(widths, spec.activation, spec.weight_variance, spec.bias_variance)


def likelihood_of(spec: NetworkSpec) -> Gaussian | Categorical:
    """The output family."""
    return Categorical() if spec.likelihood == "softmax" else Gaussian(spec.noise_variance)


def network_of(spec: NetworkSpec, number: int = 0) -> Network:
    """Network `number` (0 .. seeds - 1) of the Spec."""
    return sample_network(architecture_of(spec), spec.seed + number)


def inputs_of(spec: NetworkSpec, number: int = 0) -> Tensor:
    """The (N, n_0) inputs of network `number`: a fresh draw, or N random rows of the data set."""
    stream = spec.seed + number + INPUT_STREAM
    if spec.inputs in ("digits", "csv"):
        return _table(spec).x[_rows(spec, number)]
    draw = inputs.sphere if spec.inputs == "sphere" else inputs.gaussian
    return draw(spec.samples, input_dimension(spec), stream)


def _rows(spec: NetworkSpec, number: int) -> Tensor:
    data = _table(spec)
    generator = torch.Generator().manual_seed(spec.seed + number + INPUT_STREAM)
    return torch.randperm(data.x.shape[0], generator=generator)[: sample_count(spec)]


def labels_of(spec: NetworkSpec, number: int = 0) -> Tensor:
    """The data's labels: those of the data set where it has any, else drawn from a teacher network of the same law."""
    likelihood = likelihood_of(spec)
    if spec.inputs in ("digits", "csv"):
        labels = _table(spec).y
        if labels is not None:
            return _shaped(labels[_rows(spec, number)], spec)
    x = inputs_of(spec, number)
    teacher = sample_network(architecture_of(spec), spec.seed + number + TEACHER_STREAM)
    generator = torch.Generator().manual_seed(spec.seed + number + LABEL_STREAM)
    return likelihood.sample(teacher(x), generator)


def _shaped(labels: Tensor, spec: NetworkSpec) -> Tensor:
    """Labels of a data set in the shape the output family takes."""
    if spec.likelihood == "softmax":
        if bool((labels != labels.round()).any()) or int(labels.min()) < 0 or int(labels.max()) >= spec.outputs:
            raise inputs.InputError(
                f"`target` holds labels from {float(labels.min()):g} to {float(labels.max()):g}; softmax with "
                f"{spec.outputs} outputs takes whole numbers 0..{spec.outputs - 1}: change `outputs` or `target`."
            )
        return labels.long()
    if spec.outputs == 1:
        return inputs.standardise(labels.double()[:, None])
    if spec.outputs != int(labels.max()) + 1 or bool((labels != labels.round()).any()):
        raise inputs.InputError(
            f"`outputs` is {spec.outputs}; regression on these labels takes 1 (the label as a number) or one output a class."
        )
    return torch.nn.functional.one_hot(labels.long(), spec.outputs).double()


def factors_of(spec: NetworkSpec, number: int = 0) -> Factors:
    """The Fisher matrix of network `number` in factored form, with the Spec's estimator."""
    seed = spec.seed + number + LABEL_STREAM if spec.estimator == "score" else None
    labels = labels_of(spec, number) if spec.estimator == "empirical" else None
    draws = spec.draws if spec.estimator == "score" else 1
    network, x = network_of(spec, number), inputs_of(spec, number)
    return factors(network, x, likelihood_of(spec), spec.estimator, seed, labels, draws)


def input_moments(spec: NetworkSpec) -> InputMoments:
    """Moments of the input law: exact for random inputs, those of the whole table for data."""
    if spec.inputs not in ("digits", "csv"):
        return InputMoments(1.0, 0.0, 1.0 / input_dimension(spec))
    return _moments(spec.inputs, *_file(spec))


@lru_cache(maxsize=8)
def _moments(inputs_name: str, data_file: str, content: str, target: int) -> InputMoments:
    """Over all pairs of different rows, without the N x N overlaps.

    sum_ij (x_i.x_j)^2 = |X^T X|_F^2 and sum_ij x_i.x_j = |sum_i x_i|^2, both less the terms i = j.
    """
    x = _read(inputs_name, data_file, content, target).x
    rows, dimension = x.shape
    lengths = x.square().sum(dim=1) / dimension
    pairs = rows * (rows - 1)
    overlap = float(x.sum(dim=0).square().sum() / dimension - lengths.sum()) / pairs
    square = float((x.T @ x).square().sum() / dimension**2 - lengths.square().sum()) / pairs
    return InputMoments(float(lengths.mean()), overlap, max(0.0, square - overlap**2))
