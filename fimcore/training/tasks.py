"""Tasks to train on: a start, data with labels, and the output family; every one a function of its seed.

teacher_student  labels of a network of the same law with noise; curve_fitting  y = sin(2 pi x) and the like on [-1, 1];
digits_classification  8 x 8 images of digits; committee_plateau  a soft committee machine next to the set where two hidden units
are the same, on which gradient descent stalls.
Source: Saad, Solla, On-line learning in soft committee machines (1995), and Fukumizu, Amari, Local minima and plateaus in
hierarchical structures of multilayer perceptrons (2000), for the plateau.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore import inputs
from fimcore.architecture import Architecture, check_choice
from fimcore.inputs import Data
from fimcore.likelihoods import Categorical, Gaussian, Likelihood
from fimcore.networks import Network, sample_network

__all__ = ["CURVES", "Task", "committee_plateau", "curve_fitting", "digits_classification", "teacher_student"]

INPUT_STREAM, TEACHER_STREAM, NOISE_STREAM = 1_000_003, 2_000_003, 3_000_017

CURVES: dict[str, Callable[[Tensor], Tensor]] = {
    "sine": lambda x: torch.sin(2 * math.pi * x),
    "step": lambda x: torch.tanh(10 * x),
    "chirp": lambda x: torch.sin(2 * math.pi * (x + 1) ** 2),
}
CLASSES = 10


@dataclass(frozen=True, eq=False)
class Task:
    """network: where to start; data: inputs with labels; likelihood: output family; teacher: what made the labels, if a network."""

    name: str
    network: Network
    data: Data
    likelihood: Likelihood
    teacher: Network | None = None


def _noise(labels: Tensor, deviation: float, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed + NOISE_STREAM)
    return labels + deviation * torch.randn(labels.shape, generator=generator, dtype=labels.dtype)


def teacher_student(arch: Architecture, samples: int, noise: float = 0.0, seed: int = 0) -> Task:
    """Regression on the outputs of another network of the same architecture; Gaussian inputs, noise of this standard deviation.

    Raises:
        ValueError: fewer than one sample, negative noise.
    """
    _check(samples, noise)
    x = inputs.gaussian(samples, arch.widths[0], seed=seed + INPUT_STREAM)
    teacher = sample_network(arch, seed + TEACHER_STREAM)
    data = Data(x, _noise(teacher(x), noise, seed), "teacher and student")
    return Task("teacher and student", sample_network(arch, seed), data, Gaussian(), teacher)


def curve_fitting(
    arch: Architecture, samples: int = 64, curve: str = "sine", noise: float = 0.0, seed: int = 0
) -> Task:
    """Regression of a curve over [-1, 1] from evenly spaced points; the architecture takes one number and gives one.

    Raises:
        ValueError: other widths, an unknown curve, fewer than one sample, negative noise.
    """
    _check(samples, noise)
    check_choice("curve", curve, tuple(CURVES))
    if arch.widths[0] != 1 or arch.outputs != 1:
        raise ValueError(f"`arch` has widths {arch.widths}; fitting a curve takes 1 input and 1 output.")
    x = torch.linspace(-1.0, 1.0, samples, dtype=torch.float64)[:, None]
    data = Data(x, _noise(CURVES[curve](x), noise, seed), curve)
    return Task(f"curve: {curve}", sample_network(arch, seed), data, Gaussian())


def digits_classification(arch: Architecture, samples: int = 500, seed: int = 0) -> Task:
    """Classes of `samples` random digits (8 x 8 pixels on one common scale); the architecture takes 64 and gives 10.

    Raises:
        ValueError: other widths, fewer than one sample.
    """
    _check(samples, 0.0)
    if arch.widths[0] != 64 or arch.outputs != CLASSES:
        raise ValueError(f"`arch` has widths {arch.widths}; the digits take 64 inputs and 10 outputs.")
    digits = inputs.digits()
    assert digits.y is not None
    generator = torch.Generator().manual_seed(seed + INPUT_STREAM)
    rows = torch.randperm(len(digits.x), generator=generator)[:samples]
    data = Data(digits.x[rows], digits.y[rows].long(), "digits")
    return Task("digits", sample_network(arch, seed), data, Categorical())


def committee_plateau(samples: int = 400, gap: float = 0.05, dim: int = 2, seed: int = 0) -> Task:
    """A soft committee machine f = sum_i v_i tanh(w_i . x) whose two hidden units begin `gap` apart, and a teacher's far apart.

    Where w_1 = w_2 the two units are one: only v_1 + v_2 matters, the Fisher matrix is singular, and the gradient that would
    part them vanishes. Gradient descent lingers there; natural gradient does not see the singularity.

    Raises:
        ValueError: fewer than one sample, a gap that is not above 0, fewer than 2 dimensions.
    """
    _check(samples, 0.0)
    if not (math.isfinite(gap) and gap > 0):
        raise ValueError(f"`gap` is {gap!r}; give a finite number above 0 (at 0 no method can part the units).")
    if dim < 2:
        raise ValueError(f"`dim` is {dim!r}; give 2 or more, so that two units can point in different directions.")
    generator = torch.Generator().manual_seed(seed + INPUT_STREAM)
    x = inputs.gaussian(samples, dim, seed=seed + INPUT_STREAM)
    teacher = _committee(torch.eye(2, dim, dtype=torch.float64) * 1.5)
    middle = torch.full((dim,), 0.75, dtype=torch.float64) + 0.1 * torch.randn(dim, generator=generator).double()
    across = torch.zeros(dim, dtype=torch.float64)
    across[0], across[1] = gap / 2, -gap / 2
    network = _committee(torch.stack([middle + across, middle - across]))
    return Task("plateau", network, Data(x, teacher(x), "soft committee machine"), Gaussian(), teacher)


def _committee(weights: Tensor) -> Network:
    units, outputs = weights.shape[0], torch.ones(1, weights.shape[0], dtype=torch.float64)
    biases = (torch.zeros(units, dtype=torch.float64), torch.zeros(1, dtype=torch.float64))
    return Network((weights, outputs), biases, "tanh")


def _check(samples: int, noise: float) -> None:
    if isinstance(samples, bool) or int(samples) != samples or samples < 1:
        raise ValueError(f"`samples` is {samples!r}; give a whole number of inputs, 1 or more.")
    if not (math.isfinite(noise) and noise >= 0):
        raise ValueError(f"`noise` is {noise!r}; give a standard deviation, 0 or more.")
