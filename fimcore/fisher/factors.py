"""The whole Fisher matrix in factored form: per layer the inputs with a 1 appended, and the backpropagated signals.

The gradient of row c of B f (B the root of the output Fisher matrix) with respect to the parameters of unit i of layer l is
delta^l_{c,i} (a^{l-1}, 1), so that F = (1/N) sum_x sum_c g_{x,c} g_{x,c}^T with g built from these two factors: one forward
pass, one backward pass, and no structure touches the network again.
Source: Amari, Karakida, Oizumi, Fisher Information and Natural Gradient Learning of Random Deep Networks, arXiv 1808.07172.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore.activations import activation
from fimcore.budget import Budget, check_memory
from fimcore.fisher.curvature import Curvature
from fimcore.fisher.output_rows import ESTIMATORS, OutputRows, check_estimator, output_plan, rows_count
from fimcore.fisher.products import contraction
from fimcore.likelihoods import Likelihood
from fimcore.networks import ForwardPass, Network
from fimcore.parameters import ParameterLayout

__all__ = ["ESTIMATORS", "Factors", "factors", "factors_bytes", "factors_from_rows"]

ALL = slice(None)

# Up to this number of rows per input, products with the Jacobian go through the rows' own signals.
FEW_ROWS = 2


@dataclass(frozen=True, eq=False)
class Factors:
    """Layer inputs and backpropagated signals of N inputs; R rows per input (R = C for the exact Fisher matrix).

    Attributes:
        inputs: L tensors (N, k_l), k_l = n_{l-1} + 1, the layer's input with the constant 1 appended.
        signals: L tensors (N, R, n_l), the rows of the output root backpropagated to the layer's pre-activations.
        slopes: L - 1 tensors (N, n_l), phi'(u^l) of the hidden layers.
        network: whose factors these are; its `layout` gives order and names of the parameters.
        estimator: how the rows were made (see `factors`).
        curvature: of the estimator "hessian", what it adds to the Fisher matrix; else None.
    """

    inputs: tuple[Tensor, ...]
    signals: tuple[Tensor, ...]
    slopes: tuple[Tensor, ...]
    network: Network
    estimator: str = "exact"
    curvature: Curvature | None = None

    @property
    def layout(self) -> ParameterLayout:
        """Order and names of the parameters."""
        return self.network.layout

    @property
    def samples(self) -> int:
        """N, the number of inputs."""
        return self.inputs[0].shape[0]

    @property
    def rows(self) -> int:
        """R, rows per input."""
        return self.signals[0].shape[1]

    @property
    def dtype(self) -> torch.dtype:
        """The network's dtype."""
        return self.inputs[0].dtype

    @property
    def device(self) -> torch.device:
        """The network's device."""
        return self.inputs[0].device

    @property
    def parts(self) -> tuple[Factors, ...]:
        """Consecutive slices of the inputs, here all of them at once (see `FactorParts`)."""
        return (self,)

    @property
    def part_size(self) -> int:
        """Inputs in one part, here all."""
        return self.samples

    def jacobian_product(self, vectors: Tensor) -> Tensor:
        """J v for v of shape (P,) or (P, m): the rows' directional derivatives, (N R,) or (N R, m)."""
        columns = vectors.reshape(vectors.shape[0], -1)
        found = torch.stack([self._along(self._grids(column)) for column in columns.T], dim=2)
        return found.reshape(self.samples * self.rows, *vectors.shape[1:])

    def transpose_product(self, rows: Tensor) -> Tensor:
        """J^T t for t of shape (N R,) or (N R, m): parameter vectors, (P,) or (P, m)."""
        weights = rows.reshape(self.samples, self.rows, -1)
        found = [torch.cat([grid.reshape(-1) for grid in self._back(weight)]) for weight in weights.unbind(2)]
        return torch.stack(found, dim=1).reshape(self.layout.parameters, *rows.shape[1:])

    def _grids(self, column: Tensor) -> list[Tensor]:
        """A parameter vector as one (n_l, k_l) tensor a layer."""
        shapes = zip(self.layout.units, self.layout.unit_sizes, strict=True)
        return [
            piece.reshape(shape) for piece, shape in zip(column.split(self.layout.layer_sizes), shapes, strict=True)
        ]

    def _along(self, grids: list[Tensor]) -> Tensor:
        """J v of one direction: (N, R). Few rows meet the signals; more share one pass of derivatives forwards."""
        moved = self.inputs[0] @ grids[0].T
        if self.rows <= FEW_ROWS:
            total = (self.signals[0] * moved[:, None, :]).sum(dim=2)
            for a, delta, grid in zip(self.inputs[1:], self.signals[1:], grids[1:], strict=True):
                total += (delta * (a @ grid.T)[:, None, :]).sum(dim=2)
            return total
        for layer in range(1, len(self.inputs)):
            weight = self.network.weights[layer]
            moved = torch.addmm(self.inputs[layer] @ grids[layer].T, moved * self.slopes[layer - 1], weight.T)
        return contraction("nrc,nc->nr", self.signals[-1], moved)

    def _back(self, weights: Tensor) -> list[Tensor]:
        """J^T t of one weighting (N, R) of the rows: one (n_l, k_l) tensor a layer."""
        if self.rows <= FEW_ROWS:
            pulled = [(delta * weights[:, :, None]).sum(dim=1) for delta in self.signals]
        else:
            pulled = [contraction("nrc,nr->nc", self.signals[-1], weights)]
            for layer in range(len(self.inputs) - 1, 0, -1):
                pulled.append((pulled[-1] @ self.network.weights[layer]) * self.slopes[layer - 1])
            pulled.reverse()
        return [signal.T @ a for signal, a in zip(pulled, self.inputs, strict=True)]

    def fisher_product(self, vectors: Tensor) -> Tensor:
        """N F v for v of shape (P,) or (P, m), curvature included: the sum over these inputs."""
        result = self.transpose_product(self.jacobian_product(vectors))
        if self.curvature is None:
            return result
        columns = vectors.reshape(vectors.shape[0], -1)
        for place, column in enumerate(columns.T):
            added = torch.cat([part.reshape(-1) for part in self.curvature.product(self.inputs, self._grids(column))])
            result.reshape(columns.shape)[:, place] += added
        return result

    def quadratic_form(self, vectors: Tensor) -> Tensor:
        """v^T F_x v at every input x for v of shape (P, m), curvature included: (N, m); its mean is v^T F v."""
        found = []
        for column in vectors.T:
            grids = self._grids(column)
            value = self._along(grids).square().sum(dim=1)
            if self.curvature is not None:
                value = value + self.curvature.quadratic_form(self.inputs, grids)
            found.append(value)
        return torch.stack(found, dim=1)

    def jacobian(self) -> Tensor:
        """J itself, (N R, P): for small networks and tests."""
        parts = [
            (delta[:, :, :, None] * a[:, None, None, :]).reshape(self.samples * self.rows, -1)
            for a, delta in zip(self.inputs, self.signals, strict=True)
        ]
        return torch.cat(parts, dim=1)

    def unit_strength(self, layer: int) -> Tensor:
        """S^l_i(x) = sum_c delta_{c,i}(x)^2 for layer 1..L: (N, n_l); "hessian" adds E_ii(x), and S may be negative."""
        strength = self.signals[layer - 1].square().sum(dim=1)
        if self.curvature is None:
            return strength
        return strength + self.curvature.units[layer - 1].diagonal(dim1=1, dim2=2)

    def folded(
        self, layer: int, other: int, units: slice = ALL, other_units: slice = ALL, inputs: slice = ALL
    ) -> Tensor:
        """sum_c delta^layer_{c,i} delta^other_{c,j} per input, layer <= other, plus the curvature's part: (N, n, n')."""
        delta = self.signals[layer - 1][inputs, :, units]
        partner = self.signals[other - 1][inputs, :, other_units]
        if self.rows == 1:
            found = delta[:, 0, :, None] * partner[:, 0, None, :]
        else:
            found = torch.bmm(delta.transpose(1, 2), partner)
        if self.curvature is None:
            return found
        return found + self.curvature.mixed(layer, other, units, other_units)[inputs]


