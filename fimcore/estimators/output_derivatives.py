"""First and second derivative of the outputs in the pre-activations of every layer, for a part of the inputs at a time.

A parameter's derivatives are those of its unit times powers of what enters there: for the weight from unit j to unit i of layer l,
df_c / dw = B^l_{ci} a_j and d^2 f_c / dw^2 = c^l_{ci} a_j^2, and a_j = 1 for the bias.
Source: Soen, Sun, On the Variance of the Fisher Information for Deep Learning, arXiv 2107.04205.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore.activations import activation
from fimcore.budget import Budget, check_memory, default_budget
from fimcore.estimators.natural_bend import natural_bend
from fimcore.estimators.squared_paths import squared_paths
from fimcore.fisher.factors import Factors, factors_from_rows
from fimcore.fisher.output_rows import OutputRows
from fimcore.likelihoods import LikelihoodWithMoments
from fimcore.networks import Network
from fimcore.parameters import ParameterLayout

# Larger parts than this fall out of a core's caches and are no faster.
PART_BYTES = 2**25

Progress = Callable[..., object]


@dataclass(frozen=True, eq=False)
class OutputDerivatives:
    """Derivatives of the outputs at some inputs.

    Attributes:
        factors: with the unit vectors as rows: `factors.signals[l - 1]` is B^l = df / du^l, (N, C, n_l).
        likelihood: output family.
        outputs: f, (N, C).
        root: rows B with B^T B = Q, (N, R, C).
        gains: df / da^m phi''(u^m) of the hidden layers, (N, C, n_m) each, or None where phi'' vanishes.
        which: the inputs these are.
    """

    factors: Factors
    likelihood: LikelihoodWithMoments
    outputs: Tensor
    root: Tensor
    gains: tuple[Tensor | None, ...]
    which: slice

    @property
    def layers(self) -> range:
        """1, ..., L."""
        return range(1, len(self.factors.inputs) + 1)

    def inputs(self, layer: int) -> Tensor:
        """a^{l-1} with the 1 appended: (N, k_l)."""
        return self.factors.inputs[layer - 1]

    def first(self, layer: int) -> Tensor:
        """B^l = df / du^l: (N, C, n_l)."""
        return self.factors.signals[layer - 1]

    def second_terms(self, layer: int) -> Iterator[tuple[int, Tensor]]:
        """(m, the part of c^l that layer m >= l bends): m < L its nonlinearity, m = L outputs that are no natural parameters."""
        if layer < len(self.factors.inputs):
            yield from squared_paths(self.factors.network.weights, self.factors.slopes, self.gains, layer)
        bend = natural_bend(self.likelihood, self.outputs, self.first(layer))
        if bend is not None:
            yield len(self.factors.inputs), bend

    def second(self, layer: int) -> Tensor | None:
        """c^l with -d^2 log p / du_i^2 = f_i - c_i.s, diagonal second derivatives: (N, C, n_l); None where it is zero."""
        total: Tensor | None = None
        for _, term in self.second_terms(layer):
            total = term if total is None else total + term
        return total


def input_bytes(layout: ParameterLayout, item: int) -> int:
    """Bytes that one input takes while its derivatives are worked with."""
    units, outputs = sum(layout.units), layout.units[-1]
    paths = 3 * max(n * m for n in layout.units for m in layout.units)
    return item * (4 * sum(layout.unit_sizes) + (4 * outputs + 40) * units + paths + 6 * outputs**2)


def part_size(layout: ParameterLayout, samples: int, item: int, vectors: int, budget: Budget | None) -> int:
    """Inputs in one part, beside a result of so many vectors of P numbers.

    Raises:
        BudgetError: not even one input fits.
    """
    each, result = input_bytes(layout, item), vectors * layout.parameters * item
    allowed = budget or default_budget()
    check_memory(
        f"the variances of {layout.parameters:,} parameters and the derivatives of one input",
        each + result,
        allowed,
        remedy="a smaller width, fewer outputs, or a larger budget",
    )
    most = max(1, min(samples, PART_BYTES // each, (allowed.memory_bytes - result) // (2 * each)))
    return -(-samples // -(-samples // most))  # parts of even size


def derivative_parts(
    network: Network, x: Tensor, likelihood: LikelihoodWithMoments, size: int
) -> Iterator[OutputDerivatives]:
    """`OutputDerivatives` of consecutive slices of the inputs (N, n_0).

    Raises:
        OverflowError: the outputs are not finite.
    """
    for start in range(0, x.shape[0], size):
        which = slice(start, min(start + size, x.shape[0]))
        with torch.no_grad():
            made = _derivatives(network, x[which], likelihood, which)
        yield made
        del made  # a part alone is in memory while the next is made


def _derivatives(network: Network, x: Tensor, likelihood: LikelihoodWithMoments, which: slice) -> OutputDerivatives:
    passed = network.forward(x)
    outputs = passed.preactivations[-1]
    if not bool(torch.isfinite(outputs).all()):
        raise OverflowError(
            "the network's outputs overflow; lower `weight_variance` or the number of layers, or use a bounded activation."
        )
    units = torch.eye(network.outputs, dtype=outputs.dtype, device=outputs.device)
    made = factors_from_rows(network, passed, OutputRows(units.expand(x.shape[0], -1, -1)), "exact")
    phi = activation(network.activation)
    gains: list[Tensor | None] = []
    for layer, u in enumerate(passed.preactivations[:-1], start=1):
        bend = phi.second(u)
        gain = None
        if bool(bend.any()):
            gain = (made.signals[layer] @ network.weights[layer]).mul_(bend[:, None, :])
        gains.append(gain)
    return OutputDerivatives(made, likelihood, outputs, likelihood.output_fisher_root(outputs), tuple(gains), which)
