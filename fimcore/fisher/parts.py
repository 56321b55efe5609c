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
from fimcore.fisher.output_rows import SAMPLED, OutputPlan, check_estimator, output_plan, rows_count
from fimcore.likelihoods import Likelihood
from fimcore.networks import Network
from fimcore.parameters import ParameterLayout

# Whoever loops over parts still holds one while the next is made.
PARTS_ALIVE = 2


@dataclass(frozen=True, eq=False)
class FactorParts:
    """Inputs whose factors are made `part_size` inputs at a time, again on every pass over `parts`.

    Attributes:
        network, x: whose factors, (N, n_0).
        plan: what was drawn for all inputs.
        rows: R, rows per input.
        part_size: inputs in one part.
    """

    network: Network
    x: Tensor
    plan: OutputPlan
    rows: int
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
    def estimator(self) -> str:
        """How the rows are made."""
        return self.plan.estimator

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
                made = factors_from_rows(self.network, passed, self.plan.rows(part), self.estimator)
            del passed  # a part alone is in memory while it is used
            yield made
            del made

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


def within(progress: Callable[..., object] | None, start: float, share: float) -> Callable[..., object] | None:
    """Progress of one step of a longer computation, which begins at `start` and is `share` of the whole."""
    if progress is None:
        return None
    return lambda fraction, message: progress(min(start + fraction * share, 1.0), message)


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
    budget: Budget | None = None,
    reserved_bytes: int = 0,
    share: int = 1,
    size: int | None = None,
) -> AnyFactors:
    """`factors` where they fit into the memory allowed, else the same in parts that do.

    Args:
        network, x, likelihood, estimator, seed, labels, draws: as in `factors`.
        budget: memory allowed; half of the machine's where left out.
        reserved_bytes: of it, what a result will take.
        share: the factors take one part in so many of what is left.
        size: inputs in one part; as many as fit where left out.

    Raises:
        BudgetError: not even the factors of one input fit.
    """
    check_estimator(estimator, seed, labels, draws)
    allowed = budget or default_budget()
    rows = rows_count(estimator, network.outputs, draws)
    # a standard error needs the exact factors of the same inputs beside the sampled ones
    most = max(rows, network.outputs) if estimator in SAMPLED else rows
    each = share * factors_bytes(network.layout, most, estimator, network.weights[0].element_size())
    check_memory(
        f"the factors of one input of a network with {network.layout.parameters:,} parameters"
        + (", beside the result," if reserved_bytes else ""),
        each + reserved_bytes,
        allowed,
        remedy="a smaller width, fewer outputs, or a larger budget",
    )
    left = allowed.memory_bytes - reserved_bytes
    fits = x.shape[0] if left // each >= x.shape[0] else max(1, left // (PARTS_ALIVE * each))
    fits = min(fits if size is None else size, x.shape[0])
    with torch.no_grad():
        if fits >= x.shape[0]:
            passed = network.forward(x)
            plan = output_plan(likelihood, passed.preactivations[-1], estimator, seed, labels, draws)
            return factors_from_rows(network, passed, plan.rows(), estimator)
        outputs = torch.cat([network(x[start : start + fits]) for start in range(0, x.shape[0], fits)])
        plan = output_plan(likelihood, outputs, estimator, seed, labels, draws)
    return FactorParts(network, x, plan, rows, fits)
