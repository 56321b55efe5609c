"""One draw of a fully connected network: f = u^L, u^l = W^l a^{l-1} + b^l, a^l = phi(u^l), a^0 = x.

Random draws follow Poole et al., Exponential expressivity in deep neural networks through transient chaos, arXiv 1606.05340.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fimcore.activations import LEAKY_SLOPE, activation
from fimcore.architecture import Architecture
from fimcore.parameters import ParameterLayout

_TORCH_MODULES: dict[str, type[nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "sigmoid": nn.Sigmoid,
    "elu": nn.ELU,
    "linear": nn.Identity,
}
_SUPPORTED = (
    "Supported: torch.nn.Sequential of Linear layers (with bias) with one and the same activation between them, out of "
    "Tanh, ReLU, LeakyReLU(0.01), GELU (exact), SiLU, Softplus (beta 1), Sigmoid, ELU (alpha 1) or none."
)


class ForwardPass(NamedTuple):
    """Everything a forward pass produces, kept for the backward pass."""

    activations: tuple[Tensor, ...]  # a^0 = x, ..., a^{L-1}, each (N, n_l)
    preactivations: tuple[Tensor, ...]  # u^1, ..., u^L, each (N, n_l); the last one is the output


@dataclass(frozen=True, eq=False)
class Network:
    """Weights and biases of one fully connected network with a linear read-out.

    Args:
        weights: L tensors (n_l, n_{l-1}).
        biases: L tensors (n_l,).
        activation: name of the hidden layers' activation.

    Raises:
        ValueError: shapes, dtypes or devices do not fit together, or the activation is unknown.
    """

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]
    activation: str = "tanh"
    layout: ParameterLayout = field(init=False)

    def __post_init__(self) -> None:
        weights, biases = tuple(w.detach() for w in self.weights), tuple(b.detach() for b in self.biases)
        activation(self.activation)
        if not weights or len(weights) != len(biases):
            raise ValueError(
                f"`weights` has {len(weights)} tensors and `biases` {len(biases)}; give one of each per layer."
            )
        for number, (weight, bias) in enumerate(zip(weights, biases, strict=True), start=1):
            fan_in = weights[number - 2].shape[0] if number > 1 else weight.shape[-1]
            if weight.ndim != 2 or bias.shape != weight.shape[:1] or weight.shape[1] != fan_in:
                raise ValueError(
                    f"layer {number}: `weights` has shape {tuple(weight.shape)} and `biases` {tuple(bias.shape)}; "
                    f"give (n_l, {fan_in}) and (n_l,)."
                )
            if {weight.dtype, bias.dtype} != {weights[0].dtype} or {weight.device, bias.device} != {weights[0].device}:
                raise ValueError(f"layer {number}: all `weights` and `biases` must share one dtype and one device.")
        if weights[0].dtype not in (torch.float32, torch.float64):
            raise ValueError(f"`weights` has dtype {weights[0].dtype}; give float32 or float64 tensors.")
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "biases", biases)
        object.__setattr__(self, "layout", ParameterLayout((weights[0].shape[1], *(w.shape[0] for w in weights))))

    @property
    def widths(self) -> tuple[int, ...]:
        """n_0, ..., n_L."""
        return self.layout.widths

    @property
    def outputs(self) -> int:
        """C = n_L."""
        return self.widths[-1]

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of every weight, and of everything computed from them."""
        return self.weights[0].dtype

    @property
    def device(self) -> torch.device:
        """The device of every weight."""
        return self.weights[0].device

    def __call__(self, x: Tensor) -> Tensor:
        """Outputs f(x): (N, n_0) -> (N, C)."""
        return self.forward(x).preactivations[-1]

    def forward(self, x: Tensor) -> ForwardPass:
        """One forward pass that keeps every activation and pre-activation.

        Raises:
            ValueError: x is not (N, n_0) with N >= 1, or not of the network's dtype and device.
        """
        if x.ndim != 2 or x.shape[1] != self.widths[0] or x.shape[0] < 1:
            raise ValueError(f"`x` has shape {tuple(x.shape)}; this network takes (N, {self.widths[0]}) with N >= 1.")
        if x.dtype != self.dtype or x.device != self.device:
            raise ValueError(
                f"`x` is {x.dtype} on {x.device}, the network {self.dtype} on {self.device}; convert one of them."
            )
        phi = activation(self.activation)
        activations, preactivations = [x], []
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True), start=1):
            preactivations.append(torch.addmm(bias, activations[-1], weight.T))
            if number < len(self.weights):
                activations.append(phi(preactivations[-1]))
        return ForwardPass(tuple(activations), tuple(preactivations))

    def parameter_vector(self) -> Tensor:
        """All P parameters in fimcore's order (see `ParameterLayout`)."""
        return torch.cat(
            [torch.cat([w, b[:, None]], dim=1).reshape(-1) for w, b in zip(self.weights, self.biases, strict=True)]
        )

    def with_parameters(self, vector: Tensor) -> Network:
        """The same network with its parameters replaced by a (P,) vector in fimcore's order."""
        if vector.shape != (self.layout.parameters,):
            raise ValueError(f"`vector` has shape {tuple(vector.shape)}; give ({self.layout.parameters},).")
        weights, biases = [], []
        for layer, units in enumerate(self.layout.units, start=1):
            grid = vector[self.layout.layer_slice(layer)].reshape(units, -1)
            weights.append(grid[:, :-1].contiguous())
            biases.append(grid[:, -1].contiguous())
        return Network(tuple(weights), tuple(biases), self.activation)

    @classmethod
    def from_torch(cls, sequential: nn.Sequential) -> Network:
        """Copy a torch.nn.Sequential of Linear and activation layers.

        Raises:
            ValueError: anything else, with a sentence that says what is supported.
        """
        linears: list[nn.Linear] = []
        names: list[str] = []
        for position, module in enumerate(sequential):
            if isinstance(module, nn.Linear):
                if module.bias is None:
                    raise ValueError(f"`sequential`[{position}] has no bias. {_SUPPORTED}")
                if len(names) < len(linears):
                    names.append("linear")
                linears.append(module)
                continue
            found = next((name for name, kind in _TORCH_MODULES.items() if type(module) is kind), None)
            if found is None or len(names) != len(linears) - 1 or not _has_plain_settings(module):
                raise ValueError(f"`sequential`[{position}] is {module}. {_SUPPORTED}")
            names.append(found)
        if not linears or len(names) == len(linears) or len(set(names)) > 1:
            raise ValueError(f"`sequential` is {sequential}. {_SUPPORTED}")
        return cls(
            tuple(linear.weight.detach().clone() for linear in linears),
            tuple(linear.bias.detach().clone() for linear in linears),
            names[0] if names else "linear",
        )

    def to_torch(self) -> nn.Sequential:
        """A torch.nn.Sequential with the same weights and outputs.

        Raises:
            ValueError: torch has no module for the activation (erf, sin).
        """
        if self.activation not in _TORCH_MODULES:
            raise ValueError(f"`activation` is {self.activation!r}, for which torch has no module. {_SUPPORTED}")
        kind = _TORCH_MODULES[self.activation]
        modules: list[nn.Module] = []
        for weight, bias in zip(self.weights, self.biases, strict=True):
            linear = nn.Linear(weight.shape[1], weight.shape[0], dtype=self.dtype, device=self.device)
            linear.weight, linear.bias = nn.Parameter(weight.clone()), nn.Parameter(bias.clone())
            modules += [linear, kind()]
        return nn.Sequential(*modules[:-1])


