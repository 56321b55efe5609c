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
from fimcore.architecture import check_choice
from fimcore.likelihoods import Likelihood
from fimcore.networks import ForwardPass, Network
from fimcore.parameters import ParameterLayout

ESTIMATORS = ("exact", "score", "empirical", "probe")


@dataclass(frozen=True, eq=False)
class Factors:
    """Layer inputs and backpropagated signals of N inputs; R rows per input (R = C for the exact Fisher matrix).

    Attributes:
        inputs: L tensors (N, k_l), k_l = n_{l-1} + 1, the layer's input with the constant 1 appended.
        signals: L tensors (N, R, n_l), the rows of the output root backpropagated to the layer's pre-activations.
        layout: order and names of the parameters.
        estimator: how the rows were made (see `factors`).
    """

    inputs: tuple[Tensor, ...]
    signals: tuple[Tensor, ...]
    layout: ParameterLayout
    estimator: str = "exact"

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

    def jacobian_product(self, vectors: Tensor) -> Tensor:
        """J v for v of shape (P,) or (P, m): the rows' directional derivatives, (N R,) or (N R, m)."""
        columns = vectors.reshape(vectors.shape[0], -1)
        total = torch.zeros(self.samples, self.rows, columns.shape[1], dtype=self.dtype, device=self.device)
        for layer, (a, delta) in enumerate(zip(self.inputs, self.signals, strict=True), start=1):
            units, size = delta.shape[2], a.shape[1]
            grid = columns[self.layout.layer_slice(layer)].reshape(units, size, -1)
            lifted = torch.einsum("na,uam->num", a, grid)
            total += torch.bmm(delta, lifted)
        return total.reshape(self.samples * self.rows, *vectors.shape[1:])

    def transpose_product(self, rows: Tensor) -> Tensor:
        """J^T t for t of shape (N R,) or (N R, m): parameter vectors, (P,) or (P, m)."""
        weights = rows.reshape(self.samples, self.rows, -1)
        parts = []
        for a, delta in zip(self.inputs, self.signals, strict=True):
            pulled = torch.einsum("nru,nrm->num", delta, weights)
            parts.append(torch.einsum("num,na->uam", pulled, a).reshape(-1, weights.shape[2]))
        return torch.cat(parts).reshape(self.layout.parameters, *rows.shape[1:])

    def jacobian(self) -> Tensor:
        """J itself, (N R, P): for small networks and tests."""
        parts = [
            (delta[:, :, :, None] * a[:, None, None, :]).reshape(self.samples * self.rows, -1)
            for a, delta in zip(self.inputs, self.signals, strict=True)
        ]
        return torch.cat(parts, dim=1)

    def unit_strength(self, layer: int) -> Tensor:
        """S^l_i(x) = sum_c delta_{c,i}(x)^2 for layer 1..L: (N, n_l)."""
        return self.signals[layer - 1].square().sum(dim=1)


def factors(
    network: Network,
    x: Tensor,
    likelihood: Likelihood,
    estimator: str = "exact",
    seed: int | None = None,
    labels: Tensor | None = None,
    draws: int = 1,
) -> Factors:
    """Forward and backward pass that put the Fisher matrix of a network into factored form.

    Rows per input: "exact" the rows of the output root B (model expectation over labels in closed form); "score" the scores at
    `draws` labels drawn from the model, each divided by sqrt(draws); "empirical" one score at the data's label; "probe" one
    random-sign combination of the rows of B. All four give E F_hat = F except "empirical", which is another matrix.

    Args:
        network: weights and biases.
        x: (N, n_0) inputs in the network's dtype and on its device.
        likelihood: output family.
        estimator: "exact", "score", "empirical" or "probe".
        seed: of "score" and "probe"; required there, refused elsewhere.
        labels: of "empirical"; required there, refused elsewhere.
        draws: labels per input of "score".

    Raises:
        ValueError: unknown estimator, missing or superfluous seed or labels, or wrong shapes.
    """
    check_choice("estimator", estimator, ESTIMATORS)
    if (seed is not None) != (estimator in ("score", "probe")):
        wanted = "needs a whole number" if seed is None else "must be left out"
        raise ValueError(f"`seed` is {seed!r}; the estimator {estimator!r} draws random numbers or not: it {wanted}.")
    if (labels is not None) != (estimator == "empirical"):
        wanted = "needs the data's labels" if labels is None else "must be left out: only 'empirical' uses labels"
        raise ValueError(f"`labels` is {'None' if labels is None else 'given'}; estimator {estimator!r} {wanted}.")
    if draws < 1 or (draws > 1 and estimator != "score"):
        raise ValueError(f"`draws` is {draws}; give 1 or more for the estimator 'score', and leave it at 1 elsewhere.")
    passed = network.forward(x)
    outputs = passed.preactivations[-1]
    if not bool(torch.isfinite(outputs).all()):
        raise OverflowError(
            "the network's outputs overflow; lower `weight_variance` or the number of layers, or use a bounded activation."
        )
    if estimator == "exact":
        root = likelihood.output_fisher_root(outputs)
    elif estimator == "probe":
        root = _probe(likelihood.output_fisher_root(outputs), int(seed or 0))
    elif labels is not None:
        root = likelihood.score(outputs, labels)[:, None, :]
    else:
        generator = torch.Generator().manual_seed(int(seed or 0))
        scores = [likelihood.score(outputs, likelihood.sample(outputs, generator)) for _ in range(draws)]
        root = torch.stack(scores, dim=1) / draws**0.5
    ones = torch.ones(x.shape[0], 1, dtype=network.dtype, device=network.device)
    inputs = tuple(torch.cat([a, ones], dim=1) for a in passed.activations)
    return Factors(inputs, _backpropagate(network, passed, root), network.layout, estimator)


def _probe(root: Tensor, seed: int) -> Tensor:
    """Random signs through the output root: (N, 1, C) with E of its outer product equal to Q."""
    bits = torch.randint(0, 2, root.shape[:2], generator=torch.Generator().manual_seed(seed))
    signs = (2 * bits - 1).to(root)
    return torch.einsum("nr,nrc->nc", signs, root)[:, None, :]


def _backpropagate(network: Network, passed: ForwardPass, root: Tensor) -> tuple[Tensor, ...]:
    """delta^L = B, delta^l_c = phi'(u^l) * (W^{l+1})^T delta^{l+1}_c, for every row c at once."""
    first = activation(network.activation).first
    signals = [root]
    for layer in range(len(network.weights) - 1, 0, -1):
        derivative = first(passed.preactivations[layer - 1])[:, None, :]
        signals.append((signals[-1] @ network.weights[layer]) * derivative)
    return tuple(reversed(signals))
