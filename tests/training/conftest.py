"""Small problems shared by the tests of training, and the brute-force helpers of the Fisher tests."""

import sys
from pathlib import Path

import pytest
import torch

import fimcore as fc

sys.path.insert(0, str(Path(__file__).parents[1] / "fisher"))


def make_problem(
    family: str, width: int = 6, samples: int = 12, outputs: int = 3, activation: str = "tanh", seed: int = 0
):
    """A small random network with inputs, labels and likelihood."""
    widths = (4, width, width, outputs)
    network = fc.sample_network(fc.Architecture(widths, activation, 1.5, 0.1), seed)
    x = fc.inputs.gaussian(samples, widths[0], seed + 1)
    teacher = fc.sample_network(fc.Architecture(widths, activation, 1.5, 0.1), seed + 2)
    likelihood = fc.Categorical() if family == "categorical" else fc.Gaussian(0.7)
    labels = likelihood.sample(teacher(x), torch.Generator().manual_seed(seed + 3))
    return network, x, labels, likelihood


@pytest.fixture
def problem():
    return make_problem
