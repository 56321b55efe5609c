"""Factors of more inputs than fit into memory at once: consecutive slices, made one after another.

Every structure is a mean over inputs, so that it can be accumulated slice by slice; numbers agree for every slice size up to
rounding, because everything random was drawn for all inputs beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore.budget import Budget, check_memory, default_budget
from fimcore.fisher.factors import Factors, factors_bytes, factors_from_rows
from fimcore.fisher.output_rows import OutputRows, check_estimator, output_rows
from fimcore.likelihoods import Likelihood
from fimcore.networks import Network
from fimcore.parameters import ParameterLayout


@dataclass(frozen=True, eq=False)
class FactorParts:
    """Inputs whose factors are made `part_size` inputs at a time, again on every pass over `parts`.

    Attributes:
        network, x: whose factors, (N, n_0).
        output_rows: the estimator's rows at the outputs of all inputs.
        estimator: how the rows were made.
        part_size: inputs in one part.
    """

    network: Network
    x: Tensor
    output_rows: OutputRows
    estimator: str
    part_size: int

    @property
    def layout(self) -> ParameterLayout:
        """Order and names of the parameters."""
        return self.network.layout

    @property
    def samples(self) -> int:
        """N, the number of inputs in all parts together."""
        return self.x.shape[0]

    @property
    def rows(self) -> int:
        """R, rows per input."""
        return self.output_rows.root.shape[1]

    @property
    def dtype(self) -> torch.dtype:
        """The network's dtype."""
        return self.network.dtype

    @property
    def device(self) -> torch.device:
        """The network's device."""
        return self.network.device

    @property
    def parts(self) -> Iterator[Factors]:
        """Factors of consecutive slices of the inputs."""
        for part in self.slices:
            with torch.no_grad():
                passed = self.network.forward(self.x[part])
                yield factors_from_rows(self.network, passed, self.output_rows.part(part), self.estimator)

    @property
    def slices(self) -> list[slice]:
        """Which inputs each part holds."""
        return [
            slice(start, min(start + self.part_size, self.samples)) for start in range(0, self.samples, self.part_size)
        ]


AnyFactors = Factors | FactorParts


def counted(progress: Callable[..., object] | None, made: AnyFactors) -> Callable[[int, Factors], None]:
    """Progress by inputs and layers: call it with the layer (1..L) and the part that is done."""
    layers, done = made.layout.layers, 0

    def report(layer: int, part: Factors) -> None:
        nonlocal done
        done += part.samples
        if progress:
            progress(done / (made.samples * layers), f"layer {layer} of {layers}")

    return report


def summed(found: Iterable[Sequence[Tensor]]) -> list[Tensor]:
    """The sums over parts of what each part gave, in the memory of the first part's."""
    totals: list[Tensor] = []
    for values in found:
        if not totals:
            totals = list(values)
            continue
        for total, value in zip(totals, values, strict=True):
            total += value
    return totals


def factor_parts(
    network: Network,
    x: Tensor,
    likelihood: Likelihood,
    estimator: str = "exact",
    seed: int | None = None,
    labels: Tensor | None = None,
    draws: int = 1,
    *,
    memory_bytes: int | None = None,
    size: int | None = None,
) -> AnyFactors:
    """`factors` where they fit into the memory allowed, else the same in parts that do.

    Args:
        network, x, likelihood, estimator, seed, labels, draws: as in `factors`.
        memory_bytes: allowed for one part; half of the machine's memory where left out.
        size: inputs in one part; as many as fit where left out.

    Raises:
        BudgetError: not even the factors of one input fit.
    """
    check_estimator(estimator, seed, labels, draws)
    limit = default_budget().memory_bytes if memory_bytes is None else max(memory_bytes, 0)
    rows = draws if estimator in ("score", "probe") else 1 if estimator == "empirical" else network.outputs
    each = factors_bytes(network.layout, rows, estimator, network.weights[0].element_size())
    check_memory(
        f"the factors of one input of a network with {network.layout.parameters:,} parameters",
        each,
        Budget(limit),
        remedy="a smaller width, fewer outputs, or a larger budget",
    )
    fits = max(1, min(x.shape[0], limit // each)) if size is None else size
    with torch.no_grad():
        if fits >= x.shape[0]:
            passed = network.forward(x)
            made = output_rows(likelihood, passed.preactivations[-1], estimator, seed, labels, draws)
            return factors_from_rows(network, passed, made, estimator)
        outputs = torch.cat([network(x[start : start + fits]) for start in range(0, x.shape[0], fits)])
        made = output_rows(likelihood, outputs, estimator, seed, labels, draws)
    return FactorParts(network, x, made, estimator, fits)