def factors(
    network: Network,
    x: Tensor,
    likelihood: Likelihood,
    estimator: str = "exact",
    seed: int | None = None,
    labels: Tensor | None = None,
    draws: int = 1,
    *,
    budget: Budget | None = None,
) -> Factors:
    """Forward and backward pass that put the Fisher matrix of a network into factored form.

    Rows per input: "exact" the rows of the output root B (model expectation over labels in closed form); "score" the scores at
    `draws` labels drawn from the model, each divided by sqrt(draws); "hessian" the rows of B, and the curvature at `draws`
    such labels; "empirical" one score at the data's label; "probe" `draws` random-sign combinations of the rows of B. All
    give E F_hat = F except "empirical", which is another matrix.

    Args:
        network: weights and biases.
        x: (N, n_0) inputs in the network's dtype and on its device.
        likelihood: output family.
        estimator: "exact", "score", "hessian", "empirical" or "probe".
        seed: of "score", "hessian" and "probe"; required there, refused elsewhere.
        labels: of "empirical"; required there, refused elsewhere.
        draws: labels (or sign vectors) per input of the estimators that draw.
        budget: memory allowed for the factors.

    Raises:
        ValueError: unknown estimator, missing or superfluous seed or labels, or wrong shapes. BudgetError: too many inputs.
    """
    check_estimator(estimator, seed, labels, draws)
    rows = rows_count(estimator, network.outputs, draws)
    check_memory(
        f"the factors of {x.shape[0]:,} inputs",
        x.shape[0] * factors_bytes(network.layout, rows, estimator, network.weights[0].element_size()),
        budget,
        remedy="fewer inputs; `fisher`, `spectrum` and `block_norms` work through them in parts",
    )
    with torch.no_grad():
        passed = network.forward(x)
        plan = output_plan(likelihood, passed.preactivations[-1], estimator, seed, labels, draws)
        return factors_from_rows(network, passed, plan.rows(), estimator)