def _has_plain_settings(module: nn.Module) -> bool:
    """Whether a module's settings are those the activation's name stands for."""
    settings = {
        nn.LeakyReLU: ("negative_slope", LEAKY_SLOPE),
        nn.GELU: ("approximate", "none"),
        nn.Softplus: ("beta", 1),
        nn.ELU: ("alpha", 1.0),
    }
    name, value = settings.get(type(module), ("training", module.training))
    return bool(getattr(module, name) == value)


def sample_network(
    architecture: Architecture,
    seed: int | torch.Generator = 0,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Network:
    """Draw one random network: W^l_ij ~ N(0, sigma_w^2 / n_{l-1}) (or orthogonal), b^l_i ~ N(0, sigma_b^2).

    Numbers are always drawn in float64 on the CPU, so that a seed means the same network in every dtype and on every device.
    Orthogonal: W = sigma_w O sqrt(max(n_l, n_{l-1}) / n_{l-1}) with O having orthonormal rows or columns, so that the mean
    squared entry is sigma_w^2 / n_{l-1} as in the Gaussian case.

    Args:
        architecture: widths, activation and variances.
        seed: whole number, or a CPU `torch.Generator` that is advanced.
        dtype, device: of the returned network.
    """
    generator = seed if isinstance(seed, torch.Generator) else torch.Generator().manual_seed(int(seed))
    weights, biases = [], []
    pairs = zip(architecture.widths[:-1], architecture.widths[1:], strict=True)
    for fan_in, units in pairs:
        draw = torch.randn(units, fan_in, generator=generator, dtype=torch.float64)
        scale = (architecture.weight_variance / fan_in) ** 0.5
        if architecture.init == "orthogonal":
            draw, scale = _orthogonal(draw), scale * max(units, fan_in) ** 0.5
        bias = torch.randn(units, generator=generator, dtype=torch.float64)
        weights.append((draw * scale).to(dtype=dtype, device=device))
        biases.append((bias * architecture.bias_variance**0.5).to(dtype=dtype, device=device))
    return Network(tuple(weights), tuple(biases), architecture.activation)


def _orthogonal(gaussian: Tensor) -> Tensor:
    """Haar-distributed orthonormal rows (or columns, whichever are fewer) from a Gaussian matrix."""
    tall = gaussian if gaussian.shape[0] >= gaussian.shape[1] else gaussian.T
    q, r = torch.linalg.qr(tall)
    q = q * torch.sign(torch.diagonal(r))
    return q if gaussian.shape[0] >= gaussian.shape[1] else q.T
