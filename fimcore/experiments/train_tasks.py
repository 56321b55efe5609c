"""What each network of a race learns: a start, inputs with labels, and the output family, from the Spec and a number.

Source: `fimcore.training.tasks` for the curves and the plateau; the settings of a network for everything else.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore.experiments.setting import (
    LABEL_STREAM,
    TEACHER_STREAM,
    architecture_of,
    inputs_of,
    labels_of,
    likelihood_of,
    network_of,
)
from fimcore.experiments.train_spec import Spec
from fimcore.inputs import InputError
from fimcore.likelihoods import Categorical, Gaussian
from fimcore.networks import Network, sample_network
from fimcore.training import committee_plateau, curve_fitting

# Distance of the two units at the start of the plateau: near enough for gradient descent to linger.
GAP = 1e-3


@dataclass(frozen=True, eq=False)
class Start:
    """One network of the race with what it learns; number: its place among the seeds."""

    number: int
    network: Network
    x: Tensor
    labels: Tensor
    likelihood: Gaussian | Categorical


def start_of(used: Spec, number: int) -> Start:
    """Network `number` and its data, for a Spec that is `effective`.

    Raises:
        InputError: the table has no label column, or one that does not fit the output family.
    """
    likelihood = likelihood_of(used)
    if used.task == "curve":
        made = curve_fitting(architecture_of(used), used.samples, used.curve, seed=used.seed + number)
        assert made.data.y is not None
        return Start(number, made.network, made.data.x, made.data.y, likelihood)
    if used.task == "plateau":
        made = committee_plateau(used.samples, GAP, seed=used.seed + number)
        assert made.data.y is not None
        return Start(number, made.network, made.data.x, made.data.y, likelihood)
    if used.task == "table" and not (used.inputs == "csv" and used.target):
        raise InputError("This task learns a column of a CSV: set the input to 'Your CSV' and choose the label column.")
    network, x = network_of(used, number), inputs_of(used, number)
    if used.task in ("digits", "table"):
        return Start(number, network, x, labels_of(used, number), likelihood)
    teacher = sample_network(architecture_of(used), used.seed + number + TEACHER_STREAM)
    if isinstance(likelihood, Gaussian):
        return Start(number, network, x, teacher(x), likelihood)
    drawn = likelihood.sample(teacher(x), torch.Generator().manual_seed(used.seed + number + LABEL_STREAM))
    return Start(number, network, x, drawn, likelihood)