def factors_from_rows(network: Network, passed: ForwardPass, rows: OutputRows, estimator: str) -> Factors:
    """The factors of a forward pass whose rows at the outputs are known."""
    inputs = []
    for a in passed.activations:
        appended = torch.empty(a.shape[0], a.shape[1] + 1, dtype=a.dtype, device=a.device)
        appended[:, :-1] = a
        appended[:, -1] = 1
        inputs.append(appended)
    phi = activation(network.activation)
    hidden = passed.preactivations[:-1]
    first = tuple(phi.slope(u, a) for u, a in zip(hidden, passed.activations[1:], strict=True))
    signals = _backpropagate(network, first, rows.root)
    curvature = None
    if rows.scores is not None:
        scores = _backpropagate(network, first, rows.scores[:, None, :])
        second = tuple(phi.second(u) for u in hidden)
        curvature = Curvature(network, first, second, tuple(score[:, 0] for score in scores), rows.excess)
    return Factors(tuple(inputs), signals, first, network, estimator, curvature)


def factors_bytes(layout: ParameterLayout, rows: int, estimator: str = "exact", item: int = 8) -> int:
    """Bytes of the factors of one input, with what making them holds for a moment."""
    units, sizes = sum(layout.units), sum(layout.unit_sizes)
    numbers = 2 * sizes + 3 * units + rows * (units + max(layout.units) + 2 * layout.units[-1])
    if estimator == "hessian":
        numbers += 3 * units + sum(n * n for n in layout.units) + 3 * max(layout.units) ** 2
    return numbers * item


def _backpropagate(network: Network, first: tuple[Tensor, ...], root: Tensor) -> tuple[Tensor, ...]:
    """delta^L = B, delta^l_c = phi'(u^l) * (W^{l+1})^T delta^{l+1}_c, for every row c at once."""
    signals = [root]
    for layer in range(len(network.weights) - 1, 0, -1):
        pulled = signals[-1] @ network.weights[layer]
        signals.append(pulled.mul_(first[layer - 1][:, None, :]))
    return tuple(reversed(signals))
