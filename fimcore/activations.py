"""Activations of the measured wing: phi, phi' and phi'' on torch tensors, in the dtype and on the device of the argument.

tanh, erf(u) (not erf(u/sqrt 2)), relu, leaky_relu (slope 0.01), gelu (exact, u Phi(u)), silu, softplus, sigmoid, sin,
elu (alpha 1), linear. At a kink the derivative is the one from the left (relu'(0) = 0), as in torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fimcore.architecture import ACTIVATION_NAMES, check_choice

LEAKY_SLOPE = 0.01


@dataclass(frozen=True)
class Activation:
    """One activation with its first and second derivative, each an elementwise function of the pre-activation."""

    name: str
    value: Callable[[Tensor], Tensor]
    first: Callable[[Tensor], Tensor]
    second: Callable[[Tensor], Tensor]
    first_from_value: Callable[[Tensor], Tensor] | None = None

    def slope(self, u: Tensor, value: Tensor) -> Tensor:
        """phi'(u) where phi(u) is known already, from it alone where that is possible."""
        return self.first(u) if self.first_from_value is None else self.first_from_value(value)

    def __call__(self, u: Tensor) -> Tensor:
        """phi(u), elementwise."""
        return self.value(u)


def _tanh_first(u: Tensor) -> Tensor:
    return 1 - torch.tanh(u).square()


def _tanh_second(u: Tensor) -> Tensor:
    value = torch.tanh(u)
    return -2 * value * (1 - value.square())


def _erf_first(u: Tensor) -> Tensor:
    return torch.exp(-u.square()) * (2 / math.sqrt(math.pi))


def _erf_second(u: Tensor) -> Tensor:
    return -2 * u * _erf_first(u)


def _step(u: Tensor) -> Tensor:
    return (u > 0).to(u.dtype)


def _leaky_first(u: Tensor) -> Tensor:
    return LEAKY_SLOPE + (1 - LEAKY_SLOPE) * _step(u)


def _normal_density(u: Tensor) -> Tensor:
    return torch.exp(-u.square() / 2) / math.sqrt(2 * math.pi)


def _gelu_first(u: Tensor) -> Tensor:
    return torch.special.ndtr(u) + u * _normal_density(u)


def _gelu_second(u: Tensor) -> Tensor:
    return (2 - u.square()) * _normal_density(u)


def _sigmoid_first(u: Tensor) -> Tensor:
    value = torch.sigmoid(u)
    return value * (1 - value)


def _sigmoid_second(u: Tensor) -> Tensor:
    value = torch.sigmoid(u)
    return value * (1 - value) * (1 - 2 * value)


def _silu_first(u: Tensor) -> Tensor:
    value = torch.sigmoid(u)
    return value * (1 + u * (1 - value))


def _silu_second(u: Tensor) -> Tensor:
    value = torch.sigmoid(u)
    return value * (1 - value) * (2 + u * (1 - 2 * value))


def _elu_first(u: Tensor) -> Tensor:
    return torch.where(u > 0, torch.ones_like(u), torch.exp(u.clamp(max=0)))


def _elu_second(u: Tensor) -> Tensor:
    return torch.where(u > 0, torch.zeros_like(u), torch.exp(u.clamp(max=0)))


def _minus_sin(u: Tensor) -> Tensor:
    return -torch.sin(u)


def _leaky_relu(u: Tensor) -> Tensor:
    return torch.nn.functional.leaky_relu(u, LEAKY_SLOPE)


def _identity(u: Tensor) -> Tensor:
    return u


_ACTIVATIONS = {
    activation.name: activation
    for activation in (
        Activation("tanh", torch.tanh, _tanh_first, _tanh_second, lambda a: 1 - a.square()),
        Activation("erf", torch.erf, _erf_first, _erf_second),
        Activation("relu", torch.relu, _step, torch.zeros_like, _step),
        Activation("leaky_relu", _leaky_relu, _leaky_first, torch.zeros_like, _leaky_first),
        Activation("gelu", torch.nn.functional.gelu, _gelu_first, _gelu_second),
        Activation("silu", torch.nn.functional.silu, _silu_first, _silu_second),
        Activation("softplus", torch.nn.functional.softplus, torch.sigmoid, _sigmoid_first),
        Activation("sigmoid", torch.sigmoid, _sigmoid_first, _sigmoid_second, lambda a: a * (1 - a)),
        Activation("sin", torch.sin, torch.cos, _minus_sin),
        Activation("elu", torch.nn.functional.elu, _elu_first, _elu_second),
        Activation("linear", _identity, torch.ones_like, torch.zeros_like),
    )
}


def activation(name: str) -> Activation:
    """The activation of that name.

    Raises:
        ValueError: the name is not one of `ACTIVATION_NAMES`.
    """
    check_choice("activation", name, ACTIVATION_NAMES)
    return _ACTIVATIONS[name]
