"""One network, its inputs and its likelihood, as fimcore and as every peer wants them.

Two families that all libraries offer: "softmax" (categorical) and "gaussian" (unit variance, C outputs).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

import fimcore as fc


@dataclass(frozen=True)
class Case:
    """widths n_0..n_L, N inputs, family "softmax" or "gaussian"; everything else follows from the seed 0."""

    widths: tuple[int, ...]
    samples: int
    family: str
    dtype: torch.dtype = torch.float32
    device: str = "cpu"

    @property
    def name(self) -> str:
        precision = str(self.dtype).removeprefix("torch.")
        return f"{'-'.join(map(str, self.widths))} N {self.samples} {self.family} {precision}"

    @cached_property
    def network(self) -> fc.Network:
        architecture = fc.Architecture(widths=self.widths, activation="tanh", weight_variance=1.5, bias_variance=0.1)
        return fc.sample_network(architecture, seed=0, dtype=self.dtype, device=self.device)

    @cached_property
    def x(self) -> Tensor:
        return fc.inputs.gaussian(self.samples, self.widths[0], seed=1, dtype=self.dtype, device=self.device)

    @cached_property
    def vector(self) -> Tensor:
        """A parameter vector for products, in fimcore's order."""
        generator = torch.Generator().manual_seed(2)
        drawn = torch.randn(self.parameters, generator=generator, dtype=torch.float64)
        return drawn.to(dtype=self.dtype, device=self.device)

    @cached_property
    def likelihood(self) -> fc.Likelihood:
        return fc.Categorical() if self.family == "softmax" else fc.Gaussian()

    @property
    def parameters(self) -> int:
        return self.network.layout.parameters

    @property
    def outputs(self) -> int:
        return self.widths[-1]

    @cached_property
    def labels(self) -> Tensor:
        """What a loss function asks for; the exact Fisher matrix does not depend on it."""
        if self.family == "softmax":
            return torch.arange(self.samples, device=self.device) % self.outputs
        return torch.zeros(self.samples, self.outputs, dtype=self.dtype, device=self.device)

    def model(self) -> nn.Sequential:
        """A fresh torch module: hooks of one library must not meet those of another."""
        return self.network.to_torch()

    def loss(self) -> nn.Module:
        """Sum over the inputs; MSELoss is |y - f|^2, twice the Gaussian's negative log-likelihood."""
        return nn.CrossEntropyLoss(reduction="sum") if self.family == "softmax" else nn.MSELoss(reduction="sum")
